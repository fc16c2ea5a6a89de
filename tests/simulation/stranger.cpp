#include "simulation/stranger.hpp"

#include <algorithm>
#include <iterator>

#include "simulation/driver_side.hpp"
#include "simulation/world.hpp"
#include "wire/codec.hpp"

namespace tensorpool::simulation {

using ClientRole = wire::driver::Role;

namespace {

// Far from all ids that a driver counts up to: a notice about it is about no lease, now or later.
constexpr std::uint64_t never_granted = std::uint64_t{1} << 40U;

}  // namespace

Stranger::Stranger(DriverSide& side, std::shared_ptr<Host> host)
    : side_(side),
      world_(side.world()),
      host_(std::move(host)),
      transport_(host_->network.make_transport()) {}

Stranger::~Stranger() = default;

bool Stranger::connect() {
  if (connection_ != nullptr && connection_->is_closed()) {
    out_ = {};
    connection_.reset();
  }
  if (connection_ == nullptr) {
    transport::ConnectOptions options;
    options.directory = aeron_dir;
    options.invoked = true;
    options.driver_timeout_ns = 10 * announce_period_ns;
    auto made = transport_->connect(options);
    if (!made) return false;
    connection_ = std::move(*made);
    client_ = connection_->client_id();
  }
  (void)connection_->do_work();
  const base::Nanos now = host_->clock.monotonic_ns();
  (void)out_.step(now, [&] {
    return connection_->add_publication("aeron:ipc?term-length=4m",
                                        static_cast<std::int32_t>(control_stream),
                                        now + 10 * announce_period_ns);
  });
  return out_.ready();
}

void Stranger::act() {
  if (!connect()) return;
  struct Kind {
    std::uint64_t weight;
    void (Stranger::*act)();
  };
  static constexpr Kind kinds[] = {
      {25, &Stranger::repeat},      {30, &Stranger::repeat_with_other_ids},
      {6, &Stranger::wrong_answer}, {8, &Stranger::attach},
      {12, &Stranger::hello},       {3, &Stranger::ask_to_shut_down},
      {6, &Stranger::garbage},      {10, &Stranger::flood},
  };
  std::uint64_t dice = world_.dice(100);
  for (const Kind& kind : kinds) {
    if (dice < kind.weight) return (this->*kind.act)();
    dice -= kind.weight;
  }
}

void Stranger::send(std::span<const std::byte> bytes) { (void)out_.get()->offer(bytes); }

template <class M>
void Stranger::say(const M& message) {
  std::vector<std::byte> bytes(wire::encoded_size(message));
  if (wire::try_encode(message, bytes)) send(bytes);
}

const LeaseEntry* Stranger::some_lease(bool living) {
  const std::vector<std::uint64_t>& ids = side_.book().lease_ids();
  if (ids.empty()) return nullptr;
  // Mostly one of the last.
  const std::size_t among = world_.chance(80) ? std::min<std::size_t>(ids.size(), 12) : ids.size();
  const LeaseEntry* lease =
      side_.book().lease(ids[ids.size() - 1 - static_cast<std::size_t>(world_.dice(among))]);
  return living && lease->ended ? nullptr : lease;
}

// Requests and notices, word for word.
void Stranger::repeat() {
  const auto& messages = side_.book().messages();
  if (messages.empty()) return;
  const std::vector<std::byte> message =
      messages[static_cast<std::size_t>(world_.dice(messages.size()))];
  if (wire::try_decode<wire::driver::ShmAttachResponse>(message)) return;
  world_.hit(Probe::message_repeated);
  send(message);
}

// A keepalive or a detach that names a lease, with one of the other ids wrong; or all of them right, as a client would
// that does not know that it is dead.
void Stranger::repeat_with_other_ids() {
  const LeaseEntry* lease = some_lease(false);
  if (lease == nullptr) return;
  protocol::driver::LeaseKey key = lease->key;
  switch (world_.dice(4)) {
    case 0:
      key.stream_id = key.stream_id == 10'000 ? 10'001 : 10'000;
      break;
    case 1:
      key.client_id += 1;
      break;
    case 2:
      key.role = key.role == ClientRole::producer ? ClientRole::consumer : ClientRole::producer;
      break;
    default:
      if (world_.chance(70)) key.lease_id ^= never_granted;
      break;
  }
  if (world_.chance(75)) {
    return say(
        wire::driver::ShmLeaseKeepalive{key.lease_id, key.stream_id, key.client_id, key.role, 1});
  }
  say(wire::driver::ShmDetachRequest{++correlation_, key.lease_id, key.stream_id, key.client_id,
                                     key.role});
}

// An answer that was given before, turned into a refusal.
void Stranger::wrong_answer() {
  const auto& messages = side_.book().messages();
  if (messages.empty()) return;
  const auto answer = wire::try_decode<wire::driver::ShmAttachResponse>(
      messages[static_cast<std::size_t>(world_.dice(messages.size()))]);
  if (!answer || answer->code != wire::ResponseCode::ok) return;
  world_.hit(Probe::answer_contradicted);
  wire::driver::ShmAttachResponse no;
  no.correlation_id = answer->correlation_id;
  no.code = wire::ResponseCode::rejected;
  no.error_message = world_.chance(50) ? "client_id already attached" : "no";
  say(no);
}

void Stranger::attach() {
  wire::driver::ShmAttachRequest request;
  request.correlation_id = ++correlation_;
  static constexpr std::uint32_t streams[] = {
      10'000, 10'001, first_dynamic_stream, last_dynamic_stream, 0, 4};
  request.stream_id = streams[world_.dice(std::size(streams))];
  const LeaseEntry* other = some_lease(false);
  request.client_id = other != nullptr && world_.chance(40)
                          ? other->key.client_id
                          : 500 + static_cast<std::uint32_t>(world_.dice(4));
  request.role = world_.chance(20) ? ClientRole::producer : ClientRole::consumer;
  request.publish_mode = wire::driver::PublishMode::existing_or_create;
  if (world_.chance(50)) request.desired_node_id = 1 + static_cast<std::uint32_t>(world_.dice(9));
  say(request);
}

void Stranger::hello() {
  const LeaseEntry* lease = some_lease(true);
  if (lease == nullptr) return;
  wire::ConsumerHello hello;
  hello.stream_id = lease->key.stream_id;
  hello.consumer_id = lease->key.client_id;
  hello.supports_shm = true;
  hello.descriptor_stream_id = 5;
  hello.descriptor_channel = "aeron:ipc";
  hello.control_stream_id = 6;
  hello.control_channel = "aeron:ipc";
  say(hello);
}

void Stranger::ask_to_shut_down() {
  wire::driver::ShmDriverShutdownRequest request;
  request.correlation_id = ++correlation_;
  request.token = world_.chance(20) ? shutdown_token : world_.chance(50) ? "now" : "";
  request.error_message = "because";
  say(request);
}

void Stranger::garbage() {
  const auto& messages = side_.book().messages();
  if (messages.empty()) return;
  std::vector<std::byte> message = messages[static_cast<std::size_t>(world_.dice(messages.size()))];
  if (wire::try_decode<wire::driver::ShmAttachResponse>(message) || message.empty()) return;
  message.resize(static_cast<std::size_t>(world_.dice(message.size())));
  send(message);
}

void Stranger::flood() {
  world_.hit(Probe::flood);
  const LeaseEntry* lease = some_lease(false);
  wire::driver::ShmLeaseKeepalive keepalive{1, 10'000, 1, ClientRole::consumer, 1};
  if (lease != nullptr)
    keepalive = {lease->key.lease_id ^ never_granted, lease->key.stream_id, lease->key.client_id,
                 lease->key.role, 1};
  for (std::uint64_t i = 10 + world_.dice(30); i > 0; --i) say(keepalive);
}

}  // namespace tensorpool::simulation
