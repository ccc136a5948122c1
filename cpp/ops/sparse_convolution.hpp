// The gradients of a convolution from the non-zeros of dz: kernels/sparse_gradient.hpp with their
// memory.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/sparse_gradient.hpp"
#include "ops/convolution.hpp"

namespace convlet {

class SparseConvolution {
 public:
  // `patches` must outlive this object. sources: of dz, in one image.
  SparseConvolution(const Convolution& convolution, const Patches& patches, std::int64_t sources);

  std::int64_t packed_size() const { return convolution_.oc * row_; }
  std::int64_t workspace_size() const { return convolution_.oc * row_; }
  std::span<const std::int32_t> sources() const { return sources_; }  // all of an image
  std::int64_t scratch_size() const;
  void pack(std::int64_t begin, std::int64_t end, const float* parameters, float* packed) const;

  // x and dx: with the padding, if there is any; dz: of the first image. Both results are
  // accumulated, that for the weights in the kernels' own order. seen: of each image, in 1 +
  // sources places, how many of its sources are not to be left out, and which; nullptr: none is
  // left out.
  void weights(std::int64_t images, const SparseGradient& dz, const float* x,
               const std::int32_t* seen, float* scratch, float* workspace) const;
  // Of one image. scratch: on a boundary of 8 bytes.
  void data(const SparseGradient& dz, const float* packed, float* scratch, float* dx) const;
  // gradient += workspace, and clears the workspace.
  void finish(float* workspace, float* gradient) const;

 private:
  NonZeroLists lists_in(float* scratch, std::int64_t lists, std::int64_t longest) const;

  Convolution convolution_;
  Patches patches_;
  std::int64_t run_;     // floats of one padded run of weights
  std::int64_t row_;     // and of all runs of one channel
  std::int64_t image_;   // floats of one padded image of x
  std::int64_t listed_;  // sources whose lists are made together
  std::vector<std::int32_t> sources_;
};

}  // namespace convlet
