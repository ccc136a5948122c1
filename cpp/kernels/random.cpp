#include "kernels/random.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace convlet {
namespace {

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
  std::uint32_t* c0 = out;
  std::uint32_t* c1 = out + kCounters;
  std::uint32_t* c2 = out + 2 * kCounters;
  std::uint32_t* c3 = out + 3 * kCounters;
  for (int j = 0; j < kCounters; ++j) {
    c0[j] = low(static_cast<std::uint64_t>(group * kCounters + j));
    c1[j] = row.row;
    c2[j] = low(row.step);
    c3[j] = high(row.step);
  }
  std::uint32_t k0 = low(row.seed);
  std::uint32_t k1 = high(row.seed);
  for (int round = 0; round < kRounds; ++round) {
    for (int j = 0; j < kCounters; ++j) {
      const std::uint64_t p0 = std::uint64_t{kMultiplier[0]} * c0[j];
      const std::uint64_t p1 = std::uint64_t{kMultiplier[1]} * c2[j];
      c0[j] = high(p1) ^ c1[j] ^ k0;
      c1[j] = low(p1);
      c2[j] = high(p0) ^ c3[j] ^ k1;
      c3[j] = low(p0);
    }
    k0 += kWeyl[0];
    k1 += kWeyl[1];
  }
}

void random_mask(const RandomRow& row, std::int64_t size, std::uint64_t threshold,
                 std::uint8_t* keep) {
  for_groups(row, size, [&](const std::uint32_t* out, std::int64_t first, std::int64_t count) {
    for (std::int64_t i = 0; i < count; ++i) keep[first + i] = out[i] >= threshold ? 1 : 0;
  });
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
