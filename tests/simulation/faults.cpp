// Harm, drawn from the seed.
#include <algorithm>
#include <cstring>
#include <iterator>
#include <span>

#include "shm/layout.hpp"
#include "simulation/world.hpp"

namespace tensorpool::simulation {
namespace {

constexpr std::uint32_t descriptor_stream = 1100;
constexpr std::size_t sessions_kept = 8;

}  // namespace

void World::harm() {
  struct Kind {
    std::uint64_t weight;
    void (*act)(World&);
  };
  static constexpr Kind kinds[] = {
      {20, [](World& w) { w.weather(false); }},
      {30, [](World& w) { w.pause_or_wake(); }},
      {8, [](World& w) { w.kill_one(); }},
      {25, [](World& w) { w.start_missing(); }},
      {4, [](World& w) { w.leave_one(); }},
      {6, [](World& w) { w.succeed_one(); }},
      {20, [](World& w) { w.media_driver(false); }},
      {8, [](World& w) { w.disk_space(false); }},
      {8, [](World& w) { w.take_image(); }},
      {3, [](World& w) { w.impostor(); }},
      {1, [](World& w) { w.reboot(); }},
  };
  std::uint64_t all = 0;
  for (const Kind& kind : kinds) all += kind.weight;
  std::uint64_t dice = prng_.below(all);
  for (std::size_t i = 0; i < std::size(kinds); ++i) {
    if (dice < kinds[i].weight) {
      if ((habits_.kinds_of_harm >> i & 1U) != 0) kinds[i].act(*this);
      return;
    }
    dice -= kinds[i].weight;
  }
}

// Another boot: nothing of the last one is there but the time of day, and now and then the files.
void World::new_host() {
  const base::Nanos realtime =
      host_ == nullptr ? 1'700'000'000'000'000'000 : host_->clock.realtime_ns() + 30'000'000'000;
  sim::NetworkOptions options;
  options.seed = prng_.next();
  options.term_bytes = std::size_t{16} << 10U;
  options.late_join_bytes = std::size_t{1} << 10U;
  options.client_liveness_ns = 20 * announce_period_ns;
  const auto uptime = static_cast<base::Nanos>(1'000'000'000 + prng_.below(4'000'000'000));
  // Epochs of a disk that outlives a boot may be far ahead of the clock of the next one.
  const bool keeps = side_ != nullptr && host_ != nullptr && chance(50);
  host_ =
      std::make_shared<Host>(++boots_, options, uptime, realtime, keeps ? host_->files : nullptr);
  if (keeps) hit(Probe::disk_kept);
  host_->network.on_trace([this](const sim::TraceEvent& event) { on_network(event); });
  if (side_ != nullptr) {
    host_->network.on_message([this, host = host_.get()](const sim::MessageEvent& event) {
      if (host == host_.get()) side_->book().on_message(event);
    });
    host_->disk.on_change(
        [this, host = host_.get()](auto change, const std::string& path, auto pid) {
          if (host == host_.get()) side_->book().on_change(change, path, pid);
        });
    side_->on_new_host(keeps);
  }
  (void)host_->network.start_media_driver(aeron_dir);
  driver_alive_ = true;
  driver_frozen_ = false;
  sessions_.clear();
}

void World::on_network(const sim::TraceEvent& event) {
  trace("network {} client {} session {} stream {} position {}", static_cast<int>(event.kind),
        event.client, event.session_id, event.stream_id, event.position);
  if (over_) return;
  if (event.kind == sim::TraceKind::client_dropped) hit(Probe::client_dropped);
  if (side_ != nullptr && event.kind == sim::TraceKind::delivered)
    side_->on_polled(event.client, event.stream_id);
  if (event.kind != sim::TraceKind::image_available) return;
  if (side_ == nullptr && event.stream_id != descriptor_stream) return;
  sessions_.push_back(event.session_id);
  if (sessions_.size() > sessions_kept) sessions_.erase(sessions_.begin());
}

void World::start(Role& role) {
  processes_.push_back(std::make_unique<Process>(*this, host_, role, ++incarnations_));
  role.current = processes_.back().get();
  role.tampered = false;
  trace("{} starts", role.current->name());
}

void World::start_missing() {
  for (Role& role : roles_) {
    if (role.current == nullptr) start(role);
  }
}

void World::weather(bool fair) {
  sim::LinkFaults faults;
  if (!fair) {
    const auto per_million = [&](std::uint64_t most) {
      return chance(50) ? static_cast<std::uint32_t>(prng_.below(most)) : 0;
    };
    faults.loss_per_million = per_million(60'000);
    faults.duplicate_per_million = per_million(60'000);
    faults.back_pressure_per_million = per_million(60'000);
    faults.delay_max_ns = static_cast<base::Nanos>(per_million(30'000'000));
  }
  trace("weather: loss {}, duplicates {}, back-pressure {}, delay {}", faults.loss_per_million,
        faults.duplicate_per_million, faults.back_pressure_per_million, faults.delay_max_ns);
  host_->network.set_faults(faults);
}

void World::pause_or_wake() {
  const bool wake = chance(60);
  const std::vector<Process*> candidates = those(!wake, wake);
  if (candidates.empty()) return;
  Process& process = *candidates[prng_.below(candidates.size())];
  trace("{} is {}", process.name(), wake ? "woken" : "paused");
  process.pause(!wake);
}

void World::kill(Process& process) {
  trace("{} is killed", process.name());
  process.kill();
}

void World::kill_one() {
  const std::vector<Process*> candidates = those(true, true);
  if (!candidates.empty()) kill(*candidates[prng_.below(candidates.size())]);
}

void World::leave_one() {
  Process* process = any_running();
  if (process == nullptr) return;
  const bool close = chance(50);
  trace("{} {}", process->name(), close ? "closes its client" : "is asked to leave");
  if (close) {
    process->close_client();
  } else {
    process->ask_to_leave();
  }
}

// Somebody takes a paused process for dead and starts another one in its place.
void World::succeed_one() {
  for (Process* process : those(false, true)) {
    if (process->superseded()) continue;
    trace("{} gets a successor", process->name());
    hit(Probe::successor_of_a_paused_process);
    return start(process->role());
  }
}

void World::media_driver(bool fair) {
  sim::Network& network = host_->network;
  if (driver_frozen_) {
    trace("the media driver is thawed");
    network.freeze_media_driver(aeron_dir, false);
    driver_frozen_ = false;
  } else if (driver_alive_ && !fair) {
    const bool freeze = chance(60);
    trace("the media driver is {}", freeze ? "frozen" : "killed");
    hit(freeze ? Probe::media_driver_frozen : Probe::media_driver_killed);
    if (freeze) {
      network.freeze_media_driver(aeron_dir, true);
    } else {
      network.kill_media_driver(aeron_dir);
    }
    driver_frozen_ = freeze;
    driver_alive_ = freeze;
  }
  if (driver_alive_) return;
  if (!fair && chance(30)) return;
  trace("a media driver starts");
  (void)network.start_media_driver(aeron_dir);
  driver_alive_ = true;
}

void World::disk_space(bool fair) {
  const bool full = !fair && chance(40);
  trace("the disk is {}", full ? "full" : "empty");
  const std::uint64_t really = full ? prng_.below(4096) : UINT64_MAX;
  host_->disk.set_room(really, full && chance(50) ? really : UINT64_MAX);
}

void World::take_image() {
  if (sessions_.empty()) return;
  const std::int32_t session = sessions_[prng_.below(sessions_.size())];
  trace("the images of session {} are taken away", session);
  hit(Probe::image_taken_away);
  host_->network.disconnect(session, static_cast<base::Nanos>(prng_.below(300'000'000)));
}

// A stranger writes into a superblock. Its pid: consumers must leave those regions and never come
// back to that epoch. Another magic: they must leave, and refuse what is announced.
void World::impostor() {
  const std::vector<std::string> files = host_->disk.files();
  if (files.empty()) return;
  const std::uint64_t word = 900;
  const std::string& path = files[prng_.below(files.size())];
  const bool pid = chance(60);
  trace("a stranger changes the {} of {}", pid ? "pid" : "magic", path);
  const shm::FieldAt field = pid ? shm::superblock_at::pid : shm::superblock_at::magic;
  (void)host_->disk.poke(path, field.offset, std::as_bytes(std::span(&word, 1)));
  // Whose it was is not known here: none of its stream will be waited for.
  for (Role& role : roles_) {
    for (const Part& part : role.parts) {
      if (part.produces && path.find(fmt::format("/{}/", part.stream)) != std::string::npos)
        role.tampered = true;
    }
  }
}

void World::reboot() {
  trace("reboot");
  hit(Probe::reboot);
  for (Process* process : those(true, true)) process->kill();
  if (side_ != nullptr) side_->kill_all();
  host_->network.kill_media_driver(aeron_dir);
  new_host();
  weather(false);
  if (side_ != nullptr) side_->start_missing();
  start_missing();
}

}  // namespace tensorpool::simulation
