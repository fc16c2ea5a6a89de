#include "unit/agents/spy_transport.hpp"

#include <algorithm>
#include <utility>

namespace tensorpool::agents::test {
namespace {

using transport::Add;
using transport::Connection;
using transport::FragmentHandler;
using transport::Position;

class SpyPublication final : public transport::Publication {
 public:
  SpyPublication(std::unique_ptr<transport::Publication> inner, std::shared_ptr<Spy> spy)
      : inner_(std::move(inner)), spy_(std::move(spy)) {}
  SpyPublication(const SpyPublication&) = delete;
  SpyPublication& operator=(const SpyPublication&) = delete;
  ~SpyPublication() override {
    spy_->log.push_back("-publication " + std::to_string(inner_->stream_id()));
  }
  Position try_claim(std::size_t size, transport::Claim& claim) noexcept override {
    return inner_->try_claim(size, claim);
  }
  void commit(transport::Claim& claim) noexcept override { inner_->commit(claim); }
  void abort(transport::Claim& claim) noexcept override { inner_->abort(claim); }
  Position offer(std::span<const std::byte> message) noexcept override {
    return inner_->offer(message);
  }
  bool is_connected() const noexcept override { return inner_->is_connected(); }
  std::size_t max_claim_bytes() const noexcept override { return inner_->max_claim_bytes(); }
  std::size_t max_message_bytes() const noexcept override { return inner_->max_message_bytes(); }
  std::int32_t session_id() const noexcept override { return inner_->session_id(); }
  std::int32_t stream_id() const noexcept override { return inner_->stream_id(); }

 private:
  std::unique_ptr<transport::Publication> inner_;
  std::shared_ptr<Spy> spy_;
};

class SpySubscription final : public transport::Subscription {
 public:
  SpySubscription(std::unique_ptr<transport::Subscription> inner, std::shared_ptr<Spy> spy)
      : inner_(std::move(inner)), spy_(std::move(spy)) {}
  SpySubscription(const SpySubscription&) = delete;
  SpySubscription& operator=(const SpySubscription&) = delete;
  ~SpySubscription() override {
    spy_->log.push_back("-subscription " + std::to_string(inner_->stream_id()));
  }
  int poll(FragmentHandler handler, int limit) override { return inner_->poll(handler, limit); }
  int poll_assembled(FragmentHandler handler, int limit) override {
    return inner_->poll_assembled(handler, limit);
  }
  int image_count() const noexcept override { return inner_->image_count(); }
  std::int32_t stream_id() const noexcept override { return inner_->stream_id(); }

 private:
  std::unique_ptr<transport::Subscription> inner_;
  std::shared_ptr<Spy> spy_;
};

// Counters are told when they are asked for only.
std::unique_ptr<transport::Counter> wrap(std::unique_ptr<transport::Counter> counter,
                                         const std::shared_ptr<Spy>& /*spy*/) {
  return counter;
}
std::unique_ptr<transport::Publication> wrap(std::unique_ptr<transport::Publication> link,
                                             const std::shared_ptr<Spy>& spy) {
  return std::make_unique<SpyPublication>(std::move(link), spy);
}
std::unique_ptr<transport::Subscription> wrap(std::unique_ptr<transport::Subscription> link,
                                              const std::shared_ptr<Spy>& spy) {
  return std::make_unique<SpySubscription>(std::move(link), spy);
}

template <class T>
class SpyAdd final : public Add<T> {
 public:
  SpyAdd(std::unique_ptr<Add<T>> inner, std::shared_ptr<Spy> spy, std::string what)
      : inner_(std::move(inner)), spy_(std::move(spy)), what_(std::move(what)) {}
  Result<std::unique_ptr<T>> poll() override {
    auto polled = inner_->poll();
    if (!polled || *polled == nullptr) return polled;
    if (!spy_->refuse.empty() && what_.starts_with(spy_->refuse))
      return fail(Code::transport_error, "add", what_ + ": " + spy_->refusal);
    return wrap(std::move(*polled), spy_);
  }
  std::int64_t registration_id() const noexcept override { return inner_->registration_id(); }

 private:
  std::unique_ptr<Add<T>> inner_;
  std::shared_ptr<Spy> spy_;
  std::string what_;
};

class SpyConnection final : public Connection {
 public:
  SpyConnection(std::unique_ptr<Connection> inner, std::shared_ptr<Spy> spy)
      : inner_(std::move(inner)), spy_(std::move(spy)) {
    spy_->log.emplace_back("+connection");
  }
  SpyConnection(const SpyConnection&) = delete;
  SpyConnection& operator=(const SpyConnection&) = delete;
  ~SpyConnection() override { spy_->log.emplace_back("-connection"); }

  Result<std::unique_ptr<Add<transport::Publication>>> add_publication(
      const std::string& channel, std::int32_t stream, base::Nanos deadline) override {
    return note("publication " + channel + " " + std::to_string(stream),
                inner_->add_publication(channel, stream, deadline));
  }
  Result<std::unique_ptr<Add<transport::Subscription>>> add_subscription(
      const std::string& channel, std::int32_t stream, base::Nanos deadline,
      transport::ImageLog* images) override {
    return note("subscription " + channel + " " + std::to_string(stream),
                inner_->add_subscription(channel, stream, deadline, images));
  }
  Result<std::unique_ptr<Add<transport::Counter>>> add_counter(const transport::CounterSpec& spec,
                                                               base::Nanos deadline) override {
    return note("counter " + spec.label, inner_->add_counter(spec, deadline));
  }
  void find_counters(std::int32_t type_id,
                     FunctionRef<void(const transport::FoundCounter&)> sink) const override {
    inner_->find_counters(type_id, sink);
  }
  int do_work() override { return inner_->do_work(); }
  bool is_closed() const noexcept override { return inner_->is_closed(); }
  std::int64_t client_id() const noexcept override { return inner_->client_id(); }

 private:
  template <class T>
  Result<std::unique_ptr<Add<T>>> note(std::string what, Result<std::unique_ptr<Add<T>>> add) {
    spy_->log.push_back("+" + what);
    if (!add) return add;
    return std::make_unique<SpyAdd<T>>(std::move(*add), spy_, std::move(what));
  }

  std::unique_ptr<Connection> inner_;
  std::shared_ptr<Spy> spy_;
};

class SpyTransport final : public transport::Transport {
 public:
  SpyTransport(std::unique_ptr<transport::Transport> inner, std::shared_ptr<Spy> spy)
      : inner_(std::move(inner)), spy_(std::move(spy)) {}
  transport::MediaDriverState probe(const transport::ConnectOptions& options) override {
    return inner_->probe(options);
  }
  std::string directory(const transport::ConnectOptions& options) const override {
    return inner_->directory(options);
  }
  Result<std::unique_ptr<Connection>> connect(const transport::ConnectOptions& options) override {
    auto connection = inner_->connect(options);
    if (!connection) return connection;
    return std::make_unique<SpyConnection>(std::move(*connection), spy_);
  }

 private:
  std::unique_ptr<transport::Transport> inner_;
  std::shared_ptr<Spy> spy_;
};

}  // namespace

int Spy::count(const std::string& entry) const {
  return static_cast<int>(std::count_if(
      log.begin(), log.end(), [&](const std::string& line) { return line.starts_with(entry); }));
}

int Spy::find(const std::string& entry) const {
  const auto found = std::find_if(log.begin(), log.end(),
                                  [&](const std::string& line) { return line.starts_with(entry); });
  return found == log.end() ? -1 : static_cast<int>(found - log.begin());
}

std::unique_ptr<transport::Transport> spy_on(std::unique_ptr<transport::Transport> inner,
                                             std::shared_ptr<Spy> spy) {
  return std::make_unique<SpyTransport>(std::move(inner), std::move(spy));
}

}  // namespace tensorpool::agents::test
