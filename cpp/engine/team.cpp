#include "engine/team.hpp"

#include <atomic>

namespace convlet {
namespace {

std::atomic<int> thread_count{1};

}  // namespace

int num_threads() { return thread_count.load(std::memory_order_relaxed); }

void set_num_threads(int threads) { thread_count.store(threads, std::memory_order_relaxed); }

int openmp_version() { return _OPENMP; }

}  // namespace convlet
