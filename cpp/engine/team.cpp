#include "engine/team.hpp"

#include <pthread.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

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

}  // namespace

int num_threads() { return thread_count.load(std::memory_order_relaxed); }

void set_num_threads(int threads) { thread_count.store(threads, std::memory_order_relaxed); }

int fixed_shares() { return share_count.load(std::memory_order_relaxed); }

void set_fixed_shares(int shares) { share_count.store(shares, std::memory_order_relaxed); }

double serial_flops() { return serial_limit.load(std::memory_order_relaxed); }

void set_serial_flops(double flops) { serial_limit.store(flops, std::memory_order_relaxed); }

bool lost_its_team() { return forked; }

void run_elsewhere(const std::function<void()>& f) {
  if (deputy == nullptr) deputy = new Deputy;
  deputy->run(f);
}

int openmp_version() { return _OPENMP; }

}  // namespace convlet
