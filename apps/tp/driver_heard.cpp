#include "tp/driver_heard.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <set>
#include <system_error>
#include <utility>
#include <variant>

#include "base/limits.hpp"
#include "shm/geometry.hpp"
#include "shm/uri.hpp"
#include "tp/json.hpp"
#include "wire/check.hpp"
#include "wire/codec.hpp"
#include "wire/text.hpp"

namespace tensorpool::cli {
namespace {

constexpr std::int64_t ms = 1'000'000;
// A timestamp this far ahead of its clock is another clock's.
constexpr std::int64_t far_ahead_ns = 1'000 * ms;
// The freshness rule of consumers with default settings: three periods of a second.
constexpr std::int64_t stale_ns = 3'000 * ms;

// Timestamps may be anything.
std::int64_t difference(std::uint64_t timestamp, base::Nanos now) {
  constexpr auto most = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max() / 2);
  return static_cast<std::int64_t>(std::min(timestamp, most)) - now;
}

bool same_but_time(wire::ShmPoolAnnounce a, const wire::ShmPoolAnnounce& b) {
  a.announce_timestamp_ns = b.announce_timestamp_ns;
  return a == b;
}

shm::LayoutFault layout_fault(const wire::ShmPoolAnnounce& announce) {
  shm::StreamLayout layout;
  layout.stream_id = announce.stream_id;
  layout.epoch = announce.epoch;
  layout.nslots = announce.header_nslots;
  layout.layout_version = announce.layout_version;
  layout.header_slot_bytes = announce.header_slot_bytes;
  for (const wire::PayloadPool& pool : announce.payload_pools)
    layout.pools.push_back({pool.pool_id, pool.stride_bytes, pool.pool_nslots});
  return shm::check(layout);
}

std::string optional_number(const Json& value) {
  return value.is_null() ? "-" : fmt::format("{}", value.get<std::uint64_t>());
}

}  // namespace

void Heard::refuse(std::string_view message, std::string_view why) {
  ++malformed_;
  const std::string reason =
      wire::printable(fmt::format("{}: {}", message, why), base::limits::error_message_bytes);
  if (reasons_.size() < heard_reasons_max || reasons_.contains(reason)) ++reasons_[reason];
}

void Heard::hear(std::span<const std::byte> message, std::int32_t session, base::Nanos monotonic_ns,
                 base::Nanos realtime_ns) {
  const auto header = wire::peek(message);
  if (!header) return refuse("message", "fewer than 8 bytes");
  const std::string_view name = wire::message_name(header->schema_id, header->template_id);
  if (name.empty()) return;  // other protocols may share the stream (MSG-10)
  const auto any = wire::try_decode_any(message);
  if (!any) return refuse(name, any.error().text());
  if (const auto* announce = std::get_if<wire::ShmPoolAnnounce>(&*any)) {
    if (const auto good = wire::try_check(*announce); !good)
      return refuse(fmt::format("{} of stream {}", name, announce->stream_id), good.error().text());
    return on(*announce, session, monotonic_ns, realtime_ns);
  }
  if (const auto* request = std::get_if<wire::driver::ShmAttachRequest>(&*any)) return on(*request);
  if (const auto* response = std::get_if<wire::driver::ShmAttachResponse>(&*any))
    return on(*response);
  if (const auto* keepalive = std::get_if<wire::driver::ShmLeaseKeepalive>(&*any))
    return on(*keepalive, monotonic_ns);
  if (const auto* notice = std::get_if<wire::driver::ShmLeaseRevoked>(&*any)) return on(*notice);
  if (std::holds_alternative<wire::driver::ShmDetachResponse>(*any)) ++driver_messages_;
  if (const auto* notice = std::get_if<wire::driver::ShmDriverShutdown>(&*any)) {
    ++driver_messages_;
    shutdown_ = *notice;
  }
}

void Heard::on(const wire::ShmPoolAnnounce& announce, std::int32_t session,
               base::Nanos monotonic_ns, base::Nanos realtime_ns) {
  const auto found = streams_.find(announce.stream_id);
  const bool known = found != streams_.end();
  if (!known && streams_.size() == heard_streams_max) {
    ++left_out_;
    return;
  }
  if (announce.producer_id == 0) ++without_producer_;
  StreamHeard& stream = known ? found->second : streams_[announce.stream_id];
  if (!known) stream.first_ns = monotonic_ns;
  if (known && stream.session != session) {
    // Back to the one before: both are there. A driver that found its media driver again only comes anew.
    if (stream.former_session == session) stream.two_publishers = true;
    stream.former_session = stream.session;
  }
  if (!known || !same_but_time(announce, stream.last)) changed_.insert(announce.stream_id);
  stream.last = announce;
  stream.session = session;
  ++stream.announces;
  stream.last_ns = monotonic_ns;
  const bool realtime = announce.announce_clock_domain == wire::ClockDomain::realtime_synced;
  stream.ahead_ns =
      difference(announce.announce_timestamp_ns, realtime ? realtime_ns : monotonic_ns);
}

void Heard::on(const wire::driver::ShmAttachRequest& request) {
  if (asked_.size() < heard_requests_max)
    asked_.insert_or_assign(request.correlation_id, Asked{request.client_id, request.role});
}

void Heard::on(const wire::driver::ShmAttachResponse& response) {
  ++driver_messages_;
  ++attach_answers_[std::string(wire::protocol_name(response.code))];
  const auto asked = asked_.extract(response.correlation_id);
  if (const auto good = wire::try_check(response); !good)
    return refuse("ShmAttachResponse", good.error().text());
  if (response.code != wire::ResponseCode::ok || !response.lease_id) return;
  LeaseHeard* const found = lease(*response.lease_id);
  if (found == nullptr) return;
  found->granted = true;
  found->stream_id = response.stream_id;
  if (!asked.empty()) {
    found->client_id = asked.mapped().client_id;
    found->role = asked.mapped().role;
  }
}

void Heard::on(const wire::driver::ShmLeaseKeepalive& keepalive, base::Nanos monotonic_ns) {
  ++keepalives_;
  LeaseHeard* const found = lease(keepalive.lease_id);
  if (found == nullptr) return;
  found->client_id = keepalive.client_id;
  found->stream_id = keepalive.stream_id;
  found->role = keepalive.role;
  ++found->keepalives;
  found->last_ns = monotonic_ns;
}

void Heard::on(const wire::driver::ShmLeaseRevoked& notice) {
  ++driver_messages_;
  LeaseHeard* const found = lease(notice.lease_id);
  if (found == nullptr) return;
  found->client_id = notice.client_id;
  found->stream_id = notice.stream_id;
  found->role = notice.role;
  found->ended = notice.reason;
  found->text = wire::printable(notice.error_message, base::limits::error_message_bytes);
}

LeaseHeard* Heard::lease(std::uint64_t lease_id) {
  const auto found = leases_.find(lease_id);
  if (found != leases_.end()) return &found->second;
  if (leases_.size() == heard_leases_max) {
    ++left_out_;
    return nullptr;
  }
  LeaseHeard& made = leases_[lease_id];
  made.lease_id = lease_id;
  return &made;
}

std::set<std::uint32_t> Heard::take_changed() { return std::exchange(changed_, {}); }

std::string region_fault(const std::string& uri) {
  const auto parsed = shm::parse_uri(uri);
  if (!parsed) return wire::printable(parsed.error().message(), base::limits::error_message_bytes);
  struct stat file{};
  if (::lstat(parsed->path.c_str(), &file) != 0)
    return fmt::format("{}: {}", parsed->path, std::generic_category().message(errno));
  if (!S_ISREG(file.st_mode)) return parsed->path + ": no regular file";
  if (::access(parsed->path.c_str(), R_OK) != 0)
    return fmt::format("{}: {}", parsed->path, std::generic_category().message(errno));
  return {};
}

std::vector<std::string> stream_faults(const StreamHeard& stream) {
  std::vector<std::string> faults;
  if (stream.two_publishers) faults.emplace_back("two publishers announce this stream");
  if (stream.ahead_ns > far_ahead_ns)
    faults.push_back(fmt::format("its timestamps are {} ahead of the {} clock",
                                 human_ns(stream.ahead_ns),
                                 wire::protocol_name(stream.last.announce_clock_domain)));
  if (stream.ahead_ns < -stale_ns)
    faults.push_back(fmt::format("its announces were {} old when heard: consumers ignore them",
                                 human_ns(-stream.ahead_ns)));
  if (const shm::LayoutFault fault = layout_fault(stream.last); fault != shm::LayoutFault::none)
    faults.push_back(fmt::format("consumers refuse it: {}", shm::name(fault)));
  std::set<std::string> seen;  // one file may be named twice
  const auto look = [&](const std::string& uri) {
    std::string fault = region_fault(uri);
    if (!fault.empty() && seen.insert(fault).second)
      faults.push_back("cannot be seen from here: " + std::move(fault));
  };
  look(stream.last.header_region_uri);
  for (const wire::PayloadPool& pool : stream.last.payload_pools) look(pool.region_uri);
  return faults;
}

Json stream_json(const StreamHeard& stream, base::Nanos now_ns,
                 const std::vector<std::string>& faults) {
  const wire::ShmPoolAnnounce& last = stream.last;
  Json pools = Json::array();
  for (const wire::PayloadPool& pool : last.payload_pools)
    pools.push_back(Json{{"pool_id", pool.pool_id},
                         {"stride_bytes", pool.stride_bytes},
                         {"region_uri", pool.region_uri}});
  const double window_s = static_cast<double>(stream.last_ns - stream.first_ns) / 1e9;
  const Json rate = stream.announces > 1 && window_s > 0
                        ? Json(static_cast<double>(stream.announces - 1) / window_s)
                        : Json(nullptr);
  return Json{{"kind", "stream"},
              {"stream_id", last.stream_id},
              {"producer_id", last.producer_id == 0 ? Json(nullptr) : Json(last.producer_id)},
              {"epoch", last.epoch},
              {"layout_version", last.layout_version},
              {"slots", last.header_nslots},
              {"pools", std::move(pools)},
              {"header_region_uri", last.header_region_uri},
              {"clock_domain", wire::protocol_name(last.announce_clock_domain)},
              {"announces", stream.announces},
              {"announces_per_s", rate},
              {"heard_ms_ago", (now_ns - stream.last_ns) / ms},
              {"session", stream.session},
              {"faults", faults}};
}

std::string stream_line(const Json& stream) {
  std::string pools;
  for (const Json& pool : stream["pools"])
    pools += fmt::format("{}{}:{}", pools.empty() ? "" : " ", pool["pool_id"].get<unsigned>(),
                         human_bytes(pool["stride_bytes"].get<std::uint64_t>()));
  const Json& producer = stream["producer_id"];
  const Json& rate = stream["announces_per_s"];
  return fmt::format(
      "stream {:<10} producer {:<10} epoch {:<6} layout {} slots {:<6} pools {}; announced {} ms "
      "ago, {}, {}",
      stream["stream_id"].get<std::uint32_t>(),
      producer.is_null() ? "none" : fmt::format("{}", producer.get<std::uint32_t>()),
      stream["epoch"].get<std::uint64_t>(), stream["layout_version"].get<std::uint32_t>(),
      stream["slots"].get<std::uint32_t>(), pools, stream["heard_ms_ago"].get<std::int64_t>(),
      rate.is_null() ? "once" : fmt::format("{:.1f}/s", rate.get<double>()),
      stream["clock_domain"].get<std::string>());
}

Json lease_json(const LeaseHeard& lease, base::Nanos now_ns) {
  const auto optional = [](const auto& value) { return value ? Json(*value) : Json(nullptr); };
  return Json{{"kind", "lease"},
              {"lease_id", lease.lease_id},
              {"client_id", optional(lease.client_id)},
              {"role", lease.role ? Json(wire::protocol_name(*lease.role)) : Json(nullptr)},
              {"stream_id", optional(lease.stream_id)},
              {"keepalives", lease.keepalives},
              {"keepalive_ms_ago",
               lease.last_ns == 0 ? Json(nullptr) : Json((now_ns - lease.last_ns) / ms)},
              {"granted_meanwhile", lease.granted},
              {"ended", lease.ended ? Json(wire::protocol_name(*lease.ended)) : Json(nullptr)},
              {"text", lease.text}};
}

std::string lease_line(const Json& lease) {
  std::string said = "no keepalive heard";
  if (const Json& age = lease["keepalive_ms_ago"]; !age.is_null())
    said = fmt::format("{} keepalives, the last {} ms ago",
                       lease["keepalives"].get<std::uint64_t>(), age.get<std::int64_t>());
  if (lease["granted_meanwhile"].get<bool>()) said += ", granted meanwhile";
  if (const Json& ended = lease["ended"]; !ended.is_null()) {
    said += fmt::format(", ended: {}", ended.get<std::string>());
    if (const std::string text = lease["text"].get<std::string>(); !text.empty())
      said += fmt::format(" ({})", text);
  }
  return fmt::format("lease {:<20} client {:<10} {:<8} of stream {:<10} {}",
                     lease["lease_id"].get<std::uint64_t>(), optional_number(lease["client_id"]),
                     lease["role"].is_null() ? "-" : lease["role"].get<std::string>(),
                     optional_number(lease["stream_id"]), said);
}

}  // namespace tensorpool::cli
