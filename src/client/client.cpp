#include "tensorpool/client.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "base/prng.hpp"
#include "client/environment.hpp"
#include "client/handles.hpp"
#include "client/validate.hpp"

namespace tensorpool {

using client::ClientCore;

namespace detail {

// What a Pending holds: the request as the conductor sees it, and the client that works on it.
class PendingCore {
 public:
  PendingCore(std::shared_ptr<ClientCore> core, std::shared_ptr<agents::Request> request)
      : client(std::move(core)), request_(std::move(request)) {}
  // A request that never got as far as the conductor.
  explicit PendingCore(Error error) : early_(std::move(error)) {}
  PendingCore(const PendingCore&) = delete;
  PendingCore& operator=(const PendingCore&) = delete;
  ~PendingCore() {
    if (request_ == nullptr) return;
    // Completed and never taken: close the port, so that the conductor lets go of it.
    if (!request_->abandon() && !taken_ && request_->state() == agents::Request::State::complete) {
      if (auto cell = request_->take_cell()) {
        cell->closed.store(true, std::memory_order_release);
        cell->call_conductor();
      }
    }
  }

  // The end of the request, once: the cell of the new port, or why there is none.
  std::optional<Result<std::shared_ptr<agents::Cell>>> poll() {
    if (taken_) return fail(Error::hot(Code::consumed, "Pending::poll"));
    if (early_) {
      taken_ = true;
      return fail(*early_);
    }
    if (client->forked()) {
      taken_ = true;
      return fail(Error::hot(Code::forked, "Pending::poll"));
    }
    auto state = request_->state();
    // A request that was queued while the client closed is ended by nobody: look again once all
    // others have been (CON-24).
    const bool over = client->over();
    if (state == agents::Request::State::pending && over) state = request_->state();
    switch (state) {
      case agents::Request::State::pending:
        if (!over) return std::nullopt;
        taken_ = true;
        return fail(Error::hot(Code::closed, "Client"));
      case agents::Request::State::complete:
        taken_ = true;
        return request_->take_cell();
      case agents::Request::State::failed:
      case agents::Request::State::abandoned:  // only by this handle's end
        break;
    }
    taken_ = true;
    return fail(request_->error());
  }

  const agents::Request& request() const noexcept { return *request_; }
  // Before poll(): what wait_for_end() needs.
  std::uint32_t rings() const noexcept {
    return request_ == nullptr ? 0 : request_->ended().rings();
  }
  // REQUIRES a request that poll() found pending. Sleeps until it ends, at most `longest`.
  void wait_for_end(std::uint32_t rings, std::chrono::nanoseconds longest) noexcept {
    request_->ended().wait(rings, longest);
  }
  std::shared_ptr<ClientCore> client;

 private:
  std::shared_ptr<agents::Request> request_;
  std::optional<Error> early_;
  bool taken_ = false;
};

// A reference of its own: a notice handler may destroy the Client during the call.
struct ClientAccess {
  static std::shared_ptr<ClientCore> core(const Client& client) noexcept {
    return std::static_pointer_cast<ClientCore>(client.core_);
  }
};

namespace {

Producer make_port(PendingCore& pending, std::shared_ptr<agents::Cell> cell,
                   const Producer* /*kind*/) {
  const ProducerOptions& o = pending.request().producer;
  agents::ProducerPortOptions options;
  options.stream_id = o.stream;
  options.producer_id = o.producer_id;
  options.max_claims = o.max_claims;
  options.descriptor_timestamps = o.descriptor_timestamps;
  return ProducerHandle::make(new client::ProducerObject(options, std::move(cell), pending.client));
}

Consumer make_port(PendingCore& pending, std::shared_ptr<agents::Cell> cell,
                   const Consumer* /*kind*/) {
  const ConsumerOptions& o = pending.request().consumer;
  agents::ConsumerPortOptions options;
  options.stream_id = o.stream;
  options.consumer_id = o.consumer_id;
  options.max_rate_hz = o.max_rate_hz;
  options.max_gap = o.max_outstanding_seq_gap;
  options.fragment_limit = static_cast<int>(pending.client->options().fragment_limit);
  return ConsumerHandle::make(
      new client::ConsumerObject(options, o.wait, std::move(cell), pending.client));
}

std::string in_brackets(const std::string& text) {
  return text.empty() ? text : fmt::format(" ({})", text);
}

}  // namespace
}  // namespace detail

template <class T>
Pending<T>::Pending(std::shared_ptr<detail::PendingCore> core) noexcept : core_(std::move(core)) {}
template <class T>
Pending<T>::Pending(Pending&&) noexcept = default;
template <class T>
Pending<T>& Pending<T>::operator=(Pending&&) noexcept = default;
template <class T>
Pending<T>::~Pending() = default;

template <class T>
std::optional<Result<T>> Pending<T>::poll() {
  if (core_ == nullptr) return Result<T>(fail(Error::hot(Code::consumed, "Pending::poll")));
  auto ended = core_->poll();
  if (!ended) return std::nullopt;
  if (!*ended) return Result<T>(fail(std::move(ended->error())));
  return Result<T>(detail::make_port(*core_, std::move(**ended), static_cast<const T*>(nullptr)));
}

template <class T>
Result<T> Pending<T>::wait(std::chrono::nanoseconds timeout) {
  const std::shared_ptr<detail::PendingCore> core = core_;
  if (core != nullptr && core->client != nullptr && core->client->in_callback()) {
    return fail(Error::hot(Code::in_callback, "Pending::wait"));
  }
  const auto deadline = client::deadline_after(timeout);
  // Nobody rings for a request that was queued while the client closed.
  constexpr std::chrono::nanoseconds longest_sleep = std::chrono::milliseconds{50};
  agents::IdleStrategy idle(Idle::backoff);
  const bool driven = core != nullptr && core->client != nullptr &&
                      core->client->options().threading == Threading::invoked;
  for (;;) {
    const std::uint32_t rings = core == nullptr ? 0 : core->rings();
    if (auto ended = poll()) return std::move(*ended);
    const auto now = std::chrono::steady_clock::now();
    if (now >= deadline) break;
    if (driven) {
      idle.idle(core->client->do_work());
    } else {
      core->wait_for_end(rings, std::min<std::chrono::nanoseconds>(deadline - now, longest_sleep));
    }
  }
  if (core->client->state() == ClientState::connecting) {
    return fail(
        Code::no_media_driver, "Pending::wait",
        fmt::format("no media driver serves {}{}; start one there, or name its directory in "
                    "aeron_dir or AERON_DIR",
                    core->client->aeron_dir(),
                    detail::in_brackets(core->client->media_driver_trouble())));
  }
  return fail(Code::timeout, "Pending::wait",
              fmt::format("not complete after {} ms; it goes on, wait again{}",
                          std::chrono::duration_cast<std::chrono::milliseconds>(timeout).count(),
                          detail::in_brackets(core->request().trouble())));
}

template class Pending<Producer>;
template class Pending<Consumer>;

Result<Client> Client::connect(ClientOptions options) {
  client::OwnedWorld world{client::make_transport(), std::make_unique<client::HostFileSystem>(),
                           std::make_unique<base::SystemClock>()};
  auto core = ClientCore::make(std::move(options), std::move(world));
  if (!core) return fail(std::move(core.error()));
  return Client(std::move(*core));
}

Client::Client(std::shared_ptr<void> core) noexcept : core_(std::move(core)) {}
Client::Client(Client&&) noexcept = default;

Client& Client::operator=(Client&& other) noexcept {
  if (this == &other) return *this;
  Client old(std::move(*this));
  core_ = std::move(other.core_);
  return *this;
}

Client::~Client() {
  if (core_ != nullptr) detail::ClientAccess::core(*this)->end();
}

Pending<Producer> Client::producer(ProducerOptions options) {
  auto refuse = [](Error error) {
    return Pending<Producer>(std::make_shared<detail::PendingCore>(std::move(error)));
  };
  if (core_ == nullptr) return refuse(Error::hot(Code::closed, "Client::producer"));
  auto core = std::static_pointer_cast<ClientCore>(core_);
  if (auto valid = client::check(options, core->options().mode); !valid)
    return refuse(std::move(valid.error()));
  const bool any_id = options.producer_id == 0;
  if (any_id) options.producer_id = base::random_id();
  auto request = std::make_shared<agents::Request>(std::move(options), any_id);
  if (auto sent = core->submit(request); !sent) return refuse(std::move(sent.error()));
  return Pending<Producer>(
      std::make_shared<detail::PendingCore>(std::move(core), std::move(request)));
}

Pending<Consumer> Client::consumer(ConsumerOptions options) {
  auto refuse = [](Error error) {
    return Pending<Consumer>(std::make_shared<detail::PendingCore>(std::move(error)));
  };
  if (core_ == nullptr) return refuse(Error::hot(Code::closed, "Client::consumer"));
  if (auto valid = client::check(options); !valid) return refuse(std::move(valid.error()));
  const bool any_id = options.consumer_id == 0;
  if (any_id) options.consumer_id = base::random_id();
  auto core = std::static_pointer_cast<ClientCore>(core_);
  auto request = std::make_shared<agents::Request>(std::move(options), any_id);
  if (auto sent = core->submit(request); !sent) return refuse(std::move(sent.error()));
  return Pending<Consumer>(
      std::make_shared<detail::PendingCore>(std::move(core), std::move(request)));
}

int Client::do_work() {
  return core_ == nullptr ? 0 : detail::ClientAccess::core(*this)->do_work();
}

ClientState Client::state() const noexcept {
  return core_ == nullptr ? ClientState::closed : detail::ClientAccess::core(*this)->state();
}

std::string Client::aeron_dir() const {
  return core_ == nullptr ? std::string() : detail::ClientAccess::core(*this)->aeron_dir();
}

std::chrono::nanoseconds Client::longest_cycle() const noexcept {
  return core_ == nullptr ? std::chrono::nanoseconds{0}
                          : detail::ClientAccess::core(*this)->longest_cycle();
}

Result<void> Client::close() {
  if (core_ == nullptr) return {};
  return detail::ClientAccess::core(*this)->close();
}

}  // namespace tensorpool
