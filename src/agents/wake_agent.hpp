// The conductor's half of the wake-up extension: allocates a port's own counter, finds those of the others, and
// says what the port's Wiring names (docs/internals/concurrency.md, section 7).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "agents/context.hpp"
#include "agents/wake_finder.hpp"

namespace tensorpool::agents {

struct AgentCounts;

// What a step did.
struct WakeStep {
  int work = 0;
  bool rewire = false;  // the port needs another Wiring
};

// A counter of the extension that this client owns.
class WakeCounterAdd {
 public:
  // One step; `rewire` once, when the counter has come. Why it cannot be had is told and counted once for each
  // connection.
  WakeStep do_work(AgentContext& context, std::int32_t type_id, std::string_view role,
                   std::uint32_t stream, std::uint32_t id, AgentCounts& counts);
  LentCounter* get() const noexcept { return counter_.get(); }
  // What a Wiring says of it.
  void wire(Wiring& wiring) const;
  // The connection is gone, or nobody needs it any more.
  void drop(AgentContext& context);

 private:
  LinkAdd<transport::Counter> adding_;
  std::unique_ptr<LentCounter> counter_;
};

// Which waiters a producer serves. Waiters that no wake finds are passed over for a while, the longer the more
// often, and at once no more when they are seen to be awake. Where there are more than it can serve, those go first
// that were seen asleep lately: who never sleeps needs no wake-up. Of those that are left, the ones
// that are served already, then the lowest counter ids.
class WaiterList {
 public:
  explicit WaiterList(std::uint32_t stream) noexcept : stream_(stream) {}

  // True when the port has to be told of another list.
  bool update(const WakeFinder& finder, base::Nanos now);
  // What the port found: bits of the list `version`. True when the port has to be told of another list, were it of
  // the same waiters: it passes those over until then.
  bool on_silent(std::uint64_t version, std::uint64_t mask, base::Nanos now);
  void clear() noexcept { *this = WaiterList(stream_, version_ + 1); }
  void wire(WakeLinks& links) const noexcept;
  std::size_t size() const noexcept { return served_.size(); }

 private:
  struct Silent {
    transport::CounterPlace place;
    const std::int64_t* address() const noexcept { return place.value; }
    base::Nanos pause_ns = 0;
    base::Nanos until_ns = 0;  // passed over until then
    base::Nanos forget_ns = 0;
  };
  // Somebody who may be served.
  struct Candidate {
    std::int32_t id = 0;
    transport::CounterPlace place;
    base::Nanos asleep_ns = 0;  // when it was last seen asleep, or first seen
  };
  WaiterList(std::uint32_t stream, std::uint64_t version) noexcept
      : stream_(stream), version_(version) {}
  // At each look of the finder's: true then.
  bool look_at(const WakeFinder& finder, base::Nanos now);
  // Leaves in scratch_ whom to serve now, by rising id.
  void choose(base::Nanos now);
  // True when one counts again.
  bool look_at_silent(base::Nanos now);
  bool passed_over(const transport::CounterPlace& place, base::Nanos now) const noexcept;

  std::uint32_t stream_;
  std::vector<transport::CounterPlace> served_;
  std::vector<transport::CounterPlace> scratch_;
  std::vector<Candidate> candidates_;  // by rising id
  std::vector<Candidate> before_;
  std::uint64_t looks_ = 0;  // of the finder's, the last one that was seen
  base::Nanos next_choice_ns_ = 0;
  std::vector<Silent> silent_;  // by rising address, one for each
  std::uint64_t version_ = 1;
};

// Of one producer, which rings. Does nothing unless it opted in.
class BellAgent {
 public:
  BellAgent(const ProducerOptions& options) noexcept  // NOLINT(google-explicit-constructor)
      : enabled_(options.wake_waiters), stream_(options.stream), waiters_(options.stream) {}
  // `id` is the producer's unless its lease gave it another.
  WakeStep do_work(AgentContext& context, const Cell& cell, std::uint32_t id, AgentCounts& counts);
  void wire(Wiring& wiring) const;
  void drop(AgentContext& context);

 private:
  bool enabled_;
  std::uint32_t stream_;
  WakeCounterAdd bell_;
  WaiterList waiters_;
  std::uint64_t note_read_ = 0;
};

// Of one consumer, which sleeps. Does nothing until its port has slept.
class ArmedAgent {
 public:
  explicit ArmedAgent(std::uint32_t stream) noexcept : stream_(stream) {}
  WakeStep do_work(AgentContext& context, const Cell& cell, std::uint32_t id, AgentCounts& counts);
  void wire(Wiring& wiring) const;
  // Another one whenever wire() says something else.
  std::uint64_t version() const noexcept { return version_; }
  void drop(AgentContext& context);

 private:
  std::uint32_t stream_;
  WakeCounterAdd armed_;
  std::vector<transport::CounterPlace> bells_;
  std::vector<transport::CounterPlace> scratch_;
  std::uint64_t finder_version_ = 0;
  std::uint64_t version_ = 1;
};

}  // namespace tensorpool::agents
