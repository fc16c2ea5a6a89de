// A6, A7 and A10 of docs/protocol/04-driver.md: epochs, the regions behind them, what is announced of them and
// when the old ones go. Creation takes as long as the kernel needs and is the agent's; here it is a
// question that is answered later, one at a time for each stream.
#include <algorithm>
#include <utility>

#include "base/assert.hpp"
#include "protocol/driver/driver_core.hpp"
#include "shm/layout.hpp"

namespace tensorpool::protocol::driver {

// A producer always gets a new epoch (DRV-125); consumers only when there is none (DRV-133, DRV-134).
void DriverCore::create_for_whoever_waits(Stream& stream, Actions& actions) {
  if (stream.creation) return;
  const bool for_consumers = !stream.regions && !stream.waiting.empty();
  if (stream.producer_pending == 0 && !for_consumers) return;
  const std::uint64_t first =
      stream.producer_pending != 0 ? stream.producer_pending : stream.waiting.front();
  const bool hugepages = wants_hugepages(pending_.at(first).request.require_hugepages);
  ask_for_regions(stream, stream.producer_pending, hugepages, actions);
}

void DriverCore::ask_for_regions(Stream& stream, std::uint64_t producer_id, bool hugepages,
                                 Actions& actions) {
  TP_ASSERT(!stream.creation && stream.profile != nullptr);
  const bool second_try = false;
  const std::optional<std::uint64_t> epoch = next_epoch(now_.monotonic, stream.last_epoch);
  stream.creation = Creation{0, epoch.value_or(0), producer_id, hugepages, second_try};
  if (!epoch)
    return creation_failed(stream, "no epoch is left; the stream needs a new id or namespace",
                           actions);
  request_creation(stream, *epoch, actions);
}

// Both tries of a creation come here, each with an epoch of its own.
void DriverCore::request_creation(Stream& stream, std::uint64_t epoch, Actions& actions) {
  Creation& creation = *stream.creation;
  stream.last_epoch = epoch;
  creation.epoch = epoch;
  creation.request_id = next_id_++;
  asked_[creation.request_id] = stream.stream_id;
  CreateRegions create;
  create.request_id = creation.request_id;
  create.layout.stream_id = stream.stream_id;
  create.layout.epoch = epoch;
  create.layout.nslots = stream.profile->header_nslots;
  create.layout.pools = stream.profile->pools;
  create.require_hugepages = creation.hugepages;
  actions.add(std::move(create));
}

// A producer is gone: its epoch is over at once, and the next one is made for the consumers that stay
// (DRV-92, DRV-126, DRV-136). Until it is there the stream is not announced.
void DriverCore::end_epoch(Stream& stream, Actions& actions) {
  stream.regions.reset();
  announces_.erase(stream.stream_id);
  ask_for_regions(stream, 0, stream.hugepages, actions);
  if (stream.creation) stream.epoch = stream.creation->epoch;
}

Stream* DriverCore::asked_for(std::uint64_t request_id) {
  const auto found = asked_.find(request_id);
  if (found == asked_.end()) return nullptr;
  Stream* stream = streams_.find(found->second);
  asked_.erase(found);
  TP_ASSERT(stream != nullptr);  // a stream with questions open is not forgotten
  return stream;
}

void DriverCore::on_created(Now now, std::uint64_t request_id, wire::ShmPoolAnnounce description,
                            Actions& actions) {
  on_held_up(now);
  Stream* stream = asked_for(request_id);
  if (stream == nullptr) return;
  TP_ASSERT(stream->creation && stream->creation->request_id == request_id);
  const Creation creation = *std::exchange(stream->creation, std::nullopt);
  TP_ASSERT(shm::epoch_usable(description.epoch) && description.epoch >= creation.epoch);
  description.stream_id = stream->stream_id;
  description.announce_clock_domain = settings_.announce_clock_domain;
  stream->epoch = stream->last_epoch = description.epoch;
  stream->hugepages = creation.hugepages;
  stream->regions = std::move(description);
  counters_.add(Count::regions_created);
  report(Event::regions_created, *stream, {}, actions);
  if (creation.producer_id != 0 && stream->producer_pending == creation.producer_id) {
    auto pending = pending_.extract(creation.producer_id);
    pending_of_client_.erase(pending.mapped().request.client_id);
    stream->producer_pending = 0;
    --stream->pendings;
    grant(pending.mapped(), *stream, actions);
  }
  announce(*stream, actions);
  if (stream->held_detach) {
    answer_detach(*std::exchange(stream->held_detach, std::nullopt), wire::ResponseCode::ok, {},
                  actions);
  }
  waiters_are_ready(*stream, std::nullopt);
  collect(*stream, actions);
  create_for_whoever_waits(*stream, actions);
  settle(*stream, actions);
  answer_ready(actions);
}

void DriverCore::on_create_failed(Now now, std::uint64_t request_id, const Error& error,
                                  Actions& actions) {
  on_held_up(now);
  Stream* stream = asked_for(request_id);
  if (stream == nullptr) return;
  TP_ASSERT(stream->creation && stream->creation->request_id == request_id);
  Creation& creation = *stream->creation;
  if (error.code() != Code::no_space || creation.second_try || !collects()) {
    creation_failed(*stream, error.message(), actions);
    return answer_ready(actions);
  }
  creation.second_try = true;
  make_room(actions);
  creation.request_id = ask_to_collect(*stream, true, actions);
}

// All streams lie on one file system: what others wait with for its age goes as well (DRV-184), as far as there is
// room to ask for it.
void DriverCore::make_room(Actions& actions) {
  while (const std::optional<std::uint32_t> waiting = collections_.due(never)) {
    if (!room(actions)) return;
    collections_.erase(*waiting);
    Stream& stream = *streams_.find(*waiting);
    if (!stream.creation && stream.collecting == 0)
      stream.collecting = ask_to_collect(stream, true, actions);
  }
}

// Everybody who waited for it hears why. What the stream had before, it keeps.
void DriverCore::creation_failed(Stream& stream, std::string_view reason, Actions& actions) {
  const Creation creation = *std::exchange(stream.creation, std::nullopt);
  counters_.add(Count::creations_failed);
  report(Event::regions_failed, stream, reason, actions);
  const std::string failure(reason);
  if (creation.producer_id != 0 && stream.producer_pending == creation.producer_id) {
    stream.producer_pending = 0;
    pending_.at(creation.producer_id).failure = failure;
    ready_.push_back(creation.producer_id);
  }
  waiters_are_ready(stream, failure);
  if (stream.held_detach) {
    answer_detach(*std::exchange(stream.held_detach, std::nullopt), wire::ResponseCode::ok, {},
                  actions);
  }
  create_for_whoever_waits(stream, actions);
  settle(stream, actions);
}

void DriverCore::waiters_are_ready(Stream& stream, const std::optional<std::string>& failure) {
  for (const std::uint64_t id : stream.waiting) {
    pending_.at(id).failure = failure;
    ready_.push_back(id);
  }
  stream.waiting.clear();
}

bool DriverCore::collects() const noexcept {
  return settings_.epoch_gc_enabled && settings_.epoch_gc_keep != 0;  // DRV-187
}

// After an epoch came (DRV-181, DRV-182); while one collection of a stream is under way there is no second, but
// another look later.
void DriverCore::collect(Stream& stream, Actions& actions) {
  if (!collects()) return;
  stream.collect_again = true;
  if (stream.collecting != 0) return;
  collections_.erase(stream.stream_id);
  stream.collecting = ask_to_collect(stream, false, actions);
}

// Whoever comes and goes quickly leaves epochs that are too young to go, and nobody may come after him: without
// another look they would lie there for ever, in everybody's way. One is enough.
void DriverCore::collect_again(Actions& actions) {
  while (const std::optional<std::uint32_t> due = collections_.due(now_.monotonic)) {
    if (!room(actions)) return;
    collections_.erase(*due);
    Stream& stream = *streams_.find(*due);
    if (stream.creation) {  // brings a collection with it, or fails
      collections_.set(*due, later(now_.monotonic, settings_.announce_period_ns));
    } else if (stream.collecting == 0) {
      stream.collecting = ask_to_collect(stream, false, actions);
    }
  }
}

std::uint64_t DriverCore::min_age_ns() const noexcept {
  if (settings_.epoch_gc_min_age_ns != 0) return settings_.epoch_gc_min_age_ns;
  return 3 * static_cast<std::uint64_t>(settings_.announce_period_ns);
}

std::uint64_t DriverCore::ask_to_collect(const Stream& stream, bool waive_age, Actions& actions) {
  CollectEpochs collect;
  collect.request_id = next_id_++;
  collect.stream_id = stream.stream_id;
  collect.current_epoch = stream.epoch;
  collect.keep = settings_.epoch_gc_keep;
  collect.min_age_ns = min_age_ns();
  collect.waive_age = waive_age;
  asked_[collect.request_id] = stream.stream_id;
  actions.add(collect);
  return collect.request_id;
}

void DriverCore::on_collected(Now now, std::uint64_t request_id, std::size_t removed,
                              std::size_t failed, Actions& actions, std::size_t young) {
  on_held_up(now);
  Stream* stream = asked_for(request_id);
  if (stream == nullptr) return;
  counters_.add(Count::epochs_removed, removed);
  counters_.add(Count::removals_failed, failed);
  if (removed != 0) report(Event::epochs_removed, *stream, {}, actions);
  if (failed != 0 && !stream->removal_failed)
    report(Event::epoch_removal_failed, *stream, {}, actions);
  stream->removal_failed = failed != 0;
  if (stream->creation && stream->creation->request_id == request_id) {
    const std::optional<std::uint64_t> epoch = next_epoch(now_.monotonic, stream->last_epoch);
    if (epoch) return request_creation(*stream, *epoch, actions);
    creation_failed(*stream, "no epoch is left; the stream needs a new id or namespace", actions);
    return answer_ready(actions);
  }
  TP_ASSERT(stream->collecting == request_id);
  stream->collecting = 0;
  if (std::exchange(stream->collect_again, false) && young != 0) {
    const auto age = static_cast<base::Nanos>(std::min<std::uint64_t>(min_age_ns(), INT64_MAX));
    collections_.set(stream->stream_id, later(later(now_.monotonic, age), 1));
  }
  settle(*stream, actions);
}

// REQUIRES regions.
void DriverCore::announce(Stream& stream, Actions& actions) {
  TP_ASSERT(stream.regions.has_value());
  announces_.set(stream.stream_id, later(now_.monotonic, settings_.announce_period_ns));
  counters_.add(Count::announces);
  SendAnnounce send;
  send.message = *stream.regions;
  const Lease* producer =
      stream.producer_lease == 0 ? nullptr : leases_.find(stream.producer_lease);
  send.message.producer_id = producer == nullptr ? 0 : producer->key.client_id;
  send.refresh_activity = producer == nullptr;  // DRV-11
  const bool monotonic = settings_.announce_clock_domain == ClockDomain::monotonic;
  const base::Nanos clock = monotonic ? now_.monotonic : now_.realtime;
  send.message.announce_timestamp_ns =
      static_cast<std::uint64_t>(std::max<base::Nanos>(clock, 1));  // STR-28
  actions.add(std::move(send));
}

// Somebody came or went. A stream that was created on demand and never got regions leaves nothing behind
// (DRV-60). The reference is void afterwards.
void DriverCore::settle(Stream& stream, Actions& actions) {
  if (!stream.dynamic || !stream.unused() || stream.epoch != 0) {
    streams_.settle(stream, now_.monotonic);
    return;
  }
  report(Event::stream_forgotten, stream, "its regions could not be created", actions);
  collections_.erase(stream.stream_id);
  streams_.forget(stream.stream_id, now_.monotonic);
}

}  // namespace tensorpool::protocol::driver
