// Asserts that stay on in release builds. They guard against bugs of this library only: a caller's
// mistake or a peer's message is an Error, never an assert.
#pragma once

namespace tensorpool::base {

// Writes file, line and the condition to standard error and aborts.
[[noreturn]] void assert_failed(const char* condition, const char* file, int line) noexcept;

}  // namespace tensorpool::base

#define TP_ASSERT(condition)                                             \
  do {                                                                   \
    if (!(condition)) [[unlikely]]                                       \
      ::tensorpool::base::assert_failed(#condition, __FILE__, __LINE__); \
  } while (false)
