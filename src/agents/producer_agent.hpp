// One producer of direct mode as the conductor sees it: creates the regions, announces them, keeps
// them alive, lends them to the port. What to do when is the core's decision
// (protocol/producer_core).
#pragma once

#include <limits>
#include <memory>
#include <optional>

#include "agents/context.hpp"
#include "agents/counters.hpp"
#include "agents/lender.hpp"
#include "agents/lent_regions.hpp"
#include "agents/request.hpp"
#include "protocol/producer_core.hpp"
#include "shm/create.hpp"

namespace tensorpool::agents {

class ProducerAgent {
 public:
  ProducerAgent(AgentContext& context, std::shared_ptr<Request> request);

  int do_work(AgentContext& context);
  // The connection is gone: the regions stay, the port waits.
  void on_connection_lost(AgentContext& context);
  // The client closes: the port is told, nothing is waited for. An error says that the regions could
  // not be removed; the agent is closed all the same.
  Result<void> close(AgentContext& context);
  // The port is closed and everything it held is back.
  bool finished() const noexcept { return closed_ && lender_.out() == 0; }
  Lender& lender() noexcept { return lender_; }

 private:
  void apply(AgentContext& context, protocol::ProducerActions& actions);
  void create(AgentContext& context);
  int step_creation(AgentContext& context);
  void collect_old_epochs(AgentContext& context);
  int add_links(AgentContext& context);
  int read_notes(AgentContext& context);
  void rewire();
  Result<void> let_go(AgentContext& context);

  const ProducerOptions options_;
  std::shared_ptr<Request> request_;  // until it is complete or failed
  Lender lender_;
  protocol::ProducerCore core_;
  std::optional<shm::StreamCreator> creator_;
  std::unique_ptr<LentRegions> regions_;
  std::optional<shm::CreatedStream> created_;  // description and place; its mapping is regions_'s
  LinkAdd<transport::Publication> adding_;
  std::unique_ptr<LentPublication> descriptor_;
  std::array<std::uint64_t, note_kinds> notes_read_{};
  CounterSet counters_;
  AgentCounts counts_;
  // When to look for old epochs, and when once more: for those that were too young at the creation.
  base::Nanos collect_at_ns_ = std::numeric_limits<base::Nanos>::max();
  base::Nanos collect_again_ns_ = std::numeric_limits<base::Nanos>::max();
  std::uint64_t collecting_ = 0;  // the epoch that is removed in part
  bool was_active_ = false;
  bool closed_ = false;
};

}  // namespace tensorpool::agents
