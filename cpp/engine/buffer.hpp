// A fixed array of floats on its own cache lines.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>

namespace convlet {

class Buffer {
 public:
  Buffer() = default;

  // `size` zeros, followed by kGuard readable ones: some kernels read a vector past the end of an
  // array. std::bad_alloc where there is no memory.
  explicit Buffer(std::int64_t size) : size_(size) {
    const std::size_t bytes =
        (static_cast<std::size_t>(size + kGuard) * sizeof(float) + 63) / 64 * 64;
    data_.reset(static_cast<float*>(std::aligned_alloc(64, bytes)));
    if (data_ == nullptr) throw std::bad_alloc();
    clear();
  }

  float* data() { return data_.get(); }
  const float* data() const { return data_.get(); }
  std::int64_t size() const { return size_; }
  void clear() { std::fill_n(data_.get(), size_ + kGuard, 0.0F); }

 private:
  static constexpr std::int64_t kGuard = 32;
  struct Free {
    void operator()(float* p) const { std::free(p); }
  };
  std::unique_ptr<float[], Free> data_;
  std::int64_t size_ = 0;
};

}  // namespace convlet
