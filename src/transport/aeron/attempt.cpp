#include "transport/aeron/attempt.hpp"

#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

#include "base/signals_blocked.hpp"

namespace tensorpool::transport::aeron {

struct Attempt::Shared {
  std::mutex mutex;
  std::optional<Outcome> outcome;
};

Attempt::Attempt(std::shared_ptr<Shared> shared) noexcept : shared_(std::move(shared)) {}
Attempt::~Attempt() = default;

Result<std::unique_ptr<Attempt>> Attempt::start(std::function<Outcome()> open) {
  auto shared = std::make_shared<Shared>();
  const base::SignalsBlocked blocked;
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
