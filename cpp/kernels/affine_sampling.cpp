#include "kernels/affine_sampling.hpp"

#include <algorithm>
#include <cmath>
#include <type_traits>

namespace convlet {
namespace {

// The coordinate inside an axis of `size` pixels that stands for `at`, as TensorFlow's
// MapCoordinate finds it.
template <FillMode Mode>
float inside(float at, std::int64_t size) {
  const auto last = static_cast<float>(size - 1);
  if constexpr (Mode == FillMode::kConstant) return at;
  if constexpr (Mode == FillMode::kReflect) {
    const auto twice = static_cast<float>(2 * size);
    if (size <= 1) return 0.0F;
    if (at < 0.0F) {
      at += twice * std::trunc(-at / twice);
      at = at < -static_cast<float>(size) ? at + twice : -at - 1.0F;
    } else if (at > last) {
      at -= twice * std::trunc(at / twice);
      if (at >= static_cast<float>(size)) at = twice - at - 1.0F;
    }
  }
  if constexpr (Mode == FillMode::kWrap) {
    const auto whole = static_cast<float>(size);
    if (size <= 1) return 0.0F;
    if (at < 0.0F) {
      at += whole * (std::trunc(-at / last) + 1.0F);
    } else if (at > last) {
      at -= whole * std::trunc(at / last);
    }
  }
  return std::clamp(at, 0.0F, last);
}

// A pixel of the input that takes part in one of the output, and its share.
struct Tap {
  std::int64_t at;  // where it begins; -1 outside of the image
  float share;
};

// f(taps) for each pixel of the output, in order.
template <FillMode Mode, bool Bilinear, class F>
void for_taps(const Resampling& images, const AffineMap& map, F&& f) {
  const ImageSize& in = images.input;
  const auto pixel = [&](float row, float column) -> std::int64_t {
    const auto i = static_cast<std::int64_t>(row);
    const auto j = static_cast<std::int64_t>(column);
    if (i < 0 || j < 0 || i >= in.h || j >= in.w) return -1;
    return (i * images.stride + j) * images.c;
  };
  for (std::int64_t j = 0; j < images.output.h; ++j) {
    for (std::int64_t i = 0; i < images.output.w; ++i) {
      const auto column = static_cast<float>(i);
      const auto row = static_cast<float>(j);
      const float x = inside<Mode>(map.a0 * column + map.a1 * row + map.a2, in.w);
      const float y = inside<Mode>(map.b0 * column + map.b1 * row + map.b2, in.h);
      if constexpr (Bilinear) {
        const float left = std::floor(x);
        const float top = std::floor(y);
        const float right_share = x - left;
        const float below_share = y - top;
        const float left_share = left + 1.0F - x;
        const float above_share = top + 1.0F - y;
        const Tap taps[] = {{pixel(top, left), above_share * left_share},
                            {pixel(top, left + 1.0F), above_share * right_share},
                            {pixel(top + 1.0F, left), below_share * left_share},
                            {pixel(top + 1.0F, left + 1.0F), below_share * right_share}};
        f(taps);
      } else {
        const Tap taps[] = {{pixel(std::round(y), std::round(x)), 1.0F}};
        f(taps);
      }
    }
  }
}

// visit(taps) for each pixel of the output.
template <class F>
void for_pixels(const Resampling& images, const AffineMap& map, F&& visit) {
  const auto with_mode = [&](auto mode) {
    if (images.sampling.bilinear) {
      for_taps<mode(), true>(images, map, visit);
    } else {
      for_taps<mode(), false>(images, map, visit);
    }
  };
  switch (images.sampling.fill_mode) {
    case FillMode::kConstant:
      return with_mode(std::integral_constant<FillMode, FillMode::kConstant>{});
    case FillMode::kNearest:
      return with_mode(std::integral_constant<FillMode, FillMode::kNearest>{});
    case FillMode::kReflect:
      return with_mode(std::integral_constant<FillMode, FillMode::kReflect>{});
    case FillMode::kWrap:
      return with_mode(std::integral_constant<FillMode, FillMode::kWrap>{});
  }
}

float middle(std::int64_t size) { return static_cast<float>(size - 1) / 2.0F; }

}  // namespace

AffineMap translation(float dx, float dy) { return {1.0F, 0.0F, -dx, 0.0F, 1.0F, -dy}; }

AffineMap rotation(float radians, const ImageSize& size) {
  const float x = middle(size.w);
  const float y = middle(size.h);
  const float c = std::cos(radians);
  const float s = std::sin(radians);
  return {c, -s, x - x * c + y * s, s, c, y - x * s - y * c};
}

AffineMap zoom(float horizontal, float vertical, const ImageSize& size) {
  return {horizontal, 0.0F,     middle(size.w) * (1.0F - horizontal),
          0.0F,       vertical, middle(size.h) * (1.0F - vertical)};
}

AffineMap resize(const ImageSize& size, const ImageSize& output) {
  const float horizontal = static_cast<float>(size.w) / static_cast<float>(output.w);
  const float vertical = static_cast<float>(size.h) / static_cast<float>(output.h);
  return {horizontal, 0.0F, 0.5F * horizontal - 0.5F, 0.0F, vertical, 0.5F * vertical - 0.5F};
}

void sample(const Resampling& images, const AffineMap& map, const float* x, float* y) {
  const std::int64_t c = images.c;
  for_pixels(images, map, [&](const auto& taps) {
    for (std::int64_t channel = 0; channel < c; ++channel) {
      float sum = 0.0F;
      for (const Tap& tap : taps) {
        sum += tap.share * (tap.at < 0 ? images.sampling.fill_value : x[tap.at + channel]);
      }
      *y++ = sum;
    }
  });
}

void sample_backward(const Resampling& images, const AffineMap& map, const float* dy, float* dx) {
  const std::int64_t c = images.c;
  for_pixels(images, map, [&](const auto& taps) {
    for (const Tap& tap : taps) {
      if (tap.at < 0) continue;
      for (std::int64_t channel = 0; channel < c; ++channel) {
        dx[tap.at + channel] += tap.share * dy[channel];
      }
    }
    dy += c;
  });
}

}  // namespace convlet
