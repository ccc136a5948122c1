#pragma once

#include <string>
#include <vector>

namespace convlet::cpu {

// The x86-64 psABI's micro-architecture levels ("x86-64-v4", "x86-64-v3", "x86-64-v2") that both
// the CPU and the operating system support, best first. Empty on other architectures.
std::vector<std::string> available_levels();

// The CPU's brand string, or "unknown".
std::string cpu_name();

}  // namespace convlet::cpu
