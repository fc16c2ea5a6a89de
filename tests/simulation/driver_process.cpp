#include "simulation/driver_process.hpp"

#include <algorithm>
#include <string_view>
#include <utility>

#include "simulation/driver_side.hpp"
#include "simulation/noting_transport.hpp"
#include "simulation/world.hpp"
#include "wire/codec.hpp"

namespace tensorpool::simulation {

using agents::driver::DriverAgent;
using agents::driver::DriverNotice;
using agents::driver::DriverOptions;

namespace {

// An agent that is made and works in there needs more than a port does, most of all under the sanitizers.
constexpr std::size_t stack_bytes = std::size_t{1} << 20U;

bool removes(std::string_view call) noexcept { return call == "unlink" || call == "rmdir"; }

}  // namespace

DriverProcess::DriverProcess(DriverSide& side, std::shared_ptr<Host> host,
                             std::uint32_t incarnation, bool collects_at_start)
    : side_(side),
      host_(std::move(host)),
      incarnation_(incarnation),
      name_(fmt::format("D.{}", incarnation)),
      collects_at_start_(collects_at_start),
      files_(host_->disk, 1000 + std::uint64_t{incarnation}),
      calls_(files_, [this](const char* call) { return before_call(call); }),
      transport_(std::make_unique<NotingTransport>(host_->network.make_transport(), clients_)),
      fiber_([this] { run(); }, stack_bytes) {}

DriverProcess::~DriverProcess() = default;

World& DriverProcess::world() const noexcept { return side_.world(); }

DriverOptions DriverProcess::options(bool collects_at_start) {
  const Deployment& d = side_.deployment();
  DriverOptions o;
  o.core.keepalive_interval_ns = d.keepalive_interval_ns;
  o.core.expiry_grace_intervals = d.grace;
  o.core.max_leases = d.max_leases;
  o.core.node_id_reuse_cooldown_ns = d.node_cooldown_ns;
  o.core.announce_period_ns = announce_period_ns;
  o.core.profiles = {{"small", d.slots, {{1, small_stride_bytes}, {2, large_stride_bytes}}}};
  o.core.streams = {{10'000, "small"}, {10'001, "small"}};
  o.core.allow_dynamic_streams = d.dynamic_streams;
  if (d.dynamic_streams) o.core.stream_id_range = {{first_dynamic_stream, last_dynamic_stream}};
  if (d.consumer_streams) {
    o.core.descriptor_stream_id_range = {{first_descriptor_stream, last_descriptor_stream}};
    o.core.control_stream_id_range = {{first_control_stream, last_control_stream}};
  }
  o.core.epoch_gc_keep = d.gc_keep;
  o.core.epoch_gc_on_startup = d.gc_on_startup || collects_at_start;
  o.core.cleanup_shm_on_exit = d.cleanup_on_exit;
  o.core.shutdown_timeout_ns = d.shutdown_timeout_ns;
  o.core.shutdown_token = shutdown_token;
  o.regions.base_dir = base_dir;
  o.regions.prefault = d.prefault;
  o.regions.mlock = d.lock_memory;
  o.aeron_dir = aeron_dir;
  if (!world().one_endpoint()) o.announce.stream_id = announce_stream;
  o.invoked = true;
  o.fragment_limit = fragment_limit_ = d.fragment_limit;
  o.media_driver_timeout_ns = 10 * announce_period_ns;
  o.on_report = [this](const protocol::driver::Report& report) {
    side_.book().on_report(*this, report);
  };
  o.on_notice = [this](const DriverNotice& notice) {
    world().trace("{} notice {} of stream {}: {}", name_, static_cast<int>(notice.kind),
                  notice.stream_id, notice.text);
  };
  return o;
}

// The life of the process.
void DriverProcess::run() {
  auto made = DriverAgent::make(options(collects_at_start_),
                                agents::World{*transport_, calls_, host_->clock});
  if (!made) {
    refused_ = made.error().code() == Code::driver_running;
    world().trace("{} cannot start: {}", name_, made.error().message());
    if (refused_) side_.book().on_refused(*this);
    if (!refused_ && !world().over()) world().hit(Probe::driver_could_not_start);
    files_.kill();  // nobody has this process id any more
    return;
  }
  agent_ = std::move(*made);
  world().trace("{} drives", name_);
  if (!world().over()) side_.book().on_made(*this);
  while (!agent_->stopped() && !world().over()) {
    cycle();
    if (!world().over()) sim::Fiber::yield();
  }
  if (!world().over()) world().trace("{} has ended", name_);
  side_.book().on_over(*this);
  agent_.reset();
  if (!world().over() && (files_.mapped_bytes() != 0 || files_.open_files() != 0)) {
    world().fail(fmt::format("{} ended and left {} mapped bytes and {} open files behind", name_,
                             files_.mapped_bytes(), files_.open_files()));
  }
  files_.kill();
}

void DriverProcess::cycle() {
  if (terminated_ != terminations_) {
    ++terminated_;
    may_drain_ = true;
    agent_->terminate();
  }
  if (const std::uint64_t lease = std::exchange(revoke_, 0); lease != 0) {
    revoking_ = lease;
    if (agent_->revoke(lease, "by the house")) world().hit(Probe::lease_revoked_by_the_house);
    revoking_ = 0;
  }
  polled_ = 0;
  // Nothing happens twice at one time but in one step of the core.
  host_->network.advance(1);
  cycle_began_ = host_->clock.monotonic_ns();
  in_cycle_ = true;
  (void)agent_->do_work();
  in_cycle_ = false;
  if (world().over()) return;
  const bool connected = agent_->status().connected;
  if (polled_ < fragment_limit_ && connected) {
    behind_since_.reset();
  } else if (!behind_since_) {
    behind_since_ = cycle_began_;
  }
  side_.book().look(*this);
}

std::optional<base::Nanos> DriverProcess::behind_for() const noexcept {
  if (polled_ < fragment_limit_) return std::nullopt;
  return host_->clock.monotonic_ns() - behind_since_.value_or(cycle_began_);
}

bool DriverProcess::keepalive_waits(std::uint64_t lease_id) const {
  bool found = false;
  const LeaseEntry* lease = side_.book().lease(lease_id);
  if (clients_.empty() || lease == nullptr) return false;
  const auto look = [&](std::span<const std::byte> bytes) {
    const auto said = wire::try_decode<wire::driver::ShmLeaseKeepalive>(bytes);
    if (said && lease->key == protocol::driver::LeaseKey{said->lease_id, said->stream_id,
                                                         said->client_id, said->role}) {
      found = true;
    }
  };
  host_->network.each_waiting(clients_.back(), static_cast<std::int32_t>(control_stream), look);
  return found;
}

// Here the process may stand, for as long as a slow disk needs or for ever, and here calls fail.
std::optional<Error> DriverProcess::before_call(const char* call) {
  if (world().over() || sim::Fiber::current() == nullptr) return std::nullopt;
  in_call_ = call;
  if (removes(call) || world().chance(side_.yields_percent())) sim::Fiber::yield();
  const base::Nanos until = host_->clock.monotonic_ns() + side_.slowness();
  while (host_->clock.monotonic_ns() < until && !world().calm() && !world().over())
    sim::Fiber::yield();
  in_call_ = nullptr;
  if (world().over()) return std::nullopt;
  std::optional<Error> trouble = side_.trouble(call);
  if (trouble) world().trace("{}: {} fails: {}", name_, call, trouble->message());
  return trouble;
}

bool DriverProcess::is_client(std::int64_t id) const noexcept {
  return std::find(clients_.begin(), clients_.end(), id) != clients_.end();
}

void DriverProcess::resume() { fiber_.resume(); }

void DriverProcess::pause(bool on) {
  paused_ = on;
  for (const std::int64_t client : clients_) host_->network.stop(client, on);
}

void DriverProcess::note_kill() {
  if (in_call_ == nullptr) return;
  world().hit(agent_ == nullptr   ? Probe::driver_killed_while_starting
              : removes(in_call_) ? Probe::driver_killed_while_removing
                                  : Probe::driver_killed_inside_a_file_call);
}

void DriverProcess::kill() {
  killed_ = true;
  note_kill();
  for (const std::int64_t client : clients_) host_->network.crash(client);
  files_.kill();
  side_.book().on_over(*this);
}

}  // namespace tensorpool::simulation
