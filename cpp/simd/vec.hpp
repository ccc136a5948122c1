// One vector of floats, or of pairs of bfloat16: the only file that knows which instruction set it
// is compiled for.
//
// `Vec` is a GCC/Clang vector type as wide as the target's registers, so the arithmetic operators
// and comparisons are the compiler's own. This file adds what they lack: unaligned and partial
// access, fused multiply-add, selection.
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#if defined(__SSE2__)
#include <immintrin.h>
#endif

namespace convlet::simd {

#if defined(__AVX512F__)
inline constexpr int kLanes = 16;
inline constexpr int kRegisters = 32;
#elif defined(__AVX__)
inline constexpr int kLanes = 8;
inline constexpr int kRegisters = 16;
#elif defined(__aarch64__)
inline constexpr int kLanes = 4;
inline constexpr int kRegisters = 32;
#else
inline constexpr int kLanes = 4;
inline constexpr int kRegisters = 16;
#endif

inline constexpr int kVecBytes = kLanes * static_cast<int>(sizeof(float));

using Vec = float __attribute__((vector_size(kVecBytes)));
using HalfVec = float __attribute__((vector_size(kVecBytes / 2)));
using IntVec = std::int32_t __attribute__((vector_size(kVecBytes)));
using UintVec = std::uint32_t __attribute__((vector_size(kVecBytes)));
using ByteVec = std::uint8_t __attribute__((vector_size(kLanes)));

// Two bfloat16 numbers side by side, the first in the lower half.
enum class Pair : std::uint32_t {};

// Whether fma takes vectors of Items: pairs only where the target has an instruction for it.
template <class Item>
inline constexpr bool kMultiplies = true;
#if !defined(__AVX512BF16__)
template <>
inline constexpr bool kMultiplies<Pair> = false;
#endif

namespace detail {
// The same vectors as they lie in memory: any float's address will do. Behind the = Clang 14 would
// not see the alignment.
using UnalignedVec __attribute__((aligned(4), may_alias)) = Vec;
using UnalignedByteVec __attribute__((aligned(1), may_alias)) = ByteVec;
static_assert(alignof(UnalignedVec) == 4 && alignof(UnalignedByteVec) == 1);
}  // namespace detail

#if defined(__AVX512F__)
// The masked intrinsics: GCC 12 warns of uninitialised operands in the plain ones.
inline constexpr __mmask16 kAllLanes = 0xFFFF;
#endif

inline Vec zero() { return Vec{}; }

// s - 0 is s for every s, -0 and NaN included.
inline Vec broadcast(float s) { return s - Vec{}; }

inline IntVec broadcast(std::int32_t s) { return s - IntVec{}; }

inline UintVec broadcast(std::uint32_t s) { return s + UintVec{}; }
inline UintVec broadcast(Pair s) { return static_cast<std::uint32_t>(s) - UintVec{}; }

// p[0] and p[1] in turn.
inline Vec broadcast_two(const float* p) {
  using Doubles = std::int64_t __attribute__((vector_size(kVecBytes)));
  std::int64_t both;
  std::memcpy(&both, p, sizeof(both));
  return reinterpret_cast<Vec>(both - Doubles{});
}

inline Vec load(const float* p) { return *reinterpret_cast<const detail::UnalignedVec*>(p); }

inline void store(float* p, Vec v) { *reinterpret_cast<detail::UnalignedVec*>(p) = v; }

// A vector of any size.
template <class Items>
Items load_as(const float* p) {
  Items items;
  std::memcpy(&items, p, sizeof(items));
  return items;
}

template <class Items>
void store_as(float* p, Items items) {
  std::memcpy(p, &items, sizeof(items));
}

inline UintVec load(const Pair* p) {
  return reinterpret_cast<UintVec>(*reinterpret_cast<const detail::UnalignedVec*>(p));
}

inline void store(Pair* p, UintVec v) {
  *reinterpret_cast<detail::UnalignedVec*>(p) = reinterpret_cast<Vec>(v);
}

#if defined(__AVX2__) && !defined(__AVX512F__)
namespace detail {
// -1 in the first `count` lanes.
inline __m256i first_lanes(int count) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
}  // namespace detail
#endif

// The first `count` lanes from memory, zeros behind them; reads nothing past p + count. 0 <= count
// <= kLanes.
inline Vec load_partial(const float* p, int count) {
#if defined(__AVX512F__)
  return _mm512_maskz_loadu_ps(static_cast<__mmask16>((1U << count) - 1U), p);
#elif defined(__AVX2__)
  return _mm256_maskload_ps(p, detail::first_lanes(count));
#else
  Vec v{};
  std::memcpy(&v, p, static_cast<std::size_t>(count) * sizeof(float));
  return v;
#endif
}

#if defined(__SSE2__) && !defined(__AVX512F__)
namespace detail {
// Less than all lanes: in powers of two, because AVX2's masked store takes AMD's CPUs 12 cycles.
inline void store_few(float* p, __m128 v, int count) {
  if ((count & 2) != 0) {
    _mm_storel_pi(reinterpret_cast<__m64*>(p), v);
    v = _mm_movehl_ps(v, v);
    p += 2;
  }
  if ((count & 1) != 0) _mm_store_ss(p, v);
}
}  // namespace detail
#endif

// Writes the first `count` lanes and nothing else. 0 <= count <= kLanes.
inline void store_partial(float* p, Vec v, int count) {
#if defined(__AVX512F__)
  _mm512_mask_storeu_ps(p, static_cast<__mmask16>((1U << count) - 1U), v);
#elif defined(__AVX__)
  if (count == kLanes) return store(p, v);
  const bool four = (count & 4) != 0;
  if (four) _mm_storeu_ps(p, _mm256_castps256_ps128(v));
  const __m128 rest = four ? _mm256_extractf128_ps(v, 1) : _mm256_castps256_ps128(v);
  detail::store_few(four ? p + 4 : p, rest, count);
#elif defined(__SSE2__)
  if (count == kLanes) return store(p, v);
  detail::store_few(p, v, count);
#else
  std::memcpy(p, &v, static_cast<std::size_t>(count) * sizeof(float));
#endif
}

// All lanes, where the number is known to the compiler: with AVX2 it would still make a masked
// store of it, which takes AMD's CPUs some twenty cycles.
using Whole = std::integral_constant<int, kLanes>;
inline Vec load_partial(const float* p, Whole) { return load(p); }
inline void store_partial(float* p, Vec v, Whole) { store(p, v); }

inline void store_partial(Pair* p, UintVec v, int count) {
#if defined(__AVX512F__)
  _mm512_mask_storeu_epi32(p, static_cast<__mmask16>((1U << count) - 1U),
                           reinterpret_cast<__m512i>(v));
#else
  std::memcpy(p, &v, static_cast<std::size_t>(count) * sizeof(Pair));
#endif
}

// kLanes small non-negative integers, one byte each. With intrinsics where there are any: GCC 12
// takes vectors of bytes apart one by one.
inline IntVec load_bytes(const std::uint8_t* p) {
#if defined(__AVX512F__)
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  return reinterpret_cast<IntVec>(_mm512_maskz_cvtepu8_epi32(kAllLanes, bytes));
#elif defined(__AVX2__)
  const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p));
  return reinterpret_cast<IntVec>(_mm256_cvtepu8_epi32(bytes));
#elif defined(__SSE4_1__)
  return reinterpret_cast<IntVec>(_mm_cvtepu8_epi32(_mm_loadu_si32(p)));
#else
  return __builtin_convertvector(*reinterpret_cast<const detail::UnalignedByteVec*>(p), IntVec);
#endif
}

namespace detail {
inline ByteVec to_bytes(IntVec v) {
#if defined(__AVX512F__)
  const __m512i wide = reinterpret_cast<__m512i>(v);
  return reinterpret_cast<ByteVec>(_mm512_maskz_cvtepi32_epi8(kAllLanes, wide));
#elif defined(__AVX2__)
  const __m256i wide = reinterpret_cast<__m256i>(v);
  const __m128i words =
      _mm_packus_epi32(_mm256_castsi256_si128(wide), _mm256_extracti128_si256(wide, 1));
  ByteVec bytes;
  _mm_storel_epi64(reinterpret_cast<__m128i*>(&bytes), _mm_packus_epi16(words, words));
  return bytes;
#elif defined(__SSE4_1__)
  const __m128i wide = reinterpret_cast<__m128i>(v);
  const __m128i words = _mm_packus_epi32(wide, wide);
  ByteVec bytes;
  _mm_storeu_si32(&bytes, _mm_packus_epi16(words, words));
  return bytes;
#else
  return __builtin_convertvector(v, ByteVec);
#endif
}
}  // namespace detail

inline void store_bytes(std::uint8_t* p, IntVec v) {
  *reinterpret_cast<detail::UnalignedByteVec*>(p) = detail::to_bytes(v);
}

inline void store_bytes_partial(std::uint8_t* p, IntVec v, int count) {
  const ByteVec bytes = detail::to_bytes(v);
#if defined(__AVX512BW__) && defined(__AVX512VL__)
  _mm_mask_storeu_epi8(p, static_cast<__mmask16>((1U << count) - 1U),
                       reinterpret_cast<__m128i>(bytes));
#else
  // In powers of two: the copy of an unknown number of bytes is a call.
  const auto* from = reinterpret_cast<const std::uint8_t*>(&bytes);
#pragma GCC unroll 5
  for (int size = kLanes; size > 0; size /= 2) {
    if ((count & size) == 0) continue;
    std::memcpy(p, from, static_cast<std::size_t>(size));
    from += size;
    p += size;
  }
#endif
}

// a * b + c, rounded once where the target has FMA (the build sets -ffp-contract=fast), twice
// elsewhere.
inline Vec fma(Vec a, Vec b, Vec c) { return a * b + c; }

// Both halves of the 64-bit products of unsigned integers.
struct WideProduct {
  UintVec low, high;
};

namespace detail {
using WideVec = std::uint64_t __attribute__((vector_size(kVecBytes)));

// The products of the lower halves of each pair of lanes.
inline WideVec multiply_lower_halves(WideVec a, WideVec b) {
#if defined(__AVX512F__)
  return reinterpret_cast<WideVec>(
      _mm512_maskz_mul_epu32(0xFF, reinterpret_cast<__m512i>(a), reinterpret_cast<__m512i>(b)));
#elif defined(__AVX2__)
  return reinterpret_cast<WideVec>(
      _mm256_mul_epu32(reinterpret_cast<__m256i>(a), reinterpret_cast<__m256i>(b)));
#elif defined(__SSE2__)
  return reinterpret_cast<WideVec>(
      _mm_mul_epu32(reinterpret_cast<__m128i>(a), reinterpret_cast<__m128i>(b)));
#else
  return (a & 0xFFFFFFFF) * (b & 0xFFFFFFFF);
#endif
}
}  // namespace detail

inline WideProduct multiply_wide(UintVec a, std::uint32_t b) {
  constexpr std::uint64_t kLower = 0xFFFFFFFF;
  const auto pairs = reinterpret_cast<detail::WideVec>(a);
  const auto factor = detail::WideVec{} + b;
  const detail::WideVec even = detail::multiply_lower_halves(pairs, factor);
  const detail::WideVec odd = detail::multiply_lower_halves(pairs >> 32, factor);
  return {reinterpret_cast<UintVec>((even & kLower) | (odd << 32)),
          reinterpret_cast<UintVec>((even >> 32) | (odd & ~kLower))};
}
#if defined(__AVX512BF16__)
// c + the two products of two pairs, added up one after the other; denormal numbers count as zero.
inline Vec fma(UintVec a, UintVec b, Vec c) {
  return _mm512_dpbf16_ps(c, reinterpret_cast<__m512bh>(a), reinterpret_cast<__m512bh>(b));
}
#endif

// Brings the cache line at p, which need not exist, into the second-level cache.
inline void fetch(const void* p) { __builtin_prefetch(p, 0, 2); }

// a > b ? a : b in every lane: of two unordered values the second, so that max(zero(), x) keeps
// NaN.
inline Vec max(Vec a, Vec b) {
#if defined(__AVX512F__)
  return _mm512_maskz_max_ps(kAllLanes, a, b);
#elif defined(__AVX__)
  return _mm256_max_ps(a, b);
#else
  return a > b ? a : b;
#endif
}

// Lane i is p[which[i]], one of four floats.
inline Vec pick(const float* p, IntVec which) {
#if defined(__AVX512F__)
  const __m512 all = _mm512_maskz_broadcast_f32x4(kAllLanes, _mm_loadu_ps(p));
  return _mm512_maskz_permutevar_ps(kAllLanes, all, reinterpret_cast<__m512i>(which));
#elif defined(__AVX__)
  const __m256 all = _mm256_broadcast_ps(reinterpret_cast<const __m128*>(p));
  return _mm256_permutevar_ps(all, reinterpret_cast<__m256i>(which));
#else
  const Vec first = (which & 1) != 0 ? broadcast(p[1]) : broadcast(p[0]);
  const Vec second = (which & 1) != 0 ? broadcast(p[3]) : broadcast(p[2]);
  return (which & 2) != 0 ? second : first;
#endif
}

// Square root, correctly rounded.
inline Vec sqrt(Vec v) {
#if defined(__AVX512F__)
  return _mm512_maskz_sqrt_ps(kAllLanes, v);
#elif defined(__AVX__)
  return _mm256_sqrt_ps(v);
#else
  Vec r;
  for (int i = 0; i < kLanes; ++i) r[i] = __builtin_sqrtf(v[i]);
  return r;
#endif
}

// The nearest bfloat16 (a float of 8 significant bits), of two equally near ones the even one. What
// is too large becomes infinite; NaN stays NaN.
inline Vec round_bfloat16(Vec v) {
  const UintVec bits = reinterpret_cast<UintVec>(v);
  const UintVec rounded = bits + 0x7FFFU + ((bits >> 16) & 1U);
  const UintVec quiet = bits | 0x00400000U;
  return reinterpret_cast<Vec>((v != v ? quiet : rounded) & 0xFFFF0000U);
}

// Pairs (first[i], second[i]), rounded.
inline UintVec pair_lanes(Vec first, Vec second) {
  return reinterpret_cast<UintVec>(round_bfloat16(first)) >> 16 |
         reinterpret_cast<UintVec>(round_bfloat16(second));
}

namespace detail {
template <int... Lane>
UintVec pair_neighbours(Vec low, Vec high, std::integer_sequence<int, Lane...>) {
  return pair_lanes(__builtin_shufflevector(low, high, 2 * Lane...),
                    __builtin_shufflevector(low, high, (2 * Lane + 1)...));
}
}  // namespace detail

// Pairs of neighbours among the 2 * kLanes numbers of low and, behind them, high; rounded.
inline UintVec pair_neighbours(Vec low, Vec high) {
  return detail::pair_neighbours(low, high, std::make_integer_sequence<int, kLanes>{});
}

// Bit i is set where lane i of the mask is (-1).
inline std::uint32_t bits_of(IntVec mask) {
#if defined(__AVX512F__)
  return _mm512_movepi32_mask(reinterpret_cast<__m512i>(mask));
#elif defined(__AVX2__)
  return static_cast<std::uint32_t>(_mm256_movemask_ps(reinterpret_cast<__m256>(mask)));
#elif defined(__SSE2__)
  return static_cast<std::uint32_t>(_mm_movemask_ps(reinterpret_cast<__m128>(mask)));
#else
  std::uint32_t bits = 0;
  for (int i = 0; i < kLanes; ++i) bits |= static_cast<std::uint32_t>(mask[i] & 1) << i;
  return bits;
#endif
}

// Bit i is set where lane i is not zero, or NaN.
inline std::uint32_t nonzero_bits(Vec v) {
#if defined(__AVX512F__)
  return _mm512_cmp_ps_mask(v, zero(), _CMP_NEQ_UQ);
#else
  return bits_of(v != zero());
#endif
}

// Whether a lane is NaN.
inline bool has_nan(Vec v) {
#if defined(__AVX512F__)
  return _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q) != 0;
#else
  return bits_of(v != v) != 0;
#endif
}

// Whether a lane of a is less than b's.
inline bool has_less(Vec a, Vec b) {
#if defined(__AVX512F__)
  return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ) != 0;
#else
  return bits_of(a < b) != 0;
#endif
}

// The lanes of v where mask is set (-1), moved together to p, in order; returns how many.
// Overwrites up to kLanes elements.
template <class T, class V>
int compress(T* p, V v, IntVec mask) {
#if defined(__AVX512F__)
  const __mmask16 bits = _mm512_movepi32_mask(reinterpret_cast<__m512i>(mask));
  _mm512_storeu_si512(p, _mm512_maskz_compress_epi32(bits, reinterpret_cast<__m512i>(v)));
  return __builtin_popcount(bits);
#elif defined(__AVX2__) && defined(__BMI2__)
  const auto bits = static_cast<unsigned>(_mm256_movemask_ps(reinterpret_cast<__m256>(mask)));
  // One byte a lane, 0xFF where it is taken, picks the numbers of the lanes taken.
  const std::uint64_t taken = _pdep_u64(bits, 0x0101010101010101) * 0xFF;
  const auto lanes = static_cast<long long>(_pext_u64(0x0706050403020100, taken));
  const __m256i order = _mm256_cvtepu8_epi32(_mm_cvtsi64_si128(lanes));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p),
                      _mm256_permutevar8x32_epi32(reinterpret_cast<__m256i>(v), order));
  return __builtin_popcount(bits);
#else
  int count = 0;
  for (int i = 0; i < kLanes; ++i) {
    p[count] = v[i];
    count -= mask[i];
  }
  return count;
#endif
}

namespace detail {

// Exchanges the off-diagonal blocks of `Block` lanes of a pair of rows: of every 2 * Block lanes,
// `a` keeps its first half and gets b's first half behind it; `b` gets a's second half and keeps
// its own.
template <int Block, int... Lane>
void exchange(Vec& a, Vec& b, std::integer_sequence<int, Lane...>) {
  const Vec first = a;
  a = __builtin_shufflevector(first, b, ((Lane & Block) == 0 ? Lane : Lane - Block + kLanes)...);
  b = __builtin_shufflevector(first, b, ((Lane & Block) == 0 ? Lane + Block : Lane + kLanes)...);
}

template <int Block>
void transpose_blocks(Vec (&rows)[kLanes]) {
  if constexpr (Block < kLanes) {
#pragma GCC unroll 16
    for (int i = 0; i < kLanes; ++i) {
      if ((i & Block) == 0) {
        exchange<Block>(rows[i], rows[i + Block], std::make_integer_sequence<int, kLanes>{});
      }
    }
    transpose_blocks<2 * Block>(rows);
  }
}

}  // namespace detail

// rows[i][j] <-> rows[j][i] for a square of kLanes rows.
inline void transpose(Vec (&rows)[kLanes]) { detail::transpose_blocks<1>(rows); }

// to[4 * i + j] = rows[j][i] for i and j below 4.
inline void transpose_four(const float* const (&rows)[4], float* to) {
  using Four = float __attribute__((vector_size(16)));
  Four v[4];
  for (int j = 0; j < 4; ++j) std::memcpy(&v[j], rows[j], sizeof(Four));
  const Four low01 = __builtin_shufflevector(v[0], v[1], 0, 4, 1, 5);
  const Four low23 = __builtin_shufflevector(v[2], v[3], 0, 4, 1, 5);
  const Four high01 = __builtin_shufflevector(v[0], v[1], 2, 6, 3, 7);
  const Four high23 = __builtin_shufflevector(v[2], v[3], 2, 6, 3, 7);
  // One by one: copied as a whole they would be gathered in memory first, and their reader wait.
  const auto put = [to](int i, Four row) { std::memcpy(to + 4 * i, &row, sizeof(row)); };
  put(0, __builtin_shufflevector(low01, low23, 0, 1, 4, 5));
  put(1, __builtin_shufflevector(low01, low23, 2, 3, 6, 7));
  put(2, __builtin_shufflevector(high01, high23, 0, 1, 4, 5));
  put(3, __builtin_shufflevector(high01, high23, 2, 3, 6, 7));
}

namespace detail {
// Every other lane of v, from `First` on, at the front.
template <int First, int... Lane>
Vec every_other(Vec v, std::integer_sequence<int, Lane...>) {
  return __builtin_shufflevector(v, v, ((First + 2 * Lane) % kLanes)...);
}
}  // namespace detail

// Lanes 0, 2, 4, ... or 1, 3, 5, ... of v at the front; what is behind them has no meaning.
inline Vec even_lanes(Vec v) {
  return detail::every_other<0>(v, std::make_integer_sequence<int, kLanes>{});
}
inline Vec odd_lanes(Vec v) {
  return detail::every_other<1>(v, std::make_integer_sequence<int, kLanes>{});
}

// Tells the CPU that this thread is waiting in a loop.
inline void pause() {
#if defined(__SSE2__)
  _mm_pause();
#endif
}

// While it lives, this thread's arithmetic treats denormal numbers (below 1.2e-38) as zero, as
// TensorFlow's does: on x86 one denormal operand costs more than a hundred cycles, and an
// optimizer's slots are full of them.
class FlushDenormals {
 public:
  FlushDenormals() : saved_(read()) { write(saved_ | kFlush); }
  ~FlushDenormals() { write(saved_); }
  FlushDenormals(const FlushDenormals&) = delete;
  FlushDenormals& operator=(const FlushDenormals&) = delete;

 private:
#if defined(__SSE2__)
  using Register = unsigned int;
  static constexpr Register kFlush = 0x8040;  // MXCSR: flush to zero, denormals are zero
  static Register read() { return _mm_getcsr(); }
  static void write(Register r) { _mm_setcsr(r); }
#elif defined(__aarch64__)
  using Register = std::uint64_t;
  static constexpr Register kFlush = Register{1} << 24;  // FPCR.FZ
  static Register read() {
    Register r;
    asm volatile("mrs %0, fpcr" : "=r"(r));
    return r;
  }
  static void write(Register r) { asm volatile("msr fpcr, %0" ::"r"(r)); }
#else
  using Register = unsigned int;
  static constexpr Register kFlush = 0;
  static Register read() { return 0; }
  static void write(Register) {}
#endif
  Register saved_;
};

}  // namespace convlet::simd
