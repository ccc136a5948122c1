// A fixed array of floats on its own cache lines.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>

namespace convlet {

class Buffer {
 public:
  Buffer() = default;

  // `size` zeros, followed by kGuard readable ones: some kernels read a vector past the end of an
  // array. Pages that nobody writes to take no memory. std::bad_alloc where there is none.
  explicit Buffer(std::int64_t size) : size_(size) {
    std::size_t room = static_cast<std::size_t>(size + kGuard) * sizeof(float) + kAlignment;
    void* const memory = std::calloc(room, 1);
    if (memory == nullptr) throw std::bad_alloc();
    void* at = memory;
    data_ = {static_cast<float*>(std::align(kAlignment, room - kAlignment, at, room)),
             Free{memory}};
  }

  float* data() { return data_.get(); }
  const float* data() const { return data_.get(); }
  std::int64_t size() const { return size_; }

 private:
  static constexpr std::int64_t kGuard = 32;
  static constexpr std::size_t kAlignment = 64;  // bytes
  struct Free {
    void* memory;  // what the array lies in
    void operator()(float*) const { std::free(memory); }
  };
  std::unique_ptr<float[], Free> data_;
  std::int64_t size_ = 0;
};

}  // namespace convlet
