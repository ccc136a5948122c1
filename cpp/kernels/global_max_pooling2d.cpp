#include "kernels/global_max_pooling2d.hpp"

#include "kernels/vectors.hpp"

namespace convlet {

using simd::IntVec;
using simd::Vec;

void global_max_pooling2d(std::int64_t images, std::int64_t pixels, std::int64_t c, const float* x,
                          float* y) {
  for (std::int64_t image = 0; image < images; ++image, x += pixels * c, y += c) {
    for_each_vector(c, [&](std::int64_t first, auto count) {
      Vec best = simd::load_partial(x + first, count);
      for (std::int64_t pixel = 1; pixel < pixels; ++pixel) {
        const Vec v = simd::load_partial(x + pixel * c + first, count);
        best = ((best >= v) | (best != best)) ? best : v;
      }
      simd::store_partial(y + first, best, count);
    });
  }
}

void global_max_pooling2d_backward(std::int64_t images, std::int64_t pixels, std::int64_t c,
                                   const float* x, const float* y, const float* dy, float* dx) {
  for (std::int64_t image = 0; image < images;
       ++image, x += pixels * c, dx += pixels * c, y += c, dy += c) {
    for_each_vector(c, [&](std::int64_t first, auto count) {
      const Vec best = simd::load_partial(y + first, count);
      const auto is_largest = [&](std::int64_t pixel) {
        const Vec v = simd::load_partial(x + pixel * c + first, count);
        return IntVec{(v == best) | (v != v)};
      };
      Vec largest = simd::zero();
      for (std::int64_t pixel = 0; pixel < pixels; ++pixel) {
        largest += is_largest(pixel) ? simd::broadcast(1.0F) : simd::zero();
      }
      const Vec part = simd::load_partial(dy + first, count) / largest;
      for (std::int64_t pixel = 0; pixel < pixels; ++pixel) {
        const Vec v = is_largest(pixel) ? part : simd::zero();
        simd::store_partial(dx + pixel * c + first, v, count);
      }
    });
  }
}

}  // namespace convlet
