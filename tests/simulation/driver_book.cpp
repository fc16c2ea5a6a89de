#include "simulation/driver_book.hpp"

#include <algorithm>
#include <charconv>
#include <string_view>

#include "simulation/driver_process.hpp"
#include "simulation/driver_side.hpp"
#include "simulation/world.hpp"

namespace tensorpool::simulation {

using protocol::driver::Event;
using protocol::driver::LeaseKey;
using DriverReport = protocol::driver::Report;
using protocol::driver::State;
using ClientRole = wire::driver::Role;

namespace {

constexpr std::size_t messages_kept = 64;
constexpr std::size_t regions_per_epoch = 3;  // the header ring and two pools

bool inside(std::uint32_t id, std::uint32_t first, std::uint32_t last) {
  return id >= first && id <= last;
}

}  // namespace

DriverBook::DriverBook(DriverSide& side) : side_(side), world_(side.world()) {}

void DriverBook::new_host(bool keeps_files) {
  driving_ = 0;
  order_.clear();
  messages_.clear();
  told_.clear();
  kept_alive_.clear();
  epochs_.clear();
  if (!keeps_files) {
    made_.clear();
    announced_.clear();
    over_.clear();
  }
  // What has no directory any more is remembered by nobody.
  for (auto& [stream, highest] : made_) {
    highest = 0;
    for (const std::string& name :
         world_.host()->disk.names(fmt::format("{}/{}", namespace_directory, stream))) {
      std::uint64_t epoch = 0;
      (void)std::from_chars(name.data(), name.data() + name.size(), epoch);
      highest = std::max(highest, epoch);
      epochs_.emplace(stream, epoch);
    }
    announced_[stream] = std::min(announced_[stream], highest);
    over_[stream] = std::min(over_[stream], highest);
  }
}

const LeaseEntry* DriverBook::lease(std::uint64_t lease_id) const {
  const auto found = leases_.find(lease_id);
  return found == leases_.end() ? nullptr : &found->second;
}

const LeaseEntry* DriverBook::kept_alive_by(std::int64_t client, const Part& part) const {
  const auto found = kept_alive_.find({client, part.stream, part.produces});
  return found == kept_alive_.end() ? nullptr : lease(found->second);
}

LeaseEntry* DriverBook::match(const LeaseKey& key) {
  const auto found = leases_.find(key.lease_id);
  return found == leases_.end() || found->second.key != key ? nullptr : &found->second;
}

std::size_t DriverBook::living() const {
  return static_cast<std::size_t>(std::count_if(leases_.begin(), leases_.end(), [&](const auto& l) {
    return l.second.driver == driving_ && !l.second.ended;
  }));
}

const LeaseEntry* DriverBook::untold() const {
  for (const auto& [id, lease] : leases_) {
    if (lease.driver == driving_ && lease.must_tell && !lease.told) return &lease;
  }
  return nullptr;
}

// --- The life of drivers.

void DriverBook::on_made(DriverProcess& driver) {
  if (driving_ != 0) {
    world_.fail(fmt::format("{} drives, though driver {} does", driver.name(), driving_));
  }
  driving_ = driver.incarnation();
  released_.clear();
  world_.hit(Probe::driver_started);
}

void DriverBook::on_refused(const DriverProcess& driver) {
  if (world_.over()) return;
  world_.hit(Probe::second_driver_refused);
  if (driving_ == 0 && !side_.starting_beside(driver))
    world_.fail(fmt::format("{} is refused, though no other driver is there", driver.name()));
}

// Its leases end with it; nobody is told any more.
void DriverBook::on_over(const DriverProcess& driver) {
  if (driving_ == driver.incarnation()) driving_ = 0;
  for (auto& [id, lease] : leases_) {
    if (lease.driver == driver.incarnation()) lease.ended = true;
  }
}

void DriverBook::on_report(DriverProcess& driver, const DriverReport& report) {
  if (world_.over()) return;
  world_.trace("{} {} stream {} client {} lease {} epoch {} {}", driver.name(), name(report.event),
               report.stream_id, report.client_id, report.lease_id, report.epoch, report.text);
  switch (report.event) {
    case Event::lease_granted:
      return granted(driver, report);
    case Event::lease_ended:
      return ended(driver, report);
    case Event::regions_created:
      return regions_created(driver, report);
    case Event::draining:
      world_.hit(Probe::driver_drained);
      if (!driver.may_drain())
        world_.fail(fmt::format("{} drains, though nobody who may asked it to", driver.name()));
      return;
    case Event::stopped:  // all at once, with the notice of the shutdown
      for (auto& [id, lease] : leases_) {
        if (lease.driver == driver.incarnation()) lease.ended = true;
      }
      return;
    case Event::regions_failed:
      if (report.text.find("no_space") != std::string::npos) world_.hit(Probe::disk_full);
      return world_.hit(Probe::creation_failed);
    case Event::epochs_removed:
      return world_.hit(Probe::epochs_collected);
    case Event::stream_forgotten:
      return world_.hit(Probe::stream_forgotten);
    case Event::epoch_removal_failed:
      return world_.hit(Probe::removal_failed);
    case Event::stream_created:
    case Event::node_ids_exhausted:
      break;
  }
}

void DriverBook::granted(DriverProcess& driver, const DriverReport& report) {
  const auto& table = driver.agent()->core().leases().all();
  const auto found = table.find(report.lease_id);
  if (found == table.end())
    return world_.fail(fmt::format("lease {} is granted and not in the table", report.lease_id));
  const protocol::driver::Lease& lease = found->second;
  world_.hit(Probe::lease_granted);
  for (const auto& [id, other] : leases_) {
    if (id == report.lease_id) {
      return world_.fail(
          fmt::format("lease id {} is granted a second time, by {}; first by driver {}", id,
                      driver.name(), other.driver));
    }
    if (other.ended || other.driver != driver.incarnation()) continue;
    const bool both_produce =
        other.key.role == ClientRole::producer && lease.key.role == ClientRole::producer;
    if (both_produce && other.key.stream_id == lease.key.stream_id)
      return world_.fail(fmt::format("stream {} has two producers", lease.key.stream_id));
    if (other.key.client_id == lease.key.client_id)
      return world_.fail(fmt::format("client id {} has two leases", lease.key.client_id));
    if (other.node_id && other.node_id == lease.node_id)
      return world_.fail(fmt::format("node id {} has two leases", *lease.node_id));
  }
  if (lease.node_id) {
    const auto former = released_.find(*lease.node_id);
    const base::Nanos now = driver.host().clock.monotonic_ns();
    if (former != released_.end() && former->second.client_id != lease.key.client_id &&
        now - former->second.at_ns < side_.deployment().node_cooldown_ns) {
      return world_.fail(fmt::format(
          "node id {} goes to client {} within {} ns of client {}, before its rest is over",
          *lease.node_id, lease.key.client_id, now - former->second.at_ns,
          former->second.client_id));
    }
    if (former != released_.end()) world_.hit(Probe::node_id_used_again);
  }
  if (lease.key.role == ClientRole::producer && report.epoch <= announced_[report.stream_id]) {
    return world_.fail(
        fmt::format("a producer is granted epoch {} of stream {}, which was announced",
                    report.epoch, report.stream_id));
  }
  LeaseEntry entry;
  entry.key = lease.key;
  entry.driver = driver.incarnation();
  entry.epoch = report.epoch;
  entry.node_id = lease.node_id;
  entry.expiry_ns = lease.expiry_ns;
  leases_.emplace(report.lease_id, entry);
  order_.push_back(report.lease_id);
}

void DriverBook::ended(DriverProcess& driver, const DriverReport& report) {
  const auto found = leases_.find(report.lease_id);
  if (found == leases_.end() || found->second.ended ||
      found->second.driver != driver.incarnation()) {
    return world_.fail(fmt::format("lease {} ends, which does not live", report.lease_id));
  }
  LeaseEntry& lease = found->second;
  check_reason(driver, lease, report.text);
  lease.ended = lease.must_tell = true;
  if (lease.node_id)
    released_[*lease.node_id] = {lease.key.client_id, driver.host().clock.monotonic_ns()};
}

// A lease ends for its reason only.
void DriverBook::check_reason(DriverProcess& driver, const LeaseEntry& lease,
                              const std::string& reason) {
  const base::Nanos now = driver.host().clock.monotonic_ns();
  const std::uint64_t id = lease.key.lease_id;
  if (reason == "DETACHED") {
    world_.hit(Probe::lease_detached);
    if (!lease.detach_heard)
      world_.fail(fmt::format("lease {} is detached, though its client did not ask for it", id));
    return;
  }
  if (reason == "REVOKED") {
    if (driver.revoking() != id)
      world_.fail(fmt::format("lease {} is revoked, though the house did not ask for it", id));
    return;
  }
  world_.hit(Probe::lease_expired);
  if (lease.heard || now <= lease.expiry_ns)
    return world_.fail(
        fmt::format("lease {} expires before its time, which is {}", id, lease.expiry_ns));
  const std::optional<base::Nanos> behind = driver.behind_for();
  if (!behind) return;
  world_.hit(Probe::expired_while_behind);
  if (*behind < side_.deployment().keepalive_interval_ns && driver.keepalive_waits(id)) {
    world_.fail(fmt::format(
        "lease {} expires while its keepalive waits at a driver that has been behind for {} ns", id,
        *behind));
  }
}

void DriverBook::regions_created(const DriverProcess& driver, const DriverReport& report) {
  if (report.epoch <= made_[report.stream_id]) forget_floor(driver, report.stream_id, 0);
  std::uint64_t& highest = made_[report.stream_id];
  if (report.epoch <= highest) {
    world_.fail(fmt::format("epoch {} of stream {} is created behind {}", report.epoch,
                            report.stream_id, highest));
  }
  highest = report.epoch;
  epochs_.emplace(report.stream_id, report.epoch);
}

// Between two duty cycles: the table of leases is what was reported, ids are shared by nobody, and deadlines move
// with keepalives only.
void DriverBook::look(DriverProcess& driver) {
  const auto& table = driver.agent()->core().leases().all();
  std::set<std::uint32_t> descriptor_streams;
  std::set<std::uint32_t> control_streams;
  for (const auto& [id, lease] : table) {
    const auto found = leases_.find(id);
    if (found == leases_.end() || found->second.ended)
      return world_.fail(fmt::format("lease {} lives in the table of {}, and nobody was told so",
                                     id, driver.name()));
    LeaseEntry& entry = found->second;
    if (lease.expiry_ns != entry.expiry_ns && !entry.heard) {
      return world_.fail(fmt::format("lease {} lives on until {} without a keepalive of its client",
                                     id, lease.expiry_ns));
    }
    entry.expiry_ns = lease.expiry_ns;
    for (auto [stream, taken, first, last] :
         {std::tuple{lease.descriptor_stream_id, &descriptor_streams, first_descriptor_stream,
                     last_descriptor_stream},
          std::tuple{lease.control_stream_id, &control_streams, first_control_stream,
                     last_control_stream}}) {
      if (stream == 0) continue;
      world_.hit(Probe::stream_of_one_consumer);
      if (!inside(stream, first, last) || !taken->insert(stream).second)
        return world_.fail(fmt::format("stream {} is given to two consumers, or none's", stream));
    }
  }
  std::size_t alive = 0;
  for (auto& [id, entry] : leases_) {
    if (entry.driver != driver.incarnation()) continue;
    entry.heard = false;
    alive += entry.ended ? 0U : 1U;
  }
  if (alive != table.size())
    world_.fail(fmt::format("{} has {} leases, {} were granted and have not ended", driver.name(),
                            table.size(), alive));
}

// --- The network.

void DriverBook::on_message(const sim::MessageEvent& event) {
  const auto stream = static_cast<std::uint32_t>(event.stream_id);
  if (world_.over() || (stream != control_stream && stream != announce_stream)) return;
  DriverProcess* driver = side_.driver_of_client(event.client);
  if (event.sent) {
    if (stream == control_stream && !side_.is_stranger(event.client)) {
      messages_.emplace_back(event.bytes.begin(), event.bytes.end());
      if (messages_.size() > messages_kept) messages_.pop_front();
    }
    if (driver != nullptr) return driver_says(*driver, event.bytes);
    return client_says(event.client, event.bytes);
  }
  if (driver != nullptr) return driver_hears(*driver, event.bytes);
  client_hears(event.client, event.bytes);
}

void DriverBook::driver_says(DriverProcess& driver, std::span<const std::byte> bytes) {
  if (const auto response = wire::try_decode<wire::driver::ShmAttachResponse>(bytes))
    return says(driver, *response);
  if (const auto notice = wire::try_decode<wire::driver::ShmLeaseRevoked>(bytes))
    return says(driver, *notice);
  if (const auto announce = wire::try_decode<wire::ShmPoolAnnounce>(bytes))
    return says(driver, *announce);
  if (wire::try_decode<wire::driver::ShmDriverShutdown>(bytes)) {
    driver.shutdown_told = true;
    world_.hit(Probe::shutdown_told);
  }
}

// Refusals are all that a driver has to say behind its shutdown notice.
bool DriverBook::over(DriverProcess& driver) {
  if (driver.shutdown_told)
    world_.fail(fmt::format("{} goes on behind its shutdown notice", driver.name()));
  return driver.shutdown_told;
}

void DriverBook::says(DriverProcess& driver, const wire::driver::ShmAttachResponse& message) {
  if (message.code != wire::ResponseCode::ok) return world_.hit(Probe::attach_refused);
  if (over(driver)) return;
  const LeaseEntry* lease = message.lease_id ? this->lease(*message.lease_id) : nullptr;
  if (lease == nullptr || lease->driver != driver.incarnation())
    return world_.fail(
        fmt::format("{} answers an attach with a lease that it did not grant", driver.name()));
  if (lease->told) {
    return world_.fail(
        fmt::format("lease {} is granted behind the notice of its end", lease->key.lease_id));
  }
  const auto& streams = driver.agent()->core().streams().all();
  const auto stream = streams.find(lease->key.stream_id);
  // An answer may have waited for a media driver, and its epoch be over.
  if (lease->ended || stream == streams.end() || stream->second.epoch != message.epoch) return;
  const std::string directory =
      fmt::format("{}/{}/{}", namespace_directory, lease->key.stream_id, message.epoch.value_or(0));
  if (driver.host().disk.names(directory).size() != regions_per_epoch) {
    world_.fail(fmt::format("lease {} is granted, and the regions in {} are not there",
                            lease->key.lease_id, directory));
  }
}

void DriverBook::says(DriverProcess& driver, const wire::driver::ShmLeaseRevoked& message) {
  if (over(driver)) return;
  const auto found = leases_.find(message.lease_id);
  if (found == leases_.end() || found->second.driver != driver.incarnation()) {
    // Of a former driver's lease, or of one that never was.
    return world_.hit(Probe::stranger_answered);
  }
  LeaseEntry& lease = found->second;
  if (lease.told || !lease.ended) {
    return world_.fail(fmt::format("the end of lease {} is told {}", message.lease_id,
                                   lease.told ? "twice" : "while it lives"));
  }
  lease.told = true;
  if (lease.key.role == ClientRole::producer)
    over_[lease.key.stream_id] = std::max(over_[lease.key.stream_id], lease.epoch);
}

void DriverBook::says(DriverProcess& driver, const wire::ShmPoolAnnounce& message) {
  if (over(driver)) return;
  std::uint64_t& highest = announced_[message.stream_id];
  if (message.epoch < highest || message.epoch <= over_[message.stream_id]) {
    return world_.fail(fmt::format(
        "{} announces epoch {} of stream {} behind {}, after the end of the producer of {}",
        driver.name(), message.epoch, message.stream_id, highest, over_[message.stream_id]));
  }
  highest = message.epoch;
  if (!epochs_.contains({message.stream_id, message.epoch})) {
    world_.fail(fmt::format("{} announces epoch {} of stream {}, which was not created",
                            driver.name(), message.epoch, message.stream_id));
  }
}

void DriverBook::driver_hears(DriverProcess& driver, std::span<const std::byte> bytes) {
  if (const auto keepalive = wire::try_decode<wire::driver::ShmLeaseKeepalive>(bytes)) {
    LeaseEntry* lease =
        match({keepalive->lease_id, keepalive->stream_id, keepalive->client_id, keepalive->role});
    if (lease != nullptr && lease->driver == driver.incarnation()) lease->heard = true;
    if (lease == nullptr && this->lease(keepalive->lease_id) != nullptr)
      world_.hit(Probe::keepalive_with_wrong_ids);
    return;
  }
  if (const auto detach = wire::try_decode_request<wire::driver::ShmDetachRequest>(bytes)) {
    LeaseEntry* lease =
        match({detach->lease_id, detach->stream_id, detach->client_id, detach->role});
    if (lease != nullptr && lease->driver == driver.incarnation()) lease->detach_heard = true;
    return;
  }
  const auto shutdown = wire::try_decode<wire::driver::ShmDriverShutdownRequest>(bytes);
  if (shutdown && shutdown->token == shutdown_token) driver.allow_draining();
}

// A client that heard of the end of its lease never speaks for it again.
void DriverBook::client_says(std::int64_t client, std::span<const std::byte> bytes) {
  const auto keepalive = wire::try_decode<wire::driver::ShmLeaseKeepalive>(bytes);
  if (keepalive && !side_.is_stranger(client)) {
    kept_alive_[{client, keepalive->stream_id, keepalive->role == ClientRole::producer}] =
        keepalive->lease_id;
  }
  if (!keepalive || !told_.contains({client, keepalive->lease_id})) return;
  world_.fail(fmt::format("lease {} is kept alive after its client heard the notice of its end",
                          keepalive->lease_id));
}

void DriverBook::client_hears(std::int64_t client, std::span<const std::byte> bytes) {
  const auto notice = wire::try_decode<wire::driver::ShmLeaseRevoked>(bytes);
  if (!notice) return;
  const LeaseEntry* lease =
      match({notice->lease_id, notice->stream_id, notice->client_id, notice->role});
  // What a later driver says of it has no place in the order of what this one said.
  if (lease == nullptr || !lease->told) return;
  told_.emplace(client, notice->lease_id);
  if (lease->key.role == ClientRole::producer)
    side_.on_producer_gone(client, lease->key.stream_id, lease->epoch);
}

// --- The disk.

// With the directory of its highest epoch a stream loses what was remembered of epochs ahead of the clock, which a disk
// brought from an earlier boot. `going`: one that is about to go; 0: none.
void DriverBook::forget_floor(const DriverProcess& driver, std::uint32_t stream_id,
                              std::uint64_t going) {
  const Host& host = driver.host();
  const std::uint64_t floor = made_[stream_id];
  if (floor < static_cast<std::uint64_t>(host.clock.monotonic_ns())) return;
  const std::vector<std::string> names =
      host.disk.names(fmt::format("{}/{}", namespace_directory, stream_id));
  const bool there = std::find(names.begin(), names.end(), fmt::format("{}", floor)) != names.end();
  if (going != floor && there) return;
  made_.erase(stream_id);
  announced_.erase(stream_id);
  over_.erase(stream_id);
  side_.on_floor_forgotten(stream_id);
}

void DriverBook::on_change(sim::MemoryDisk::Change change, const std::string& path,
                           std::uint64_t process) {
  if (world_.over()) return;
  const DriverProcess* driver = side_.driver_of_process(process);
  if (driver == nullptr)
    return world_.fail(fmt::format("process {}, which is no driver, changes {}", process, path));
  if (change == sim::MemoryDisk::Change::removed) removed(*driver, path);
}

// Nothing of an epoch goes while a lease refers to it, and none of those that are to be kept.
void DriverBook::removed(const DriverProcess& driver, const std::string& path) {
  const std::string_view start = namespace_directory;
  if (!path.starts_with(start) || path.size() <= start.size() + 1) return;
  const char* at = path.data() + start.size() + 1;
  const char* end = path.data() + path.size();
  std::uint32_t stream_id = 0;
  std::uint64_t epoch = 0;
  const auto stream_end = std::from_chars(at, end, stream_id);
  if (stream_end.ec != std::errc() || stream_end.ptr == end) return;
  const auto epoch_end = std::from_chars(stream_end.ptr + 1, end, epoch);
  if (epoch_end.ec != std::errc()) return;
  if (epoch_end.ptr == end) forget_floor(driver, stream_id, epoch);
  if (driver.agent() == nullptr || !epochs_.contains({stream_id, epoch})) return;  // half made
  const auto& core = driver.agent()->core();
  if (core.state() == State::stopped) return world_.hit(Probe::regions_removed_at_the_end);
  const auto& streams = core.streams().all();
  const auto found = streams.find(stream_id);
  const std::uint64_t current = found == streams.end() ? 0 : found->second.epoch;
  if (epoch == current && found->second.regions)
    return world_.fail(fmt::format("{} is removed, though {} leases refer to epoch {}", path,
                                   found->second.leases, epoch));
  std::size_t higher = 0;
  const std::string directory = fmt::format("{}/{}", start, stream_id);
  for (const std::string& name : driver.host().disk.names(directory)) {
    std::uint64_t other = 0;
    const auto parsed = std::from_chars(name.data(), name.data() + name.size(), other);
    if (parsed.ec == std::errc() && other > epoch && other != current) ++higher;
  }
  if (higher + 1 < side_.deployment().gc_keep) {
    world_.fail(
        fmt::format("{} is removed, though {} epochs are to be kept and {} others are higher", path,
                    side_.deployment().gc_keep, higher));
  }
}

}  // namespace tensorpool::simulation
