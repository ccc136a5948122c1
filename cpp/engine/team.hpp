// The only OpenMP: a team of threads that runs one function and meets at barriers.
#pragma once

#include <omp.h>

namespace convlet {

// Threads that calls may use; process-wide.
int num_threads();
void set_num_threads(int threads);

// The OpenMP version the module was compiled for, as a date: 201511 is 4.5.
int openmp_version();

// One thread's view of its team. Work is cut into `shares`, whatever the number of threads that the
// OpenMP runtime really gives, so that results depend on the shares alone.
class Member {
 public:
  Member(int index, int size) : index_(index), size_(size) {}

  // f(share) for each of this thread's shares.
  template <class F>
  void for_shares(int shares, F&& f) const {
    for (int share = index_; share < shares; share += size_) f(share);
  }

  // Returns when every thread of the team has come here.
  void barrier() const {
    if (size_ == 1) return;
#pragma omp barrier
  }

 private:
  int index_;
  int size_;
};

// Calls f(member) on `threads` threads, the calling one among them. f must not throw.
template <class F>
void run_team(int threads, F&& f) {
  if (threads == 1) {
    f(Member(0, 1));
    return;
  }
#pragma omp parallel num_threads(threads)
  f(Member(omp_get_thread_num(), omp_get_num_threads()));
}

}  // namespace convlet
