#include "ops/sparse_convolution.hpp"

#include <algorithm>

#include "kernels/pack.hpp"
#include "simd/vec.hpp"

namespace convlet {
namespace {

// Pixels whose lists are made and used together: they and their part of x stay in the cache, and a
// channel's weights are loaded and stored often enough to be cheap.
constexpr std::int64_t kBand = 256;

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

SparseConvolution::SparseConvolution(const Convolution& convolution, const Patches& patches)
    : convolution_(convolution),
      patches_(patches),
      run_(padded_run(patches)),
      row_(sparse_row(patches)),
      image_(convolution.window.pad().padded_size()) {
  elements({convolution.oc, row_});  // offsets into the packed weights fit
}

std::int64_t SparseConvolution::scratch_size() const {
  const std::int64_t band = std::min(kBand, patches_.pixels());
  return std::max(floats_of(convolution_.oc, kBand), floats_of(band, convolution_.oc));
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
                                float* scratch, float* workspace) const {
  const std::int64_t n = convolution_.oc;
  const std::int64_t pixels = dz.pixels_per_source();
  const NonZeroLists lists = lists_in(scratch, n, kBand);
  std::int64_t listed = 0;  // sources
  const auto use = [&] {
    convolution_.for_groups([&](std::int64_t, std::int64_t ic, std::int64_t oc) {
      sparse_weight_gradient(patches_, convolution_.group_oc(), lists.from(oc), x + ic,
                             workspace + oc * row_);
    });
    std::fill_n(lists.count, n, 0);
    listed = 0;
  };
  std::fill_n(lists.count, n, 0);
  for (std::int64_t image = 0; image < images; ++image) {
    for_bands(dz, [&](std::int64_t first, std::int64_t count) {
      if (listed + count > kBand) use();
      list_by_channel(dz.part(image * dz.sources + first, count),
                      patches_.pixel.data() + first * pixels,
                      static_cast<std::int32_t>(image * image_), lists);
      listed += count;
    });
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
    const NonZeroLists lists = lists_in(scratch, band.pixels(), convolution_.oc);
    convolution_.for_groups([&](std::int64_t, std::int64_t ic, std::int64_t oc) {
      list_by_pixel(dz.part(first, count).channels(oc, convolution_.group_oc()),
                    static_cast<std::int32_t>(run_), lists);
      sparse_data_gradient(band, convolution_.oc, lists, packed + oc * run_, dx + ic);
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
