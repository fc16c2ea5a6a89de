// What a listener on the streams of a driver learns: announces, keepalives, answers, notices. Drivers of every
// implementation say the same. Messages in, tables out; no input or output here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/clock.hpp"
#include "tp/output.hpp"
#include "wire/messages.hpp"

namespace tensorpool::cli {

// Kept at most, of each kind: a listener has no more memory for a flood than for a crowded driver.
inline constexpr std::size_t heard_streams_max = 16'384;
inline constexpr std::size_t heard_leases_max = 65'536;
inline constexpr std::size_t heard_requests_max = 4'096;
inline constexpr std::size_t heard_reasons_max = 16;

struct StreamHeard {
  wire::ShmPoolAnnounce last;
  std::uint64_t announces = 0;
  base::Nanos first_ns = 0;  // when heard; monotonic
  base::Nanos last_ns = 0;
  std::int64_t ahead_ns = 0;  // timestamp of the last one minus the clock it names, when heard
  std::int32_t session = 0;   // of the publication it came from
  std::optional<std::int32_t> former_session;
  bool two_publishers = false;
};

struct LeaseHeard {
  std::uint64_t lease_id = 0;
  std::optional<std::uint32_t> client_id;  // absent: only an answer was heard, not who had asked
  std::optional<std::uint32_t> stream_id;
  std::optional<wire::driver::Role> role;
  std::uint64_t keepalives = 0;
  base::Nanos last_ns = 0;  // of the last keepalive; 0: none
  bool granted = false;     // the answer was heard
  std::optional<wire::driver::LeaseRevokeReason> ended;
  std::string text;  // of its end
};

class Heard {
 public:
  // One whole message of any publisher. `realtime_ns` is for timestamps of that clock.
  void hear(std::span<const std::byte> message, std::int32_t session, base::Nanos monotonic_ns,
            base::Nanos realtime_ns);

  const std::map<std::uint32_t, StreamHeard>& streams() const noexcept { return streams_; }
  const std::map<std::uint64_t, LeaseHeard>& leases() const noexcept { return leases_; }
  const std::optional<wire::driver::ShmDriverShutdown>& shutdown() const noexcept {
    return shutdown_;
  }
  // Answers and notices: only a driver sends these.
  std::uint64_t driver_messages() const noexcept { return driver_messages_; }
  // Announces that no producer in direct mode sends: without a producer.
  std::uint64_t announces_without_producer() const noexcept { return without_producer_; }
  std::uint64_t keepalives() const noexcept { return keepalives_; }
  // Attach answers by code (its protocol name), as far as heard.
  const std::map<std::string, std::uint64_t>& attach_answers() const noexcept {
    return attach_answers_;
  }
  std::uint64_t malformed() const noexcept { return malformed_; }
  // Why, each once, at most heard_reasons_max of them.
  const std::map<std::string, std::uint64_t>& malformed_reasons() const noexcept {
    return reasons_;
  }
  // Streams and leases beyond the limits above.
  std::uint64_t left_out() const noexcept { return left_out_; }
  // Streams that are new, or whose announce differs from the one before by more than its time;
  // emptied by the call.
  std::set<std::uint32_t> take_changed();

 private:
  struct Asked {
    std::uint32_t client_id = 0;
    wire::driver::Role role = wire::driver::Role::consumer;
  };

  void refuse(std::string_view message, std::string_view why);
  void on(const wire::ShmPoolAnnounce& announce, std::int32_t session, base::Nanos monotonic_ns,
          base::Nanos realtime_ns);
  void on(const wire::driver::ShmAttachRequest& request);
  void on(const wire::driver::ShmAttachResponse& response);
  void on(const wire::driver::ShmLeaseKeepalive& keepalive, base::Nanos monotonic_ns);
  void on(const wire::driver::ShmLeaseRevoked& notice);
  LeaseHeard* lease(std::uint64_t lease_id);

  std::map<std::uint32_t, StreamHeard> streams_;
  std::map<std::uint64_t, LeaseHeard> leases_;
  std::unordered_map<std::int64_t, Asked> asked_;  // by correlation id
  std::map<std::string, std::uint64_t> attach_answers_;
  std::map<std::string, std::uint64_t> reasons_;
  std::set<std::uint32_t> changed_;
  std::optional<wire::driver::ShmDriverShutdown> shutdown_;
  std::uint64_t driver_messages_ = 0;
  std::uint64_t without_producer_ = 0;
  std::uint64_t keepalives_ = 0;
  std::uint64_t malformed_ = 0;
  std::uint64_t left_out_ = 0;
};

// Why the region of this URI cannot be looked at from here; empty when it can. Opens nothing.
std::string region_fault(const std::string& uri);

// `faults`: what is wrong with the announces of this stream, files that cannot be seen included.
Json stream_json(const StreamHeard& stream, base::Nanos now_ns,
                 const std::vector<std::string>& faults);
std::string stream_line(const Json& stream);
std::vector<std::string> stream_faults(const StreamHeard& stream);

Json lease_json(const LeaseHeard& lease, base::Nanos now_ns);
std::string lease_line(const Json& lease);

}  // namespace tensorpool::cli
