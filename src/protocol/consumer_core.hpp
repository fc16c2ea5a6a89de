// A consumer: which announce to believe, when to map, check and unmap, when to speak. In driver mode nothing
// of that happens without a lease (lease_core.hpp). Sans-IO: the time and every input are arguments, what to do
// comes out as actions, and deadline() says when to call on_timer() next. One thread.
//
// Follows docs/protocol/03-streams.md sections 4 and 11 and 01-shared-memory.md "Mapping and epoch
// state machine". Messages are decoded and well-formed when they get here (check 1 of section 4.2).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "protocol/action_list.hpp"
#include "protocol/announce_gate.hpp"
#include "protocol/now.hpp"
#include "tensorpool/error.hpp"
#include "wire/messages.hpp"

namespace tensorpool::protocol {

struct ConsumerSettings {
  std::uint32_t stream_id = 0;
  std::uint32_t consumer_id = 0;
  wire::Mode mode = wire::Mode::stream;
  std::uint32_t max_rate_hz = 0;
  std::uint32_t expected_layout_version = 0;  // 0: any
  base::Nanos announce_period_ns = 1'000'000'000;
  std::uint32_t freshness_factor = 3;
  std::uint32_t liveness_factor = 5;
  base::Nanos hello_interval_ns = 1'000'000'000;
  base::Nanos qos_interval_ns = 1'000'000'000;
  std::string payload_fallback_uri;
  bool leased = false;  // driver mode: only while there is a lease
};

enum class ConsumerState : std::uint8_t {
  connecting = 0,  // nothing mapped; waiting for an announce
  mapped = 1,      // mapped, but the descriptor stream is not there
  active = 2,
};

enum class UnmapReason : std::uint8_t {
  higher_epoch_announced,
  higher_epoch_descriptor,
  sequence_regression,
  superblock_mismatch,
  pid_changed,
  stale_activity,
  outdated,  // mapped too late: a higher epoch was seen meanwhile, or the lease ended
  producer_gone,
  lease_ended,
};
std::string_view name(UnmapReason reason) noexcept;

// What the agent found in the mapped regions.
struct RegionCheck {
  bool matches = true;  // magic, layout version and epoch
  bool pid_same = true;
  std::uint64_t activity_ns = 0;
};

// Map all regions of `announce`, read-only and fully checked, and report with `map_id`.
struct MapRegions {
  std::uint64_t map_id = 0;
  wire::ShmPoolAnnounce announce;
  bool of_lease = false;  // they came with the attach response, without producer and time
};
// Look at the mapped regions and report with on_checked().
struct CheckRegions {};
// Lend the mapping to the port no more, and let go of it.
struct UnmapRegions {
  UnmapReason reason = UnmapReason::stale_activity;
};
struct SendHello {
  wire::ConsumerHello message;
};
// Send QosConsumer; the agent fills in what the port counted.
struct SendQosConsumer {
  wire::QosConsumer message;
};
enum class ConsumerReport : std::uint8_t { mapped, unmapped, rejected };
// Tell the application, once per change.
struct ReportConsumer {
  ConsumerReport kind = ConsumerReport::mapped;
  std::uint64_t epoch = 0;
  std::string text;
};
using ConsumerAction = std::variant<MapRegions, CheckRegions, UnmapRegions, SendHello,
                                    SendQosConsumer, ReportConsumer>;
using ConsumerActions = ActionList<ConsumerAction>;

enum class ConsumerNote : std::uint8_t { higher_epoch, regression };

class ConsumerCore {
 public:
  ConsumerCore(ConsumerSettings settings, Now now);

  // An image that carries announces came or went; `joined` is when (SHM-151).
  void on_image(Now now, std::int32_t session, base::Nanos joined, bool available);
  void on_announce(Now now, std::int32_t session, const wire::ShmPoolAnnounce& announce,
                   ConsumerActions& actions);
  // The answers to MapRegions. `activity_ns` is that of the new mapping.
  void on_mapped(Now now, std::uint64_t map_id, std::uint64_t activity_ns,
                 ConsumerActions& actions);
  void on_map_failed(Now now, std::uint64_t map_id, const Error& error, ConsumerActions& actions);
  // The answer to CheckRegions.
  void on_checked(Now now, const RegionCheck& check, ConsumerActions& actions);
  // The descriptor stream is there, or gone.
  void on_links(bool up) noexcept { links_up_ = up; }
  // What the port saw in `session`; a note of another session is ignored.
  void on_note(Now now, std::uint64_t session, ConsumerNote note, std::uint64_t argument,
               ConsumerActions& actions);
  // Driver mode. Maps the regions of an attach response, whatever was announced before (decision under
  // STR-40).
  void on_lease(Now now, const wire::ShmPoolAnnounce& regions, ConsumerActions& actions);
  void on_lease_ended(Now now, ConsumerActions& actions);
  // The producer's lease ended: only a higher epoch is of interest (DRV-113). `told_ns`: when the driver said
  // so, by its monotonic clock; 0 when that is not known.
  void on_producer_gone(Now now, std::uint64_t told_ns, ConsumerActions& actions);
  // The id of the lease, which is the consumer's (decision in 04-driver.md A3).
  void set_consumer_id(std::uint32_t id) noexcept { settings_.consumer_id = id; }
  void on_timer(Now now, ConsumerActions& actions);

  // When on_timer() has something to do.
  base::Nanos deadline() const noexcept;
  ConsumerState state() const noexcept;
  // Identity of the current mapping; 0 when nothing is mapped. Never used twice.
  std::uint64_t session() const noexcept { return mapped_ ? session_ : 0; }
  std::uint64_t epoch() const noexcept { return mapped_ ? epoch_ : 0; }
  std::uint64_t highest_epoch() const noexcept { return highest_epoch_; }
  std::uint64_t refused(AnnounceRefusal why) const noexcept {
    return refused_[static_cast<std::size_t>(why)];
  }

 private:
  bool acceptable(Now now, std::int32_t session, const wire::ShmPoolAnnounce& announce);
  bool refuse(AnnounceRefusal why) noexcept;
  bool regions_sane(const wire::ShmPoolAnnounce& announce) const noexcept;
  bool describes_mapping(const wire::ShmPoolAnnounce& announce) const;
  void request_map(Now now, const wire::ShmPoolAnnounce& announce, ConsumerActions& actions);
  void reject(Now now, std::uint64_t epoch, std::string text, ConsumerActions& actions);
  bool too_many_rejections(Now now) noexcept;
  void pause(Now now, std::uint64_t epoch) noexcept;
  void unmap(Now now, UnmapReason reason, ConsumerActions& actions);
  void forget_highest(Now now) noexcept;
  base::Nanos freshness_ns() const noexcept {
    return settings_.announce_period_ns * settings_.freshness_factor;
  }
  base::Nanos liveness_ns() const noexcept {
    return settings_.announce_period_ns * settings_.liveness_factor;
  }

  ConsumerSettings settings_;
  AnnounceGate gate_;
  bool links_up_ = false;
  bool leased_;

  bool mapped_ = false;
  std::uint64_t session_ = 0;
  std::uint64_t epoch_ = 0;
  base::Nanos mapped_at_ns_ = 0;
  std::optional<wire::ShmPoolAnnounce> mapped_announce_;

  std::uint64_t highest_epoch_ = 0;
  base::Nanos highest_accepted_at_ns_ = 0;  // when an announce of that epoch was last accepted
  std::uint64_t pid_changed_epoch_ = 0;     // never mapped again, not even later (STR-212)
  std::uint64_t over_epoch_ = 0;            // the producer of it and of all below is gone
  std::uint64_t over_since_ns_ = 0;         // and of what was announced until then; 0: not known

  std::optional<MapRegions> mapping_;  // in flight
  std::uint64_t next_map_id_ = 1;
  std::uint64_t rejected_epoch_ = 0;  // its regions are not tried again before retry_at_ns_
  base::Nanos retry_at_ns_ = 0;
  std::string last_rejection_;
  base::Nanos rejections_since_ns_ = 0;
  std::uint32_t rejections_ = 0;  // since then, at most one announce period ago

  base::Nanos next_hello_ns_ = 0;
  base::Nanos next_qos_ns_ = 0;
  base::Nanos next_check_ns_ = 0;
  std::array<std::uint64_t, static_cast<std::size_t>(AnnounceRefusal::count_)> refused_{};
};

}  // namespace tensorpool::protocol
