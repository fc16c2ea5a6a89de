#include "simulation/driver_side.hpp"

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <string_view>

#include "simulation/world.hpp"

namespace tensorpool::simulation {
namespace {

// In announce periods: how long things may take once nothing is harmed any more.
constexpr std::int64_t leave_periods = 20;  // clients that were asked to
constexpr std::int64_t lease_periods = 30;  // leases that nobody keeps alive, and their notices
constexpr std::int64_t shutdown_periods =
    40;  // a driver that was asked to; its last words may take ten
constexpr std::int64_t dropped_periods = 25;  // until a media driver has dropped whoever is silent
constexpr std::int64_t collect_periods = 20;  // the collection of a driver's start

Deployment draw(World& world) {
  Deployment d;
  d.slots = most_slots >> world.dice(3);
  if (world.chance(20)) return d;
  d.keepalive_interval_ns = announce_period_ns * static_cast<base::Nanos>(1 + world.dice(3));
  d.grace = 2 + static_cast<std::uint32_t>(world.dice(3));
  d.node_cooldown_ns = announce_period_ns * static_cast<base::Nanos>(world.dice(20));
  if (world.chance(15)) d.max_leases = 8;
  d.gc_keep = 1 + static_cast<std::uint32_t>(world.dice(3));
  d.gc_on_startup = world.chance(50);
  d.cleanup_on_exit = world.chance(40);
  d.prefault = world.chance(50);
  d.lock_memory = world.chance(20);
  d.dynamic_streams = world.chance(50);
  d.consumer_streams = world.chance(50);
  d.desired_node_ids = world.chance(40);
  d.random_client_ids = world.chance(30);
  d.fragment_limit = 1 + static_cast<int>(world.dice(16));
  d.shutdown_timeout_ns = announce_period_ns * static_cast<base::Nanos>(1 + world.dice(5));
  return d;
}

Probe probe_of(LeaseEnd end) noexcept {
  switch (end) {
    case LeaseEnd::detached:
    case LeaseEnd::expired:
    case LeaseEnd::revoked:
    case LeaseEnd::none:
      return Probe::lost_by_a_notice;
    case LeaseEnd::deadline:
      return Probe::lost_at_the_deadline;
    case LeaseEnd::keepalive_failed:
      return Probe::lost_by_a_failed_keepalive;
    case LeaseEnd::driver_lost:
      return Probe::lost_without_announces;
    case LeaseEnd::superseded:
      return Probe::lost_to_a_higher_epoch;
    case LeaseEnd::unmappable:
      return Probe::lost_unmappable;
    case LeaseEnd::no_new_epoch:
      return Probe::lost_without_a_new_epoch;
    case LeaseEnd::shutdown:
      return Probe::lost_at_the_shutdown;
  }
  return Probe::lost_by_a_notice;
}

}  // namespace

DriverSide::DriverSide(World& world) : world_(world), deployment_(draw(world)), book_(*this) {
  share_ = 150 + world.dice(250);
  strangers_percent_ = world.faults() && world.chance(60) ? 1 + world.dice(20) : 0;
  yields_percent_ = 5 + static_cast<std::uint32_t>(world.dice(60));
  for (unsigned kind = 0; kind < 64; ++kind) {
    if (world.chance(34)) kinds_of_harm_ &= ~(std::uint64_t{1} << kind);
  }
}

DriverSide::~DriverSide() = default;

std::vector<Role> DriverSide::roles() const {
  std::vector<Role> roles{{"P1", {{true, 10'000, 1}}},
                          {"P2", {{true, 10'001, 2}, {false, 10'000, 3}}},
                          {"C1", {{false, 10'000, 4}}},
                          {"C2", {{false, 10'001, 5}}}};
  if (deployment_.dynamic_streams) {
    roles.push_back({"P3", {{true, first_dynamic_stream, 6}}});
    roles.push_back({"C3", {{false, first_dynamic_stream, 7}}});
  }
  return roles;
}

// --- For the scheduler.

void DriverSide::step() {
  if (world_.dice(100) < strangers_percent_) return stranger_->act();
  for (std::uint64_t turns = 1 + world_.dice(6); turns > 0; --turns) {
    if (DriverProcess* driver = any(true, false)) driver->resume();
  }
}

void DriverSide::round() {
  start_missing();
  round_without_starts();
}

void DriverSide::round_without_starts() {
  for (int turns = 0; turns < 8; ++turns) {
    for (const auto& driver : drivers_) {
      if (driver->running()) driver->resume();
    }
  }
}

void DriverSide::on_new_host(bool keeps_files) {
  book_.new_host(keeps_files);
  stranger_ = std::make_unique<Stranger>(*this, world_.host());
  trouble_weather(true);
}

DriverProcess& DriverSide::start(bool collects) {
  drivers_.push_back(
      std::make_unique<DriverProcess>(*this, world_.host(), world_.next_incarnation(), collects));
  world_.trace("{} starts", drivers_.back()->name());
  return *drivers_.back();
}

void DriverSide::start_missing() {
  if (any(true, true) == nullptr) (void)start();
}

void DriverSide::kill_all() {
  for (const auto& driver : drivers_) {
    if (driver->running() || driver->paused()) driver->kill();
  }
}

DriverProcess* DriverSide::any(bool running, bool paused) {
  std::vector<DriverProcess*> found;
  for (const auto& driver : drivers_) {
    if ((running && driver->running()) || (paused && driver->paused()))
      found.push_back(driver.get());
  }
  return found.empty() ? nullptr : found[static_cast<std::size_t>(world_.dice(found.size()))];
}

DriverProcess* DriverSide::drives() const {
  for (const auto& driver : drivers_) {
    if (driver->running() && driver->agent() != nullptr) return driver.get();
  }
  return nullptr;
}

bool DriverSide::starting_beside(const DriverProcess& one) const {
  return std::any_of(drivers_.begin(), drivers_.end(), [&](const auto& driver) {
    return driver.get() != &one && !driver->killed() && &driver->host() == &one.host();
  });
}

// --- Harm.

void DriverSide::harm() {
  struct Kind {
    std::uint64_t weight;
    void (*act)(DriverSide&);
  };
  static constexpr Kind kinds[] = {
      {20, [](DriverSide& s) { s.world_.weather(false); }},
      {25, [](DriverSide& s) { s.world_.pause_or_wake(); }},
      {8, [](DriverSide& s) { s.world_.kill_one(); }},
      {30, [](DriverSide& s) { s.start_missing(), s.world_.start_missing(); }},
      {4, [](DriverSide& s) { s.world_.leave_one(); }},
      {6, [](DriverSide& s) { s.world_.succeed_one(); }},
      {8, [](DriverSide& s) { s.world_.media_driver(false); }},
      {8, [](DriverSide& s) { s.world_.disk_space(false); }},
      {6, [](DriverSide& s) { s.world_.take_image(); }},
      {1, [](DriverSide& s) { s.world_.reboot(); }},
      {14, [](DriverSide& s) { s.pause_or_wake(); }},
      {12, [](DriverSide& s) { s.kill_one(); }},
      {4, [](DriverSide& s) { s.terminate_one(); }},
      {5, [](DriverSide& s) { (void)s.start(); }},
      {8, [](DriverSide& s) { s.revoke_one(); }},
      {12, [](DriverSide& s) { s.trouble_weather(false); }},
  };
  std::uint64_t all = 0;
  for (const Kind& kind : kinds) all += kind.weight;
  std::uint64_t dice = world_.dice(all);
  for (std::size_t i = 0; i < std::size(kinds); ++i) {
    if (dice < kinds[i].weight) {
      if ((kinds_of_harm_ >> i & 1U) != 0) kinds[i].act(*this);
      return;
    }
    dice -= kinds[i].weight;
  }
}

void DriverSide::pause_or_wake() {
  const bool wake = world_.chance(60);
  DriverProcess* driver = any(!wake, wake);
  if (driver == nullptr) return;
  world_.trace("{} is {}", driver->name(), wake ? "woken" : "paused");
  if (!wake) world_.hit(Probe::driver_paused);
  driver->pause(!wake);
}

void DriverSide::kill_one() {
  DriverProcess* driver = any(true, true);
  if (driver == nullptr) return;
  world_.trace("{} is killed", driver->name());
  world_.hit(Probe::driver_killed);
  driver->kill();
  if (world_.chance(60)) start_missing();
}

void DriverSide::terminate_one() {
  DriverProcess* driver = any(true, false);
  if (driver == nullptr) return;
  world_.trace("{} is asked to end", driver->name());
  driver->ask_to_terminate();
  if (world_.chance(20)) driver->ask_to_terminate();
}

void DriverSide::revoke_one() {
  DriverProcess* driver = drives();
  const std::vector<std::uint64_t>& ids = book_.lease_ids();
  if (driver == nullptr || ids.empty()) return;
  const std::size_t among = std::min<std::size_t>(ids.size(), 6);
  driver->ask_to_revoke(ids[ids.size() - 1 - static_cast<std::size_t>(world_.dice(among))]);
}

// How slow the file system is, and how often its calls fail.
void DriverSide::trouble_weather(bool fair) {
  slow_per_million_ = errors_per_million_ = 0;
  if (fair) return;
  if (world_.chance(50)) slow_per_million_ = static_cast<std::uint32_t>(world_.dice(30'000));
  if (world_.chance(50)) errors_per_million_ = static_cast<std::uint32_t>(world_.dice(100'000));
  world_.trace("calls of the file system: {} slow, {} failing of a million", slow_per_million_,
               errors_per_million_);
}

base::Nanos DriverSide::slowness() {
  if (slow_per_million_ == 0 || !world_.prng().chance(slow_per_million_)) return 0;
  world_.hit(Probe::slow_file_call);
  return static_cast<base::Nanos>(world_.dice(12 * announce_period_ns));
}

std::optional<Error> DriverSide::trouble(const char* call) {
  if (world_.calm() || errors_per_million_ == 0 || !world_.prng().chance(errors_per_million_))
    return std::nullopt;
  world_.hit(Probe::failing_file_call);
  const std::string_view name = call;
  if (name == "fallocate" || name == "madvise") {
    return Error(Code::no_space, call, "the file system is full, says the simulation");
  }
  static constexpr int errors[] = {EIO, EACCES, EMFILE, ENOSPC, ENOMEM, EINTR};
  return Error::system(call, errors[world_.dice(std::size(errors))], "says the simulation");
}

// --- For the book.

DriverProcess* DriverSide::driver_of_client(std::int64_t client) const {
  for (const auto& driver : drivers_) {
    if (&driver->host() == world_.host().get() && driver->is_client(client)) return driver.get();
  }
  return nullptr;
}

DriverProcess* DriverSide::driver_of_process(std::uint64_t process_id) const {
  for (const auto& driver : drivers_) {
    if (driver->process_id() == process_id) return driver.get();
  }
  return nullptr;
}

bool DriverSide::is_stranger(std::int64_t client) const {
  return stranger_ != nullptr && stranger_->is_client(client);
}

void DriverSide::on_polled(std::int64_t client, std::int32_t stream) {
  if (stream != static_cast<std::int32_t>(control_stream)) return;
  if (DriverProcess* driver = driver_of_client(client)) driver->on_polled();
}

void DriverSide::on_producer_gone(std::int64_t client, std::uint32_t stream, std::uint64_t epoch) {
  Process* process = world_.process_of_client(client);
  if (process == nullptr) return;
  world_.hit(Probe::producer_gone_heard);
  for (const auto& thread : process->threads()) {
    if (!thread->part().produces && thread->part().stream == stream)
      thread->app().lease().on_producer_gone(epoch);
  }
}

void DriverSide::on_floor_forgotten(std::uint32_t stream) {
  world_.hit(Probe::floor_forgotten);
  for (const auto& process : world_.processes_) {
    for (const auto& thread : process->threads()) {
      if (thread->part().stream == stream) thread->app().lease().forget_epochs();
    }
  }
}

// A notice ends the lease that it names, not another one of the same client.
void DriverSide::on_lease_lost(const Thread& thread, const Notice& notice) {
  world_.hit(probe_of(notice.lease_end));
  const bool by_notice = notice.lease_end == LeaseEnd::detached ||
                         notice.lease_end == LeaseEnd::expired ||
                         notice.lease_end == LeaseEnd::revoked;
  if (!by_notice || deployment_.random_client_ids) return;
  const LeaseEntry* lease = book_.kept_alive_by(thread.process().client(), thread.part());
  if (lease == nullptr || lease->ended) return;
  world_.fail(
      fmt::format("{}: a notice ends lease {}, which lives", thread.name(), lease->key.lease_id));
}

// --- The end.

void DriverSide::calm() {
  trouble_weather(true);
  stranger_.reset();  // a driver that starts later may still hear what it said last
  for (const auto& driver : drivers_) {
    if (driver->paused()) driver->pause(false);
  }
}

void DriverSide::wait_for(const char* what, std::int64_t periods, bool (DriverSide::*done)()) {
  Host& host = *world_.host();
  const base::Nanos end = host.clock.monotonic_ns() + periods * announce_period_ns;
  while (!world_.failed() && !(this->*done)()) {
    if (host.clock.monotonic_ns() > end)
      return world_.fail(fmt::format("{} announce periods are not enough until {}", periods, what));
    host.network.advance(announce_period_ns / 50);
    round_without_starts();
    world_.clients_round();
  }
}

bool DriverSide::everybody_left() { return world_.no_client_left(); }
bool DriverSide::no_lease_left() {
  const DriverProcess* driver = drives();
  return driver != nullptr && driver->idle() && driver->agent()->core().leases().size() == 0 &&
         driver->agent()->core().pending() == 0;
}
bool DriverSide::everything_told() {
  const DriverProcess* driver = drives();
  if (driver == nullptr || !driver->idle()) return false;
  return book_.untold() == nullptr || driver->agent()->status().lost_messages != 0;
}
bool DriverSide::no_driver_left() { return any(true, true) == nullptr; }

void DriverSide::wind_down() {
  world_.trace("everybody leaves");
  world_.ask_everybody_to_leave();
  wait_for("all clients have left", leave_periods, &DriverSide::everybody_left);
  wait_for("no lease is left", lease_periods, &DriverSide::no_lease_left);
  wait_for("every end of a lease is told", lease_periods, &DriverSide::everything_told);
  if (world_.failed()) return;
  drives()->ask_to_terminate();
  wait_for("the driver has ended", shutdown_periods, &DriverSide::no_driver_left);
  if (world_.failed()) return;
  // The epochs are old enough for the collection then, and killed clients are dropped by their media driver: what
  // they said last is not heard by the driver that collects.
  world_.host()->network.advance(dropped_periods * announce_period_ns);
  (void)start(true);
  wait_for("a driver has started", collect_periods, &DriverSide::no_lease_left);
  const base::Nanos end =
      world_.host()->clock.monotonic_ns() + collect_periods * announce_period_ns;
  while (!world_.failed() && world_.host()->clock.monotonic_ns() < end) {
    world_.host()->network.advance(announce_period_ns / 20);
    round_without_starts();
  }
  check_what_stays(deployment_.gc_keep);
}

// Below each stream.
void DriverSide::check_what_stays(std::size_t most) {
  const sim::MemoryDisk& disk = world_.host()->disk;
  for (const std::string& stream : disk.names(namespace_directory)) {
    const std::string directory = fmt::format("{}/{}", namespace_directory, stream);
    const std::vector<std::string> epochs = disk.names(directory);
    if (epochs.size() > most) {
      world_.fail(fmt::format("{} epochs are left in {}, {} are to be kept", epochs.size(),
                              directory, most));
    }
  }
}

void DriverSide::tear_down() {
  for (const auto& driver : drivers_) {
    while (!driver->ended()) driver->resume();
  }
  stranger_.reset();
}

}  // namespace tensorpool::simulation
