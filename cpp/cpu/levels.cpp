#include "cpu/levels.hpp"

#include <cstdint>
#include <initializer_list>

#if defined(__x86_64__)
#include <cpuid.h>

#include <array>
#include <cstring>
#endif

namespace convlet::cpu {

#if defined(__x86_64__)

namespace {

struct Registers {
  std::uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
};

// All zero where the CPU does not know the leaf.
Registers cpuid(std::uint32_t leaf, std::uint32_t subleaf = 0) {
  Registers r;
  __get_cpuid_count(leaf, subleaf, &r.eax, &r.ebx, &r.ecx, &r.edx);
  return r;
}

constexpr bool has_all(std::uint32_t value, std::uint32_t mask) { return (value & mask) == mask; }

constexpr std::uint32_t bits(std::initializer_list<int> positions) {
  std::uint32_t mask = 0;
  for (const int position : positions) mask |= std::uint32_t{1} << position;
  return mask;
}

// Which register files the operating system saves when it switches threads (XCR0). An AVX
// instruction faults when the CPU has it and the system does not save its registers.
std::uint64_t saved_state() {
  constexpr std::uint32_t osxsave = bits({27});
  if (!has_all(cpuid(1).ecx, osxsave)) return 0;
  std::uint32_t low = 0;
  std::uint32_t high = 0;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (std::uint64_t{high} << 32) | low;
}

// Feature bits: Intel SDM volume 2, CPUID. Levels: x86-64 psABI, "Micro-Architecture Levels".
bool has_v2() {
  // SSE3, SSSE3, CMPXCHG16B, SSE4.1, SSE4.2, POPCNT; LAHF
  constexpr std::uint32_t leaf1_ecx = bits({0, 9, 13, 19, 20, 23});
  constexpr std::uint32_t extended_ecx = bits({0});
  return has_all(cpuid(1).ecx, leaf1_ecx) && has_all(cpuid(0x80000001).ecx, extended_ecx);
}

bool has_v3() {
  constexpr std::uint32_t leaf1_ecx = bits({12, 22, 28, 29});  // FMA MOVBE AVX F16C
  constexpr std::uint32_t leaf7_ebx = bits({3, 5, 8});         // BMI1 AVX2 BMI2
  constexpr std::uint32_t extended_ecx = bits({5});            // LZCNT
  constexpr std::uint64_t ymm_state = bits({1, 2});            // XMM YMM
  return has_v2() && has_all(cpuid(1).ecx, leaf1_ecx) && has_all(cpuid(7).ebx, leaf7_ebx) &&
         has_all(cpuid(0x80000001).ecx, extended_ecx) && (saved_state() & ymm_state) == ymm_state;
}

bool has_v4() {
  constexpr std::uint32_t leaf7_ebx = bits({16, 17, 28, 30, 31});  // AVX512 F DQ CD BW VL
  constexpr std::uint64_t zmm_state = bits({5, 6, 7});             // opmask, upper halves, ZMM16-31
  return has_v3() && has_all(cpuid(7).ebx, leaf7_ebx) && (saved_state() & zmm_state) == zmm_state;
}

bool has_bf16() {
  constexpr std::uint32_t leaf7_1_eax = bits({5});  // AVX512_BF16
  return has_v4() && has_all(cpuid(7, 1).eax, leaf7_1_eax);
}

// Whether a product of bfloat16 pairs takes no longer than one of floats. On Intel's CPUs it takes
// twice as long (measured on Sapphire Rapids: 86 and 176 GFLOP/s with one thread), so that nothing
// is won; what is fast there is AMX. On AMD's, from Zen 4 on, as published by uops.info, it takes
// the same time and does twice the work.
bool has_fast_bf16() {
  constexpr std::uint32_t amd = 0x68747541;  // "Auth", the beginning of AuthenticAMD
  return has_bf16() && cpuid(0).ebx == amd;
}

}  // namespace

std::vector<std::string> available_levels() {
  std::vector<std::string> levels;
  if (has_fast_bf16()) levels.emplace_back("x86-64-v4-bf16");
  if (has_v4()) levels.emplace_back("x86-64-v4");
  if (has_bf16() && !has_fast_bf16()) levels.emplace_back("x86-64-v4-bf16");
  if (has_v3()) levels.emplace_back("x86-64-v3");
  if (has_v2()) levels.emplace_back("x86-64-v2");
  return levels;
}

std::string cpu_name() {
  constexpr std::uint32_t first_leaf = 0x80000002;
  constexpr std::uint32_t leaves = 3;
  if (cpuid(0x80000000).eax < first_leaf + leaves - 1) return "unknown";
  std::array<char, leaves * sizeof(Registers) + 1> text{};
  for (std::uint32_t i = 0; i < leaves; ++i) {
    const Registers r = cpuid(first_leaf + i);
    std::memcpy(text.data() + i * sizeof r, &r, sizeof r);
  }
  const std::string name(text.data());
  const std::size_t begin = name.find_first_not_of(' ');
  if (begin == std::string::npos) return "unknown";
  return name.substr(begin, name.find_last_not_of(' ') - begin + 1);
}

#else

std::vector<std::string> available_levels() { return {}; }

std::string cpu_name() { return "unknown"; }

#endif

}  // namespace convlet::cpu
