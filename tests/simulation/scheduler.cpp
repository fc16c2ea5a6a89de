// What happens next, and the end of a run.
#include <algorithm>

#include "simulation/env.hpp"
#include "simulation/random.hpp"
#include "simulation/world.hpp"

namespace tensorpool::simulation {
namespace {

// After the last fault, how long a consumer may take to receive new frames. Made of the media
// driver timeout (10 periods), an add that is tried again (5), a mapping that goes stale and is
// forgotten (5 + 5), images that rest, and a few announces.
constexpr std::int64_t recovery_periods = 40;
// With a driver: stray leases that strangers were granted last (4 intervals of 3 periods), backoff (4),
// a lease that its client has to be told of, and the same again.
constexpr std::int64_t driver_recovery_periods = 80;
constexpr std::uint64_t recovery_frames = 3;
constexpr std::uint64_t direct_steps = 10'000;
constexpr std::uint64_t driver_steps = 4'000;
constexpr int turns_to_the_end = 1'000'000;

}  // namespace

Report run(const Settings& settings, void (*on_failure)(const std::string&)) {
  World world(settings, on_failure);
  world.run();
  return world.report();
}

World::World(const Settings& settings, void (*on_failure)(const std::string&))
    : settings_(settings), on_failure_(on_failure), prng_(settings.seed), trace_(settings.trace) {
  seed_random(settings.seed);
  draw_habits();
  if (settings_.mode == Mode::driver) side_ = std::make_unique<DriverSide>(*this);
  if (side_ != nullptr) roles_ = side_->roles();
  if (side_ == nullptr)
    roles_ = {{"P1", {{true, 10'000, 1}}},
              {"P2", {{true, 10'001, 2}, {false, 10'000, 3}}},
              {"C1", {{false, 10'000, 4}}},
              {"C2", {{false, 10'000, 5}}},
              {"C3", {{false, 10'001, 6}}}};
  new_host();
  weather(!settings_.faults);
  if (side_ != nullptr) side_->start_missing();
  start_missing();
}

World::~World() = default;

Process* World::process_of_client(std::int64_t client) const {
  for (const auto& process : processes_) {
    if (&process->host() == host_.get() && process->is_client(client)) return process.get();
  }
  return nullptr;
}

void World::draw_habits() {
  one_endpoint_ = chance(30);
  if (chance(30)) return;
  habits_.conductors = 40 + prng_.below(360);
  habits_.time = 30 + prng_.below(200);
  habits_.harm = 2 + prng_.below(30);
  habits_.yields_percent = 10 + static_cast<std::uint32_t>(prng_.below(90));
  // Each kind of harm is there in two worlds of three.
  habits_.kinds_of_harm = 0;
  for (unsigned kind = 0; kind < 64; ++kind) {
    if (chance(66)) habits_.kinds_of_harm |= std::uint64_t{1} << kind;
  }
}

std::string World::name_of(const Role& role, std::uint32_t incarnation) {
  return fmt::format("{}.{}", role.name, incarnation);
}

bool World::living(std::uint32_t incarnation) const noexcept {
  return std::any_of(roles_.begin(), roles_.end(), [&](const Role& role) {
    return role.current != nullptr && role.current->incarnation() == incarnation;
  });
}

void World::fail(std::string what) {
  if (failed()) return;
  trace_.line(host_->clock.monotonic_ns(), "FAILED: {}", what);
  failure_ = std::move(what);
  if (on_failure_ != nullptr) on_failure_(failure_);
}

Report World::report() const {
  return {failure_, trace_.hash(), trace_.lines(), recovery_ns_, probes_};
}

void World::run() {
  std::uint64_t steps = settings_.steps;
  if (steps == 0) steps = side_ == nullptr ? direct_steps : driver_steps;
  for (std::uint64_t i = 0; i < steps && !failed(); ++i) step();
  if (!failed()) recover();
  if (!failed() && side_ != nullptr) side_->wind_down();
  tear_down();
}

void World::step() {
  if (side_ != nullptr && prng_.below(1000) < side_->share()) {
    side_->step();
    return;
  }
  const std::uint64_t dice = prng_.below(1000);
  if (dice < habits_.harm) {
    if (settings_.faults) side_ == nullptr ? harm() : side_->harm();
  } else if (dice < habits_.harm + habits_.time) {
    pass_time();
  } else if (Process* process = any_running(); process != nullptr) {
    if (dice < habits_.harm + habits_.time + habits_.conductors) {
      for (std::uint64_t cycles = 1 + prng_.below(3); cycles > 0; --cycles) process->do_work();
    } else {
      go_on(*process);
    }
  }
  check_all();
}

// Mostly microseconds, now and then long enough for any timeout.
void World::pass_time() {
  constexpr std::uint64_t ms = 1'000'000;
  const std::uint64_t kind = prng_.below(100);
  const std::uint64_t most = kind < 80 ? ms : kind < 98 ? 20 * ms : 400 * ms;
  host_->network.advance(1 + static_cast<base::Nanos>(prng_.below(most)));
}

void World::go_on(Process& process) {
  if (!process.application_done()) {
    std::vector<Thread*> threads;
    for (const auto& thread : process.threads()) {
      if (!thread->done()) threads.push_back(thread.get());
    }
    threads[prng_.below(threads.size())]->resume();
  }
  if (process.application_done() && process.running()) {
    trace("{} ends", process.name());
    hit(Probe::ended_cleanly);
    process.end();
  }
}

std::vector<Process*> World::those(bool running, bool paused) {
  std::vector<Process*> found;
  for (const auto& process : processes_) {
    if ((running && process->running()) || (paused && process->paused()))
      found.push_back(process.get());
  }
  return found;
}

Process* World::any_running() {
  const std::vector<Process*> candidates = those(true, false);
  return candidates.empty() ? nullptr : candidates[prng_.below(candidates.size())];
}

void World::check_all() {
  for (const auto& process : processes_) {
    if (!process->running()) continue;
    process->check_mapped();
    for (const auto& thread : process->threads()) thread->app().check();
  }
}

// Faults stop, everybody is there, and frames flow again within the bound.
void World::recover() {
  trace("the faults end");
  calm_ = true;
  weather(true);
  media_driver(true);
  disk_space(true);
  if (side_ != nullptr) side_->calm();
  for (const auto& process : processes_) {
    if (process->paused()) process->pause(false);
    const bool leaves = process->running() && !process->asked_to_leave();
    if (process->running() && process->superseded()) kill(*process);
    if (leaves && process->running() && process->role().tampered) kill(*process);
  }
  const base::Nanos begin = host_->clock.monotonic_ns();
  const std::int64_t periods = side_ == nullptr ? recovery_periods : driver_recovery_periods;
  while (!failed()) {
    recovery_round();
    recovery_ns_ = host_->clock.monotonic_ns() - begin;
    const Thread* waiting = still_waiting();
    if (waiting == nullptr) break;
    if (recovery_ns_ <= periods * announce_period_ns) continue;
    fail(fmt::format("{} received too few new frames in {} announce periods after the last fault",
                     waiting->name(), periods));
  }
}

void World::recovery_round() {
  start_missing();
  host_->network.advance(announce_period_ns / 100);
  if (side_ != nullptr) side_->round();
  clients_round();
}

void World::clients_round() {
  for (Process* process : those(true, false)) {
    for (int i = 0; i < 3; ++i) process->do_work();
    for (int i = 0; i < 12 && process->running(); ++i) go_on(*process);
  }
  check_all();
}

void World::ask_everybody_to_leave() {
  for (Process* process : those(true, true)) process->ask_to_leave();
}

bool World::no_client_left() { return those(true, true).empty(); }

// A consumer that has not received enough yet, after a round in which everybody was there.
Thread* World::still_waiting() {
  start_missing();
  for (const Role& role : roles_) {
    for (const auto& thread : role.current->threads()) {
      if (!thread->part().produces && thread->app().calm_frames() < recovery_frames)
        return thread.get();
    }
  }
  return nullptr;
}

// Nobody looks any more: everything runs to its end, what was killed too, and must leave nothing.
void World::tear_down() {
  over_ = true;
  if (side_ != nullptr) side_->tear_down();
  for (const auto& process : processes_) {
    if (process->ended()) continue;
    int turns = 0;
    for (const auto& thread : process->threads()) {
      while (!thread->done() && ++turns < turns_to_the_end) thread->resume();
    }
    if (!process->application_done()) {
      fail(fmt::format("{} does not come to its end", process->name()));
      return;
    }
    process->end();
  }
}

}  // namespace tensorpool::simulation
