#include "ops/pair_products.hpp"

#include "simd/vec.hpp"

namespace convlet {

bool multiplies_pairs(const Attributes& attributes) {
  return simd::kMultiplies<simd::Pair> && attributes.has("bfloat16") &&
         attributes.boolean("bfloat16");
}

void paired_weight_gradient(const WeightGradient& g, std::int64_t images, std::int64_t together,
                            const float* x, const float* dz, float* scratch, float* dw) {
  const std::int64_t dz_image = g.patches.pixels() * g.n;
  auto* x_pairs = reinterpret_cast<simd::Pair*>(scratch);
  simd::Pair* dz_pairs = x_pairs + together * g.x_image;
  // The two images of pair i of an array of `size` elements an image.
  const auto pair = [&](const float* of, std::int64_t size, std::int64_t i, simd::Pair* to) {
    const float* first = of + 2 * i * size;
    pair_rows(size, first, 2 * i + 1 < images ? first + size : nullptr, to);
  };
  const std::int64_t pairs = pairs_of(images);
  for (std::int64_t begin = 0; begin < pairs; begin += together) {
    const std::int64_t count = std::min(together, pairs - begin);
    for (std::int64_t i = 0; i < count; ++i) {
      pair(x, g.x_image, begin + i, x_pairs + i * g.x_image);
      pair(dz, dz_image, begin + i, dz_pairs + i * dz_image);
    }
    weight_gradient(g, count, static_cast<const simd::Pair*>(x_pairs),
                    static_cast<const simd::Pair*>(dz_pairs), dw);
  }
}

std::int64_t paired_weight_gradient_scratch(const WeightGradient& g, std::int64_t together) {
  return together * (g.x_image + g.patches.pixels() * g.n) + simd::kLanes;
}

}  // namespace convlet
