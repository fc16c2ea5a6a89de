// How a consumer waits: looks again and again, lets others run, sleeps in the kernel (WaitOptions).
#pragma once

#include <algorithm>
#include <chrono>
#include <thread>

#include "agents/sleeper.hpp"
#include "base/clock.hpp"
#include "base/pause.hpp"
#include "client/handles.hpp"
#include "protocol/frame/wake.hpp"
#include "tensorpool/error.hpp"

namespace tensorpool::client {

// Between two looks of an invoked client that sleeps, whose conductor stands still meanwhile.
inline constexpr base::Nanos invoked_slice_ns = 1'000'000;

// One sleep in the kernel, unless there is something to look at.
inline void sleep_once(ConsumerObject& owner, base::Nanos deadline_ns, bool invoked) {
  static const agents::WakeLinks none;
  agents::Cell& cell = owner.port.cell();
  if (!cell.may_sleep.load(std::memory_order_relaxed))
    cell.may_sleep.store(true, std::memory_order_relaxed);
  const agents::WakeLinks* known = owner.port.wake_links();
  const agents::WakeLinks& links = known == nullptr ? none : *known;
  agents::SleepEnd end = agents::SleepEnd::changed;
  const bool slept = protocol::HostWake::sleep_once(
      [&] { owner.sleeper.arm(links); }, [&] { owner.sleeper.look(links); },
      [&] { return cell.has_news() || owner.port.anything_waiting(); },
      [&] {
        base::Nanos slice = owner.slices.next(owner.sleeper.has_bell(), links.version);
        if (invoked) slice = std::min(slice, invoked_slice_ns);
        cell.consumer.sleeps.add();
        end = owner.sleeper.wait(std::min(deadline_ns, base::SystemClock::monotonic() + slice));
      },
      [&] { owner.sleeper.disarm(); });
  if (!slept) return;
  if (end == agents::SleepEnd::rung) cell.consumer.woken.add();
  const bool missed =
      end == agents::SleepEnd::time && owner.port.anything_waiting() && owner.port.received();
  owner.slices.ended(end, missed);
}

// Calls `look` until it finds something (true) or the time is over (false); drives an invoked client meanwhile.
// Errors: in_callback, interrupted, and closed or forked when there is nothing left to wait for.
template <class Look>
Result<bool> wait_until(ConsumerObject& owner, const char* call,
                        std::chrono::steady_clock::time_point deadline, Look&& look) {
  using Clock = std::chrono::steady_clock;  // CLOCK_MONOTONIC, as the kernel's timers take it
  // On the conductor nobody may wait: what ends the wait comes from there.
  if (owner.port.busy() || owner.core->in_callback())
    return fail(Error::hot(Code::in_callback, call));
  const bool invoked = owner.core->options().threading == Threading::invoked;
  const auto spin = std::chrono::nanoseconds(owner.wait.spin_ns);
  const Clock::time_point started = Clock::now();
  for (std::uint32_t yields = 0;;) {
    // Before the look, which takes a frame out of the stream; and it ends also a wait that always finds some.
    if (owner.port.cell().take_interrupt()) [[unlikely]]
      return fail(Error::hot(Code::interrupted, call));
    if (look()) {
      owner.slices.found();
      return true;
    }
    if (owner.port.closed() || owner.port.state() == PortState::closed)
      return fail(Error::hot(owner.port.why_not(), call));
    const Clock::time_point now = Clock::now();
    if (now >= deadline) return false;
    if (invoked && owner.core->do_work() > 0) continue;
    if (now - started < spin || (!owner.wait.sleep && owner.wait.yields == 0)) {
      base::cpu_pause();
    } else if (yields < owner.wait.yields || !owner.wait.sleep) {
      if (yields < owner.wait.yields) ++yields;
      std::this_thread::yield();
    } else {
      sleep_once(owner, std::chrono::nanoseconds(deadline.time_since_epoch()).count(), invoked);
    }
  }
}

}  // namespace tensorpool::client
