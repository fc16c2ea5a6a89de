#include <fmt/format.h>

#include <set>

#include "tp/driver_commands.hpp"
#include "tp/json.hpp"
#include "tp/signals.hpp"
#include "wire/text.hpp"

namespace tensorpool::cli {
namespace {

// Three periods of a second, the default of drivers.
constexpr double usual_seconds = 3;
// With --watch: a stream that was not announced for so long is said to be silent.
constexpr base::Nanos silent_ns = 5'000'000'000;

void print_stream(const StreamHeard& stream, const DriverStreamsOptions& options) {
  const Json json = stream_json(stream, monotonic_now(), stream_faults(stream));
  if (options.json) return print_json(json);
  print_line(stream_line(json));
  for (const Json& fault : json["faults"])
    print_line(paint(Colour::red, "  " + fault.get<std::string>()));
  if (!options.verbose) return;
  print_line(fmt::format("  header  {}", json["header_region_uri"].get<std::string>()));
  for (const Json& pool : json["pools"])
    print_line(fmt::format("  pool {:<3}{}", pool["pool_id"].get<unsigned>(),
                           pool["region_uri"].get<std::string>()));
}

// A line for every change, until somebody ends it.
class Changes {
 public:
  explicit Changes(const DriverStreamsOptions& options) : options_(options) {}
  void look(Heard& heard) {
    for (const std::uint32_t id : heard.take_changed())
      print_stream(heard.streams().at(id), options_);
    const base::Nanos now = monotonic_now();
    if (now < next_look_ns_) return;
    next_look_ns_ = now + silent_ns / 10;
    for (const auto& [id, stream] : heard.streams()) {
      const bool silent = now - stream.last_ns > silent_ns;
      if (silent && silent_.insert(id).second) tell(id, "is not announced any more");
      if (!silent && silent_.erase(id) > 0) tell(id, "is announced again");
    }
  }

 private:
  void tell(std::uint32_t id, const char* what) {
    if (options_.json)
      return print_json(Json{{"kind", "notice"}, {"stream_id", id}, {"text", what}});
    print_line(fmt::format("stream {} {}", id, what));
  }

  const DriverStreamsOptions& options_;
  std::set<std::uint32_t> silent_;
  base::Nanos next_look_ns_ = 0;
};

}  // namespace

int driver_streams(const DriverStreamsOptions& options) {
  const auto directory = living_media_driver(options.place.aeron_dir);
  if (!directory) return failed(directory.error());
  auto wire = DriverWire::open(options.place, false);
  if (!wire) return failed(wire.error());
  Heard heard;
  Changes changes(options);
  const auto seconds = options.watch
                           ? options.seconds
                           : std::optional<double>(options.seconds.value_or(usual_seconds));
  const auto listened = listen(*wire, heard, seconds, [&] {
    if (options.watch) changes.look(heard);
    return false;
  });
  if (!options.watch) {
    for (const auto& [id, stream] : heard.streams()) print_stream(stream, options);
  }
  tell_malformed(heard, options.json);
  if (!listened) return failed(listened.error());
  if (!heard.streams().empty()) return exit_ok;
  const Endpoint announce = options.place.announce();
  print_error(fmt::format(
      "no stream was announced on streams {} and {} of {}; a driver announces a stream once it "
      "has regions, "
      "every second unless configured otherwise: listen longer (--seconds), or name "
      "the stream of its "
      "announces (--announce-stream)",
      options.place.control.stream_id, announce.stream_id, announce.channel));
  return exit_failed;
}

}  // namespace tensorpool::cli
