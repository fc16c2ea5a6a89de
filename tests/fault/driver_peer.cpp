// The driver as a process, with fault points in what it does with files and says to clients; alone, or with a media
// driver inside where none is alive. And a media driver alone.
//   driver, driver_with_media: stats | arm | plan POINT VISIT SIGNAL | release | forge 0/1 | revoke | terminate | close
//   media:                     stats | close
// `release` lets go whoever waits at a point, `forge` puts wrong superblocks into the files that are made from
// then on, `revoke` ends all producers' leases, `close` waits for the end that `terminate` asks for.
#include <sys/stat.h>

#include <optional>
#include <sstream>
#include <vector>

#include "agents/driver/driver_agent.hpp"
#include "base/clock.hpp"
#include "fault/faulty_files.hpp"
#include "fault/faulty_transport.hpp"
#include "fault/peer.hpp"
#include "tensorpool/media_driver.hpp"
#include "transport/aeron/aeron_transport.hpp"

namespace tensorpool::fault {
namespace {

using agents::driver::DriverAgent;
using agents::driver::DriverOptions;
using protocol::driver::Count;

constexpr std::int64_t pause_ns = 1'000'000;

DriverOptions options_of(const Arguments& a) {
  DriverOptions options;
  options.core.profiles = {{"frames", a.slots, {{1, stride_bytes}}}};
  for (std::uint32_t i = 0; i < a.ports; ++i)
    options.core.streams.push_back({a.stream + i, "frames"});
  options.core.keepalive_interval_ns = keepalive_ns;
  options.core.expiry_grace_intervals = grace;
  options.core.announce_period_ns = announce_ns;
  options.core.shutdown_timeout_ns = 50'000'000;
  // Nothing but the current epoch is kept, so that every new one begins with a removal.
  options.core.epoch_gc_keep = 1;
  options.core.epoch_gc_min_age_ns = 1;
  options.core.cleanup_shm_on_exit = true;
  options.regions.base_dir = a.base_dir;
  options.regions.namespace_name = a.space;
  options.regions.file_mode = a.file_mode;
  options.aeron_dir = a.aeron_dir;
  options.control = {"aeron:ipc?term-length=64k", a.control};
  options.announce = {"aeron:ipc?term-length=64k", a.control + 1};
  options.media_driver_timeout_ns = media_driver_timeout_ns;
  return options;
}

std::string books(const DriverAgent& agent, const Pace& pace) {
  const agents::driver::DriverStatus s = agent.status();
  const protocol::driver::Counters& counters = agent.core().counters();
  return pair("connected", s.connected) + pair("producers", s.producers) +
         pair("consumers", s.consumers) + pair("pending", s.pending_attaches) +
         pair("with_regions", s.streams_with_regions) +
         pair("granted", counters.of(Count::granted)) +
         pair("expired", counters.of(Count::expired)) +
         pair("revoked", counters.of(Count::revoked)) +
         pair("detached", counters.of(Count::detached)) +
         pair("created", counters.of(Count::regions_created)) +
         pair("failed", counters.of(Count::creations_failed)) +
         pair("removed", counters.of(Count::epochs_removed)) +
         pair("removals_failed", counters.of(Count::removals_failed)) +
         pair("malformed", s.malformed) + pair("errors", s.errors) +
         pair("stopped", agent.stopped()) + pace.book();
}

void revoke_producers(DriverAgent& agent) {
  std::vector<std::uint64_t> ids;
  for (const auto& [id, lease] : agent.core().leases().all()) {
    if (lease.key.role == wire::driver::Role::producer) ids.push_back(id);
  }
  for (const std::uint64_t id : ids) (void)agent.revoke(id, "as the test wants it");
}

void act(std::istringstream& words, const std::string& word, DriverAgent& agent,
         FaultyFileSystem& files) {
  if (word == "arm") armed = true;
  if (word == "release") disarm();
  if (word == "revoke") revoke_producers(agent);
  if (word == "terminate") agent.terminate();
  if (word == "forge") {
    int on = 0;
    words >> on;
    files.forge(on != 0);
  }
  if (word == "plan") {
    std::string point;
    std::uint64_t number = 0;
    int signal = 0;
    words >> point >> number >> signal;
    make_plan(point_named(point).value(), number, signal);
  }
}

// As tp_driver's "auto".
std::optional<MediaDriver> media_driver_unless_alive(const std::string& directory) {
  if (MediaDriver::alive(directory)) return std::nullopt;
  auto launched = MediaDriver::launch({.aeron_dir = directory});
  if (launched) return std::move(*launched);
  if (launched.error().code() == Code::rejected) return std::nullopt;
  throw std::runtime_error(launched.error().message());
}

}  // namespace

int drive(const Arguments& a, bool embeds_media_driver) {
  std::optional<MediaDriver> media_driver;  // ends after the agent
  FaultyFileSystem files;
  const auto transport = make_faulty(transport::aeron::make_transport());
  const base::SystemClock clock;
  auto made = DriverAgent::make(options_of(a), {*transport, files, clock});
  if (!made) {
    say("refused " + made.error().message());
    return refused_exit;
  }
  DriverAgent& agent = **made;
  if (embeds_media_driver) media_driver = media_driver_unless_alive(a.aeron_dir);
  say(pair("ready", 1) + pair("media", media_driver.has_value()));
  Pace pace;
  Commands commands;
  std::string line;
  int work = 0;
  while (commands.next(line, work > 0 ? 0 : pause_ns)) {
    pace.round();
    std::istringstream words(line);
    std::string word;
    words >> word;
    if (word == "close") break;
    act(words, word, agent, files);
    if (!word.empty()) say(books(agent, pace));
    work = agent.do_work();
  }
  agent.terminate();
  while (!agent.stopped()) {
    if (agent.do_work() == 0) (void)commands.next(line, pause_ns);
  }
  say(books(agent, pace));
  return 0;
}

// Whoever may see its directory may use it.
int run_media_driver(const Arguments& a) {
  ::umask(0);
  const MediaDriver driver = MediaDriver::launch({.aeron_dir = a.aeron_dir}).value();
  say(pair("ready", 1));
  Commands commands;
  std::string line;
  while (commands.next(line, 999'000'000) && line != "close") {
    if (!line.empty()) say(pair("ready", 1));
  }
  say(pair("ready", 0));
  return 0;
}

}  // namespace tensorpool::fault
