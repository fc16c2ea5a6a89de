// The lease of one port of driver mode as the conductor sees it: sends what the core decided, moves the
// deadline that the port goes by, tells the application. What to do when is protocol/lease_core.hpp's decision;
// what becomes of the regions is the LeaseUser's.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "agents/cell.hpp"
#include "agents/context.hpp"
#include "protocol/lease_core.hpp"

namespace tensorpool::agents {

// Whoever works on the regions of a lease. Called inside the LeaseAgent's functions, before anything else that
// the change asks for is done.
class LeaseUser {
 public:
  // Maps the regions. True: they are mapped; false: nothing is, and the lease stays (the user waits for an
  // announce); an error gives the lease back.
  virtual Result<bool> on_granted(AgentContext& context, const protocol::LeaseGranted& granted) = 0;
  // The regions are not used any more, from now on.
  virtual void on_lease_ended(AgentContext& context) = 0;
  virtual void on_producer_gone(AgentContext& context, const protocol::ProducerGone& what) = 0;
  // It is tried again, unless attaching again is switched off.
  virtual void on_attach_failed(const Error& /*why*/) {}

 protected:
  ~LeaseUser() = default;
};

// What a port says while it is not active.
struct Standing {
  PortState state = PortState::connecting;
  Code reason = Code::connecting;
  friend bool operator==(const Standing&, const Standing&) = default;
};

// `ours`: the id was chosen at random, another will do as well.
protocol::LeaseSettings lease_settings(const ClientOptions& client, const AttachOptions& attach,
                                       wire::driver::Role role, std::uint32_t stream,
                                       std::uint32_t client_id, bool ours);

class LeaseAgent {
 public:
  // `user` outlives it.
  LeaseAgent(AgentContext& context, const protocol::LeaseSettings& settings,
             std::shared_ptr<Cell> cell, LeaseUser& user);
  LeaseAgent(const LeaseAgent&) = delete;
  LeaseAgent& operator=(const LeaseAgent&) = delete;

  void start(AgentContext& context) { core_.start(context.now()); }
  int do_work(AgentContext& context);
  void on_connection_lost(AgentContext& context);
  // Gives the lease back, best effort.
  void close(AgentContext& context);
  // Nothing is left to wait for after close().
  bool closed() const noexcept { return core_.state() == protocol::LeaseState::closed; }

  void on_image(std::int32_t session, base::Nanos joined, bool available) {
    core_.on_image(session, joined, available);
  }
  void on_announce(AgentContext& context, std::int32_t session,
                   const wire::ShmPoolAnnounce& announce);
  void on_message(AgentContext& context, const wire::driver::ShmAttachResponse& message);
  void on_message(AgentContext& context, const wire::driver::ShmLeaseRevoked& message);
  void on_message(AgentContext& context, const wire::driver::ShmDriverShutdown& message);

  // Whether the regions of the lease, or of a later epoch, are mapped.
  void set_mapped(bool mapped) noexcept;

  // Why there is no lease and will not be one soon; nothing while it is only a matter of time.
  std::optional<Standing> standing() const noexcept;
  // Refused or lost for good, since attaching again is switched off; the last reason.
  bool over() const noexcept { return core_.state() == protocol::LeaseState::ended; }
  const Error& last_error() const noexcept { return last_error_; }

 private:
  void apply(AgentContext& context, protocol::LeaseActions& actions);
  void do_action(AgentContext& context, const protocol::LeaseAction& action,
                 protocol::LeaseActions& next);
  void granted(AgentContext& context, const protocol::LeaseGranted& what,
               protocol::LeaseActions& next);
  void ended(AgentContext& context, const protocol::LeaseEnded& what);
  void keep_alive(AgentContext& context, const protocol::SendKeepalive& what,
                  protocol::LeaseActions& next);
  void failed(AgentContext& context, const protocol::AttachFailed& what);
  void post_deadline() noexcept;

  protocol::LeaseCore core_;
  std::shared_ptr<Cell> cell_;
  LeaseUser& user_;
  protocol::Now stepped_at_;  // what the core was told last
  Error last_error_ = Error::hot(Code::lease_ended, "attach");
};

}  // namespace tensorpool::agents
