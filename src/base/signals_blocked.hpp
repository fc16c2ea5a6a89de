// Threads inherit what is blocked: a thread of ours is started with everything blocked, because signals go to
// threads of the application.
#pragma once

#include <signal.h>

namespace tensorpool::base {

// While one lives, the calling thread takes no signals, and neither does any thread that it starts.
class SignalsBlocked {
 public:
  SignalsBlocked() noexcept {
    sigset_t all;
    ::sigfillset(&all);
    blocked_ = ::pthread_sigmask(SIG_SETMASK, &all, &before_) == 0;
  }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;
  ~SignalsBlocked() {
    if (blocked_) (void)::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }

 private:
  sigset_t before_{};
  bool blocked_ = false;
};

}  // namespace tensorpool::base
