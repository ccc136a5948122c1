// Winograd's transforms in two dimensions, and those of an input patch and of a tile of gradients,
// which the products and the gradient with respect to the weights share (winograd.hpp).
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "kernels/epilogue.hpp"
#include "kernels/vectors.hpp"
#include "kernels/winograd.hpp"
#include "kernels/winograd_transforms.hpp"
#include "simd/vec.hpp"

namespace convlet::winograd {

// A tile's outputs, the inputs that it sees, and its products.
template <int Side>
struct Tile {
  static constexpr int kSide = Side;
  static constexpr int kOutputs = Side * Side;
  static constexpr int kPatch = Side + 2;
  static constexpr int kProducts = kPatch * kPatch;
  // Outputs that see only zeros come out as zeros: what the others see meets no product of theirs.
  static constexpr bool kKeepsZeros = Side == 2;
};

// f(Tile<...>()) for a side known at run time: of those without pooling, of those with it, of all.
template <class F>
decltype(auto) for_plain(int side, F&& f) {
  return side == 3 ? f(Tile<3>()) : f(Tile<4>());
}
template <class F>
decltype(auto) for_pooled(int side, F&& f) {
  if (side == 2) return f(Tile<2>());
  return side == 4 ? f(Tile<4>()) : f(Tile<5>());
}
template <class F>
decltype(auto) for_side(int side, F&& f) {
  return side == 3 ? f(Tile<3>()) : for_pooled(side, f);
}

// f(i) for i < N, in one piece of code each or in one for all.
template <int N, bool Unrolled, class F>
[[gnu::always_inline]] inline void for_each_index(F&& f) {
  if constexpr (Unrolled) {
#pragma GCC unroll 7
    for (int i = 0; i < N; ++i) f(i);
  } else {
#pragma GCC unroll 1
    for (int i = 0; i < N; ++i) f(i);
  }
}

// From[side][side] to To[side][side]. Small: in less code, where there is less of it to do.
template <int From, int To, bool Small = false>
struct Sizes {};

// store(i, j, element) of M X N, where load(i, j) is an element of X, and transform(in, out)
// multiplies M by a column, or a row by N.
template <int From, int To, bool Small, class Load, class Transform, class Store>
[[gnu::always_inline]] inline void transform_both(Sizes<From, To, Small>, Load&& load,
                                                  Transform&& transform, Store&& store) {
  // What the registers do not hold goes by way of the stack, and in less code.
  constexpr bool kUnrolled = !Small && From * To <= 25;
  Vec columns[From][To];
  for_each_index<From, kUnrolled>([&](int j) {
    Vec column[From];
#pragma GCC unroll 7
    for (int i = 0; i < From; ++i) column[i] = load(i, j);
    transform(column, columns[j]);
  });
  for_each_index<To, kUnrolled>([&](int i) {
    Vec row[From];
    Vec out[To];
#pragma GCC unroll 7
    for (int j = 0; j < From; ++j) row[j] = columns[j][i];
    transform(row, out);
#pragma GCC unroll 7
    for (int j = 0; j < To; ++j) store(i, j, out[j]);
  });
}

// The factors of one patch, all channels: v[p * stride + channel] is that of product p. A function
// of its own: inlined it would not have the registers that it needs.
template <class T>
[[gnu::noinline]] void patch_to_factors(std::int64_t ic, std::int64_t x_row, const float* x,
                                        float* v, std::int64_t stride) {
  const auto transform = [&](std::int64_t c, auto count) {
    transform_both(
        Sizes<T::kPatch, T::kPatch>(),
        [&](int i, int j) { return simd::load_partial(x + i * x_row + j * ic + c, count); },
        [](const auto& d, auto& t) { transform_patch(d, t); },
        [&](int i, int j, Vec t) { simd::store(v + (T::kPatch * i + j) * stride + c, t); });
  };
  for_each_vector(ic, transform);
}

// Bit [i][j] of a patch.
template <class T>
constexpr std::uint64_t patch_bit(int i, int j) {
  return std::uint64_t{1} << (i * T::kPatch + j);
}

// Bits of the outputs of a tile that see nothing but zeros.
template <class T>
std::uint32_t blank_outputs(std::int64_t ic, std::int64_t x_row, const float* x) {
  const auto is_blank = [&](int i, int j) {
    const float* pixel = x + i * x_row + j * ic;
    for (std::int64_t c = 0; c < ic; c += simd::kLanes) {
      const int count = static_cast<int>(std::min<std::int64_t>(simd::kLanes, ic - c));
      if (simd::nonzero_bits(load_columns(pixel + c, count)) != 0) return false;
    }
    return true;
  };
  // Every output sees one of every third pixel, which are seldom blank.
  bool may_be = false;
  for (int i = 2; i < T::kPatch; i += 3) {
    for (int j = 2; j < T::kPatch; j += 3) may_be = may_be || is_blank(i, j);
  }
  if (!may_be) return 0;
  std::uint64_t blank = 0;
  for (int i = 0; i < T::kPatch; ++i) {
    for (int j = 0; j < T::kPatch; ++j) blank |= is_blank(i, j) ? patch_bit<T>(i, j) : 0;
  }
  constexpr std::uint64_t kRow = patch_bit<T>(0, 0) | patch_bit<T>(0, 1) | patch_bit<T>(0, 2);
  constexpr std::uint64_t kWindow = kRow | kRow << T::kPatch | kRow << (2 * T::kPatch);
  std::uint32_t outputs = 0;
  for (int q = 0; q < T::kOutputs; ++q) {
    const std::uint64_t window = kWindow << (q / T::kSide * T::kPatch + q % T::kSide);
    if ((blank & window) == window) outputs |= std::uint32_t{1} << q;
  }
  return outputs;
}

// The factors of one tile of gradients, all channels; those of pixels that do not exist are zero.
template <class T>
void gradients_to_factors(const WinogradProduct& g, const WinogradTile& tile, const float* dz,
                          float* to, std::int64_t stride) {
  const auto transform = [&](std::int64_t c, auto count) {
    transform_both(
        Sizes<T::kSide, T::kPatch, true>(),
        [&](int i, int j) {
          const bool exists = i < tile.rows && j < tile.columns;
          return exists ? simd::load_partial(dz + i * g.y_row + j * g.oc + c, count) : simd::zero();
        },
        [](const auto& e, auto& t) { transform_gradient(e, t); },
        [&](int i, int j, Vec t) { simd::store(to + (T::kPatch * i + j) * stride + c, t); });
  };
  for_each_vector(g.oc, transform);
}

}  // namespace convlet::winograd
