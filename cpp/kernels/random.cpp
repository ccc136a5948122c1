#include "kernels/random.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numbers>

#include "simd/vec.hpp"

namespace convlet {
namespace {

using simd::kLanes;
using simd::UintVec;

constexpr int kCounters = kRandomGroup / 4;
constexpr int kRounds = 10;
constexpr std::uint32_t kMultiplier[] = {0xD2511F53, 0xCD9E8D57};
constexpr std::uint32_t kWeyl[] = {0x9E3779B9, 0xBB67AE85};

std::uint32_t low(std::uint64_t v) { return static_cast<std::uint32_t>(v); }
std::uint32_t high(std::uint64_t v) { return static_cast<std::uint32_t>(v >> 32); }

// In (0, 1): never 0, whose logarithm is infinite.
float uniform(std::uint32_t bits) { return (static_cast<float>(bits >> 9) + 0.5F) * 0x1p-23F; }

// f(out, first, count) for the groups that make up `size` numbers.
template <class F>
void for_groups(const RandomRow& row, std::int64_t size, F&& f) {
  std::uint32_t out[kRandomGroup];
  for (std::int64_t first = 0; first < size; first += kRandomGroup) {
    random_group(row, first / kRandomGroup, out);
    f(out, first, std::min(kRandomGroup, size - first));
  }
}

}  // namespace

void random_group(const RandomRow& row, std::int64_t group, std::uint32_t (&out)[kRandomGroup]) {
  UintVec lane;
  for (int i = 0; i < kLanes; ++i) lane[i] = static_cast<std::uint32_t>(i);
  for (int j = 0; j < kCounters; j += kLanes) {
    UintVec c[4] = {lane + low(static_cast<std::uint64_t>(group * kCounters + j)),
                    simd::broadcast(row.row), simd::broadcast(low(row.step)),
                    simd::broadcast(high(row.step))};
    std::uint32_t k0 = low(row.seed);
    std::uint32_t k1 = high(row.seed);
    for (int round = 0; round < kRounds; ++round) {
      const simd::WideProduct p0 = simd::multiply_wide(c[0], kMultiplier[0]);
      const simd::WideProduct p1 = simd::multiply_wide(c[2], kMultiplier[1]);
      c[0] = p1.high ^ c[1] ^ k0;
      c[1] = p1.low;
      c[2] = p0.high ^ c[3] ^ k1;
      c[3] = p0.low;
      k0 += kWeyl[0];
      k1 += kWeyl[1];
    }
    for (int word = 0; word < 4; ++word) {
      std::memcpy(out + word * kCounters + j, &c[word], sizeof c[word]);
    }
  }
}

void random_uniform(const RandomRow& row, std::int64_t size, float* u) {
  for_groups(row, size, [&](const std::uint32_t* out, std::int64_t first, std::int64_t count) {
    for (std::int64_t i = 0; i < count; ++i) {
      u[first + i] = static_cast<float>(out[i] >> 8) * 0x1p-24F;
    }
  });
}

void random_mask(const RandomRow& row, std::int64_t size, std::uint64_t threshold,
                 std::uint8_t* keep) {
  for_groups(row, size, [&](const std::uint32_t* out, std::int64_t first, std::int64_t count) {
    for (std::int64_t i = 0; i < count; ++i) keep[first + i] = out[i] >= threshold ? 1 : 0;
  });
}

void apply_mask(std::int64_t size, const std::uint8_t* keep, float scale, const float* x,
                float* y) {
  std::int64_t i = 0;
  for (; i + kLanes <= size; i += kLanes) {
    const simd::IntVec kept = simd::load_bytes(keep + i);
    simd::store(y + i, kept != 0 ? scale * simd::load(x + i) : simd::zero());
  }
  for (; i < size; ++i) y[i] = keep[i] != 0 ? scale * x[i] : 0.0F;
}

void random_normal(const RandomRow& row, std::int64_t size, float mean, float deviation,
                   float* noise) {
  constexpr std::int64_t kHalf = kRandomGroup / 2;
  for_groups(row, size, [&](const std::uint32_t* out, std::int64_t first, std::int64_t count) {
    for (std::int64_t i = 0; i < std::min(kHalf, count); ++i) {
      const float radius = deviation * std::sqrt(-2.0F * std::log(uniform(out[i])));
      const float angle = 2.0F * std::numbers::pi_v<float> * uniform(out[kHalf + i]);
      noise[first + i] = mean + radius * std::cos(angle);
      if (kHalf + i < count) noise[first + kHalf + i] = mean + radius * std::sin(angle);
    }
  });
}

}  // namespace convlet
