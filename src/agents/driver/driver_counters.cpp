#include "agents/driver/driver_counters.hpp"

#include <fmt/format.h>

#include <optional>

namespace tensorpool::agents::driver {
namespace {

using protocol::driver::AttachRefusal;
using protocol::driver::Count;
using protocol::driver::Counters;
using wire::ResponseCode;

// All rows of A4.2 that are answered with one code.
std::uint64_t refused_with(const Counters& counters, ResponseCode code) {
  std::uint64_t sum = 0;
  for (std::uint8_t i = 0; i < static_cast<std::uint8_t>(AttachRefusal::count_); ++i) {
    const auto why = static_cast<AttachRefusal>(i);
    if (protocol::driver::answer(why).code == code) sum += counters.of(why);
  }
  return sum;
}

struct Source {
  std::string_view name;
  std::uint64_t (*read)(const DriverStatus&, const Counters&);
};

constexpr Source sources[] = {
    {"state",
     [](const DriverStatus& s, const Counters&) { return static_cast<std::uint64_t>(s.state); }},
    {"connected",
     [](const DriverStatus& s, const Counters&) { return std::uint64_t{s.connected ? 1U : 0U}; }},
    {"producer leases",
     [](const DriverStatus& s, const Counters&) { return std::uint64_t{s.producers}; }},
    {"consumer leases",
     [](const DriverStatus& s, const Counters&) { return std::uint64_t{s.consumers}; }},
    {"attaches pending",
     [](const DriverStatus& s, const Counters&) { return std::uint64_t{s.pending_attaches}; }},
    {"attaches granted",
     [](const DriverStatus&, const Counters& c) { return c.of(Count::granted); }},
    {"attaches refused UNSUPPORTED",
     [](const DriverStatus&, const Counters& c) {
       return refused_with(c, ResponseCode::unsupported);
     }},
    {"attaches refused INVALID_PARAMS",
     [](const DriverStatus&, const Counters& c) {
       return refused_with(c, ResponseCode::invalid_params);
     }},
    {"attaches refused REJECTED",
     [](const DriverStatus&, const Counters& c) {
       return refused_with(c, ResponseCode::rejected);
     }},
    {"attaches refused INTERNAL_ERROR",
     [](const DriverStatus&, const Counters& c) {
       return refused_with(c, ResponseCode::internal_error);
     }},
    {"attaches copies answered",
     [](const DriverStatus&, const Counters& c) { return c.of(Count::copies_answered); }},
    {"leases detached",
     [](const DriverStatus&, const Counters& c) { return c.of(Count::detached); }},
    {"leases expired", [](const DriverStatus&, const Counters& c) { return c.of(Count::expired); }},
    {"leases revoked", [](const DriverStatus&, const Counters& c) { return c.of(Count::revoked); }},
    {"leases without node id",
     [](const DriverStatus&, const Counters& c) { return c.of(Count::node_ids_exhausted); }},
    {"keepalives", [](const DriverStatus&, const Counters& c) { return c.of(Count::keepalives); }},
    {"keepalives ignored",
     [](const DriverStatus&, const Counters& c) { return c.of(Count::keepalives_ignored); }},
    {"announces", [](const DriverStatus&, const Counters& c) { return c.of(Count::announces); }},
    {"hellos answered",
     [](const DriverStatus&, const Counters& c) { return c.of(Count::hellos_answered); }},
    {"shutdown requests ignored",
     [](const DriverStatus&, const Counters& c) { return c.of(Count::shutdown_ignored); }},
    {"streams", [](const DriverStatus& s, const Counters&) { return std::uint64_t{s.streams}; }},
    {"streams with regions",
     [](const DriverStatus& s, const Counters&) { return std::uint64_t{s.streams_with_regions}; }},
    {"bytes reserved", [](const DriverStatus& s, const Counters&) { return s.bytes_reserved; }},
    {"epochs created",
     [](const DriverStatus&, const Counters& c) { return c.of(Count::regions_created); }},
    {"epochs failed",
     [](const DriverStatus&, const Counters& c) { return c.of(Count::creations_failed); }},
    {"epochs removed",
     [](const DriverStatus&, const Counters& c) { return c.of(Count::epochs_removed); }},
    {"epoch removals failed",
     [](const DriverStatus&, const Counters& c) { return c.of(Count::removals_failed); }},
    {"file jobs outstanding",
     [](const DriverStatus& s, const Counters&) { return std::uint64_t{s.files_outstanding}; }},
    {"messages unsent",
     [](const DriverStatus& s, const Counters&) { return std::uint64_t{s.unsent}; }},
    {"messages lost", [](const DriverStatus& s, const Counters&) { return s.lost_messages; }},
    {"requests shed", [](const DriverStatus& s, const Counters&) { return s.shed_requests; }},
    {"requests malformed", [](const DriverStatus& s, const Counters&) { return s.malformed; }},
    {"longest cycle ns",
     [](const DriverStatus& s, const Counters&) {
       return static_cast<std::uint64_t>(s.longest_cycle_ns);
     }},
    {"errors", [](const DriverStatus& s, const Counters&) { return s.errors; }},
};

std::vector<std::string> labels(const DriverOptions& options, std::uint32_t process_id) {
  std::vector<std::string> labels;
  for (const Source& source : sources) {
    labels.push_back(counter_label("driver", source.name,
                                   static_cast<std::uint32_t>(options.control.stream_id),
                                   process_id) +
                     " instance=" + options.instance_id);
  }
  return labels;
}

}  // namespace

DriverCounters::DriverCounters(const DriverOptions& options, std::uint32_t process_id)
    : links_(labels(options, process_id), static_cast<std::uint32_t>(options.control.stream_id),
             process_id, process_id) {}

std::vector<std::string_view> DriverCounters::names() {
  std::vector<std::string_view> names;
  for (const Source& source : sources) names.push_back(source.name);
  return names;
}

int DriverCounters::do_work(const std::shared_ptr<Generation>& generation, base::Nanos now,
                            base::Nanos deadline, FunctionRef<DriverStatus()> status,
                            const Counters& counters, FunctionRef<void(const Error&)> on_error) {
  std::optional<DriverStatus> seen;  // one look for all
  return links_.do_work(
      generation, now, deadline,
      [&](std::size_t i) {
        if (!seen) seen = status();
        return sources[i].read(*seen, counters);
      },
      on_error);
}

}  // namespace tensorpool::agents::driver
