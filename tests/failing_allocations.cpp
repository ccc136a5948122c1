// Preloaded into a process, lets allocations of some of its libraries fail, and the start of
// threads: what test_out_of_memory.py does it with.
#include <dlfcn.h>
#include <pthread.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <new>

extern "C" {
void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t count, std::size_t size);
void* __libc_realloc(void* old, std::size_t size);
void* __libc_memalign(std::size_t alignment, std::size_t size);
}

namespace {

struct Range {
  std::uintptr_t begin, end;
};
Range watched[64];  // addresses of the code whose allocations count
int watched_count = 0;

std::atomic<bool> armed{false};
std::atomic<long> seen{0};
long first_failure = 0;
long last_failure = 0;
std::size_t least_size = 0;

std::atomic<int> threads_left{-1};  // that may start; -1: any number

// Whether an allocation by the code at `caller` is to fail.
bool fails(const void* caller, std::size_t size) {
  if (!armed.load(std::memory_order_relaxed) || size < least_size) return false;
  const auto at = reinterpret_cast<std::uintptr_t>(caller);
  for (int i = 0; i < watched_count; ++i) {
    if (at < watched[i].begin || at >= watched[i].end) continue;
    const long number = ++seen;
    return first_failure <= number && number <= last_failure;
  }
  return false;
}

void* failed() {
  errno = ENOMEM;
  return nullptr;
}

struct Start {
  void* (*run)(void*);
  void* argument;
};

// A thread whose end lets another one start.
void* run_and_give_back(void* start) {
  const Start job = *static_cast<Start*>(start);
  delete static_cast<Start*>(start);
  void* result = job.run(job.argument);
  if (threads_left >= 0) ++threads_left;
  return result;
}

}  // namespace

extern "C" {

void watch(std::uintptr_t begin, std::uintptr_t end) { watched[watched_count++] = {begin, end}; }

// From now on the allocations number `first` to `last` of at least `least` bytes fail.
void arm(long first, long last, std::size_t least) {
  seen = 0;
  first_failure = first;
  last_failure = last;
  least_size = least;
  armed = true;
}

// Returns how many allocations there were.
long disarm() {
  armed = false;
  return seen;
}

void limit_threads(int most) { threads_left = most; }

void* malloc(std::size_t size) noexcept {
  return fails(__builtin_return_address(0), size) ? failed() : __libc_malloc(size);
}

void* calloc(std::size_t count, std::size_t size) noexcept {
  return fails(__builtin_return_address(0), count * size) ? failed() : __libc_calloc(count, size);
}

void* realloc(void* old, std::size_t size) noexcept {
  return fails(__builtin_return_address(0), size) ? failed() : __libc_realloc(old, size);
}

void* aligned_alloc(std::size_t alignment, std::size_t size) noexcept {
  return fails(__builtin_return_address(0), size) ? failed() : __libc_memalign(alignment, size);
}

int posix_memalign(void** to, std::size_t alignment, std::size_t size) noexcept {
  if (fails(__builtin_return_address(0), size)) return ENOMEM;
  *to = __libc_memalign(alignment, size);
  return *to == nullptr ? ENOMEM : 0;
}

int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*run)(void*),
                   void* argument) noexcept {
  using Create = int (*)(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);
  static const auto create = reinterpret_cast<Create>(dlsym(RTLD_NEXT, "pthread_create"));
  if (threads_left == 0) return EAGAIN;
  if (threads_left > 0) --threads_left;
  return create(thread, attributes, run_and_give_back, new Start{run, argument});
}

}  // extern "C"

void* operator new(std::size_t size) {
  void* place = fails(__builtin_return_address(0), size) ? nullptr : __libc_malloc(size);
  if (place == nullptr) throw std::bad_alloc();
  return place;
}

void* operator new[](std::size_t size) {
  void* place = fails(__builtin_return_address(0), size) ? nullptr : __libc_malloc(size);
  if (place == nullptr) throw std::bad_alloc();
  return place;
}

void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  return fails(__builtin_return_address(0), size) ? nullptr : __libc_malloc(size);
}

void* operator new(std::size_t size, std::align_val_t alignment) {
  void* place = fails(__builtin_return_address(0), size)
                    ? nullptr
                    : __libc_memalign(static_cast<std::size_t>(alignment), size);
  if (place == nullptr) throw std::bad_alloc();
  return place;
}
