// The client: one conductor, one media driver, any number of producers and consumers.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "tensorpool/consumer.hpp"
#include "tensorpool/error.hpp"
#include "tensorpool/options.hpp"
#include "tensorpool/producer.hpp"

namespace tensorpool {

namespace detail {
class PendingCore;
struct ClientAccess;
}  // namespace detail

// A request under way. One thread. poll() gives nothing, then the value or the error once; dropping
// it abandons the request. Closing the client turns it into `closed` (CON-24).
template <class T>
class TENSORPOOL_EXPORT [[nodiscard]] Pending {
 public:
  Pending(Pending&&) noexcept;
  Pending& operator=(Pending&&) noexcept;
  Pending(const Pending&) = delete;
  Pending& operator=(const Pending&) = delete;
  ~Pending();

  // Nothing yet, or the outcome, once. An error `consumed` after that.
  std::optional<Result<T>> poll();
  // Loops over poll() up to `timeout`; drives do_work() where the client is invoked. Errors:
  // timeout, no_media_driver (naming the directory), in_callback, and those of the request.
  Result<T> wait(std::chrono::nanoseconds timeout);

 private:
  friend class Client;
  explicit Pending(std::shared_ptr<detail::PendingCore> core) noexcept;
  std::shared_ptr<detail::PendingCore> core_;
};

extern template class Pending<Producer>;
extern template class Pending<Consumer>;

enum class ClientState : std::uint8_t { connecting = 0, connected = 1, closed = 2 };

// Owns the conductor. Any thread may call it, except where a function says otherwise. Closing it
// closes all producers and consumers, which then say `closed`; it never waits for them.
class TENSORPOOL_EXPORT Client {
 public:
  // Does not wait: without a media driver the client is `connecting` until there is one. Errors:
  // invalid_argument naming the setting; unsupported for Mode::driver.
  static Result<Client> connect(ClientOptions options = {});

  Client(Client&&) noexcept;
  Client& operator=(Client&&) noexcept;
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  ~Client();

  // Creates the regions of a stream (direct mode) and gets a producer for it. Complete once frames
  // can be claimed.
  Pending<Producer> producer(ProducerOptions options);
  // Complete as soon as the consumer exists; it may still be `connecting` until a stream is
  // announced.
  Pending<Consumer> consumer(ConsumerOptions options);

  // One duty cycle of an invoked client; returns the amount of work (CON-7). One thread at a time;
  // 0 in a threaded client.
  int do_work();

  ClientState state() const noexcept;
  // The Aeron directory in use.
  std::string aeron_dir() const;
  // Longest duty cycle of the conductor so far.
  std::chrono::nanoseconds longest_cycle() const noexcept;
  // Errors: in_callback.
  Result<void> close();

 private:
  friend struct detail::ClientAccess;
  explicit Client(std::shared_ptr<void> core) noexcept;
  std::shared_ptr<void> core_;
};

}  // namespace tensorpool
