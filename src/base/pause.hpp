// For loops that look at memory again and again.
#pragma once

namespace tensorpool::base {

// Tells the core that this is a spin loop.
inline void cpu_pause() noexcept {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace tensorpool::base
