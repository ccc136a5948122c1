// What the fuzzer's bytes mean: numbers, drawn one after the other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>

namespace convlet::fuzz {

class Bytes {
 public:
  Bytes(const std::uint8_t* data, std::size_t size) : data_(data), left_(size) {}

  bool empty() const { return left_ == 0; }
  // 0 once all are read.
  std::uint8_t byte() {
    if (left_ == 0) return 0;
    --left_;
    return *data_++;
  }
  bool flag() { return byte() % 2 == 1; }
  // Of at most 8 bytes.
  std::uint64_t bytes(int count) {
    std::uint64_t value = 0;
    while (count-- > 0) value = value << 8 | byte();
    return value;
  }
  // From low to high, at most 256 numbers.
  std::int64_t between(std::int64_t low, std::int64_t high) {
    return low + byte() % (high - low + 1);
  }
  template <class T, std::size_t n>
  const T& one_of(const T (&all)[n]) {
    return all[byte() % n];
  }
  template <class T>
  const T& one_of(std::span<const T> all) {
    return all[byte() % all.size()];
  }

 private:
  const std::uint8_t* data_;
  std::size_t left_;
};

// A finding: libFuzzer keeps the input.
inline void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "FINDING: %s\n", what);
  std::abort();
}

}  // namespace convlet::fuzz
