#include "engine/team.hpp"

#include <atomic>

namespace convlet {
namespace {

std::atomic<int> thread_count{1};
std::atomic<double> serial_limit{1e7};

}  // namespace

int num_threads() { return thread_count.load(std::memory_order_relaxed); }

void set_num_threads(int threads) { thread_count.store(threads, std::memory_order_relaxed); }

double serial_flops() { return serial_limit.load(std::memory_order_relaxed); }

void set_serial_flops(double flops) { serial_limit.store(flops, std::memory_order_relaxed); }

int openmp_version() { return _OPENMP; }

}  // namespace convlet
