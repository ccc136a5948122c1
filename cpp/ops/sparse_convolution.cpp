#include "ops/sparse_convolution.hpp"

#include <algorithm>
#include <numeric>

#include "kernels/pack.hpp"
#include "kernels/tile.hpp"
#include "simd/vec.hpp"

namespace convlet {
namespace {

// Pixels whose marks are made and used together: they stay in the cache.
constexpr std::int64_t kBand = 256;

// Sources whose lists are made and used together: so many that their part of x, in floats, about
// fits the first-level cache, and that a channel's weights are loaded and stored seldom enough.
// Measured with AVX2 on Zen 3, 13x13x32 to 64 filters with pooling and 5x5x64 to 64, lists of 37
// and 46 sources by this rule: 1.35 times as fast as 256.
constexpr std::int64_t kPartInCache = 8 << 10;
constexpr std::int64_t kFewestListed = 32;
constexpr std::int64_t kMostListed = 256;

std::int64_t listed_together(std::int64_t image, std::int64_t sources) {
  const std::int64_t of_one = std::max<std::int64_t>(1, image / std::max<std::int64_t>(1, sources));
  return std::clamp(kPartInCache / of_one, kFewestListed, kMostListed);
}

std::int64_t capacity_of(std::int64_t longest) { return longest + simd::kLanes; }

std::int64_t floats_of(std::int64_t lists, std::int64_t longest) {
  return lists * (2 * capacity_of(longest) + 1);
}

// f(first source, number of sources) for each band. A source is what one element of dy belongs to:
// a pixel or a window.
template <class F>
void for_bands(const SparseGradient& dz, F&& f) {
  const std::int64_t most = kBand / dz.pixels_per_source();
  for (std::int64_t first = 0; first < dz.sources; first += most) {
    f(first, std::min(most, dz.sources - first));
  }
}

}  // namespace

SparseConvolution::SparseConvolution(const Convolution& convolution, const Patches& patches,
                                     std::int64_t sources)
    : convolution_(convolution),
      patches_(patches),
      run_(padded_run(patches)),
      row_(sparse_row(patches)),
      image_(convolution.window.pad().padded_size()),
      listed_(listed_together(image_, sources)),
      sources_(static_cast<std::size_t>(sources)) {
  std::iota(sources_.begin(), sources_.end(), 0);
  elements({convolution.oc, row_});  // offsets into the packed weights fit
}

std::int64_t SparseConvolution::scratch_size() const {
  const std::int64_t marks = std::min(kBand, patches_.pixels());
  return round_up(std::max(floats_of(convolution_.oc, listed_), 2 * marks), simd::kLanes);
}

NonZeroLists SparseConvolution::lists_in(float* scratch, std::int64_t lists,
                                         std::int64_t longest) const {
  const std::int64_t capacity = capacity_of(longest);
  auto* at = reinterpret_cast<std::int32_t*>(scratch + lists * capacity);
  return {scratch, at, at + lists * capacity, capacity};
}

void SparseConvolution::pack(std::int64_t begin, std::int64_t end, const float* parameters,
                             float* packed) const {
  const std::int64_t ic = convolution_.group_ic();
  const std::int64_t oc = convolution_.oc;
  const std::int64_t in_run = patches_.run_length / ic;  // taps
  for (std::int64_t tap = 0; tap < convolution_.taps(); ++tap) {
    float* rows = packed + tap / in_run * oc * run_ + tap % in_run * ic;
    transpose_tap({parameters + tap * ic * oc, ic, oc, oc}, begin, end, run_, rows);
  }
}

void SparseConvolution::weights(std::int64_t images, const SparseGradient& dz, const float* x,
                                const std::int32_t* seen, float* scratch, float* workspace) const {
  const std::int64_t n = convolution_.oc;
  const NonZeroLists lists = lists_in(scratch, n, listed_);
  std::size_t left = static_cast<std::size_t>(listed_);  // sources
  const auto use = [&] {
    convolution_.for_groups([&](std::int64_t, std::int64_t ic, std::int64_t oc) {
      sparse_weight_gradient(patches_, convolution_.group_oc(), lists.from(oc), x + ic,
                             workspace + oc * row_);
    });
    std::fill_n(lists.count, n, 0);
    left = static_cast<std::size_t>(listed_);
  };
  std::fill_n(lists.count, n, 0);
  for (std::int64_t image = 0; image < images; ++image) {
    std::span<const std::int32_t> sources(sources_);
    if (seen != nullptr) {
      sources = {seen + 1, static_cast<std::size_t>(*seen)};
      seen += 1 + dz.sources;
    }
    while (!sources.empty()) {
      const auto part = sources.first(std::min(left, sources.size()));
      list_by_channel(dz.part(image * dz.sources, dz.sources), part, patches_.pixel.data(),
                      static_cast<std::int32_t>(image * image_), lists);
      sources = sources.subspan(part.size());
      left -= part.size();
      if (left == 0) use();
    }
  }
  use();
}

void SparseConvolution::data(const SparseGradient& dz, const float* packed, float* scratch,
                             float* dx) const {
  for_bands(dz, [&](std::int64_t first, std::int64_t count) {
    const auto pixels = static_cast<std::size_t>(dz.pixels_per_source());
    Patches band = patches_;
    band.pixel = band.pixel.subspan(static_cast<std::size_t>(first) * pixels,
                                    static_cast<std::size_t>(count) * pixels);
    auto* marks = reinterpret_cast<std::uint64_t*>(scratch);
    convolution_.for_groups([&](std::int64_t, std::int64_t ic, std::int64_t oc) {
      const std::int64_t end = oc + convolution_.group_oc();
      for (std::int64_t c = oc; c < end; c += kMostMarked) {
        const SparseGradient part =
            dz.part(first, count).channels(c, std::min(kMostMarked, end - c));
        mark_by_pixel(part, marks);
        sparse_data_gradient(band, convolution_.oc, part, marks, packed + c * run_, dx + ic);
      }
    });
  });
}

void SparseConvolution::finish(float* workspace, float* gradient) const {
  const std::int64_t ic = convolution_.group_ic();
  const std::int64_t in_run = patches_.run_length / ic;  // taps
  for (std::int64_t tap = 0; tap < convolution_.taps(); ++tap) {
    const float* rows = workspace + tap / in_run * run_ + tap % in_run * ic;
    add_transposed(rows, row_, ic, convolution_.oc, gradient + tap * ic * convolution_.oc);
  }
  std::fill_n(workspace, workspace_size(), 0.0F);
}

}  // namespace convlet
