// When a call may use a network.
#pragma once

#include <mutex>
#include <shared_mutex>

namespace convlet {

// Held around every call of a network: calls of one network take turns, and a fork waits until none
// is under way. So a forked process finds each network between two steps of training, and no lock
// taken by a thread that it does not have.
class Turn {
 public:
  explicit Turn(std::mutex& network);

 private:
  std::shared_lock<std::shared_mutex> keeps_from_forking_;
  std::lock_guard<std::mutex> network_;
};

}  // namespace convlet
