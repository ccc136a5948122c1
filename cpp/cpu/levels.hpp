#pragma once

#include <string>
#include <vector>

namespace convlet::cpu {

// The x86-64 psABI's micro-architecture levels ("x86-64-v4", "x86-64-v3", "x86-64-v2") that both
// the CPU and the operating system support, best first; "x86-64-v4-bf16" is the first with
// AVX512_BF16, which comes before it only where that is faster. Empty on other architectures.
std::vector<std::string> available_levels();

// The CPU's brand string, or "unknown".
std::string cpu_name();

}  // namespace convlet::cpu
