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

// A request under way: move-only, used by one thread at a time. poll() gives nothing, then the
// value or the error once; dropping it abandons the request, and what completes later is closed.
// Closing the client turns it into `closed` (CON-24). It may outlive the client.
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
  // timeout (the request goes on: wait again), no_media_driver (instead of timeout while there is
  // none; names the directory), in_callback, and those of the request.
  Result<T> wait(std::chrono::nanoseconds timeout);

 private:
  friend class Client;
  explicit Pending(std::shared_ptr<detail::PendingCore> core) noexcept;
  std::shared_ptr<detail::PendingCore> core_;
};

extern template class Pending<Producer>;
extern template class Pending<Consumer>;

enum class ClientState : std::uint8_t {
  connecting = 0,  // no media driver yet, or a new connection after its loss is under way
  connected = 1,
  closed = 2,
};

// Owns the conductor. Move-only; any thread may call it, except where a function says otherwise,
// and moving and destroying are one thread's. Closing it closes all producers and consumers, which
// then say `closed`; it never waits for them, and what they and their slots and views still use
// stays valid until they are gone.
//
// Connecting runs on a thread that nobody waits for: where a client ends meanwhile, that thread goes on in
// the library's code until Aeron's call comes back, as a rule within media_driver_timeout_ns. Do not
// unload the library (dlclose) in a process that had a client.
//
// A child made by fork() without exec connects anew: what it inherited says `forked` in every call or
// does nothing, and the memory of its slots and views is inaccessible there.
class TENSORPOOL_EXPORT Client {
 public:
  // Does not wait: without a media driver the client is `connecting` until there is one. Errors:
  // invalid_argument naming the setting.
  static Result<Client> connect(ClientOptions options = {});

  Client(Client&&) noexcept;
  Client& operator=(Client&&) noexcept;
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  ~Client();

  // Gets a producer for a stream: creates its regions (direct mode), or attaches to them through the driver.
  // Complete once frames can be claimed. In driver mode an attach that fails is tried again until then, each
  // reason is told in a Notice and by the text of a wait() that timed out; with ClientOptions::reattach off the
  // first one is an error: rejected, timeout, malformed_message, lease_ended, shutdown. Errors, from the
  // Pending: invalid_argument naming the setting, limit_exceeded (64 ports a client), back_pressured (the
  // command queue is full), closed; stream_in_use naming the process that writes this stream already (one that
  // this client closed before does not count, one of another client until that client's conductor has seen it
  // close); no_space, permission_rejected, path_rejected, unsupported and system_error from the file system;
  // transport_error.
  Pending<Producer> producer(ProducerOptions options);
  // Complete once the descriptor stream is subscribed to, which takes a media driver but no producer:
  // it is `connecting` until its stream is announced, or in driver mode until it has a lease. Errors, from
  // the Pending: invalid_argument, limit_exceeded, back_pressured, closed; in driver mode those of a producer.
  Pending<Consumer> consumer(ConsumerOptions options);

  // One duty cycle of an invoked client; returns the amount of work (CON-7). Of several threads
  // at once one works, the others return 0; 0 as well inside a callback (CON-10), in a threaded
  // client and after close().
  int do_work();

  ClientState state() const noexcept;
  // The Aeron directory in use.
  std::string aeron_dir() const;
  // Longest duty cycle of the conductor so far; what a producer or consumer waits for news.
  std::chrono::nanoseconds longest_cycle() const noexcept;
  // Idempotent; later calls to this client and what it made say `closed`. Waits for the conductor's
  // current duty cycle only. Errors: in_callback, forked, and what could not be cleaned up (regions
  // that cannot be removed); after the last the client is closed all the same.
  Result<void> close();

 private:
  friend struct detail::ClientAccess;
  explicit Client(std::shared_ptr<void> core) noexcept;
  std::shared_ptr<void> core_;
};

}  // namespace tensorpool
