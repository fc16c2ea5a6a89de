// One producer as the conductor sees it: announces its regions, keeps them alive, lends them to the port.
// Where they come from is its RegionSource's affair; what to do when is the core's decision
// (protocol/producer_core.hpp).
#pragma once

#include <memory>

#include "agents/context.hpp"
#include "agents/counters.hpp"
#include "agents/laggards.hpp"
#include "agents/lender.hpp"
#include "agents/lent_regions.hpp"
#include "agents/region_source.hpp"
#include "agents/request.hpp"
#include "agents/wake_agent.hpp"
#include "protocol/producer_core.hpp"

namespace tensorpool::agents {

class ProducerAgent final : private RegionUser {
 public:
  ProducerAgent(AgentContext& context, std::shared_ptr<Request> request);

  int do_work(AgentContext& context);
  // The connection is gone: the regions stay, the port waits.
  void on_connection_lost(AgentContext& context);
  // The client closes: the port is told, nothing is waited for. An error says that the regions could
  // not be removed; the agent is closed all the same.
  Result<void> close(AgentContext& context);
  // The port is closed and everything it held is back.
  bool finished() const noexcept { return closed_ && lender_.out() == 0 && source_->ended(); }
  Lender& lender() noexcept { return lender_; }
  // Null in direct mode.
  LeaseAgent* lease() noexcept { return source_->lease(); }

 private:
  void apply(AgentContext& context, protocol::ProducerActions& actions);
  void on_regions(AgentContext& context, std::unique_ptr<LentRegions> regions,
                  wire::ShmPoolAnnounce description, std::string_view where) override;
  void on_regions_lost(AgentContext& context) override;
  void on_no_regions(AgentContext& context, Error why) override;
  void on_regions_late(const Error& why) override {
    if (request_ != nullptr) request_->note_trouble(why.message());
  }
  int add_links(AgentContext& context);
  int add_bell(AgentContext& context);
  int read_notes(AgentContext& context);
  Standing standing() const noexcept;
  void rewire();
  Result<void> let_go(AgentContext& context);

  const ProducerOptions options_;
  std::shared_ptr<Request> request_;  // until it is complete or failed
  Lender lender_;
  protocol::ProducerCore core_;
  std::unique_ptr<RegionSource> source_;
  std::unique_ptr<LentRegions> regions_;
  LinkAdd<transport::Publication> adding_;
  std::unique_ptr<LentPublication> descriptor_;
  std::array<std::uint64_t, note_kinds> notes_read_{};
  BellAgent bell_;
  Laggards laggards_;
  CounterSet counters_;
  AgentCounts counts_;
  Standing posted_;  // what the last Wiring said
  bool was_active_ = false;
  bool handed_over_ =
      false;  // the request is complete: there is, or was, somebody who has the port
  bool closed_ = false;
};

}  // namespace tensorpool::agents
