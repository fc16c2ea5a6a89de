// A connection in the making, beside the conductor.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "transport/transport.hpp"

namespace tensorpool::transport::aeron {

// Aeron's init waits up to the driver timeout while the CnC file is not as it expects, and for one
// that became shorter without any limit. Looking first makes that unlikely, not impossible: the
// media driver may go between the look and the call. So the call runs on a thread of its own.
//
// Who owns what: the transport owns the Attempt; the Attempt and its thread share the outcome. Once
// the thread has left the outcome there it touches nothing any more, and poll() hands the connection
// over to the conductor. An Attempt that is dropped does not wait: its thread then is the only owner,
// and closes what it still opens.
class Attempt {
 public:
  using Outcome = Result<std::unique_ptr<transport::Connection>>;

  // Runs `open` once, on the new thread, which takes no signals. Errors: system_error when there is
  // no thread to be had.
  static Result<std::unique_ptr<Attempt>> start(std::function<Outcome()> open);
  Attempt(const Attempt&) = delete;
  Attempt& operator=(const Attempt&) = delete;
  ~Attempt();

  // One thread. Nothing yet, or the outcome, once. Never waits.
  std::optional<Outcome> poll();

 private:
  struct Shared;
  explicit Attempt(std::shared_ptr<Shared> shared) noexcept;
  std::shared_ptr<Shared> shared_;
};

}  // namespace tensorpool::transport::aeron
