// Sees what a piece of code asks of the rest of the system: allocations and locks through
// interposed functions, system calls through a seccomp filter on the calling thread.
#pragma once

#include <cstdint>

// Sanitizers replace malloc and make system calls of their own: under them nothing is watched.
#if defined(__has_feature)
#define TENSORPOOL_CLANG_HAS(feature) __has_feature(feature)
#else
#define TENSORPOOL_CLANG_HAS(feature) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || \
    TENSORPOOL_CLANG_HAS(address_sanitizer) || TENSORPOOL_CLANG_HAS(thread_sanitizer)
#define TENSORPOOL_CALLS_WATCHED 0
#else
#define TENSORPOOL_CALLS_WATCHED 1
#endif

namespace tensorpool::integration {

struct Calls {
  std::uint64_t allocations = 0;  // malloc and its relatives, and so operator new; free too
  std::uint64_t locks = 0;        // pthread mutexes and read-write locks, taken or not
};
// Of this thread, since it began.
Calls calls_so_far() noexcept;

// Where the filter leaves what it saw. Any memory, also shared with another process.
struct SystemCalls {
  volatile std::uint64_t count = 0;
  volatile std::int64_t last = -1;  // its number
};
// From now on every system call of this thread but exit_group fails with ENOSYS and is counted in
// `seen`; there is no way back. Other threads are not touched. Reading the clock stays possible
// where the kernel needs no system call for it. Returns what failed, or null.
const char* watch_system_calls(SystemCalls& seen) noexcept;

}  // namespace tensorpool::integration
