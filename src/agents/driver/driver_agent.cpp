#include "agents/driver/driver_agent.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <deque>
#include <optional>
#include <unordered_map>
#include <utility>

#include "agents/connector.hpp"
#include "agents/describe.hpp"
#include "agents/driver/driver_counters.hpp"
#include "agents/driver/outbox.hpp"
#include "base/assert.hpp"
#include "base/prng.hpp"
#include "protocol/overloaded.hpp"
#include "shm/driver_place.hpp"
#include "transport/channel.hpp"
#include "wire/codec.hpp"

namespace tensorpool::agents::driver {
namespace {

using protocol::Now;
using protocol::driver::Action;
using protocol::driver::Actions;
using protocol::driver::DriverCore;
using protocol::driver::Event;
using protocol::driver::Report;
using protocol::driver::Settings;
using protocol::driver::State;
namespace messages = wire::driver;

// What a stopping driver still waits for its last words to leave.
constexpr base::Nanos last_words_ns = 1'000'000'000;

transport::ConnectOptions connect_options(const DriverOptions& options) {
  transport::ConnectOptions connect;
  connect.directory = options.aeron_dir;
  connect.client_name = "tensorpool driver " + options.instance_id;
  connect.client_name.resize(std::min(connect.client_name.size(), base::limits::client_name_bytes));
  connect.invoked = options.invoked;
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

std::uint64_t bytes_of(const shm::StreamLayout& layout) {
  std::uint64_t sum = shm::header_ring_bytes(layout.nslots).value_or(0);
  for (const shm::PoolSpec& pool : layout.pools)
    sum += shm::pool_bytes(layout.nslots, pool.stride_bytes).value_or(0);
  return sum;
}

}  // namespace

class DriverAgent::Impl {
 public:
  Impl(DriverOptions options, World world, shm::DriverPlace place,
       std::deque<std::uint32_t> left_behind)
      : options_(std::move(options)),
        world_(world),
        place_(std::move(place)),
        core_(options_.core, now()),
        worker_(options_.regions, world.file_system, world.clock, job_capacity(options_.core)),
        connector_(world.transport, connect_options(options_)),
        outbox_(options_.core.keepalive_interval_ns),
        counters_(options_, static_cast<std::uint32_t>(world.file_system.process_id())),
        left_behind_(std::move(left_behind)) {}

  Result<void> start() { return options_.invoked ? Result<void>{} : worker_.start(); }
  int do_work(std::uint32_t terminations, base::Nanos longest_cycle_ns);
  bool stopped() const noexcept { return over_; }
  bool revoke(std::uint64_t lease_id, std::string_view text);
  DriverStatus status() const;
  const DriverCore& core() const noexcept { return core_; }

 private:
  // The regions of a stream's current epoch, as far as this process needs them mapped.
  struct Held {
    std::uint64_t epoch = 0;
    std::uint64_t bytes = 0;
    shm::MappedStream mapped;
  };

  Now now() const noexcept { return {world_.clock.monotonic_ns(), world_.clock.realtime_ns()}; }
  base::Nanos add_deadline() const noexcept {
    return world_.clock.monotonic_ns() + options_.media_driver_timeout_ns;
  }
  bool one_endpoint() const { return options_.announce == options_.control; }
  LinkAdd<transport::Publication>& announce_link() {
    return one_endpoint() ? generation_->control_out : generation_->announce_out;
  }
  bool up() const noexcept { return up_; }

  int terminate(std::uint32_t terminations);
  int connect();
  void lose_connection(std::string_view why);
  int add_links();
  int publish(LinkAdd<transport::Publication>& link, const Endpoint& endpoint);
  int poll();
  void on_message(std::span<const std::byte> message);
  void on_driver_message(const wire::MessageHeader& header, std::span<const std::byte> message);
  template <class M, class Decoded>
  void hear(const Decoded& decoded, void (DriverCore::*step)(Now, const M&, Actions&));
  bool may_answer();
  int timers();
  int answers();
  void on_answer(RegionAnswer answer);
  void on_created(RegionsCreated created);
  void on_collected(const EpochsCollected& collected);
  int collect_left_behind();
  int send();
  int end();

  void apply();
  void perform(Action& action);
  template <class M>
  void say(const M& message);
  void announce(const protocol::driver::SendAnnounce& action);
  void on_report(const Report& report);
  void ask(RegionJob job);
  void retire(std::uint32_t stream_id);
  void notice(NoticeKind kind, std::uint32_t stream_id, std::string_view text);
  void error(std::uint32_t stream_id, std::string_view text) {
    ++errors_;
    notice(NoticeKind::error, stream_id, text);
  }

  const DriverOptions options_;
  World world_;
  shm::DriverPlace place_;  // its lock: ours until the end
  DriverCore core_;
  Actions actions_;
  std::unordered_map<std::uint32_t, Held> held_;
  std::uint64_t bytes_reserved_ = 0;
  RegionWorker worker_;
  std::deque<RegionAnswer> refused_;  // of jobs that the worker had no room for
  std::deque<RegionJob> removals_;    // to be asked for when there is room

  Connector connector_;
  std::shared_ptr<Generation> generation_;  // null while no media driver is connected
  bool up_ = false;                         // both streams are there
  base::Nanos clients_return_until_ns_ = 0;
  Outbox outbox_;
  DriverCounters counters_;
  std::deque<std::uint32_t>
      left_behind_;  // streams on disk that nobody configured, for the start's GC

  std::uint32_t terminations_ = 0;
  base::Nanos longest_cycle_ns_ = 0;
  std::uint64_t shed_ = 0;
  std::uint64_t malformed_ = 0;
  std::uint64_t errors_ = 0;
  bool complained_ = false;  // about a full outbox, since it last had room
  bool cancelled_ = false;
  std::optional<base::Nanos> last_words_until_ns_;  // the core has ended
  bool over_ = false;
};

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

DriverAgent::DriverAgent(std::unique_ptr<Impl> impl) noexcept : impl_(std::move(impl)) {}
DriverAgent::~DriverAgent() = default;

int DriverAgent::do_work() {
  const int work = impl_->do_work(terminations_.load(std::memory_order_acquire),
                                  longest_cycle_ns_.load(std::memory_order_relaxed));
  longest_cycle_ns_.store(impl_->status().longest_cycle_ns, std::memory_order_relaxed);
  return work;
}
bool DriverAgent::stopped() const noexcept { return impl_->stopped(); }
bool DriverAgent::revoke(std::uint64_t lease_id, std::string_view text) {
  return impl_->revoke(lease_id, text);
}
DriverStatus DriverAgent::status() const { return impl_->status(); }
const DriverCore& DriverAgent::core() const noexcept { return impl_->core(); }

// --- The duty cycle.

int DriverAgent::Impl::do_work(std::uint32_t terminations, base::Nanos longest_cycle_ns) {
  if (over_) return 0;
  const base::Nanos started = now().monotonic;
  longest_cycle_ns_ = longest_cycle_ns;
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
  if (terminations_ == terminations || !outbox_.has_room()) return 0;
  ++terminations_;
  core_.on_terminate(now(), actions_);
  apply();
  return 1;
}

int DriverAgent::Impl::connect() {
  const Connector::Step step = connector_.do_work(now().monotonic, generation_);
  if (!step.complaint.empty()) error(0, step.complaint);
  if (!step.lost.empty()) {
    lose_connection(step.lost);
    return 1;
  }
  if (step.connected) notice(NoticeKind::connected, 0, connector_.directory());
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
  error(0, why);
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

// --- What clients say.

int DriverAgent::Impl::poll() {
  if (generation_ == nullptr || !generation_->control_in.ready()) {
    core_.on_held_up(now());
    return 0;
  }
  auto handle = [this](const transport::Fragment& message) { on_message(message.data); };
  const int heard = generation_->control_in.get()->poll_assembled(handle, options_.fragment_limit);
  if (heard >= options_.fragment_limit) {
    core_.on_held_up(now());  // more may wait, keepalives among it
  } else if (now().monotonic >= clients_return_until_ns_) {
    core_.on_drained();
  }
  return heard;
}

// Everything else on this stream, our own answers included, is somebody else's (DRV-13, DRV-14).
void DriverAgent::Impl::on_message(std::span<const std::byte> message) {
  const auto header = wire::peek(message);
  if (!header) return;
  if (header->schema_id == messages::ShmAttachRequest::schema_id)
    return on_driver_message(*header, message);
  if (header->schema_id == wire::ConsumerHello::schema_id &&
      header->template_id == wire::ConsumerHello::template_id &&
      header->version == wire::schema_version) {
    hear(wire::try_decode<wire::ConsumerHello>(message), &DriverCore::on_hello);
  }
}

void DriverAgent::Impl::on_driver_message(const wire::MessageHeader& header,
                                          std::span<const std::byte> message) {
  if (header.version != wire::schema_version) {
    const auto id = wire::peek_attach_of_other_version(message);
    if (!id || !may_answer()) return;
    core_.on_attach_version(now(), *id, actions_);
    return apply();
  }
  switch (header.template_id) {
    case messages::ShmAttachRequest::template_id:
      return hear(wire::try_decode_request<messages::ShmAttachRequest>(message),
                  &DriverCore::on_attach);
    case messages::ShmDetachRequest::template_id:
      return hear(wire::try_decode_request<messages::ShmDetachRequest>(message),
                  &DriverCore::on_detach);
    case messages::ShmDriverShutdownRequest::template_id:
      return hear(wire::try_decode<messages::ShmDriverShutdownRequest>(message),
                  &DriverCore::on_shutdown_request);
    case messages::ShmLeaseKeepalive::template_id: {
      const auto keepalive = wire::try_decode<messages::ShmLeaseKeepalive>(message);
      // Those of living leases ask for nothing and are heard in any case.
      if (keepalive && core_.leases().all().contains(keepalive->lease_id)) {
        core_.on_keepalive(now(), *keepalive, actions_);
        return apply();
      }
      return hear(keepalive, &DriverCore::on_keepalive);
    }
    default:
      return;
  }
}

template <class M, class Decoded>
void DriverAgent::Impl::hear(const Decoded& decoded,
                             void (DriverCore::*step)(Now, const M&, Actions&)) {
  if (!decoded) {
    ++malformed_;
    return;
  }
  if (!may_answer()) return;
  (core_.*step)(now(), *decoded, actions_);
  apply();
}

// Whether there is room for what an input may ask for. Requests that come meanwhile are not heard: their clients
// ask again, while an answer that got lost would be missed.
bool DriverAgent::Impl::may_answer() {
  if (outbox_.has_room()) {
    complained_ = false;
    return true;
  }
  ++shed_;
  if (!std::exchange(complained_, true)) {
    error(0, fmt::format("requests are not heard: {} messages wait for room in streams {} and {}; "
                         "find the subscriber that stands still, or use a larger term-length",
                         outbox_.size(), options_.control.stream_id, options_.announce.stream_id));
  }
  return false;
}

// --- Time.

int DriverAgent::Impl::timers() {
  int work = 0;
  while (work < base::limits::driver_timer_steps && core_.deadline() <= now().monotonic) {
    // Without a media driver nobody hears it; the end does not wait for one.
    if (!outbox_.has_room() && core_.state() != State::running && !up()) outbox_.give_up();
    if (!outbox_.has_room()) break;
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

// --- Files.

void DriverAgent::Impl::ask(RegionJob job) {
  if (worker_.submit(std::move(job))) return;
  const Error full(Code::limit_exceeded, "driver", "too many file operations are under way");
  std::visit(
      protocol::Overloaded{
          [](std::monostate&) {},
          [&](protocol::driver::CreateRegions& create) {
            refused_.push_back(CreationFailed{create.request_id, full});
          },
          [&](protocol::driver::CollectEpochs& collect) {
            refused_.push_back(EpochsCollected{collect.request_id, collect.stream_id, 0, 1, full});
          },
          [&](protocol::driver::RemoveRegions& remove) { removals_.push_back(remove); },
          [](Retire&) {},  // unmapped here and now
      },
      job);
}

// One at a time and only with room for what the core makes of it.
int DriverAgent::Impl::answers() {
  int work = 0;
  while (!removals_.empty() && worker_.submit(std::move(removals_.front()))) removals_.pop_front();
  while (work < base::limits::driver_answers_per_cycle && outbox_.has_room()) {
    RegionAnswer answer;
    if (!refused_.empty()) {
      answer = std::move(refused_.front());
      refused_.pop_front();
    } else {
      answer = worker_.take();
    }
    if (std::holds_alternative<std::monostate>(answer)) break;
    on_answer(std::move(answer));
    ++work;
  }
  return work;
}

void DriverAgent::Impl::on_answer(RegionAnswer answer) {
  std::visit(protocol::Overloaded{
                 [](std::monostate&) {},
                 [&](RegionsCreated& created) { on_created(std::move(created)); },
                 [&](CreationFailed& failed) {
                   core_.on_create_failed(now(), failed.request_id, failed.error, actions_);
                 },
                 [&](EpochsCollected& collected) { on_collected(collected); },
                 [](Retired&) {},
             },
             answer);
  apply();
}

void DriverAgent::Impl::on_created(RegionsCreated created) {
  const shm::StreamLayout& layout = created.regions.layout;
  wire::ShmPoolAnnounce description = describe(created.regions);
  retire(layout.stream_id);
  const std::uint64_t bytes = bytes_of(layout);
  bytes_reserved_ += bytes;
  held_.emplace(layout.stream_id, Held{layout.epoch, bytes, std::move(created.mapped)});
  core_.on_created(now(), created.request_id, std::move(description), actions_);
}

void DriverAgent::Impl::on_collected(const EpochsCollected& collected) {
  if (collected.error) error(collected.stream_id, collected.error->message());
  if (collected.request_id != 0) {
    core_.on_collected(now(), collected.request_id, collected.removed, collected.failed, actions_);
  } else if (collected.failed != 0 && !collected.error) {
    error(collected.stream_id,
          fmt::format("{} epochs of stream {} in '{}' could not be removed; remove them by hand",
                      collected.failed, collected.stream_id, place_.directory()));
  }
}

// Once, for streams that a former driver made on demand: nobody may ever ask for them again (A10). Those
// that somebody asked for meanwhile are looked after already.
int DriverAgent::Impl::collect_left_behind() {
  if (left_behind_.empty() || core_.state() == State::stopped) return 0;
  if (worker_.outstanding() >= base::limits::driver_creations) return 0;
  protocol::driver::CollectEpochs collect;
  collect.stream_id = left_behind_.front();
  left_behind_.pop_front();
  if (core_.streams().all().contains(collect.stream_id)) return 1;
  collect.keep = options_.core.epoch_gc_keep;
  collect.min_age_ns = options_.core.epoch_gc_min_age_ns != 0
                           ? options_.core.epoch_gc_min_age_ns
                           : 3 * static_cast<std::uint64_t>(options_.core.announce_period_ns);
  ask(collect);
  return 1;
}

// The stream has other regions now, or none.
void DriverAgent::Impl::retire(std::uint32_t stream_id) {
  auto node = held_.extract(stream_id);
  if (node.empty()) return;
  bytes_reserved_ -= node.mapped().bytes;
  ask(Retire{stream_id, std::move(node.mapped().mapped)});
}

// --- What the core wants.

void DriverAgent::Impl::apply() {
  for (Action& action : actions_.take()) perform(action);
}

void DriverAgent::Impl::perform(Action& action) {
  std::visit(protocol::Overloaded{
                 [&](const protocol::driver::SendAttachResponse& send) { say(send.message); },
                 [&](const protocol::driver::SendDetachResponse& send) { say(send.message); },
                 [&](const protocol::driver::SendLeaseRevoked& send) { say(send.message); },
                 [&](const protocol::driver::SendDriverShutdown& send) { say(send.message); },
                 [&](const protocol::driver::SendConsumerConfig& send) { say(send.message); },
                 [&](const protocol::driver::SendAnnounce& send) { announce(send); },
                 [&](protocol::driver::CreateRegions& create) { ask(std::move(create)); },
                 [&](const protocol::driver::CollectEpochs& collect) { ask(collect); },
                 [&](const protocol::driver::RemoveRegions& remove) { ask(remove); },
                 [&](const protocol::driver::Stopped&) {
                   last_words_until_ns_ = protocol::driver::later(now().monotonic, last_words_ns);
                 },
                 [&](const Report& report) { on_report(report); },
             },
             action);
}

template <class M>
void DriverAgent::Impl::say(const M& message) {
  if (const auto put = outbox_.put(message); !put) error(0, put.error().message());
}

void DriverAgent::Impl::announce(const protocol::driver::SendAnnounce& action) {
  const auto held = held_.find(action.message.stream_id);
  if (action.refresh_activity && held != held_.end() && held->second.epoch == action.message.epoch)
    held->second.mapped.refresh_activity(static_cast<std::uint64_t>(now().monotonic));
  if (const auto put = outbox_.put(action.message); !put)
    error(action.message.stream_id, put.error().message());
}

void DriverAgent::Impl::on_report(const Report& report) {
  if (report.event == Event::regions_failed || report.event == Event::stream_forgotten) {
    const auto stream = core_.streams().all().find(report.stream_id);
    if (stream == core_.streams().all().end() || !stream->second.regions) retire(report.stream_id);
  }
  if (options_.on_report) options_.on_report(report);
}

void DriverAgent::Impl::notice(NoticeKind kind, std::uint32_t stream_id, std::string_view text) {
  if (options_.on_notice) options_.on_notice(DriverNotice{kind, stream_id, text});
}

int DriverAgent::Impl::send() {
  if (generation_ == nullptr) return 0;
  return outbox_.flush(now().monotonic, generation_->control_out, announce_link(),
                       [this](const Error& e) { error(0, e.message()); });
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
  status.connected = up();
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
