#include "budget.hpp"

#include <atomic>
#include <cstdlib>
#include <limits>
#include <new>

namespace convlet::fuzz {
namespace {

constexpr std::size_t kUnlimited = std::numeric_limits<std::size_t>::max();
std::atomic<std::size_t> left{kUnlimited};

// std::bad_alloc where there is none left.
void take(std::size_t bytes) {
  std::size_t before = left.load(std::memory_order_relaxed);
  do {
    if (before == kUnlimited) return;
    if (bytes > before) {
      left.store(kUnlimited);
      throw std::bad_alloc();
    }
  } while (!left.compare_exchange_weak(before, before - bytes, std::memory_order_relaxed));
}

void* allocate(std::size_t bytes) {
  take(bytes);
  if (void* memory = std::malloc(bytes)) return memory;
  throw std::bad_alloc();
}

}  // namespace

Budget::Budget(std::size_t bytes) { left.store(bytes); }
Budget::~Budget() { left.store(kUnlimited); }

}  // namespace convlet::fuzz

void* operator new(std::size_t bytes) { return convlet::fuzz::allocate(bytes); }
void* operator new[](std::size_t bytes) { return convlet::fuzz::allocate(bytes); }
// libFuzzer's own.
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept { return std::malloc(bytes); }
void* operator new[](std::size_t bytes, const std::nothrow_t&) noexcept {
  return std::malloc(bytes);
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }
