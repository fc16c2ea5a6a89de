// Regions that a driver created and granted to a producer with a lease: mapped for writing, and let go with it.
#pragma once

#include <optional>

#include "agents/lease_agent.hpp"
#include "agents/region_source.hpp"
#include "agents/request.hpp"

namespace tensorpool::agents {

class LeasedRegions final : public RegionSource, private LeaseUser {
 public:
  // `user` outlives it.
  LeasedRegions(AgentContext& context, const Request& request, std::shared_ptr<Cell> cell,
                RegionUser& user);

  void begin(AgentContext& context) override { lease_.start(context); }
  int do_work(AgentContext& context) override;
  Result<void> end(AgentContext& context) override;
  bool ended() const noexcept override { return lease_.closed(); }
  std::optional<Standing> standing() const noexcept override { return lease_.standing(); }
  LeaseAgent* lease() noexcept override { return &lease_; }

 private:
  Result<bool> on_granted(AgentContext& context, const protocol::LeaseGranted& granted) override;
  void on_lease_ended(AgentContext& context) override { user_.on_regions_lost(context); }
  void on_producer_gone(AgentContext& /*context*/,
                        const protocol::ProducerGone& /*what*/) override {}  // of consumers only
  void on_attach_failed(const Error& why) override { user_.on_regions_late(why); }

  RegionUser& user_;
  LeaseAgent lease_;
  std::uint64_t last_session_ =
      0;  // a driver may grant one epoch twice; sessions are never the same
  bool told_over_ = false;
};

}  // namespace tensorpool::agents
