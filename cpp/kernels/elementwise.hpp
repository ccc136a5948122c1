// The one loop of all that treats each number of some arrays alike.
#pragma once

#include <cstdint>
#include <type_traits>

#include "simd/vec.hpp"

namespace convlet {
namespace detail {

// One vector of an array, and its way back.
template <class T>
struct WholeVector {
  explicit WholeVector(T* at) : p(at), value(simd::load(at)) {}
  void save() const {
    if constexpr (!std::is_const_v<T>) simd::store(p, value);
  }
  T* p;
  simd::Vec value;
};

// The last few numbers of an array; zeros in the other lanes.
template <class T>
struct PartialVector {
  PartialVector(T* at, int size) : p(at), count(size), value(simd::load_partial(at, size)) {}
  void save() const {
    if constexpr (!std::is_const_v<T>) simd::store_partial(p, value, count);
  }
  T* p;
  int count;
  simd::Vec value;
};

template <class Rule, class... Vector>
[[gnu::always_inline]] inline void apply(Rule& rule, Vector... vectors) {
  rule(vectors.value...);
  (vectors.save(), ...);
}

}  // namespace detail

// rule(v...) with one vector of each array, for all of their `size` floats. The rule takes what it
// changes by reference; an array of const floats is only read.
template <class Rule, class... T>
[[gnu::always_inline]] inline void elementwise(std::int64_t size, Rule rule, T*... arrays) {
  const std::int64_t whole = size / simd::kLanes * simd::kLanes;
  for (std::int64_t i = 0; i < whole; i += simd::kLanes)
    detail::apply(rule, detail::WholeVector<T>(arrays + i)...);
  const int tail = static_cast<int>(size - whole);
  if (tail > 0) detail::apply(rule, detail::PartialVector<T>(arrays + whole, tail)...);
}

}  // namespace convlet
