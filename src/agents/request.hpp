// An asynchronous request: what a Pending handle and the conductor share (CON-20 to CON-25).
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "agents/cell.hpp"
#include "agents/doorbell.hpp"
#include "tensorpool/error.hpp"
#include "tensorpool/options.hpp"

namespace tensorpool::agents {

enum class RequestKind : std::uint8_t { producer, consumer };

class Request {
 public:
  enum class State : std::uint8_t { pending, complete, failed, abandoned };

  explicit Request(ProducerOptions options, bool id_chosen_at_random = false)
      : kind(RequestKind::producer),
        producer(std::move(options)),
        id_is_ours(id_chosen_at_random) {}
  explicit Request(ConsumerOptions options, bool id_chosen_at_random = false)
      : kind(RequestKind::consumer),
        consumer(std::move(options)),
        id_is_ours(id_chosen_at_random) {}

  // Set before the request is queued, constant from then on.
  const RequestKind kind;
  ProducerOptions producer;
  ConsumerOptions consumer;
  // The producer's or consumer's id is not the application's choice: in driver mode another one will do when
  // it is taken (DRV-27).
  const bool id_is_ours;

  // Conductor: ends the request, once. The release pairs with the acquire in state(): who sees the
  // end sees the result (CON-22). Where the handle was dropped first, nobody will ever use the port,
  // so it is closed at once.
  void complete(std::shared_ptr<Cell> cell) {
    cell_ = std::move(cell);
    if (end(State::complete)) return;
    cell_->closed.store(true, std::memory_order_release);
    cell_.reset();
  }
  void fail_with(Error error) {
    error_.emplace(std::move(error));
    (void)end(State::failed);
  }
  // The handle was dropped. False when the request had already ended: then a port that nobody took
  // is the handle's to close.
  bool abandon() noexcept { return end(State::abandoned); }
  bool abandoned() const noexcept { return state() == State::abandoned; }

  // For the one thread that waits for the end: rung behind it.
  Doorbell& ended() noexcept { return ended_; }

  State state() const noexcept { return state_.load(std::memory_order_acquire); }
  // REQUIRES complete; passes the port's cell on, once (CON-21).
  std::shared_ptr<Cell> take_cell() noexcept { return std::move(cell_); }
  // REQUIRES failed.
  const Error& error() const { return *error_; }
  // Why it is still pending, for whoever waits: the last reason for which an attach failed. Any thread; not
  // on any path that frames take.
  void note_trouble(std::string text) {
    const std::lock_guard guard(trouble_mutex_);
    trouble_ = std::move(text);
  }
  std::string trouble() const {
    const std::lock_guard guard(trouble_mutex_);
    return trouble_;
  }

  // Aeron's id of the link being added, -1 until there is one (CON-23).
  std::atomic<std::int64_t> registration_id{-1};

 private:
  // Both sides end it, one of them wins: a request cannot complete behind the back of a handle that
  // was dropped.
  bool end(State how) noexcept {
    State expected = State::pending;
    const bool first = state_.compare_exchange_strong(expected, how, std::memory_order_acq_rel,
                                                      std::memory_order_acquire);
    if (first) ended_.ring();
    return first;
  }

  std::atomic<State> state_{State::pending};
  Doorbell ended_;
  std::shared_ptr<Cell> cell_;
  std::optional<Error> error_;
  mutable std::mutex trouble_mutex_;
  std::string trouble_;
};

}  // namespace tensorpool::agents
