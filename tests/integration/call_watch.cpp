#include "integration/call_watch.hpp"

#include <dlfcn.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdlib>
#include <ctime>

namespace tensorpool::integration {
namespace {

// In the program itself, so that reaching them allocates nothing.
thread_local Calls calls;
SystemCalls* seen_calls = nullptr;

void on_filtered_call(int /*signal*/, siginfo_t* info, void* /*context*/) {
  seen_calls->count = seen_calls->count + 1;
  seen_calls->last = info->si_syscall;
}

constexpr sock_filter allow_when_equal(std::uint32_t number, std::uint8_t skip) {
  return {BPF_JMP | BPF_JEQ | BPF_K, skip, 0, number};
}

// Some virtual machines have no clock that can be read without the kernel.
bool clock_needs_the_kernel() {
  timespec time{};
  const std::uint64_t before = seen_calls->count;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return seen_calls->count != before;
}

}  // namespace

Calls calls_so_far() noexcept { return calls; }

const char* watch_system_calls(SystemCalls& seen) noexcept {
  seen_calls = &seen;
  struct sigaction action{};
  action.sa_sigaction = on_filtered_call;
  action.sa_flags = SA_SIGINFO | SA_NODEFER;
  if (sigaction(SIGSYS, &action, nullptr) != 0) return "sigaction";
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return "prctl(PR_SET_NO_NEW_PRIVS)";
  // Everything unnamed traps, so that the machine's call numbers need no further check.
  std::array<sock_filter, 5> program{
      {{BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(seccomp_data, nr)},
       allow_when_equal(SYS_exit_group, 2),
       allow_when_equal(SYS_rt_sigreturn, 1),  // the way back out of on_filtered_call
       {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_TRAP},
       {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW}}};
  const sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
  // Without SECCOMP_FILTER_FLAG_TSYNC: this thread only.
  if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter) != 0) return "seccomp";
  if (clock_needs_the_kernel()) return "reading the clock without a system call";
  return nullptr;
}

}  // namespace tensorpool::integration

// The functions of the C library, counted. glibc gives its own under second names; the locks are
// looked up once, before anybody counts.
#if TENSORPOOL_CALLS_WATCHED

using tensorpool::integration::calls;

// Seen by the C++ library too, although everything of ours is hidden: clang needs to be told.
#pragma GCC visibility push(default)

extern "C" {
void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t count, std::size_t size);
void* __libc_realloc(void* memory, std::size_t size);
void* __libc_memalign(std::size_t alignment, std::size_t size);
void __libc_free(void* memory);

void* malloc(std::size_t size) {
  ++calls.allocations;
  return __libc_malloc(size);
}
void* calloc(std::size_t count, std::size_t size) {
  ++calls.allocations;
  return __libc_calloc(count, size);
}
void* realloc(void* memory, std::size_t size) {
  ++calls.allocations;
  return __libc_realloc(memory, size);
}
void* memalign(std::size_t alignment, std::size_t size) {
  ++calls.allocations;
  return __libc_memalign(alignment, size);
}
void* aligned_alloc(std::size_t alignment, std::size_t size) {
  ++calls.allocations;
  return __libc_memalign(alignment, size);
}
int posix_memalign(void** memory, std::size_t alignment, std::size_t size) {
  ++calls.allocations;
  *memory = __libc_memalign(alignment, size);
  return *memory == nullptr ? ENOMEM : 0;
}
void free(void* memory) {
  if (memory != nullptr) ++calls.allocations;
  __libc_free(memory);
}
}

namespace {
template <class Function>
Function* next_of(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}
}  // namespace

// The real function is looked up in the first call, which is long before a test counts.
#define TENSORPOOL_COUNTED_LOCK(name, type)                       \
  extern "C" int name(type* lock) {                               \
    static int (*const real)(type*) = next_of<int(type*)>(#name); \
    ++calls.locks;                                                \
    return real(lock);                                            \
  }
TENSORPOOL_COUNTED_LOCK(pthread_mutex_lock, pthread_mutex_t)
TENSORPOOL_COUNTED_LOCK(pthread_mutex_trylock, pthread_mutex_t)
TENSORPOOL_COUNTED_LOCK(pthread_rwlock_rdlock, pthread_rwlock_t)
TENSORPOOL_COUNTED_LOCK(pthread_rwlock_wrlock, pthread_rwlock_t)

#pragma GCC visibility pop
#endif
