// One consumer as the conductor sees it: maps what the core accepted, checks it, lends it to the port. What to
// do when is the core's decision (protocol/consumer_core.hpp); in driver mode there is a lease beside it, without
// which nothing is mapped.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>

#include "agents/context.hpp"
#include "agents/counters.hpp"
#include "agents/lease_agent.hpp"
#include "agents/lender.hpp"
#include "agents/lent_regions.hpp"
#include "agents/request.hpp"
#include "agents/wake_agent.hpp"
#include "protocol/consumer_core.hpp"

namespace tensorpool::agents {

class ConsumerAgent final : private LeaseUser {
 public:
  ConsumerAgent(AgentContext& context, std::shared_ptr<Request> request);

  void on_image(AgentContext& context, std::int32_t session, base::Nanos joined, bool available);
  void on_announce(AgentContext& context, std::int32_t session,
                   const wire::ShmPoolAnnounce& announce);
  // Descriptors may come from somebody more: a port that sleeps looks at once.
  void on_descriptor_image() noexcept { lender_.cell()->tell(News::images); }
  int do_work(AgentContext& context);
  // The connection is gone: the mapping stays, the port waits for a new subscription.
  void on_connection_lost(AgentContext& context);
  // The client closes: the port is told, nothing is waited for.
  void close(AgentContext& context);
  // The port is closed and everything it held is back.
  bool finished() const noexcept {
    return closed_ && lender_.out() == 0 && (lease_ == nullptr || lease_->closed());
  }
  Lender& lender() noexcept { return lender_; }
  // Null in direct mode.
  LeaseAgent* lease() noexcept { return lease_.get(); }

 private:
  Result<bool> on_granted(AgentContext& context, const protocol::LeaseGranted& granted) override;
  void on_lease_ended(AgentContext& context) override;
  void on_producer_gone(AgentContext& context, const protocol::ProducerGone& what) override;
  void apply(AgentContext& context, protocol::ConsumerActions& actions);
  void map(AgentContext& context, const protocol::MapRegions& action,
           protocol::ConsumerActions& next);
  void check(AgentContext& context, protocol::ConsumerActions& next);
  void unmap(AgentContext& context);
  void send_qos(AgentContext& context, wire::QosConsumer message);
  void report(AgentContext& context, const protocol::ReportConsumer& what);
  int add_links(AgentContext& context);
  int add_armed(AgentContext& context);
  int read_notes(AgentContext& context);
  Standing standing() const noexcept;
  void rewire(AgentContext& context);
  void let_go(AgentContext& context);

  // What the last Wiring said, to post one only for a change.
  struct Wired {
    std::uint64_t session = 0;
    Standing standing;
    const LentSubscription* subscription = nullptr;
    std::uint64_t wake_version = 0;
    friend bool operator==(const Wired&, const Wired&) = default;
  };

  const ConsumerOptions options_;
  std::shared_ptr<Request> request_;  // until its handle took the port
  Lender lender_;
  protocol::ConsumerCore core_;
  std::unique_ptr<LeaseAgent> lease_;
  std::optional<Error> lease_unmappable_;  // why the regions of the attach response are not mapped
  std::unique_ptr<LentRegions> regions_;
  LinkAdd<transport::Subscription> adding_;
  std::unique_ptr<LentSubscription> descriptors_;
  std::array<std::uint64_t, note_kinds> notes_read_{};
  ArmedAgent armed_;
  CounterSet counters_;
  AgentCounts counts_;
  Wired wired_;
  bool was_active_ = false;
  bool handed_over_ =
      false;  // the request is complete: there is, or was, somebody who has the port
  bool closed_ = false;
};

}  // namespace tensorpool::agents
