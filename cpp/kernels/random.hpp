// Random numbers by counting: the i-th number of a row is a function of the layer's seed, the
// training step, the row's place in the batch and i alone, so that masks and noise are the same
// whoever computes them. Single-threaded, allocation-free.
#pragma once

#include <cstdint>

namespace convlet {

struct RandomRow {
  std::uint64_t seed;
  std::uint64_t step;
  std::uint32_t row;
};

// Numbers come in groups of this many: number i is out[i % kRandomGroup] of group
// i / kRandomGroup.
inline constexpr std::int64_t kRandomGroup = 64;

// out[16 w + j] = word w of Philox4x32-10 with the counter (16 group + j, row, step's low and high
// word) and the key (seed's low and high word), 0 <= j < 16 (Salmon, Moraes, Dror and Shaw,
// "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
void random_group(const RandomRow& row, std::int64_t group, std::uint32_t (&out)[kRandomGroup]);

// u[i] = number i of the row as a float in [0, 1), its upper 24 bits; 0 <= i < size.
void random_uniform(const RandomRow& row, std::int64_t size, float* u);

// keep[i] = 1 where number i of the row is at least `threshold`, else 0; 0 <= i < size.
void random_mask(const RandomRow& row, std::int64_t size, std::uint64_t threshold,
                 std::uint8_t* keep);

// y[i] = keep[i] != 0 ? scale * x[i] : 0; 0 <= i < size.
void apply_mask(std::int64_t size, const std::uint8_t* keep, float scale, const float* x, float* y);

// noise[i] = mean + deviation * z, z standard normal: Box and Muller's transform of numbers j and
// 32 + j of each group. 0 <= i < size.
void random_normal(const RandomRow& row, std::int64_t size, float mean, float deviation,
                   float* noise);

}  // namespace convlet
