#include "agents/sleeper.hpp"

#include <algorithm>
#include <chrono>
#include <thread>

#include "protocol/frame/wake.hpp"

namespace tensorpool::agents {
namespace {

using protocol::HostWake;

// Of the process: a kernel does not learn it later.
std::atomic<bool> no_waitv{false};

}  // namespace

bool Sleeper::waits_for_all() noexcept { return !no_waitv.load(std::memory_order_relaxed); }

void Sleeper::arm(const WakeLinks& links) noexcept {
  HostWake::fall_asleep(words_.asleep);
  armed_ = {};
  if (!links.own.live()) return;
  armed_ = links.own;
  HostWake::arm(*armed_.value);
}

void Sleeper::look(const WakeLinks& links) noexcept {
  count_ = 1;
  // Nobody rings for who is not armed.
  for (std::uint32_t i = 0; armed_ && i < links.count && count_ < futexes_.size(); ++i) {
    const transport::CounterPlace& bell = links.others[i];
    if (!bell.live()) continue;
    // The low half comes first.
    futexes_[count_++] = {bell.value, static_cast<std::uint32_t>(HostWake::look(*bell.value)),
                          base::FutexScope::shared};
  }
  futexes_[0] = {&words_.kick, HostWake::look_at_kick(words_.kick), base::FutexScope::process};
}

SleepEnd Sleeper::wait(base::Nanos until_ns) noexcept {
  base::FutexOutcome outcome;
  if (count_ == 1) {
    outcome.end = base::futex_wait(futexes_[0], until_ns);
  } else if (waits_for_all()) {
    outcome = base::futex_wait_any(std::span(futexes_).first(count_), until_ns);
    if (outcome.end == base::FutexEnd::unsupported) {
      no_waitv.store(true, std::memory_order_relaxed);
      return SleepEnd::changed;
    }
  } else {
    outcome = {base::futex_wait(futexes_[1], until_ns), 1};
  }
  switch (outcome.end) {
    case base::FutexEnd::woken:
      return outcome.index == 0 ? SleepEnd::kicked : SleepEnd::rung;
    case base::FutexEnd::changed:
      return SleepEnd::changed;
    case base::FutexEnd::interrupted:
      return SleepEnd::interrupted;
    case base::FutexEnd::
        unsupported:  // by a sandbox: then without anybody's help, for a short time
      std::this_thread::sleep_for(std::chrono::nanoseconds(std::clamp<base::Nanos>(
          until_ns - base::SystemClock::monotonic(), 0, SleepSlices::longest_pause_ns)));
      break;
    case base::FutexEnd::time:
      break;
  }
  return SleepEnd::time;
}

void Sleeper::disarm() noexcept {
  if (armed_ && armed_.live()) HostWake::disarm(*armed_.value);
  HostWake::stay_awake(words_.asleep);
}

base::Nanos SleepSlices::cap() const noexcept {
  const base::Nanos longest = Sleeper::waits_for_all() ? longest_slice_ns : longest_alone_ns;
  switch (trust_) {
    case Trust::proved:
      return longest;
    case Trust::untried:
      return std::min(longest, untried_slice_ns);
    case Trust::missed:
      break;
  }
  return first_slice_ns;
}

base::Nanos SleepSlices::next(bool has_bell, std::uint64_t version) noexcept {
  if (has_bell != has_bell_ || version != version_) {
    has_bell_ = has_bell;
    version_ = version;
    trust_ = Trust::untried;
    slice_ns_ = first_slice_ns;
    pause_ns_ = first_pause_ns;
  }
  return has_bell ? std::min(slice_ns_, cap()) : pause_ns_;
}

void SleepSlices::ended(SleepEnd how, bool work) noexcept {
  if (!has_bell_) {
    if (how == SleepEnd::time) pause_ns_ = std::min(pause_ns_ * 2, longest_pause_ns);
    return;
  }
  if (how == SleepEnd::time && work) {
    trust_ = Trust::missed;
    slice_ns_ = first_slice_ns;
    return;
  }
  if (how == SleepEnd::rung) trust_ = Trust::proved;
  if (how == SleepEnd::rung || how == SleepEnd::time)
    slice_ns_ = std::min(slice_ns_ * 2, longest_slice_ns);
}

}  // namespace tensorpool::agents
