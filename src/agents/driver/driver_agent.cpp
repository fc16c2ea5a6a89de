#include "agents/driver/driver_agent.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <utility>

#include "agents/driver/driver_impl.hpp"
#include "base/prng.hpp"
#include "transport/channel.hpp"

namespace tensorpool::agents::driver {
namespace {

using protocol::driver::Settings;

transport::ConnectOptions connect_options(const DriverOptions& options) {
  transport::ConnectOptions connect;
  connect.directory = options.aeron_dir;
  connect.client_name = "tensorpool driver " + options.instance_id;
  connect.client_name.resize(std::min(connect.client_name.size(), base::limits::client_name_bytes));
  connect.invoked = true;
  connect.driver_timeout_ns = options.media_driver_timeout_ns;
  return connect;
}

// A power of two that all streams there can ever be fill at most.
std::size_t job_capacity(const Settings& settings) {
  std::size_t streams = settings.streams.size();
  for (const protocol::driver::IdRange& range : settings.stream_id_range)
    streams += std::size_t{range.last} - range.first + 1;
  streams = std::clamp<std::size_t>(streams, 16, base::limits::driver_streams);
  return std::bit_ceil(streams * base::limits::driver_jobs_per_stream);
}

}  // namespace

// --- Making one.

Result<std::unique_ptr<DriverAgent>> DriverAgent::make(DriverOptions options, World world) {
  if (auto good = check(options); !good) return fail(good.error());
  const RegionPlace& regions = options.regions;
  auto place = shm::DriverPlace::take(world.file_system, regions.base_dir, regions.namespace_name,
                                      regions.file_mode);
  if (!place) return fail(place.error());
  Settings& core = options.core;
  core.control_stream_id = static_cast<std::uint32_t>(options.control.stream_id);
  core.announce_stream_id = static_cast<std::uint32_t>(options.announce.stream_id);
  core.hugetlbfs = place->on_hugetlbfs();
  if (core.first_lease_id == 0) core.first_lease_id = base::random_seed();
  for (protocol::driver::StreamSetting& stream : core.streams) {
    auto highest = place->highest_epoch(stream.stream_id);
    if (!highest) return fail(highest.error());
    stream.highest_epoch_on_disk = *highest;
  }
  std::deque<std::uint32_t> left_behind;
  if (core.epoch_gc_on_startup && core.epoch_gc_enabled && core.epoch_gc_keep != 0) {
    auto found = place->streams();
    if (!found) return fail(found.error());
    for (const std::uint32_t id : *found) {
      const bool configured =
          std::any_of(core.streams.begin(), core.streams.end(),
                      [&](const auto& stream) { return stream.stream_id == id; });
      if (!configured) left_behind.push_back(id);
    }
  }
  auto impl =
      std::make_unique<Impl>(std::move(options), world, std::move(*place), std::move(left_behind));
  if (auto started = impl->start(); !started) return fail(started.error());
  return std::unique_ptr<DriverAgent>(new DriverAgent(std::move(impl)));
}

DriverAgent::Impl::Impl(DriverOptions options, World world, shm::DriverPlace place,
                        std::deque<std::uint32_t> left_behind)
    : options_(std::move(options)),
      world_(world),
      place_(std::move(place)),
      core_(options_.core, now()),
      worker_(options_.regions, world.file_system, world.clock, job_capacity(options_.core),
              options_.bell),
      connector_(world.transport, connect_options(options_)),
      outbox_(options_.core.keepalive_interval_ns),
      counters_(options_, static_cast<std::uint32_t>(world.file_system.process_id())),
      left_behind_(std::move(left_behind)) {}

DriverAgent::DriverAgent(std::unique_ptr<Impl> impl) noexcept : impl_(std::move(impl)) {}
DriverAgent::~DriverAgent() = default;

int DriverAgent::do_work() {
  const int work = impl_->do_work(terminations_.load(std::memory_order_acquire));
  longest_cycle_ns_.store(impl_->longest_cycle_ns(), std::memory_order_relaxed);
  return work;
}
bool DriverAgent::stopped() const noexcept { return impl_->stopped(); }
bool DriverAgent::revoke(std::uint64_t lease_id, std::string_view text) {
  return impl_->revoke(lease_id, text);
}
DriverStatus DriverAgent::status() const { return impl_->status(); }
const DriverCore& DriverAgent::core() const noexcept { return impl_->core(); }

// --- The duty cycle.

int DriverAgent::Impl::do_work(std::uint32_t terminations) {
  if (over_) return 0;
  const base::Nanos started = now().monotonic;
  int work = generation_ != nullptr ? generation_->connection->do_work() : 0;
  work += connect();
  work += terminate(terminations);
  work += poll();
  work += timers();
  if (!worker_.threaded()) work += worker_.step();
  work += answers();
  work += collect_left_behind();
  work += send();
  work += counters_.do_work(
      generation_, now().monotonic, add_deadline(), [this] { return status(); }, core_.counters(),
      [this](const Error& e) { error(0, e.message()); });
  work += end();
  longest_cycle_ns_ = std::max(longest_cycle_ns_, now().monotonic - started);
  return work;
}

int DriverAgent::Impl::terminate(std::uint32_t terminations) {
  if (terminations_ == terminations) return 0;
  end_now_ = terminations > 1;
  if (!has_room_to_end()) return 0;
  ++terminations_;
  core_.on_terminate(now(), actions_);
  if (drain_ends_ns_ == protocol::driver::never) {
    drain_ends_ns_ = protocol::driver::later(
        now().monotonic, protocol::driver::later(options_.core.shutdown_timeout_ns, last_words_ns));
  }
  apply();
  return 1;
}

// The end does not wait for room for ever, nor for a media driver: what waits is given up then.
bool DriverAgent::Impl::has_room_to_end() {
  if (outbox_.has_room()) return true;
  if (drain_ends_ns_ == protocol::driver::never) {
    drain_ends_ns_ = protocol::driver::later(
        now().monotonic, protocol::driver::later(options_.core.shutdown_timeout_ns, last_words_ns));
  }
  if (up_ && !end_now_ && now().monotonic < drain_ends_ns_) return false;
  outbox_.give_up();
  return true;
}

int DriverAgent::Impl::connect() {
  const Connector::Step step = connector_.do_work(now().monotonic, generation_);
  if (!step.complaint.empty()) error(0, step.complaint);
  if (!step.lost.empty()) {
    lose_connection(step.lost);
    return 1;
  }
  if (step.connected) {
    stir();  // links are added now, and answered soon
    notice(NoticeKind::connected, 0, connector_.directory());
  }
  if (generation_ == nullptr) return 0;
  return add_links() + (step.connected ? 1 : 0);
}

// Leases and regions live on: their clients lost the same media driver and come back to the next one while
// their deadlines have not passed (A5.2). What is said meanwhile waits.
void DriverAgent::Impl::lose_connection(std::string_view why) {
  counters_.drop();
  generation_.reset();
  up_ = false;
  outbox_.set_up(false);
  ++errors_;
  notice(NoticeKind::connection_lost, 0, why);
}

int DriverAgent::Impl::publish(LinkAdd<transport::Publication>& link, const Endpoint& endpoint) {
  const auto step = link.step(now().monotonic, [&] {
    return generation_->connection->add_publication(transport::control_channel(endpoint.channel),
                                                    endpoint.stream_id, add_deadline());
  });
  if (step) return *step;
  error(0, step.error().message());
  return 0;
}

int DriverAgent::Impl::add_links() {
  Generation& g = *generation_;
  int work = publish(g.control_out, options_.control);
  if (!one_endpoint()) work += publish(g.announce_out, options_.announce);
  const auto step = g.control_in.step(now().monotonic, [&] {
    return g.connection->add_subscription(options_.control.channel, options_.control.stream_id,
                                          add_deadline(), nullptr);
  });
  if (step) {
    work += *step;
  } else {
    error(0, step.error().message());
  }
  const bool ready = g.control_out.ready() && announce_link().ready() && g.control_in.ready();
  if (ready == up_) return work;
  up_ = ready;
  outbox_.set_up(ready);
  if (!ready) return work + 1;
  core_.on_connected(now());
  // Clients find the media driver again at their own pace.
  clients_return_until_ns_ =
      protocol::driver::later(now().monotonic, options_.core.keepalive_interval_ns);
  return work + 1;
}

// --- Time.

int DriverAgent::Impl::timers() {
  int work = 0;
  while (work < base::limits::driver_timer_steps && core_.deadline() <= now().monotonic) {
    if (core_.state() == State::running ? !outbox_.has_room() : !has_room_to_end()) break;
    core_.on_timer(now(), actions_);
    apply();
    ++work;
  }
  return work;
}

bool DriverAgent::Impl::revoke(std::uint64_t lease_id, std::string_view text) {
  if (!outbox_.has_room()) return false;
  const bool revoked = core_.revoke(now(), lease_id, text, actions_);
  apply();
  return revoked;
}

// Creations under way end with the driver's leases; what is to be removed is, and what is to be said
// gets its time. Then everything is let go.
int DriverAgent::Impl::end() {
  if (core_.state() != State::stopped) return 0;
  if (!std::exchange(cancelled_, true)) worker_.cancel_creations();
  if (!last_words_until_ns_ || worker_.outstanding() != 0 || !removals_.empty()) return 0;
  if (!outbox_.empty() && now().monotonic < *last_words_until_ns_) return 0;
  if (!outbox_.empty()) {
    error(0, fmt::format("{} last messages did not leave", outbox_.size()));
    outbox_.give_up();
  }
  over_ = true;
  worker_.stop();
  counters_.drop();
  generation_.reset();
  held_.clear();
  return 1;
}

DriverStatus DriverAgent::Impl::status() const {
  DriverStatus status;
  status.state = core_.state();
  status.connected = up_;
  status.producers = core_.leases().producers();
  status.consumers = core_.leases().size() - status.producers;
  status.pending_attaches = core_.pending();
  status.streams = core_.streams().all().size();
  status.streams_with_regions = held_.size();
  status.bytes_reserved = bytes_reserved_;
  status.files_outstanding = worker_.outstanding();
  status.unsent = outbox_.size();
  status.shed_requests = shed_;
  status.lost_messages = outbox_.lost();
  status.malformed = malformed_;
  status.errors = errors_;
  status.longest_cycle_ns = longest_cycle_ns_;
  return status;
}

}  // namespace tensorpool::agents::driver
