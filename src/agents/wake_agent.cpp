#include "agents/wake_agent.hpp"

#include <algorithm>
#include <atomic>
#include <utility>

#include "agents/counters.hpp"
#include "base/limits.hpp"

namespace tensorpool::agents {
namespace {

constexpr base::Nanos first_pause_ns = 1'000'000'000;
constexpr base::Nanos longest_pause_ns = 64'000'000'000;
constexpr base::Nanos choice_interval_ns = 10'000'000;

// In driver mode the lease names the port.
std::uint32_t id_of(const Cell& cell, std::uint32_t id) noexcept {
  const std::uint32_t leased = cell.client_id.load(std::memory_order_relaxed);
  return leased != 0 ? leased : id;
}

bool says_awake(const transport::CounterPlace& place) noexcept {
  return std::atomic_ref<std::int64_t>(*place.value).load(std::memory_order_relaxed) == 0;
}

}  // namespace

WakeStep WakeCounterAdd::do_work(AgentContext& context, std::int32_t type_id, std::string_view role,
                                 std::uint32_t stream, std::uint32_t id, AgentCounts& counts) {
  if (counter_ != nullptr || context.generation == nullptr) return {};
  const CounterKey key =
      counter_key(stream, id, static_cast<std::uint32_t>(context.world.file_system.process_id()));
  const auto step = adding_.step(context.now().monotonic, [&] {
    transport::CounterSpec spec;
    spec.type_id = type_id;
    spec.key = key;
    spec.label = counter_label(role, type_id == bell_type_id ? "bell" : "armed", stream, id);
    return context.generation->connection->add_counter(spec, context.add_deadline());
  });
  if (!step) {
    ++counts.errors;
    context.notify(NoticeKind::error, stream, 0, step.error().message());
    return {1, false};
  }
  if (!adding_.ready()) return {*step, false};
  counter_ = std::make_unique<LentCounter>(context.generation, adding_.take());
  return {*step, true};
}

void WakeCounterAdd::wire(Wiring& wiring) const {
  if (counter_ == nullptr) return;
  wiring.wake.own = counter_->counter->place();
  wiring.lent[wiring.lent_count++] = counter_.get();
}

void WakeCounterAdd::drop(AgentContext& context) {
  adding_ = {};
  context.graveyard.bury(std::move(counter_));
}

bool WaiterList::passed_over(const transport::CounterPlace& place, base::Nanos now) const noexcept {
  const auto known =
      std::ranges::lower_bound(silent_, place.value, std::ranges::less(), &Silent::address);
  return known != silent_.end() && known->place == place && now < known->until_ns;
}

bool WaiterList::look_at_silent(base::Nanos now) {
  return 0 < std::erase_if(silent_, [&](const Silent& s) {
           return !s.place.live() || now >= s.forget_ns ||
                  (now < s.until_ns && says_awake(s.place));
         });
}

bool WaiterList::look_at(const WakeFinder& finder, base::Nanos now) {
  if (std::exchange(looks_, finder.looks()) == finder.looks()) return false;
  before_.swap(candidates_);
  candidates_.clear();
  for (const WakeCounter& counter : finder.armed()) {
    if (counter.stream != stream_) continue;
    Candidate candidate{counter.id, counter.place, now};
    const auto known =
        std::ranges::lower_bound(before_, counter.id, std::ranges::less(), &Candidate::id);
    if (known != before_.end() && known->place == counter.place && says_awake(counter.place))
      candidate.asleep_ns = known->asleep_ns;
    candidates_.push_back(candidate);
  }
  return true;
}

void WaiterList::choose(base::Nanos now) {
  scratch_.clear();
  before_.clear();
  for (const Candidate& candidate : candidates_) {
    if (!passed_over(candidate.place, now)) before_.push_back(candidate);
  }
  if (before_.size() > base::limits::waiters_per_producer) {
    const auto rank = [&](const Candidate& candidate) {
      const bool sleeps = now - candidate.asleep_ns < base::limits::awake_waiter_ns;
      const bool served = std::ranges::find(served_, candidate.place) != served_.end();
      return std::pair((sleeps ? 0 : 2) + (served ? 0 : 1), candidate.id);
    };
    std::ranges::sort(before_, std::ranges::less(), rank);
    before_.resize(base::limits::waiters_per_producer);
    std::ranges::sort(before_, std::ranges::less(), &Candidate::id);
  }
  for (const Candidate& candidate : before_) scratch_.push_back(candidate.place);
  before_.clear();
}

bool WaiterList::update(const WakeFinder& finder, base::Nanos now) {
  const bool seen_awake = look_at_silent(now);
  // Who was passed over for long enough waits for the end of the interval.
  if (!look_at(finder, now) && !seen_awake && now < next_choice_ns_) return false;
  next_choice_ns_ = now + choice_interval_ns;
  choose(now);
  if (scratch_ == served_) return false;
  served_.swap(scratch_);
  ++version_;
  return true;
}

bool WaiterList::on_silent(std::uint64_t version, std::uint64_t mask, base::Nanos now) {
  if (version != version_) return false;
  bool marked = false;
  for (std::size_t i = 0; i < served_.size(); ++i) {
    if ((mask >> i & 1U) == 0) continue;
    marked = true;
    auto known =
        std::ranges::lower_bound(silent_, served_[i].value, std::ranges::less(), &Silent::address);
    if (known == silent_.end() || known->place.value != served_[i].value) {
      if (silent_.size() == base::limits::silent_waiters) continue;
      known = silent_.insert(known, Silent{served_[i]});
    }
    if (known->place != served_[i]) *known = Silent{served_[i]};
    if (now < known->until_ns) continue;
    known->pause_ns = std::clamp(known->pause_ns * 2, first_pause_ns, longest_pause_ns);
    known->until_ns = now + known->pause_ns;
    // Who behaves for as long as it was passed over has made it good.
    known->forget_ns = known->until_ns + known->pause_ns;
  }
  if (marked) {
    ++version_;
    next_choice_ns_ = 0;
  }
  return marked;
}

void WaiterList::wire(WakeLinks& links) const noexcept {
  for (const transport::CounterPlace& place : served_) links.add(place);
  links.version = version_;
}

WakeStep BellAgent::do_work(AgentContext& context, const Cell& cell, std::uint32_t id,
                            AgentCounts& counts) {
  if (!enabled_ || context.generation == nullptr) return {};
  WakeStep done =
      bell_.do_work(context, bell_type_id, "producer", stream_, id_of(cell, id), counts);
  if (bell_.get() == nullptr) return done;
  if (done.rewire) context.wake.look_soon();
  const base::Nanos now = context.now().monotonic;
  context.wake.do_work(context.generation, now);
  const Note::Value note = cell.notes[static_cast<std::size_t>(NoteKind::silent_waiters)].read();
  if (note.count != std::exchange(note_read_, note.count))
    done.rewire |= waiters_.on_silent(note.session, note.argument, now);
  done.rewire |= waiters_.update(context.wake, now);
  return done;
}

void BellAgent::wire(Wiring& wiring) const {
  if (bell_.get() == nullptr) return;
  bell_.wire(wiring);
  waiters_.wire(wiring.wake);
}

void BellAgent::drop(AgentContext& context) {
  bell_.drop(context);
  waiters_.clear();
}

WakeStep ArmedAgent::do_work(AgentContext& context, const Cell& cell, std::uint32_t id,
                             AgentCounts& counts) {
  if (context.generation == nullptr || !cell.may_sleep.load(std::memory_order_relaxed)) return {};
  WakeStep done =
      armed_.do_work(context, armed_type_id, "consumer", stream_, id_of(cell, id), counts);
  if (armed_.get() == nullptr) return done;
  if (done.rewire) context.wake.look_soon();
  context.wake.do_work(context.generation, context.now().monotonic);
  if (std::exchange(finder_version_, context.wake.version()) != context.wake.version()) {
    scratch_.clear();
    for (const WakeCounter& bell : context.wake.bells()) {
      if (bell.stream == stream_) scratch_.push_back(bell.place);
    }
    std::ranges::sort(scratch_, std::ranges::greater(), &transport::CounterPlace::registration_id);
    if (scratch_.size() > base::limits::bells_per_consumer)
      scratch_.resize(base::limits::bells_per_consumer);
    done.rewire |= scratch_ != bells_;
    bells_.swap(scratch_);
  }
  if (done.rewire) ++version_;
  return done;
}

void ArmedAgent::wire(Wiring& wiring) const {
  if (armed_.get() == nullptr) return;
  armed_.wire(wiring);
  for (const transport::CounterPlace& place : bells_) wiring.wake.add(place);
  wiring.wake.version = version_;
}

void ArmedAgent::drop(AgentContext& context) {
  armed_.drop(context);
  bells_.clear();
  finder_version_ = 0;
  ++version_;
}

}  // namespace tensorpool::agents
