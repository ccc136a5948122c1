// The only OpenMP: a team of threads that runs one function and meets at barriers.
#pragma once

#include <omp.h>

#include <atomic>
#include <functional>

#include "simd/vec.hpp"

namespace convlet {

// Threads that calls may use; process-wide.
int num_threads();
void set_num_threads(int threads);

// Shares that a batch is cut into whatever the number of threads, so that the same bits come out of
// any; 0: one a thread. Process-wide.
int fixed_shares();
void set_fixed_shares(int shares);

// Floating-point operations below which a call is not worth a second thread; process-wide.
double serial_flops();
void set_serial_flops(double flops);

// The OpenMP version the module was compiled for, as a date: 201511 is 4.5.
int openmp_version();

// Where the threads of a team meet. Waits busily for as long as the last thread is usually late,
// then asleep: where other processes want the CPUs too, a thread that spins keeps the one it waits
// for from running.
class Barrier {
 public:
  // Returns when `size` threads have come here.
  void wait(int size) {
    const unsigned before = meetings_.load(std::memory_order_acquire);
    if (present_.fetch_add(1, std::memory_order_acq_rel) + 1 == size) {
      present_.store(0, std::memory_order_relaxed);
      meetings_.fetch_add(1, std::memory_order_release);
      meetings_.notify_all();
      return;
    }
    for (int i = 0; i < kSpins; ++i) {
      if (meetings_.load(std::memory_order_acquire) != before) return;
      simd::pause();
    }
    meetings_.wait(before, std::memory_order_acquire);
  }

 private:
  static constexpr int kSpins = 2000;  // some 50 to 100 microseconds
  std::atomic<int> present_{0};
  std::atomic<unsigned> meetings_{0};
};

// One thread's view of its team. Work is cut into `shares`, whatever the number of threads that the
// OpenMP runtime really gives, so that results depend on the shares alone.
class Member {
 public:
  Member(int index, int size, Barrier& barrier) : index_(index), size_(size), barrier_(barrier) {}

  // f(share) for each of this thread's shares.
  template <class F>
  void for_shares(int shares, F&& f) const {
    for (int share = index_; share < shares; share += size_) f(share);
  }

  int index() const { return index_; }
  bool is_first() const { return index_ == 0; }

  // Returns when every thread of the team has come here.
  void barrier() const {
    if (size_ > 1) barrier_.wait(size_);
  }

 private:
  int index_;
  int size_;
  Barrier& barrier_;
};

// Whether the calling thread came out of a fork. libgomp still takes the team of such a thread for
// its own, whose other threads are not in this process, and would wait for them for ever.
bool lost_its_team();
// Calls f() on a thread that has a team of its own, and waits for it. False: there is none to be
// had.
bool run_elsewhere(const std::function<void()>& f);

// As many of `threads` threads as the system lets the calling one have, itself among them, when a
// call wants so many for the first time. OpenMP ends the process when it cannot start one.
int threads_to_be_had(int threads);

// Calls f(member) on `threads` threads, the calling one among them, or on as many as there are to
// be had. f must not throw.
template <class F>
void run_team(int threads, F&& f) {
  Barrier barrier;
  if (threads == 1) {
    f(Member(0, 1, barrier));
    return;
  }
  const auto start = [&] {
    const int available = threads_to_be_had(threads);
#pragma omp parallel num_threads(available)
    f(Member(omp_get_thread_num(), omp_get_num_threads(), barrier));
  };
  if (!lost_its_team()) {
    start();
  } else if (!run_elsewhere(start)) {
    f(Member(0, 1, barrier));
  }
}

}  // namespace convlet
