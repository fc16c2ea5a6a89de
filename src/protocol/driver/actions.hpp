// What a driver core asks for, tells and counts.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "protocol/action_list.hpp"
#include "shm/geometry.hpp"
#include "wire/messages.hpp"

namespace tensorpool::protocol::driver {

// --- To be sent. Everything on the control stream, announces on the announce stream.

struct SendAttachResponse {
  wire::driver::ShmAttachResponse message;
};
struct SendDetachResponse {
  wire::driver::ShmDetachResponse message;
};
struct SendLeaseRevoked {
  wire::driver::ShmLeaseRevoked message;
};
struct SendDriverShutdown {
  wire::driver::ShmDriverShutdown message;
};
struct SendConsumerConfig {
  wire::ConsumerConfig message;
};
// `refresh_activity`: set the activity timestamp of all its regions first, since no producer does.
struct SendAnnounce {
  wire::ShmPoolAnnounce message;
  bool refresh_activity = false;
};

// --- To be done with files. What is asked for one stream is done in the order it was asked; different
// streams may overtake one another.

// Create the regions of a new epoch (DRV-135) and answer with on_created() or on_create_failed().
// `layout.epoch` is the least that will do: with a higher epoch on disk, one above that (A6).
struct CreateRegions {
  std::uint64_t request_id = 0;
  shm::StreamLayout layout;
  bool require_hugepages = false;  // shows in the URIs
};
// Remove the epochs that meet all four conditions of A10, as shm::collect_epochs() does, and answer
// with on_collected().
struct CollectEpochs {
  std::uint64_t request_id = 0;
  std::uint32_t stream_id = 0;
  std::uint64_t current_epoch = 0;  // never removed
  std::uint32_t keep = 2;
  std::uint64_t min_age_ns = 0;
  bool waive_age = false;  // the run after a creation found no space
};
// Remove all epochs of the stream: the driver has ended, and so have all leases (DRV-155).
struct RemoveRegions {
  std::uint32_t stream_id = 0;
};
// All is said and done: the agent may end.
struct Stopped {};

// --- To be logged: a state changed. Each change once; what changes nothing is only counted.
enum class Event : std::uint8_t {
  lease_granted,
  lease_ended,
  stream_created,
  stream_forgotten,
  regions_created,
  regions_failed,
  epochs_removed,
  epoch_removal_failed,
  node_ids_exhausted,
  draining,
  stopped,
};
std::string_view name(Event event) noexcept;

struct Report {
  Event event = Event::lease_granted;
  std::uint32_t stream_id = 0;
  std::uint32_t client_id = 0;
  std::uint64_t lease_id = 0;
  std::uint64_t epoch = 0;
  std::string text;
};

using Action = std::variant<SendAttachResponse, SendDetachResponse, SendLeaseRevoked,
                            SendDriverShutdown, SendConsumerConfig, SendAnnounce, CreateRegions,
                            CollectEpochs, RemoveRegions, Stopped, Report>;
using Actions = ActionList<Action>;

// --- Counted.

// Why an attach was not granted: the rows of A4.2 in their order, then the limits of this
// implementation.
enum class AttachRefusal : std::uint8_t {
  schema_version,
  draining,
  role,
  client_id_zero,
  publish_mode,
  hugepages_policy,
  client_id_attached,
  not_provisioned,
  no_range,
  outside_range,
  range_exhausted,
  no_profile,
  layout_version,
  no_pools,
  producer_attached,
  no_hugepages,
  no_standard_pages,
  node_id_zero,
  node_id_unavailable,
  too_many_leases,
  provisioning,
  in_progress,       // the client has another attach that still waits for its regions (DRV-61)
  too_many_streams,  // limits::driver_streams
  too_many_pending,  // limits::driver_pending_attaches
  count_,
};

struct Refusal {
  wire::ResponseCode code = wire::ResponseCode::rejected;
  std::string_view text;  // a literal
};
// Code and text to send; the text of `provisioning` is completed by the reason.
Refusal answer(AttachRefusal why) noexcept;

enum class Count : std::uint8_t {
  granted,
  copies_answered,
  copies_dropped,  // the answer is on its way, or there are no regions to describe
  keepalives,
  keepalives_ignored,
  strangers_answered,  // keepalives for leases of a former driver
  detached,
  detach_refused,
  expired,
  revoked,
  announces,
  regions_created,
  creations_failed,
  epochs_removed,
  removals_failed,
  hellos_answered,
  hellos_ignored,
  node_ids_exhausted,  // leases granted without a node id
  shutdown_ignored,    // requests without effect
  count_,
};

class Counters {
 public:
  void add(Count what, std::uint64_t n = 1) noexcept {
    counts_[static_cast<std::size_t>(what)] += n;
  }
  void add(AttachRefusal why) noexcept { ++refused_[static_cast<std::size_t>(why)]; }
  std::uint64_t of(Count what) const noexcept { return counts_[static_cast<std::size_t>(what)]; }
  std::uint64_t of(AttachRefusal why) const noexcept {
    return refused_[static_cast<std::size_t>(why)];
  }

 private:
  std::array<std::uint64_t, static_cast<std::size_t>(Count::count_)> counts_{};
  std::array<std::uint64_t, static_cast<std::size_t>(AttachRefusal::count_)> refused_{};
};

// At most limits::error_message_bytes, and only what a text field may carry (MSG-40, DRV-69).
std::string sendable(std::string_view text);

}  // namespace tensorpool::protocol::driver
