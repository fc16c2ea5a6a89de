#include "tp/subscribers.hpp"

#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "base/limits.hpp"
#include "tp/json.hpp"
#include "tp/signals.hpp"
#include "transport/aeron/aeron_transport.hpp"
#include "transport/aeron/positions.hpp"
#include "wire/text.hpp"

namespace tensorpool::cli {
namespace {

using transport::Flow;
using transport::FlowClient;
using transport::FlowSubscriber;

struct Options {
  std::string aeron_dir;
  std::int32_t stream_id = 0;  // of the transport; 0: all
  double seconds = 1;
  bool held_up_only = false;
  bool json = false;
};

// How often the media driver's heart is looked at: it beats once per timer interval.
constexpr int beat_poll_ms = 10;
constexpr std::int64_t ns_per_ms = 1'000'000;
// A laggard that is untethered is let go of within two looks of the media driver; from here on that is too long
// (docs/internals/aeron-facts.md).
constexpr std::int64_t lax_beat_ns = 150 * ns_per_ms;

std::string shown(const std::string& text) {
  return wire::printable(text, base::limits::name_bytes);
}

std::string client_text(const FlowClient& client) {
  std::string text = fmt::format("client {}", client.client_id);
  if (!client.name.empty()) text += fmt::format(" \"{}\"", shown(client.name));
  if (client.process_id != 0) text += fmt::format(", process {}", client.process_id);
  return text;
}

Json client_json(const FlowClient& client) {
  return Json{{"client_id", client.client_id},
              {"client_name", shown(client.name)},
              {"process_id", client.process_id == 0 ? Json(nullptr) : Json(client.process_id)}};
}

// Two looks at the same media driver, `seconds` apart.
struct Seen {
  transport::MediaDriverState driver;
  std::int64_t oldest_beat_ns = 0;
  std::map<std::pair<std::int64_t, std::int64_t>, std::int64_t>
      before;  // positions at the first look
  std::vector<Flow> flows;

  bool moved(const Flow& flow, const FlowSubscriber& who) const {
    const auto found = before.find({flow.publication_id, who.subscription_id});
    return found == before.end() || found->second != who.position;
  }
};

Result<Seen> look(const Options& options) {
  Seen seen;
  const auto transport = transport::aeron::make_transport();
  transport::ConnectOptions connect;
  connect.directory = options.aeron_dir;
  auto first = transport::aeron::list_flows(options.aeron_dir);
  if (!first) return fail(std::move(first.error()));
  for (const Flow& flow : *first) {
    for (const FlowSubscriber& who : flow.subscribers)
      seen.before[{flow.publication_id, who.subscription_id}] = who.position;
  }
  const auto end =
      base::SystemClock::monotonic() + static_cast<std::int64_t>(options.seconds * 1e9);
  while (base::SystemClock::monotonic() < end && !stop_requested()) {
    seen.driver = transport->probe(connect);
    seen.oldest_beat_ns = std::max(seen.oldest_beat_ns, seen.driver.heartbeat_age_ns);
    ::poll(nullptr, 0, beat_poll_ms);
  }
  // From a shorter time it would be slander.
  if (stop_requested())
    return fail(Code::closed, "subscribers",
                "ended before the second look, which tells who stands still");
  auto last = transport::aeron::list_flows(options.aeron_dir);
  if (!last) return fail(std::move(last.error()));
  seen.flows = std::move(*last);
  std::erase_if(seen.flows, [&](const Flow& flow) {
    return (options.stream_id != 0 && flow.stream_id != options.stream_id) ||
           (options.held_up_only && !flow.held_up());
  });
  return seen;
}

const char* advice(const FlowSubscriber& who, bool stands, const Seen& seen) {
  if (!who.holds) return "";
  if (!stands) return "reads too slowly: it needs a faster loop, or a stream of its own";
  if (who.tethered)
    return "tethered, so the stream stops until it reads, leaves or dies: end or continue it, or "
           "open it with "
           "tether=false";
  if (seen.oldest_beat_ns >= lax_beat_ns)
    return "untethered, but this media driver looks for such subscribers too seldom: use "
           "tensorpool's, or a shorter "
           "AERON_TIMER_INTERVAL";
  return "untethered: the media driver is about to let go of it";
}

Json subscriber_json(const Flow& flow, const FlowSubscriber& who, const Seen& seen) {
  Json json{{"subscription", who.subscription_id}};
  json.update(client_json(who.client));
  const bool stands = !seen.moved(flow, who);
  json["tethered"] = who.tethered;
  json["position"] = who.position;
  json["behind"] = std::max<std::int64_t>(0, transport::distance(flow.position, who.position));
  json["moved"] = !stands;
  json["holds_up"] = who.holds;
  json["advice"] = advice(who, stands, seen);
  return json;
}

void print_flow_json(const Flow& flow, const Seen& seen) {
  Json json{{"kind", "publication"},
            {"stream", flow.stream_id},
            {"session", flow.session_id},
            {"publication", flow.publication_id},
            {"channel", shown(flow.channel)}};
  json.update(client_json(flow.client));
  json["position"] = flow.position;
  json["limit"] = flow.limit;
  json["window"] = flow.window_bytes;
  json["held_up"] = flow.held_up();
  json["subscribers"] = Json::array();
  for (const FlowSubscriber& who : flow.subscribers)
    json["subscribers"].push_back(subscriber_json(flow, who, seen));
  print_json(json);
}

void print_flow(const Flow& flow, const Seen& seen) {
  print_line(fmt::format(
      "stream {} session {}, {}: at {}, {}", flow.stream_id, flow.session_id,
      client_text(flow.client), flow.position,
      flow.held_up() ? paint(Colour::red, "held up")
                     : fmt::format("room for {} of {}",
                                   human_bytes(static_cast<std::uint64_t>(std::max<std::int64_t>(
                                       0, transport::distance(flow.limit, flow.position)))),
                                   human_bytes(static_cast<std::uint64_t>(flow.window_bytes)))));
  for (const FlowSubscriber& who : flow.subscribers) {
    const bool stands = !seen.moved(flow, who);
    const std::int64_t behind =
        std::max<std::int64_t>(0, transport::distance(flow.position, who.position));
    std::string text =
        fmt::format("  subscription {} of {}, {}: ", who.subscription_id, client_text(who.client),
                    who.tethered ? "tethered" : "untethered");
    text += behind == 0
                ? std::string("has read everything")
                : fmt::format("{} behind{}", human_bytes(static_cast<std::uint64_t>(behind)),
                              stands ? ", stands still" : "");
    if (who.holds)
      text +=
          "; " + paint(Colour::red, "holds the publisher up") + ": " + advice(who, stands, seen);
    print_line(text);
  }
}

int subscribers(const Options& options) {
  const auto seen = look(options);
  if (!seen) return failed(seen.error());
  const auto held_up = std::ranges::count_if(seen->flows, &Flow::held_up);
  const transport::MediaDriverState& driver = seen->driver;
  if (options.json) {
    print_json({{"kind", "media_driver"},
                {"process_id", driver.pid},
                {"alive", driver.alive},
                {"longest_between_looks_ms", seen->oldest_beat_ns / ns_per_ms},
                {"publications", seen->flows.size()},
                {"held_up", held_up}});
    for (const Flow& flow : seen->flows) print_flow_json(flow, *seen);
    return exit_ok;
  }
  print_line(fmt::format(
      "media driver {}, {}; looks after laggards every {} ms at most; {} publications, {} held up",
      driver.pid, driver.alive ? "alive" : paint(Colour::red, driver.why),
      seen->oldest_beat_ns / ns_per_ms + 1, seen->flows.size(), held_up));
  for (const Flow& flow : seen->flows) print_flow(flow, *seen);
  return exit_ok;
}

}  // namespace

Command register_subscribers(Command& root) {
  auto options = std::make_shared<Options>();
  Command app = root.command(
      "subscribers", "Who reads the streams of a media driver, and who holds a publisher up");
  app.option("--aeron-dir", options->aeron_dir,
             "The media driver's directory (default: AERON_DIR, else Aeron's own)")
      .check(absolute_path());
  app.option("--stream-id", options->stream_id,
             "Only this stream of the transport (descriptors: 1100, unless configured otherwise)")
      .check(whole_number(1, INT32_MAX));
  app.option("--seconds", options->seconds,
             "Between the two looks that tell who stands still (default 1)")
      .check(between(0.1, 3600));
  app.flag("--held-up", options->held_up_only, "Only publications that are held up");
  app.flag("--json", options->json, "One JSON object per line");
  app.footer(
      std::string("tp subscribers --stream-id 1100\n"
                  "tp subscribers --held-up --json\n\n"
                  "Needs no client and disturbs nobody: it reads the media driver's counters.\n") +
      exit_codes_text);
  app.runs([options] { return subscribers(*options); });
  return app;
}

}  // namespace tensorpool::cli
