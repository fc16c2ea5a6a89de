// Forced into Aeron's C sources when it is built for the thread sanitizer (tools/get_aeron.sh), and nowhere else.
//
// On x86-64 Aeron orders its accesses by inline assembly, which the sanitizer cannot see: every hand-over inside
// Aeron would be reported as a race. This takes the place of concurrent/aeron_atomic64_gcc_x86_64.h, by its include
// guard, and does the same with the compiler's atomics.
#ifndef AERON_ATOMIC64_GCC_X86_64_H
#define AERON_ATOMIC64_GCC_X86_64_H
#ifndef __cplusplus

// No header of the C library: the first one fixes what _GNU_SOURCE means, which Aeron's files define themselves.
#include <stdbool.h>
typedef __INT32_TYPE__ int32_t;
typedef __INT64_TYPE__ int64_t;
typedef __UINT64_TYPE__ uint64_t;

// Fields of packed structs are aligned, but their type does not say so any more; the cast does.
#define AERON_TSAN_AT(lvalue) ((volatile __typeof__(lvalue)*)(void*)&(lvalue))
#define AERON_GET_ACQUIRE(dst, src) ((dst) = __atomic_load_n(AERON_TSAN_AT(src), __ATOMIC_ACQUIRE))
#define AERON_SET_RELEASE(dst, src) __atomic_store_n(AERON_TSAN_AT(dst), (src), __ATOMIC_RELEASE)
#define AERON_GET_AND_ADD_INT64(original, dst, value) \
  ((original) = __atomic_fetch_add(AERON_TSAN_AT(dst), (value), __ATOMIC_SEQ_CST))
#define AERON_GET_AND_ADD_INT32(original, dst, value) \
  ((original) = __atomic_fetch_add(AERON_TSAN_AT(dst), (value), __ATOMIC_SEQ_CST))

inline bool aeron_cas_int64(volatile int64_t* dst, int64_t expected, int64_t desired) {
  return __atomic_compare_exchange_n(dst, &expected, desired, false, __ATOMIC_SEQ_CST,
                                     __ATOMIC_SEQ_CST);
}
inline bool aeron_cas_uint64(volatile uint64_t* dst, uint64_t expected, uint64_t desired) {
  return __atomic_compare_exchange_n(dst, &expected, desired, false, __ATOMIC_SEQ_CST,
                                     __ATOMIC_SEQ_CST);
}
inline bool aeron_cas_int32(volatile int32_t* dst, int32_t expected, int32_t desired) {
  return __atomic_compare_exchange_n(dst, &expected, desired, false, __ATOMIC_SEQ_CST,
                                     __ATOMIC_SEQ_CST);
}
inline void aeron_acquire(void) { __atomic_thread_fence(__ATOMIC_ACQUIRE); }
inline void aeron_release(void) { __atomic_thread_fence(__ATOMIC_RELEASE); }

#define AERON_DECL_ALIGNED(declaration, amt) declaration __attribute__((aligned(amt)))

#endif
#endif
