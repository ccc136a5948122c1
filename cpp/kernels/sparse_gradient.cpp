#include "kernels/sparse_gradient.hpp"

#include <algorithm>
#include <bit>
#include <utility>

#include "kernels/epilogue.hpp"
#include "kernels/tile.hpp"
#include "simd/vec.hpp"

namespace convlet {
namespace {

using simd::IntVec;
using simd::kLanes;
using simd::Vec;

// Sums held in registers over a list: the rest is one broadcast value and (without FMA) one
// product.
constexpr int kMaxSums = simd::kRegisters >= 32 ? 24 : 12;
constexpr int kMaxRuns = 5;
constexpr int kMaxVectors = 12;
static_assert(kMaxSums + 2 <= simd::kRegisters);

struct List {
  const float* value;
  const std::int32_t* at;
  std::int32_t count;
};

List list_of(const NonZeroLists& lists, std::int64_t i) {
  return {lists.value + i * lists.capacity, lists.at + i * lists.capacity, lists.count[i]};
}

// dw[r * row + v] += sum over the list of value * x[at + run[r] + v], R runs of V vectors in
// registers. A vector is an Items.
template <class Items>
struct AccumulatePatches {
  static constexpr std::int64_t kItems = sizeof(Items) / sizeof(float);

  const float* x;
  const std::int32_t* run;
  std::int64_t row;
  float* dw;

  template <int R, int V>
  void operator()(const List& list) const {
    const float* start[R];
    Items sums[R][V];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      start[r] = x + run[r];
#pragma GCC unroll 16
      for (int v = 0; v < V; ++v) sums[r][v] = simd::load_as<Items>(dw + r * row + v * kItems);
    }
    for (std::int32_t i = 0; i < list.count; ++i) {
      const Items value = list.value[i] - Items{};
      const std::int32_t at = list.at[i];
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) {
#pragma GCC unroll 16
        for (int v = 0; v < V; ++v)
          sums[r][v] += value * simd::load_as<Items>(start[r] + at + v * kItems);
      }
    }
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 16
      for (int v = 0; v < V; ++v) simd::store_as(dw + r * row + v * kItems, sums[r][v]);
    }
  }
};

// For every pixel: dx[pixel + run[r] + v] += sum over its marked channels of dz * w[r * w_run + c *
// w_row + v], R runs of V vectors in registers, the last of a run of `tail` valid lanes.
struct ScatterPatches {
  const SparseGradient& dz;
  const std::uint64_t* marks;
  std::span<const std::int32_t> pixel;
  const std::int32_t* run;
  const float* w;
  std::int64_t w_run;
  std::int64_t w_row;
  int tail;
  float* dx;
  std::int64_t below;  // of a window's pixel to that below it, as of run to run; 0: they differ

  template <int R, int V>
  void operator()() const {
    if constexpr (R > 1 && (R + 1) * V <= kMaxSums) {
      if (below != 0) return scatter_all<R, V, 2>();
    }
    scatter_all<R, V, 1>();
  }

  // Stacked pixels of a window, one below the other, share their sums of all runs but one.
  template <int R, int V, int Stacked>
  void scatter_all() const {
    const std::int64_t pixels = dz.pixels_per_source();
    const std::uint64_t* marked = marks;
    const std::int32_t* at = pixel.data();
    const float* dy = dz.dy;
    for (std::int64_t q = 0; q < dz.sources; ++q, dy += dz.row, marked += pixels, at += pixels) {
      for (std::int64_t j = 0; j < pixels / Stacked; ++j) {
        const std::uint64_t lower = Stacked > 1 ? marked[j + 2] : 0;
        if ((marked[j] | lower) != 0) scatter<R, V, Stacked>(marked[j], lower, dy, dx + at[j]);
      }
    }
  }

  // The sums start at zero and are added to dx in the end: so they need not wait for those of the
  // pixel before, whose patch overlaps.
  template <int R, int V, int Stacked>
  void scatter(std::uint64_t upper, std::uint64_t lower, const float* dy, float* to) const {
    Vec sums[R + Stacked - 1][V] = {};
    add_products<R, V>(upper, dy, sums);
    if constexpr (Stacked > 1) add_products<R, V>(lower, dy, sums + 1);
    if (tail == kLanes) {
      add_rows<R>(sums, to, simd::Whole{});
    } else {
      add_rows<R>(sums, to, tail);
    }
  }

  template <int R, int Rows, int V, class Count>
  void add_rows(const Vec (&sums)[Rows][V], float* to, Count in_last) const {
#pragma GCC unroll 8
    for (int r = 0; r < Rows; ++r) {
      float* out = to + (r < R ? run[r] : run[R - 1] + below);
#pragma GCC unroll 16
      for (int v = 0; v < V - 1; ++v, out += kLanes) {
        simd::store(out, simd::load(out) + sums[r][v]);
      }
      simd::store_partial(out, simd::load_partial(out, in_last) + sums[r][V - 1], in_last);
    }
  }

  // Those of one pixel, to R rows of sums.
  template <int R, int V>
  [[gnu::always_inline]] void add_products(std::uint64_t marked, const float* dy,
                                           Vec (*sums)[V]) const {
    for (; marked != 0; marked &= marked - 1) {
      const std::int64_t c = std::countr_zero(marked);
      const Vec value = simd::broadcast(dy[c]);
      const float* weights = w + c * w_row;
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) {
#pragma GCC unroll 16
        for (int v = 0; v < V; ++v) {
          sums[r][v] = simd::fma(value, simd::load(weights + r * w_run + v * kLanes), sums[r][v]);
        }
      }
    }
  }
};

// Calls kernel.operator()<r, v>(arguments) for run-time r and v <= MostVectors with r * v <=
// kMaxSums.
template <int MostVectors, int R, class Kernel, class... Arguments>
void call_for(int v, const Kernel& kernel, const Arguments&... arguments) {
  [&]<int... I>(std::integer_sequence<int, I...>) {
    (void)((v == I + 1 && (kernel.template operator()<R, I + 1>(arguments...), true)) || ...);
  }(std::make_integer_sequence<int, std::min(MostVectors, kMaxSums / R)>{});
}

template <int MostVectors, class Kernel, class... Arguments>
void call_for(int r, int v, const Kernel& kernel, const Arguments&... arguments) {
  [&]<int... I>(std::integer_sequence<int, I...>) {
    (void)((r == I + 1 && (call_for<MostVectors, I + 1>(v, kernel, arguments...), true)) || ...);
  }(std::make_integer_sequence<int, kMaxRuns>{});
}

// How one row of `vectors` vectors is cut into pieces of equal size, none above kMaxVectors, and
// how many such rows fit into registers together.
struct Cut {
  int vectors;  // of every piece but the last
  int runs;
};

Cut cut_run(int vectors, int runs) {
  const int pieces = (vectors + kMaxVectors - 1) / kMaxVectors;
  const int piece = (vectors + pieces - 1) / pieces;
  return {piece, std::clamp(kMaxSums / piece, 1, std::min(kMaxRuns, runs))};
}

}  // namespace

std::int64_t padded_run(const Patches& patches) { return round_up(patches.run_length, kLanes); }

std::int64_t sparse_row(const Patches& patches) {
  return padded_run(patches) * static_cast<std::int64_t>(patches.run.size());
}

namespace {

// Appends the non-zeros of a square of up to kLanes sources by `channels` channels from c0 on.
// Turned round in registers, a channel's part is one vector: 4 times faster than element by
// element.
template <int Pixels>
void append_square(const SparseGradient& dz, std::span<const std::int32_t> sources, std::int64_t c0,
                   int channels, const std::int32_t* pixel, std::int32_t base,
                   const NonZeroLists& lists) {
  Vec value[kLanes];
  Vec at[kLanes];  // integers
  const int count = static_cast<int>(sources.size());
  for (int i = count; i < kLanes; ++i) value[i] = at[i] = simd::zero();
  for (int i = 0; i < count; ++i) {
    const std::int64_t q = sources[static_cast<std::size_t>(i)];
    const std::int64_t source = q * dz.row + c0;
    value[i] = simd::load(dz.dy + source);
    const std::int32_t* of = pixel + q * Pixels;
    IntVec where = simd::broadcast(base + of[0]);
    if constexpr (Pixels == 4) {
      const IntVec winner = simd::load_bytes(dz.argmax + source);
      where += (winner & 1) * (of[1] - of[0]) + (winner >> 1) * (of[2] - of[0]);
    }
    at[i] = reinterpret_cast<Vec>(where);
  }
  simd::transpose(value);
  simd::transpose(at);
  for (int c = 0; c < channels; ++c) {
    std::int32_t& listed = lists.count[c0 + c];
    const std::int64_t slot = (c0 + c) * lists.capacity + listed;
    const IntVec alive = value[c] != simd::zero();
    simd::compress(lists.value + slot, value[c], alive);
    listed += simd::compress(lists.at + slot, reinterpret_cast<IntVec>(at[c]), alive);
  }
}

}  // namespace

void list_by_channel(const SparseGradient& dz, std::span<const std::int32_t> chosen,
                     const std::int32_t* pixel, std::int32_t base, const NonZeroLists& lists) {
  while (!chosen.empty()) {
    const auto sources = chosen.first(std::min<std::size_t>(kLanes, chosen.size()));
    chosen = chosen.subspan(sources.size());
    for (std::int64_t c = 0; c < dz.n; c += kLanes) {
      const int channels = static_cast<int>(std::min<std::int64_t>(kLanes, dz.n - c));
      if (dz.argmax != nullptr) {
        append_square<4>(dz, sources, c, channels, pixel, base, lists);
      } else {
        append_square<1>(dz, sources, c, channels, pixel, base, lists);
      }
    }
  }
}

namespace {

// The marks of one source's pixels.
template <int Pixels>
void mark_source(const SparseGradient& dz, std::int64_t q, std::uint64_t* marks) {
  std::uint64_t bits[Pixels] = {};
  for (std::int64_t c = 0; c < dz.n; c += kLanes) {
    const std::int64_t i = q * dz.row + c;
    const int valid = static_cast<int>(std::min<std::int64_t>(kLanes, dz.n - c));
    const Vec dy = load_columns(dz.dy + i, valid);
    const IntVec alive = dy != simd::zero();
    const IntVec where = Pixels > 1 ? simd::load_bytes(dz.argmax + i) : IntVec{};
    for (int j = 0; j < Pixels; ++j) {
      bits[j] |= std::uint64_t{simd::bits_of(alive & (where == j))} << c;
    }
  }
  std::copy_n(bits, Pixels, marks + Pixels * q);
}

// From a pixel of a window to the one below it, where that is also the step from run to run.
std::int64_t step_below(const Patches& patches, const SparseGradient& dz) {
  if (dz.argmax == nullptr) return 0;
  const std::int32_t step = patches.pixel[2] - patches.pixel[0];
  for (std::size_t r = 1; r < patches.run.size(); ++r) {
    if (patches.run[r] - patches.run[r - 1] != step) return 0;
  }
  return step;
}

}  // namespace

void mark_by_pixel(const SparseGradient& dz, std::uint64_t* marks) {
  for (std::int64_t q = 0; q < dz.sources; ++q) {
    if (dz.argmax != nullptr) {
      mark_source<4>(dz, q, marks);
    } else {
      mark_source<1>(dz, q, marks);
    }
  }
}

std::int64_t count_non_zeros(std::int64_t size, const float* dy) {
  std::int64_t count = 0;
  for (std::int64_t i = 0; i < size; ++i) count += static_cast<std::int64_t>(dy[i] != 0.0F);
  return count;
}

void sparse_weight_gradient(const Patches& patches, std::int64_t n, const NonZeroLists& by_channel,
                            const float* x, float* dw) {
  const int runs = static_cast<int>(patches.run.size());
  const std::int64_t row = padded_run(patches);
  const int vectors = static_cast<int>(row / kLanes);
  const Cut cut = cut_run(vectors, runs);
  // A vector as long as a cache line mostly lies in two of them, half a one in one.
  const bool is_short = kLanes == 16 && patches.run_length <= kLanes / 2;
  for (std::int64_t c = 0; c < n; ++c) {
    const List list = list_of(by_channel, c);
    if (list.count == 0) continue;
    for (int r = 0; r < runs; r += cut.runs) {
      const int count = std::min(cut.runs, runs - r);
      const std::int32_t* run = patches.run.data() + r;
      float* out = dw + (c * runs + r) * row;
      if (is_short) {
        call_for<1>(count, 1, AccumulatePatches<simd::HalfVec>{x, run, row, out}, list);
        continue;
      }
      for (int v = 0; v < vectors; v += cut.vectors) {
        const AccumulatePatches<Vec> kernel{x + v * kLanes, run, row, out + v * kLanes};
        call_for<kMaxVectors>(count, std::min(cut.vectors, vectors - v), kernel, list);
      }
    }
  }
}

void sparse_data_gradient(const Patches& patches, std::int64_t n, const SparseGradient& dz,
                          const std::uint64_t* marks, const float* w, float* dx) {
  // Floats. Every pixel reads its share of the weights anew: more of them than stay in the
  // first-level cache take one run at a time.
  constexpr std::int64_t kWeightsInCache = 8192;
  const int runs = static_cast<int>(patches.run.size());
  const std::int64_t row = padded_run(patches);
  const int vectors = static_cast<int>(row / kLanes);
  const int tail = static_cast<int>(patches.run_length - (row - kLanes));
  Cut cut = cut_run(vectors, runs);
  if (runs * dz.n * row > kWeightsInCache) cut.runs = 1;
  const std::int64_t below = step_below(patches, dz);
  for (int r = 0; r < runs; r += cut.runs) {
    for (int v = 0; v < vectors; v += cut.vectors) {
      const int piece = std::min(cut.vectors, vectors - v);
      const ScatterPatches kernel{dz,
                                  marks,
                                  patches.pixel,
                                  patches.run.data() + r,
                                  w + r * n * row + v * kLanes,
                                  n * row,
                                  row,
                                  v + piece == vectors ? tail : kLanes,
                                  dx + v * kLanes,
                                  below};
      call_for<kMaxVectors>(std::min(cut.runs, runs - r), piece, kernel);
    }
  }
}

}  // namespace convlet
