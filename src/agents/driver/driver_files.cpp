// What a driver asks of its region worker, and what it makes of the answers.
#include <fmt/format.h>

#include <utility>

#include "agents/describe.hpp"
#include "agents/driver/driver_impl.hpp"
#include "protocol/overloaded.hpp"

namespace tensorpool::agents::driver {
namespace {

std::uint64_t bytes_of(const shm::StreamLayout& layout) {
  std::uint64_t sum = shm::header_ring_bytes(layout.nslots).value_or(0);
  for (const shm::PoolSpec& pool : layout.pools)
    sum += shm::pool_bytes(layout.nslots, pool.stride_bytes).value_or(0);
  return sum;
}

}  // namespace

void DriverAgent::Impl::ask(RegionJob&& job) {
  if (worker_.submit(std::move(job))) return;
  const Error full(Code::limit_exceeded, "driver", "too many file operations are under way");
  std::visit(protocol::Overloaded{
                 [](std::monostate&) {},
                 [&](protocol::driver::CreateRegions& create) {
                   refused_.push_back(CreationFailed{create.request_id, full});
                 },
                 [&](protocol::driver::CollectEpochs& collect) {
                   refused_.push_back(
                       EpochsCollected{collect.request_id, collect.stream_id, 0, 1, full, 0});
                 },
                 [&](protocol::driver::RemoveRegions& remove) { removals_.push_back(remove); },
                 [](Retire&) {},  // unmapped here and now
             },
             job);
}

// One at a time and only with room for what the core makes of it.
int DriverAgent::Impl::answers() {
  int work = 0;
  while (!removals_.empty() && worker_.submit(removals_.front())) removals_.pop_front();
  const bool over = core_.state() == State::stopped;  // and asks for nothing any more
  while (work < base::limits::driver_answers_per_cycle && (over || outbox_.has_room())) {
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
    core_.on_collected(now(), collected.request_id, collected.removed, collected.failed, actions_,
                       collected.young);
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

}  // namespace tensorpool::agents::driver
