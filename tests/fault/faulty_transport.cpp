#include "fault/faulty_transport.hpp"

#include <cstring>
#include <string>
#include <utility>

#include "fault/point.hpp"
#include "wire/codec.hpp"

namespace tensorpool::fault {
namespace {

namespace messages = wire::driver;
using transport::Fragment;
using transport::Position;

bool is_watched(std::int32_t stream_id) noexcept { return stream_id % 1000 <= 1; }

template <class M>
bool is(const wire::MessageHeader& header) noexcept {
  return header.schema_id == M::schema_id && header.template_id == M::template_id;
}

// The points inside and after one message.
std::pair<Point, Point> points_of_sending(const wire::MessageHeader& header) noexcept {
  if (is<messages::ShmAttachRequest>(header)) return {Point::request_claim, Point::request_sent};
  if (is<messages::ShmAttachResponse>(header)) return {Point::response_claim, Point::response_sent};
  if (is<messages::ShmLeaseKeepalive>(header)) return {Point::keepalive_claim, Point::none};
  if (is<messages::ShmLeaseRevoked>(header)) return {Point::notice_claim, Point::none};
  if (is<wire::ShmPoolAnnounce>(header)) return {Point::announce_claim, Point::announce_sent};
  return {Point::none, Point::none};
}

// The first field of requests and responses alike.
std::int64_t correlation_of(std::span<const std::byte> message) noexcept {
  std::int64_t id = 0;
  if (message.size() >= wire::message_header_bytes + sizeof id)
    std::memcpy(&id, message.data() + wire::message_header_bytes, sizeof id);
  return id;
}

// What one connection asked last. Its links are used by one thread.
struct Asked {
  std::int64_t correlation_id = 0;
};

class FaultyPublication final : public transport::Publication {
 public:
  FaultyPublication(std::unique_ptr<transport::Publication> inner, std::shared_ptr<Asked> asked)
      : inner_(std::move(inner)), asked_(std::move(asked)) {}

  Position try_claim(std::size_t size, transport::Claim& claim) noexcept override {
    return inner_->try_claim(size, claim);
  }
  void commit(transport::Claim& claim) noexcept override { inner_->commit(claim); }
  void abort(transport::Claim& claim) noexcept override { inner_->abort(claim); }
  Position offer(std::span<const std::byte> message) noexcept override {
    const auto header = wire::peek(message);
    if (!header) return inner_->offer(message);
    if (is<messages::ShmAttachRequest>(*header)) asked_->correlation_id = correlation_of(message);
    const auto [inside, after] = points_of_sending(*header);
    const Position position = send(message, inside);
    if (position > 0) visit(after);
    return position;
  }
  bool is_connected() const noexcept override { return inner_->is_connected(); }
  std::size_t max_claim_bytes() const noexcept override { return inner_->max_claim_bytes(); }
  std::size_t max_message_bytes() const noexcept override { return inner_->max_message_bytes(); }
  std::int32_t session_id() const noexcept override { return inner_->session_id(); }
  std::int32_t stream_id() const noexcept override { return inner_->stream_id(); }

 private:
  // What does not fit a claim goes in fragments: the point is before the first of them.
  Position send(std::span<const std::byte> message, Point inside) noexcept {
    if (message.size() > inner_->max_claim_bytes()) {
      visit(inside);
      return inner_->offer(message);
    }
    transport::Claim claim;
    const Position position = inner_->try_claim(message.size(), claim);
    if (position <= 0) return position;
    const std::size_t half = message.size() / 2;
    std::memcpy(claim.data, message.data(), half);
    visit(inside);
    std::memcpy(claim.data + half, message.data() + half, message.size() - half);
    inner_->commit(claim);
    return position;
  }

  std::unique_ptr<transport::Publication> inner_;
  std::shared_ptr<Asked> asked_;
};

class FaultySubscription final : public transport::Subscription {
 public:
  FaultySubscription(std::unique_ptr<transport::Subscription> inner, std::shared_ptr<Asked> asked)
      : inner_(std::move(inner)), asked_(std::move(asked)) {}

  int poll(transport::FragmentHandler handler, int limit) override {
    return inner_->poll(handler, limit);
  }
  int poll_assembled(transport::FragmentHandler handler, int limit) override {
    auto look = [&](const Fragment& message) {
      hear(message.data);
      handler(message);
    };
    return inner_->poll_assembled(look, limit);
  }
  int image_count() const noexcept override { return inner_->image_count(); }
  std::int32_t stream_id() const noexcept override { return inner_->stream_id(); }

 private:
  void hear(std::span<const std::byte> message) const noexcept {
    const auto header = wire::peek(message);
    if (!header) return;
    if (is<messages::ShmAttachRequest>(*header)) visit(Point::request_heard);
    if (is<messages::ShmAttachResponse>(*header) &&
        correlation_of(message) == asked_->correlation_id)
      visit(Point::response_heard);
  }

  std::unique_ptr<transport::Subscription> inner_;
  std::shared_ptr<Asked> asked_;
};

template <class Link, class FaultyLink>
class FaultyAdd final : public transport::Add<Link> {
 public:
  FaultyAdd(std::unique_ptr<transport::Add<Link>> inner, std::shared_ptr<Asked> asked)
      : inner_(std::move(inner)), asked_(std::move(asked)) {}
  Result<std::unique_ptr<Link>> poll() override {
    auto polled = inner_->poll();
    if (!polled || *polled == nullptr) return polled;
    return std::make_unique<FaultyLink>(std::move(*polled), asked_);
  }
  std::int64_t registration_id() const noexcept override { return inner_->registration_id(); }

 private:
  std::unique_ptr<transport::Add<Link>> inner_;
  std::shared_ptr<Asked> asked_;
};

class FaultyConnection final : public transport::Connection {
 public:
  explicit FaultyConnection(std::unique_ptr<transport::Connection> inner)
      : inner_(std::move(inner)) {}

  Result<std::unique_ptr<transport::Add<transport::Publication>>> add_publication(
      const std::string& channel, std::int32_t stream_id, base::Nanos deadline_ns) override {
    return wrap<FaultyPublication>(inner_->add_publication(channel, stream_id, deadline_ns),
                                   stream_id);
  }
  Result<std::unique_ptr<transport::Add<transport::Subscription>>> add_subscription(
      const std::string& channel, std::int32_t stream_id, base::Nanos deadline_ns,
      transport::ImageLog* images) override {
    return wrap<FaultySubscription>(
        inner_->add_subscription(channel, stream_id, deadline_ns, images), stream_id);
  }
  Result<std::unique_ptr<transport::Add<transport::Counter>>> add_counter(
      const transport::CounterSpec& spec, base::Nanos deadline_ns) override {
    return inner_->add_counter(spec, deadline_ns);
  }
  void find_counters(std::int32_t type_id,
                     FunctionRef<void(const transport::FoundCounter&)> sink) const override {
    inner_->find_counters(type_id, sink);
  }
  int do_work() override { return inner_->do_work(); }
  bool is_closed() const noexcept override { return inner_->is_closed(); }
  std::int64_t client_id() const noexcept override { return inner_->client_id(); }
  std::string complaint() const override { return inner_->complaint(); }

 private:
  template <class FaultyLink, class Link>
  Result<std::unique_ptr<transport::Add<Link>>> wrap(
      Result<std::unique_ptr<transport::Add<Link>>> add, std::int32_t stream_id) const {
    if (!add || !is_watched(stream_id)) return add;
    return std::make_unique<FaultyAdd<Link, FaultyLink>>(std::move(*add), asked_);
  }

  std::unique_ptr<transport::Connection> inner_;
  std::shared_ptr<Asked> asked_ = std::make_shared<Asked>();
};

class FaultyTransport final : public transport::Transport {
 public:
  explicit FaultyTransport(std::unique_ptr<transport::Transport> inner)
      : inner_(std::move(inner)) {}
  transport::MediaDriverState probe(const transport::ConnectOptions& options) override {
    return inner_->probe(options);
  }
  std::string directory(const transport::ConnectOptions& options) const override {
    return inner_->directory(options);
  }
  Result<std::unique_ptr<transport::Connection>> connect(
      const transport::ConnectOptions& options) override {
    auto connection = inner_->connect(options);
    if (!connection) return connection;
    return std::make_unique<FaultyConnection>(std::move(*connection));
  }

 private:
  std::unique_ptr<transport::Transport> inner_;
};

}  // namespace

std::unique_ptr<transport::Transport> make_faulty(std::unique_ptr<transport::Transport> inner) {
  return std::make_unique<FaultyTransport>(std::move(inner));
}

}  // namespace tensorpool::fault
