// A client made of nothing but messages: what a driver hears and says, without any rule of a client.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "agents/generation.hpp"
#include "shm/mapping.hpp"
#include "tensorpool/options.hpp"
#include "transport/channel.hpp"
#include "transport/transport.hpp"
#include "wire/codec.hpp"
#include "wire/messages.hpp"

namespace tensorpool::agents::driver::test {

using wire::driver::ShmAttachRequest;
using wire::driver::ShmAttachResponse;
using wire::driver::ShmDetachRequest;
using wire::driver::ShmDetachResponse;
using wire::driver::ShmDriverShutdown;
using wire::driver::ShmLeaseKeepalive;
using wire::driver::ShmLeaseRevoked;

// One thread. Everything that arrives is kept, in its order.
class RawClient {
 public:
  RawClient(transport::Transport& transport, transport::ConnectOptions options, Endpoint control,
            Endpoint announce, const base::Clock& clock)
      : transport_(transport),
        options_(std::move(options)),
        control_(std::move(control)),
        announce_(std::move(announce)),
        clock_(clock) {}

  // One duty cycle.
  void do_work() {
    if (generation_ != nullptr && generation_->connection->is_closed()) generation_.reset();
    if (generation_ == nullptr) connect();
    if (generation_ == nullptr) return;
    Generation& g = *generation_;
    (void)g.connection->do_work();
    const base::Nanos now = clock_.monotonic_ns();
    const base::Nanos deadline = now + options_.driver_timeout_ns;
    (void)g.control_out.step(now, [&] {
      return g.connection->add_publication(transport::control_channel(control_.channel),
                                           control_.stream_id, deadline);
    });
    (void)g.control_in.step(now, [&] {
      return g.connection->add_subscription(control_.channel, control_.stream_id, deadline,
                                            nullptr);
    });
    if (announce_ != control_) {
      (void)g.announce_in.step(now, [&] {
        return g.connection->add_subscription(announce_.channel, announce_.stream_id, deadline,
                                              nullptr);
      });
    }
    for (auto* in : {&g.control_in, &g.announce_in}) {
      if (!in->ready()) continue;
      auto take = [this](const transport::Fragment& message) {
        if (auto any = wire::try_decode_any(message.data)) heard.push_back(std::move(*any));
        if (message.data.size() > largest) largest = message.data.size();
      };
      for (int i = 0; i < 20 && in->get()->poll_assembled(take, 10) == 10; ++i) {
      }
    }
  }
  // Both streams, with somebody at the other end.
  bool ready() const {
    return generation_ != nullptr && generation_->control_out.ready() &&
           generation_->control_in.ready() &&
           (announce_ == control_ || generation_->announce_in.ready()) &&
           generation_->control_in.get()->image_count() > 1 &&
           generation_->control_out.get()->is_connected();
  }
  void end() { generation_.reset(); }

  template <class M>
  bool send(const M& message) {
    std::vector<std::byte> bytes(wire::encoded_size(message));
    EXPECT_TRUE(wire::try_encode(message, bytes).has_value());
    return send_bytes(bytes);
  }
  bool send_bytes(std::span<const std::byte> bytes) {
    if (generation_ == nullptr || !generation_->control_out.ready()) return false;
    transport::Position position = transport::admin_action;
    for (int i = 0; i < 3 && position == transport::admin_action; ++i)
      position = generation_->control_out.get()->offer(bytes);
    return position > 0;
  }

  template <class M>
  std::vector<M> all() const {
    std::vector<M> found;
    for (const wire::AnyMessage& any : heard) {
      if (const M* message = std::get_if<M>(&any)) found.push_back(*message);
    }
    return found;
  }
  template <class M, class Wanted>
  std::optional<M> find(Wanted&& wanted) const {
    for (const wire::AnyMessage& any : heard) {
      const M* message = std::get_if<M>(&any);
      if (message != nullptr && wanted(*message)) return *message;
    }
    return std::nullopt;
  }
  // Where the first message of this kind that is `wanted` stands; the number of messages if none.
  template <class M, class Wanted>
  std::size_t place(Wanted&& wanted) const {
    std::size_t i = 0;
    for (; i < heard.size(); ++i) {
      const M* message = std::get_if<M>(&heard[i]);
      if (message != nullptr && wanted(*message)) break;
    }
    return i;
  }
  template <class M>
  std::optional<M> answer(std::int64_t correlation_id) const {
    return find<M>([&](const M& m) { return m.correlation_id == correlation_id; });
  }

  std::vector<wire::AnyMessage> heard;
  std::size_t largest = 0;  // message in bytes

 private:
  void connect() {
    const transport::MediaDriverState state = transport_.probe(options_);
    if (!state.alive) return;
    auto connection = transport_.connect(options_);
    if (!connection) return;
    generation_ = std::make_shared<Generation>();
    generation_->connection = std::move(*connection);
  }

  transport::Transport& transport_;
  const transport::ConnectOptions options_;
  const Endpoint control_;
  const Endpoint announce_;
  const base::Clock& clock_;
  std::shared_ptr<Generation> generation_;
};

// The regions of an OK response, to be mapped.
inline shm::StreamRegions regions_of(const ShmAttachResponse& response) {
  shm::StreamRegions regions;
  regions.layout.stream_id = response.stream_id.value_or(0);
  regions.layout.epoch = response.epoch.value_or(0);
  regions.layout.nslots = response.header_nslots.value_or(0);
  regions.layout.layout_version = response.layout_version.value_or(0);
  regions.layout.header_slot_bytes = response.header_slot_bytes.value_or(0);
  regions.header_uri = response.header_region_uri;
  for (const wire::PayloadPool& pool : response.payload_pools) {
    regions.layout.pools.push_back({pool.pool_id, pool.stride_bytes, pool.pool_nslots});
    regions.pool_uris.push_back(pool.region_uri);
  }
  return regions;
}

}  // namespace tensorpool::agents::driver::test
