// What the conductor's agents work with: the world behind interfaces, the current connection, and
// how to tell the application something.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agents/doorbell.hpp"
#include "agents/generation.hpp"
#include "agents/lender.hpp"
#include "agents/wake_finder.hpp"
#include "base/clock.hpp"
#include "base/file_system.hpp"
#include "protocol/now.hpp"
#include "shm/region.hpp"
#include "tensorpool/options.hpp"
#include "transport/transport.hpp"
#include "wire/codec.hpp"

namespace tensorpool::agents {

// The environment of a client; main builds it, tests replace any part. Outlives the conductor.
struct World {
  transport::Transport& transport;
  base::FileSystem& file_system;
  const base::Clock& clock;
};

// A message that no publication took is dropped: everything the conductor sends is soft state and
// is repeated (STR-14).
struct AgentContext {
  World world;
  const ClientOptions& options;
  const shm::MapPolicy& map_policy;
  std::shared_ptr<Generation> generation;  // null while no media driver is connected
  Graveyard graveyard;
  std::vector<std::byte> scratch;  // for encoding control messages
  WakeFinder wake{};
  // Wakes the conductor's thread. The conductor rings it too, for itself, when an answer is about to come.
  std::shared_ptr<Doorbell> bell = std::make_shared<Doorbell>();

  protocol::Now now() const noexcept {
    return {world.clock.monotonic_ns(), world.clock.realtime_ns()};
  }

  // Tells the application; nothing without a handler.
  void notify(NoticeKind kind, std::uint32_t stream_id, std::uint64_t epoch,
              std::string_view text) const {
    notify(Notice{kind, stream_id, epoch, text});
  }
  void notify(const Notice& notice) const {
    if (options.on_notice) options.on_notice(notice);
  }

  // Encodes `message` and offers it once. What became of it is of interest to keepalives only.
  template <class M>
  transport::Position send(LinkAdd<transport::Publication>& link, const M& message) {
    if (!link.ready()) return transport::not_connected;
    scratch.resize(wire::encoded_size(message));
    const auto size = wire::try_encode(message, scratch);
    if (!size) return transport::publication_error;
    return link.get()->offer(std::span<const std::byte>(scratch).first(*size));
  }

  // Aeron's deadline for an add that starts now.
  base::Nanos add_deadline() const noexcept {
    return world.clock.monotonic_ns() + options.media_driver_timeout_ns;
  }
};

}  // namespace tensorpool::agents
