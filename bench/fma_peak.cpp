// How many float operations a second this machine can do at most: every thread runs independent
// chains of fused multiply-adds in registers. Compiled and run by _roofline.py:
//
//     c++ -O3 -march=native -fopenmp fma_peak.cpp && OMP_NUM_THREADS=2 ./a.out
//
// Prints FLOP/s, the best of several runs.
#include <algorithm>
#include <chrono>
#include <cstdio>

namespace {

#if defined(__AVX512F__)
constexpr int kBytes = 64, kChains = 24;  // 32 registers
#elif defined(__AVX__)
constexpr int kBytes = 32, kChains = 12;  // 16 registers; 8 chains fill two units of latency 4
#elif defined(__x86_64__)
constexpr int kBytes = 16, kChains = 12;
#else
constexpr int kBytes = 16, kChains = 24;  // 32 registers, four units of latency 4
#endif
constexpr int kLanes = kBytes / static_cast<int>(sizeof(float));
constexpr long kSteps = 4'000'000;
constexpr int kRuns = 10;

typedef float Vec __attribute__((vector_size(kBytes)));

// x = x * scale + offset, kSteps times in every chain; returns a sum so that nothing is left out.
float chains(float scale, float offset) {
  Vec x[kChains];
  for (int i = 0; i < kChains; ++i) x[i] = Vec{} + static_cast<float>(i);
  const Vec a = Vec{} + scale, b = Vec{} + offset;
  for (long step = 0; step < kSteps; ++step) {
#pragma GCC unroll 32
    for (int i = 0; i < kChains; ++i) x[i] = x[i] * a + b;
  }
  float sum = 0.0F;
  for (int i = 0; i < kChains; ++i) {
    for (int lane = 0; lane < kLanes; ++lane) sum += x[i][lane];
  }
  return sum;
}

}  // namespace

int main() {
  using Clock = std::chrono::steady_clock;
  double best = 0.0;
  volatile float scale = 0.999F, offset = 0.001F;  // the chains converge to 1
  for (int run = 0; run < kRuns; ++run) {
    float sum = 0.0F;
    int threads = 0;
    const auto start = Clock::now();
#pragma omp parallel reduction(+ : sum, threads)
    {
      sum += chains(scale, offset);
      threads += 1;
    }
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    if (!(sum > 0.0F)) return 1;
    const double operations = 2.0 * kLanes * kChains * static_cast<double>(kSteps) * threads;
    best = std::max(best, operations / seconds);
  }
  std::printf("%.6g\n", best);
}
