// What producer and consumer ports share: adopting Wirings, pins, closing.
#pragma once

#include <atomic>
#include <memory>
#include <utility>

#include "agents/cell.hpp"
#include "agents/env.hpp"

namespace tensorpool::agents {

// One port, one thread at a time. The port object outlives its public handle for as long as a slot,
// a view or a running handler pins it.
template <class Env>
class PortBase {
 public:
  PortBase(const PortBase&) = delete;
  PortBase& operator=(const PortBase&) = delete;

  PortState state() noexcept {
    if (closed_) return PortState::closed;
    check();
    return wiring_ == nullptr ? PortState::connecting : wiring_->state;
  }
  Cell& cell() noexcept { return *cell_; }
  const Cell& cell() const noexcept { return *cell_; }
  bool closed() const noexcept { return closed_; }
  std::uint64_t open_pins() const noexcept { return pins_; }

  // Of the Wiring in use, null without one.
  const WakeLinks* wake_links() const noexcept {
    return wiring_ == nullptr ? nullptr : &wiring_->wake;
  }

  // The public handle is gone; whoever lets go of the last pin deletes the port.
  void orphan() noexcept { orphaned_ = true; }
  bool finished() const noexcept { return orphaned_ && pins_ == 0; }

 protected:
  // `keep_alive` is whatever must outlive the port: the client's core, which owns what is lent.
  PortBase(std::shared_ptr<Cell> cell, std::shared_ptr<void> keep_alive) noexcept
      : cell_(std::move(cell)), keep_alive_(std::move(keep_alive)) {}
  ~PortBase() = default;

  // The first thing of every call: one load, and the slow way only when there is mail. Returns true
  // when another session began.
  bool check() noexcept {
    if (!news()) [[likely]]
      return false;
    return resync();
  }
  // Mail that was not adopted yet.
  bool news() const noexcept { return cell_->mail.load(std::memory_order_acquire) != nullptr; }

  // The lease is over and the conductor has not noticed yet, because this process stood still: nothing may be
  // written or believed any more. False in direct mode, without a look at the clock.
  bool lease_over(base::Nanos now) const noexcept {
    return now > cell_->lease_deadline.load(std::memory_order_relaxed);
  }
  bool lease_over() const noexcept {
    const base::Nanos deadline = cell_->lease_deadline.load(std::memory_order_relaxed);
    return deadline != no_deadline && Env::now() > deadline;
  }

  bool active() const noexcept { return wiring_ != nullptr && wiring_->state == PortState::active; }
  // In a child of the process that this port belongs to. REQUIRES check() before.
  bool forked() const noexcept { return wiring_ != nullptr && wiring_->reason == Code::forked; }
  // Why a call is refused while not active.
  Code why_not() const noexcept {
    if (closed_) return Code::closed;
    return wiring_ == nullptr ? Code::connecting : wiring_->reason;
  }

  void pin(Wiring& wiring) noexcept {
    ++wiring.pins;
    ++pins_;
  }
  [[gnu::always_inline]] void unpin(Wiring& wiring) noexcept {
    --pins_;
    if (--wiring.pins == 0) [[unlikely]]
      give_back(wiring);
  }

  // Idempotent. Gives back everything that nothing pins; what is pinned follows with the last
  // unpin.
  void close_port() noexcept {
    if (closed_) return;
    (void)check();
    closed_ = true;
    if (wiring_ != nullptr) retire(std::exchange(wiring_, nullptr));
    // The conductor sees the flag, stops publishing and detaches; a Wiring that it still posts
    // meanwhile is taken back by the conductor itself.
    cell_->closed.store(true, std::memory_order_release);
    cell_->call_conductor();
  }

  std::shared_ptr<Cell> cell_;
  Wiring* wiring_ = nullptr;
  std::uint64_t session_ = 0;

 private:
  // Out of line: check() is part of every call, and news is rare.
  // Takes the mail. acq_rel: the conductor's writes to the new Wiring happen before our use of it.
  [[gnu::noinline, gnu::cold]] bool resync() noexcept {
    if (closed_) return false;
    Wiring* fresh = cell_->mail.exchange(nullptr, std::memory_order_acq_rel);
    if (fresh == nullptr) return false;
    if (fresh->reason != Code::forked) ++fresh->pins;
    Wiring* old = std::exchange(wiring_, fresh);
    if (old != nullptr) retire(old);
    on_adopted();
    Env::template step<Step::adopted>();
    // A Wiring without a mapping keeps the session of the last one: a short loss of the media
    // driver is no new session.
    if (fresh->session == 0 || fresh->session == session_) return false;
    session_ = fresh->session;
    on_new_session();
    return true;
  }

  virtual void on_new_session() noexcept = 0;
  // Another Wiring, of whatever session.
  virtual void on_adopted() noexcept {}

  [[gnu::noinline, gnu::cold]] void give_back(Wiring& wiring) noexcept {
    cell_->give_back(&wiring);
  }

  void retire(Wiring* wiring) noexcept {
    if (wiring->reason == Code::forked) return;  // is nobody's to pin or to give back
    if (--wiring->pins == 0) give_back(*wiring);
  }

  // Declared behind cell_, so that it goes first: the client's core may hold the last reference to
  // nothing of ours but what was given back above.
  std::shared_ptr<void> keep_alive_;
  std::uint64_t pins_ = 0;
  bool closed_ = false;
  bool orphaned_ = false;
};

}  // namespace tensorpool::agents
