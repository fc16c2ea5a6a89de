#include "agents/lease_agent.hpp"

#include "base/prng.hpp"
#include "protocol/overloaded.hpp"

namespace tensorpool::agents {
namespace {

using protocol::Sent;
using wire::driver::HugepagesPolicy;
namespace wired = wire::driver;

Sent outcome_of(transport::Position position) noexcept {
  if (position > 0) return Sent::taken;
  const bool busy = position == transport::back_pressured || position == transport::admin_action;
  return busy ? Sent::busy : Sent::failed;
}

wired::PublishMode publish_mode(PublishMode mode, wired::Role role) noexcept {
  if (mode == PublishMode::by_role) {
    return role == wired::Role::producer ? wired::PublishMode::existing_or_create
                                         : wired::PublishMode::require_existing;
  }
  return static_cast<wired::PublishMode>(mode);
}

}  // namespace

protocol::LeaseSettings lease_settings(const ClientOptions& client, const AttachOptions& attach,
                                       wired::Role role, std::uint32_t stream,
                                       std::uint32_t client_id, bool ours) {
  protocol::LeaseSettings s;
  s.stream_id = stream;
  s.client_id = client_id;
  s.client_id_is_ours = ours;
  s.role = role;
  s.publish_mode = publish_mode(attach.publish_mode, role);
  s.hugepages = static_cast<HugepagesPolicy>(attach.hugepages);
  s.expected_layout_version = attach.expected_layout_version;
  s.desired_node_id = attach.desired_node_id;
  s.attach_timeout_ns = client.attach_timeout_ns;
  s.resend_interval_ns = client.attach_resend_ns;
  s.backoff_first_ns = client.backoff_first_ns;
  s.backoff_largest_ns = client.backoff_largest_ns;
  s.reattach = client.reattach;
  s.keepalive_interval_ns = client.keepalive_interval_ns;
  s.grace_intervals = client.keepalive_grace;
  s.announce_period_ns = client.announce_period_ns;
  s.freshness_factor = client.freshness_factor;
  s.seed = base::random_seed();
  return s;
}

LeaseAgent::LeaseAgent(AgentContext& context, const protocol::LeaseSettings& settings,
                       std::shared_ptr<Cell> cell, LeaseUser& user)
    : core_(settings, context.now()),
      cell_(std::move(cell)),
      user_(user),
      stepped_at_(context.now()) {
  post_deadline();
}

// The port goes by it before it hears of anything else. A Wiring that says `active` is posted after the deadline
// of its lease, so whoever adopted it sees that deadline or a later one.
void LeaseAgent::post_deadline() noexcept {
  const protocol::Lease* lease = core_.lease();
  cell_->lease_deadline.store(lease == nullptr ? 0 : lease->deadline_ns, std::memory_order_relaxed);
}

int LeaseAgent::do_work(AgentContext& context) {
  const Generation* g = context.generation.get();
  const bool one_endpoint = context.options.announce == context.options.control;
  const bool up = g != nullptr && g->control_out.ready() && g->control_in.ready() &&
                  (one_endpoint || g->announce_in.ready());
  stepped_at_ = context.now();
  core_.on_links(stepped_at_, up);
  if (stepped_at_.monotonic < core_.deadline()) return 0;
  protocol::LeaseActions actions;
  core_.on_timer(stepped_at_, actions);
  apply(context, actions);
  return 1;
}

void LeaseAgent::on_connection_lost(AgentContext& context) { core_.on_links(context.now(), false); }

void LeaseAgent::close(AgentContext& context) {
  protocol::LeaseActions actions;
  core_.close(stepped_at_ = context.now(), actions);
  apply(context, actions);
}

void LeaseAgent::on_announce(AgentContext& context, std::int32_t session,
                             const wire::ShmPoolAnnounce& announce) {
  protocol::LeaseActions actions;
  core_.on_announce(stepped_at_ = context.now(), session, announce, actions);
  apply(context, actions);
}

void LeaseAgent::on_message(AgentContext& context, const wired::ShmAttachResponse& message) {
  protocol::LeaseActions actions;
  core_.on_attach_response(stepped_at_ = context.now(), message, actions);
  apply(context, actions);
}

void LeaseAgent::on_message(AgentContext& context, const wired::ShmLeaseRevoked& message) {
  protocol::LeaseActions actions;
  core_.on_revoked(stepped_at_ = context.now(), message, actions);
  apply(context, actions);
}

void LeaseAgent::on_message(AgentContext& context, const wired::ShmDriverShutdown& message) {
  protocol::LeaseActions actions;
  core_.on_shutdown(stepped_at_ = context.now(), message, actions);
  apply(context, actions);
}

void LeaseAgent::set_mapped(bool mapped) noexcept {
  if (core_.lease() == nullptr) return;
  const std::uint64_t lease_id = core_.lease()->lease_id;
  if (mapped) {
    core_.on_mapped(lease_id);
  } else {
    core_.on_unmapped(lease_id);
  }
}

void LeaseAgent::apply(AgentContext& context, protocol::LeaseActions& actions) {
  while (!actions.empty()) {
    protocol::LeaseActions next;
    post_deadline();
    for (const protocol::LeaseAction& action : actions.take()) do_action(context, action, next);
    actions = std::move(next);
  }
  post_deadline();
}

void LeaseAgent::do_action(AgentContext& context, const protocol::LeaseAction& action,
                           protocol::LeaseActions& next) {
  const auto send = [&](const auto& message) {
    if (context.generation != nullptr) context.send(context.generation->control_out, message);
  };
  std::visit(protocol::Overloaded{
                 [&](const protocol::SendAttach& a) {
                   send(a.message);
                   context.bell->ring();  // the answer comes soon
                 },
                 [&](const protocol::SendDetach& a) { send(a.message); },
                 [&](const protocol::SendKeepalive& a) { keep_alive(context, a, next); },
                 [&](const protocol::LeaseGranted& a) { granted(context, a, next); },
                 [&](const protocol::LeaseEnded& a) { ended(context, a); },
                 [&](const protocol::ProducerGone& a) { user_.on_producer_gone(context, a); },
                 [&](const protocol::AttachFailed& a) { failed(context, a); },
             },
             action);
}

void LeaseAgent::keep_alive(AgentContext& context, const protocol::SendKeepalive& what,
                            protocol::LeaseActions& next) {
  const transport::Position position =
      context.generation == nullptr ? transport::back_pressured
                                    : context.send(context.generation->control_out, what.message);
  // The time before it was sent: a process that is stopped in between gains nothing.
  core_.on_keepalive_sent(stepped_at_, outcome_of(position), next);
}

void LeaseAgent::granted(AgentContext& context, const protocol::LeaseGranted& what,
                         protocol::LeaseActions& next) {
  cell_->client_id.store(what.lease.client_id, std::memory_order_relaxed);
  cell_->node_id.store(what.lease.node_id.value_or(wire::null_u32), std::memory_order_relaxed);
  context.notify(NoticeKind::attached, what.lease.stream_id, what.lease.epoch, {});
  const Result<bool> mapped = user_.on_granted(context, what);
  if (!mapped) {
    core_.on_map_failed(context.now(), what.lease.lease_id, mapped.error(), next);
  } else if (*mapped) {
    core_.on_mapped(what.lease.lease_id);
  }
}

void LeaseAgent::ended(AgentContext& context, const protocol::LeaseEnded& what) {
  cell_->node_id.store(wire::null_u32, std::memory_order_relaxed);
  user_.on_lease_ended(context);
  last_error_ = Error(Code::lease_ended, "attach", what.text);
  Notice notice{NoticeKind::lease_lost, what.lease.stream_id, what.lease.epoch, what.text};
  notice.lease_end = what.why;
  context.notify(notice);
}

void LeaseAgent::failed(AgentContext& context, const protocol::AttachFailed& what) {
  last_error_ = what.error;
  user_.on_attach_failed(what.error);
  if (what.news)
    context.notify(NoticeKind::attach_failed, core_.stream_id(), 0, what.error.message());
}

std::optional<Standing> LeaseAgent::standing() const noexcept {
  if (core_.state() == protocol::LeaseState::ended)
    return Standing{PortState::closed, Code::lease_ended};
  if (core_.state() == protocol::LeaseState::shutdown)
    return Standing{PortState::shutdown, Code::shutdown};
  return std::nullopt;
}

}  // namespace tensorpool::agents
