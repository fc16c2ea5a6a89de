#include <fmt/format.h>

#include <algorithm>

#include "tp/driver_commands.hpp"
#include "tp/json.hpp"
#include "tp/signals.hpp"
#include "wire/text.hpp"

namespace tensorpool::cli {
namespace {

std::string place_text(const DriverPlace& place) {
  const Endpoint announce = place.announce();
  std::string text =
      fmt::format("control stream {} of {}", place.control.stream_id, place.control.channel);
  if (announce != place.control)
    text += fmt::format(", announces on stream {} of {}", announce.stream_id, announce.channel);
  return text;
}

Json heard_json(const DriverPlace& place, const Heard& heard, double seconds) {
  const auto idle = std::ranges::count_if(
      heard.streams(), [](const auto& pair) { return pair.second.last.producer_id == 0; });
  return Json{{"kind", "heard"},
              {"seconds", seconds},
              {"control_stream", place.control.stream_id},
              {"announce_stream", place.announce().stream_id},
              {"streams", heard.streams().size()},
              {"streams_without_producer", idle},
              {"keepalives", heard.keepalives()},
              {"driver_messages", heard.driver_messages()},
              {"malformed", heard.malformed()},
              // Only a driver answers, revokes and announces streams without a producer.
              {"driver", heard.driver_messages() > 0 || heard.announces_without_producer() > 0}};
}

void print_heard(const Json& json, const DriverPlace& place, bool as_json) {
  if (as_json) return print_json(json);
  const bool certain = json["driver"].get<bool>();
  print_line(fmt::format(
      "heard for {} s on {}: announces of {} streams ({} without a producer), {} keepalives of "
      "leases, {} answers and notices of a driver",
      json["seconds"].get<double>(), place_text(place), json["streams"].get<std::size_t>(),
      json["streams_without_producer"].get<std::int64_t>(), json["keepalives"].get<std::uint64_t>(),
      json["driver_messages"].get<std::uint64_t>()));
  print_line(certain
                 ? "a driver without counters is there (another implementation's, or one that "
                   "could not make them)"
                 : "whether a driver or producers in direct mode announce them, the messages do "
                   "not tell");
}

// A driver of another implementation has no counters: what its messages tell.
int listen_for_one(const DriverStatusOptions& options, bool counted) {
  auto wire = DriverWire::open(options.place, false);
  if (!wire) return failed(wire.error());
  Heard heard;
  const auto listened = listen(*wire, heard, options.seconds, [] { return false; });
  if (!listened) return failed(listened.error());
  const bool anything =
      !heard.streams().empty() || heard.keepalives() > 0 || heard.driver_messages() > 0;
  if (anything || options.json) {
    const Json json = heard_json(options.place, heard, options.seconds);
    if (!counted || options.json) {
      print_heard(json, options.place, options.json);
    } else {
      print_line(fmt::format("heard for {} s: announces of {} streams, {} keepalives of leases",
                             options.seconds, heard.streams().size(), heard.keepalives()));
    }
  }
  tell_malformed(heard, options.json);
  if (anything || counted) return exit_ok;
  print_error(
      fmt::format("no driver: none has counters here, and nothing was heard for {} s on {}; name "
                  "the streams of "
                  "a driver that uses others, or start one (tp_driver)",
                  options.seconds, place_text(options.place)));
  return exit_failed;
}

}  // namespace

std::vector<DriverSeen> drivers_of(const std::string& aeron_dir, std::uint32_t control_stream) {
  const auto counters = transport::aeron::list_counters(aeron_dir);
  if (!counters) return {};  // the media driver went away since it was looked at
  std::vector<DriverSeen> drivers = drivers_in(*counters);
  if (control_stream != 0) {
    std::erase_if(drivers, [&](const DriverSeen& d) { return d.control_stream != control_stream; });
  }
  return drivers;
}

void tell_malformed(const Heard& heard, bool json) {
  if (heard.malformed() > 0) {
    if (json) {
      print_json(Json{{"kind", "malformed"},
                      {"messages", heard.malformed()},
                      {"reasons", heard.malformed_reasons()}});
    } else {
      print_line(paint(Colour::yellow, fmt::format("{} malformed messages:", heard.malformed())));
      for (const auto& [reason, count] : heard.malformed_reasons())
        print_line(fmt::format("  {} times {}", count, reason));
    }
  }
  if (heard.left_out() > 0) {
    print_error(
        fmt::format("{} messages of further streams or leases were left out: at most {} and "
                    "{} are kept",
                    heard.left_out(), heard_streams_max, heard_leases_max));
  }
}

int driver_status(const DriverStatusOptions& options) {
  const auto directory = living_media_driver(options.place.aeron_dir);
  if (!directory) return failed(directory.error());
  const std::vector<DriverSeen> drivers = drivers_of(options.place.aeron_dir, 0);
  std::size_t shown = 0;
  std::size_t living = 0;
  for (const DriverSeen& driver : drivers) {
    if (!options.instance.empty() && driver.instance != options.instance) continue;
    const bool alive = process_alive(driver.process_id);
    const Json status = status_of(driver, alive);
    ++shown;
    living += alive ? 1U : 0U;
    if (options.json) {
      print_json(status);
    } else {
      for (const std::string& line : status_lines(status)) print_line(line);
    }
  }
  if (!options.instance.empty() && shown == 0) {
    std::string others;
    for (const DriverSeen& driver : drivers) others += fmt::format(" '{}'", driver.instance);
    print_error(fmt::format("no driver '{}' has counters in {}; {}",
                            wire::printable(options.instance, 128), *directory,
                            others.empty() ? "none has" : "there is:" + others));
    return exit_failed;
  }
  if (shown == 0 || options.listens) return listen_for_one(options, living > 0);
  if (living > 0) return exit_ok;
  print_error(
      "the process of every driver shown is gone, or in a PID namespace (container) of its own: "
      "its counters may be the last ones");
  return exit_failed;
}

}  // namespace tensorpool::cli
