#include "engine/team.hpp"

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <exception>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

namespace convlet {
namespace {

std::atomic<int> thread_count{1};
std::atomic<int> share_count{0};
std::atomic<double> serial_limit{1e7};

// A thread that does what another one asks for, until the process ends.
class Deputy {
 public:
  Deputy() {
    std::thread([this] { work(); }).detach();
  }

  void run(const std::function<void()>& f) {
    std::unique_lock lock(mutex_);
    job_ = &f;
    changed_.notify_all();
    changed_.wait(lock, [this] { return job_ == nullptr; });
  }

 private:
  void work() {
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [this] { return job_ != nullptr; });
      (*job_)();
      job_ = nullptr;
      changed_.notify_all();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  const std::function<void()>* job_ = nullptr;
};

thread_local bool forked = false;
thread_local Deputy* deputy = nullptr;  // never deleted: its thread waits in it

// In the child there is but the thread that forked.
void after_fork() {
  forked = true;
  deputy = nullptr;
}

[[maybe_unused]] const int watches_forks = pthread_atfork(nullptr, nullptr, after_fork);

// How many of `most` further threads can be alive at once.
int startable(int most) {
  constexpr std::size_t kRoom = 4096;  // bytes that OpenMP has for each, and more
  std::atomic<bool> seen{false};
  std::vector<std::thread> threads;
  try {
    const auto room = std::make_unique<std::byte[]>(kRoom * static_cast<std::size_t>(most));
    threads.reserve(static_cast<std::size_t>(most));
    while (most-- > 0) threads.emplace_back([&seen] { seen.wait(false); });
  } catch (const std::exception&) {  // no thread, or no memory for one
  }
  seen.store(true);
  seen.notify_all();
  for (std::thread& thread : threads) thread.join();
  return static_cast<int>(threads.size());
}

// What threads_to_be_had() last was asked and said. OpenMP keeps a thread's team from one call to
// the next, so that only a larger one needs threads that are new.
thread_local int asked = 1;
thread_local int available = 1;

}  // namespace

int num_threads() { return thread_count.load(std::memory_order_relaxed); }

void set_num_threads(int threads) { thread_count.store(threads, std::memory_order_relaxed); }

int fixed_shares() { return share_count.load(std::memory_order_relaxed); }

void set_fixed_shares(int shares) { share_count.store(shares, std::memory_order_relaxed); }

double serial_flops() { return serial_limit.load(std::memory_order_relaxed); }

void set_serial_flops(double flops) { serial_limit.store(flops, std::memory_order_relaxed); }

bool lost_its_team() { return forked; }

bool run_elsewhere(const std::function<void()>& f) {
  try {
    if (deputy == nullptr) deputy = new Deputy;
  } catch (const std::system_error&) {
    return false;
  }
  deputy->run(f);
  return true;
}

int threads_to_be_had(int threads) {
  if (threads == asked) return available;
  const int more = std::max(0, threads - available);
  available = std::min(threads, available + startable(more));
  asked = threads;
  return available;
}

int openmp_version() { return _OPENMP; }

}  // namespace convlet
