// Memory that one input may take: what wants more is told, as by a system that has none left.
#pragma once

#include <cstddef>

namespace convlet::fuzz {

// While it lives, `operator new` gives so many bytes in all and then throws std::bad_alloc, once:
// what looks at a finding needs memory, too.
class Budget {
 public:
  explicit Budget(std::size_t bytes);
  ~Budget();
  Budget(const Budget&) = delete;
  Budget& operator=(const Budget&) = delete;
};

}  // namespace convlet::fuzz
