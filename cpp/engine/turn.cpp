#include "engine/turn.hpp"

#include <pthread.h>

#include <new>

namespace convlet {
namespace {

// Shared by the calls, taken alone by a fork. Those who wait for it hold no other lock.
std::shared_mutex forking;

void before_fork() { forking.lock(); }

void after_fork_in_parent() { forking.unlock(); }

// Threads that wait for it are counted in it, and are not in the child: it starts anew.
void after_fork_in_child() { new (&forking) std::shared_mutex; }

[[maybe_unused]] const int watches_forks =
    pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);

}  // namespace

Turn::Turn(std::mutex& network) : keeps_from_forking_(forking), network_(network) {}

}  // namespace convlet
