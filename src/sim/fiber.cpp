#include "sim/fiber.hpp"

#include <sys/mman.h>
#include <ucontext.h>

#include <utility>

#include "base/assert.hpp"

#if defined(__SANITIZE_ADDRESS__)
#define TENSORPOOL_SIM_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TENSORPOOL_SIM_ASAN 1
#endif
#endif
#if defined(TENSORPOOL_SIM_ASAN)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

namespace tensorpool::sim {
namespace {

constexpr std::size_t page_bytes = 4096;

// What the address sanitizer is told around a switch. `fake` keeps the frames that it moved off the
// stack that is left; null gives them up, for a stack that is never used again.
void before_switch([[maybe_unused]] void** fake, [[maybe_unused]] const void* stack,
                   [[maybe_unused]] std::size_t bytes) noexcept {
#if defined(TENSORPOOL_SIM_ASAN)
  __sanitizer_start_switch_fiber(fake, stack, bytes);
#endif
}
void after_switch([[maybe_unused]] void* fake, [[maybe_unused]] const void** from,
                  [[maybe_unused]] std::size_t* bytes) noexcept {
#if defined(TENSORPOOL_SIM_ASAN)
  __sanitizer_finish_switch_fiber(fake, from, bytes);
#endif
}

}  // namespace

struct Fiber::State {
  std::function<void()> body;
  std::byte* memory = nullptr;
  std::size_t bytes = 0;  // guard page included
  ucontext_t inside{};
  ucontext_t outside{};
  bool done = false;
  // Of the sanitizer: the frames of both sides while they wait, and where the caller's stack lies.
  void* fake_inside = nullptr;
  void* fake_outside = nullptr;
  const void* caller_stack = nullptr;
  std::size_t caller_bytes = 0;
};

namespace {
thread_local Fiber* running = nullptr;
}  // namespace

Fiber::Fiber(std::function<void()> body, std::size_t stack_bytes)
    : state_(std::make_unique<State>()) {
  State& s = *state_;
  s.body = std::move(body);
  s.bytes = (stack_bytes + page_bytes - 1) / page_bytes * page_bytes + page_bytes;
  void* memory = ::mmap(nullptr, s.bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  TP_ASSERT(memory != MAP_FAILED);
  s.memory = static_cast<std::byte*>(memory);
  TP_ASSERT(::mprotect(s.memory, page_bytes, PROT_NONE) == 0);
  TP_ASSERT(::getcontext(&s.inside) == 0);
  s.inside.uc_stack.ss_sp = s.memory + page_bytes;
  s.inside.uc_stack.ss_size = s.bytes - page_bytes;
  s.inside.uc_link = nullptr;  // start() never returns
  ::makecontext(&s.inside, &Fiber::start, 0);
}

Fiber::~Fiber() {
  TP_ASSERT(running != this);
#if defined(TENSORPOOL_SIM_ASAN)
  // Whoever gets these addresses next must not meet the red zones of our frames.
  ASAN_UNPOISON_MEMORY_REGION(state_->memory + page_bytes, state_->bytes - page_bytes);
#endif
  ::munmap(state_->memory, state_->bytes);
}

bool Fiber::done() const noexcept { return state_->done; }
Fiber* Fiber::current() noexcept { return running; }

void Fiber::resume() {
  State& s = *state_;
  TP_ASSERT(running == nullptr && !s.done);
  running = this;
  before_switch(&s.fake_outside, s.memory + page_bytes, s.bytes - page_bytes);
  TP_ASSERT(::swapcontext(&s.outside, &s.inside) == 0);
  after_switch(s.fake_outside, nullptr, nullptr);
  running = nullptr;
}

void Fiber::yield() {
  TP_ASSERT(running != nullptr);
  State& s = *running->state_;
  before_switch(&s.fake_inside, s.caller_stack, s.caller_bytes);
  TP_ASSERT(::swapcontext(&s.inside, &s.outside) == 0);
  after_switch(s.fake_inside, &s.caller_stack, &s.caller_bytes);
}

void Fiber::start() {
  State& s = *running->state_;
  after_switch(nullptr, &s.caller_stack, &s.caller_bytes);
  s.body();
  s.done = true;
  before_switch(nullptr, s.caller_stack, s.caller_bytes);
  ::swapcontext(&s.inside, &s.outside);
  TP_ASSERT(false);
}

}  // namespace tensorpool::sim
