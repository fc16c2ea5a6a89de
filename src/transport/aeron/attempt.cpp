#include "transport/aeron/attempt.hpp"

#include <signal.h>

#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

namespace tensorpool::transport::aeron {

struct Attempt::Shared {
  std::mutex mutex;
  std::optional<Outcome> outcome;
};

namespace {

// Threads inherit what is blocked: signals go to threads of the application.
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

}  // namespace

Attempt::Attempt(std::shared_ptr<Shared> shared) noexcept : shared_(std::move(shared)) {}
Attempt::~Attempt() = default;

Result<std::unique_ptr<Attempt>> Attempt::start(std::function<Outcome()> open) {
  auto shared = std::make_shared<Shared>();
  const SignalsBlocked blocked;
  try {
    std::thread([shared, open = std::move(open)]() mutable {
      Outcome outcome = open();
      open = nullptr;
      const std::lock_guard lock(shared->mutex);
      shared->outcome.emplace(std::move(outcome));
    }).detach();
  } catch (const std::system_error& error) {
    return fail(Error::system("connect", error.code().value(),
                              "no thread to connect with; raise the limit of threads"));
  }
  return std::unique_ptr<Attempt>(new Attempt(std::move(shared)));
}

std::optional<Attempt::Outcome> Attempt::poll() {
  const std::unique_lock lock(shared_->mutex, std::try_to_lock);
  if (!lock.owns_lock() || !shared_->outcome) return std::nullopt;
  std::optional<Outcome> outcome = std::move(shared_->outcome);
  shared_->outcome.reset();
  return outcome;
}

}  // namespace tensorpool::transport::aeron
