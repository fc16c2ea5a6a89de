// An asynchronous request: what a Pending handle and the conductor share (CON-20 to CON-25).
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>

#include "agents/cell.hpp"
#include "tensorpool/error.hpp"
#include "tensorpool/options.hpp"

namespace tensorpool::agents {

enum class RequestKind : std::uint8_t { producer, consumer };

class Request {
 public:
  enum class State : std::uint8_t { pending, complete, failed };

  explicit Request(ProducerOptions options)
      : kind(RequestKind::producer), producer(std::move(options)) {}
  explicit Request(ConsumerOptions options)
      : kind(RequestKind::consumer), consumer(std::move(options)) {}

  // Set before the request is queued, constant from then on.
  const RequestKind kind;
  ProducerOptions producer;
  ConsumerOptions consumer;

  // Conductor: ends the request, once. The release pairs with the acquire in state(): who sees the
  // end sees the result (CON-22).
  void complete(std::shared_ptr<Cell> cell) {
    cell_ = std::move(cell);
    state_.store(State::complete, std::memory_order_release);
  }
  void fail_with(Error error) {
    error_.emplace(std::move(error));
    state_.store(State::failed, std::memory_order_release);
  }
  // The handle was dropped: the conductor closes what completes later.
  void abandon() noexcept { abandoned_.store(true, std::memory_order_release); }
  bool abandoned() const noexcept { return abandoned_.load(std::memory_order_acquire); }

  State state() const noexcept { return state_.load(std::memory_order_acquire); }
  // REQUIRES complete; passes the port's cell on, once (CON-21).
  std::shared_ptr<Cell> take_cell() noexcept { return std::move(cell_); }
  // REQUIRES failed.
  const Error& error() const { return *error_; }
  // Aeron's id of the link being added, -1 until there is one (CON-23).
  std::atomic<std::int64_t> registration_id{-1};

 private:
  std::atomic<State> state_{State::pending};
  std::atomic<bool> abandoned_{false};
  std::shared_ptr<Cell> cell_;
  std::optional<Error> error_;
};

}  // namespace tensorpool::agents
