#include <fmt/format.h>

#include <algorithm>

#include "tp/driver_commands.hpp"
#include "tp/json.hpp"
#include "tp/signals.hpp"

namespace tensorpool::cli {
namespace {

struct Counted {
  std::size_t drivers = 0;
  std::uint64_t leases = 0;  // of all of them, at the end of the listening
};

Counted counted(const DriverPlace& place) {
  Counted sum;
  for (const DriverSeen& driver :
       drivers_of(place.aeron_dir, static_cast<std::uint32_t>(place.control.stream_id))) {
    if (!process_alive(driver.process_id)) continue;
    ++sum.drivers;
    sum.leases +=
        driver.value("producer leases").value_or(0) + driver.value("consumer leases").value_or(0);
  }
  return sum;
}

Json summary_json(const Heard& heard, const DriverLeasesOptions& options) {
  const auto lively = static_cast<std::uint64_t>(
      std::ranges::count_if(heard.leases(), [](const auto& pair) { return !pair.second.ended; }));
  const auto ended = heard.leases().size() - lively;
  const Counted counters = counted(options.place);
  const bool known = counters.drivers > 0;
  return Json{{"kind", "summary"},
              {"seconds", options.seconds},
              {"heard", lively},
              {"ended", ended},
              {"attach_answers", heard.attach_answers()},
              {"drivers_with_counters", counters.drivers},
              {"leases_counted", known ? Json(counters.leases) : Json(nullptr)},
              {"leases_silent",
               known ? Json(counters.leases - std::min(counters.leases, lively)) : Json(nullptr)}};
}

void print_summary(const Json& summary) {
  print_line(fmt::format("{} leases heard for {} s, {} ended meanwhile",
                         summary["heard"].get<std::uint64_t>(), summary["seconds"].get<double>(),
                         summary["ended"].get<std::uint64_t>()));
  for (const auto& [code, count] : summary["attach_answers"].items())
    print_line(fmt::format("  attaches answered {}: {}", code, count.get<std::uint64_t>()));
  if (summary["leases_counted"].is_null()) {
    print_line(
        "no driver counts its leases here: those that said nothing meanwhile are not known, nor "
        "whether the driver knows those that did");
    return;
  }
  const auto silent = summary["leases_silent"].get<std::uint64_t>();
  print_line(fmt::format(
      "the driver counts {} leases{}", summary["leases_counted"].get<std::uint64_t>(),
      silent == 0 ? std::string() : fmt::format(": {} said nothing meanwhile", silent)));
}

}  // namespace

int driver_leases(const DriverLeasesOptions& options) {
  const auto directory = living_media_driver(options.place.aeron_dir);
  if (!directory) return failed(directory.error());
  auto wire = DriverWire::open(options.place, false);
  if (!wire) return failed(wire.error());
  Heard heard;
  const auto listened = listen(*wire, heard, options.seconds, [] { return false; });
  const base::Nanos now = monotonic_now();
  for (const auto& [id, lease] : heard.leases()) {
    const Json json = lease_json(lease, now);
    if (options.json) {
      print_json(json);
    } else {
      print_line(lease_line(json));
    }
  }
  const Json summary = summary_json(heard, options);
  if (options.json) {
    print_json(summary);
  } else {
    print_summary(summary);
  }
  tell_malformed(heard, options.json);
  if (!listened) return failed(listened.error());
  const bool anybody = !heard.leases().empty() || summary["drivers_with_counters"] != 0 ||
                       heard.driver_messages() > 0 || !heard.streams().empty();
  if (anybody) return exit_ok;
  print_error(fmt::format(
      "no driver and no client of one was heard on stream {} of {}; name the control stream "
      "(--control-stream), or listen for longer than the keepalive interval (--seconds)",
      options.place.control.stream_id, options.place.control.channel));
  return exit_failed;
}

}  // namespace tensorpool::cli
