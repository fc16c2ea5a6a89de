#include "agents/consumer_agent.hpp"

#include <utility>

#include "agents/describe.hpp"
#include "protocol/overloaded.hpp"
#include "shm/map.hpp"

namespace tensorpool::agents {
namespace {

protocol::ConsumerSettings settings(const ClientOptions& client, const ConsumerOptions& options) {
  protocol::ConsumerSettings s;
  s.stream_id = options.stream;
  s.consumer_id = options.consumer_id;
  s.mode = static_cast<wire::Mode>(options.mode);
  s.max_rate_hz = options.max_rate_hz;
  s.expected_layout_version = options.expected_layout_version;
  s.announce_period_ns = client.announce_period_ns;
  s.freshness_factor = client.freshness_factor;
  s.liveness_factor = client.liveness_factor;
  s.hello_interval_ns = options.hello_interval_ns;
  s.qos_interval_ns = options.qos_interval_ns;
  s.payload_fallback_uri = options.payload_fallback_uri;
  s.leased = client.mode == Mode::driver;
  return s;
}

}  // namespace

ConsumerAgent::ConsumerAgent(AgentContext& context, std::shared_ptr<Request> request)
    : options_(request->consumer),
      request_(std::move(request)),
      core_(settings(context.options, options_), context.now()),
      armed_(options_.stream),
      counters_(consumer_counters(), "consumer", options_.stream, options_.consumer_id,
                static_cast<std::uint32_t>(context.world.file_system.process_id())) {
  if (context.options.mode == Mode::direct) return;
  lease_ = std::make_unique<LeaseAgent>(
      context,
      lease_settings(context.options, options_.attach, wire::driver::Role::consumer,
                     options_.stream, options_.consumer_id, request_->id_is_ours),
      lender_.cell(), static_cast<LeaseUser&>(*this));
  lease_->start(context);
}

void ConsumerAgent::on_image(AgentContext& context, std::int32_t session, base::Nanos joined,
                             bool available) {
  if (lease_ != nullptr) lease_->on_image(session, joined, available);
  core_.on_image(context.now(), session, joined, available);
}

void ConsumerAgent::on_announce(AgentContext& context, std::int32_t session,
                                const wire::ShmPoolAnnounce& announce) {
  if (closed_ || announce.stream_id != options_.stream) return;
  if (lease_ != nullptr) lease_->on_announce(context, session, announce);
  protocol::ConsumerActions actions;
  core_.on_announce(context.now(), session, announce, actions);
  apply(context, actions);
}

int ConsumerAgent::do_work(AgentContext& context) {
  int work = lender_.collect();
  if (closed_)
    return lease_ == nullptr || lease_->closed() ? work : work + lease_->do_work(context);
  if (lender_.cell()->closed.load(std::memory_order_acquire) ||
      (request_ != nullptr && request_->abandoned())) {
    let_go(context);
    return work + 1;
  }
  work += add_links(context);
  work += add_armed(context);
  work += read_notes(context);
  if (regions_ != nullptr) work += regions_->prefault_step();
  if (lease_ != nullptr) {
    work += lease_->do_work(context);
    if (lease_->over() && request_ != nullptr) {
      std::exchange(request_, nullptr)->fail_with(lease_->last_error());
      let_go(context);
      return work + 1;
    }
    rewire(context);  // what the lease's state has to say, if it changed
  }
  const protocol::Now now = context.now();
  if (now.monotonic >= core_.deadline()) {
    protocol::ConsumerActions actions;
    core_.on_timer(now, actions);
    apply(context, actions);
    ++work;
  }
  return work + counters_.do_work(context, *lender_.cell(), counts_);
}

void ConsumerAgent::apply(AgentContext& context, protocol::ConsumerActions& actions) {
  while (!actions.empty()) {
    protocol::ConsumerActions next;
    for (const protocol::ConsumerAction& action : actions.take()) {
      std::visit(protocol::Overloaded{
                     [&](const protocol::MapRegions& a) { map(context, a, next); },
                     [&](const protocol::CheckRegions&) { check(context, next); },
                     [&](const protocol::UnmapRegions&) { unmap(context); },
                     [&](const protocol::SendHello& a) {
                       if (context.generation != nullptr)
                         context.send(context.generation->control_out, a.message);
                     },
                     [&](const protocol::SendQosConsumer& a) { send_qos(context, a.message); },
                     [&](const protocol::ReportConsumer& a) { report(context, a); },
                 },
                 action);
    }
    actions = std::move(next);
  }
  if (lease_ != nullptr) lease_->set_mapped(core_.session() != 0);
  rewire(context);
}

Result<bool> ConsumerAgent::on_granted(AgentContext& context,
                                       const protocol::LeaseGranted& granted) {
  core_.set_consumer_id(granted.lease.client_id);
  lease_unmappable_.reset();
  protocol::ConsumerActions actions;
  core_.on_lease(context.now(), granted.regions, actions);
  apply(context, actions);
  if (lease_unmappable_) return fail(*std::exchange(lease_unmappable_, std::nullopt));
  return core_.session() != 0;
}

void ConsumerAgent::on_lease_ended(AgentContext& context) {
  protocol::ConsumerActions actions;
  core_.on_lease_ended(context.now(), actions);
  apply(context, actions);
}

void ConsumerAgent::on_producer_gone(AgentContext& context, const protocol::ProducerGone& what) {
  protocol::ConsumerActions actions;
  core_.on_producer_gone(context.now(), what.told_ns, actions);
  apply(context, actions);
}

// Checks and maps everything at once: a read-only mapping costs microseconds per region.
void ConsumerAgent::map(AgentContext& context, const protocol::MapRegions& action,
                        protocol::ConsumerActions& next) {
  auto mapped =
      shm::map_stream(context.world.file_system, context.map_policy, describe(action.announce));
  const protocol::Now now = context.now();
  if (!mapped) {
    ++counts_.errors;
    if (action.of_lease) lease_unmappable_ = mapped.error();
    core_.on_map_failed(now, action.map_id, mapped.error(), next);
    return;
  }
  if (regions_ != nullptr) unmap(context);
  const std::uint64_t activity = mapped->activity_ns();
  regions_ = std::make_unique<LentRegions>(std::move(*mapped), action.map_id);
  ++counts_.remaps;
  core_.on_mapped(now, action.map_id, activity, next);
}

void ConsumerAgent::check(AgentContext& context, protocol::ConsumerActions& next) {
  if (regions_ == nullptr) return;
  protocol::RegionCheck found;
  found.matches = regions_->stream.recheck(regions_->stream.layout.epoch).has_value();
  found.pid_same = !regions_->stream.pid_changed();
  found.activity_ns = regions_->stream.activity_ns();
  core_.on_checked(context.now(), found, next);
}

void ConsumerAgent::unmap(AgentContext& context) { context.graveyard.bury(std::move(regions_)); }

void ConsumerAgent::send_qos(AgentContext& context, wire::QosConsumer message) {
  if (context.generation == nullptr) return;
  const ConsumerCounts& counts = lender_.cell()->consumer;
  message.last_seq_seen = counts.last_seq.get();
  message.drops_gap = counts.lost.get();
  message.drops_late = counts.overwritten.get();
  context.send(context.generation->qos_out, message);
}

void ConsumerAgent::report(AgentContext& context, const protocol::ReportConsumer& what) {
  NoticeKind kind = NoticeKind::mapped;
  if (what.kind == protocol::ConsumerReport::unmapped) kind = NoticeKind::unmapped;
  if (what.kind == protocol::ConsumerReport::rejected) kind = NoticeKind::announce_rejected;
  context.notify(kind, options_.stream, what.epoch, what.text);
}

int ConsumerAgent::add_links(AgentContext& context) {
  if (context.generation == nullptr || descriptors_ != nullptr) return 0;
  const auto step = adding_.step(context.now().monotonic, [&] {
    return context.generation->connection->add_subscription(
        context.options.descriptor.channel, context.options.descriptor.stream_id,
        context.add_deadline(), &context.generation->descriptor_images);
  });
  if (request_ != nullptr)
    request_->registration_id.store(adding_.registration_id(), std::memory_order_relaxed);
  if (!step) {
    ++counts_.errors;
    context.notify(NoticeKind::error, options_.stream, 0, step.error().message());
    return 0;
  }
  if (!adding_.ready()) return *step;
  descriptors_ = std::make_unique<LentSubscription>(context.generation, adding_.take());
  core_.on_links(true);
  wired_ = {};  // the port drains its subscription from here on, mapped or not
  rewire(context);
  // A consumer exists before its stream does: the port says `connecting` meanwhile.
  if (request_ != nullptr) {
    handed_over_ = true;
    std::exchange(request_, nullptr)->complete(lender_.cell());
  }
  return *step;
}

int ConsumerAgent::read_notes(AgentContext& context) {
  int work = 0;
  const std::pair<NoteKind, protocol::ConsumerNote> kinds[] = {
      {NoteKind::higher_epoch, protocol::ConsumerNote::higher_epoch},
      {NoteKind::regression, protocol::ConsumerNote::regression}};
  for (const auto& [kind, note] : kinds) {
    const Note::Value value = lender_.cell()->note(kind).read();
    std::uint64_t& read = notes_read_[static_cast<std::size_t>(kind)];
    if (value.count == read) continue;
    read = value.count;
    protocol::ConsumerActions actions;
    core_.on_note(context.now(), value.session, note, value.argument, actions);
    apply(context, actions);
    ++work;
  }
  return work;
}

Standing ConsumerAgent::standing() const noexcept {
  const protocol::ConsumerState state = core_.state();
  if (state == protocol::ConsumerState::active) return {PortState::active, Code::ok};
  const bool mapped = state == protocol::ConsumerState::mapped;
  if (!mapped && lease_ != nullptr) {
    if (const auto known = lease_->standing()) return *known;
  }
  if (was_active_) return {PortState::reattaching, Code::reattaching};
  return {PortState::connecting, mapped ? Code::connecting : Code::not_attached};
}

// And by what it is woken.
int ConsumerAgent::add_armed(AgentContext& context) {
  if (descriptors_ == nullptr) return 0;
  const WakeStep done = armed_.do_work(context, *lender_.cell(), options_.consumer_id, counts_);
  if (!done.rewire) return done.work;
  rewire(context);
  return done.work + 1;
}

// Posts a Wiring when what the port should work on changed.
void ConsumerAgent::rewire(AgentContext& /*context*/) {
  if (closed_) return;
  const Wired wanted{core_.session(), standing(), descriptors_.get(), armed_.version()};
  if (wanted == wired_) return;
  wired_ = wanted;
  was_active_ |= wanted.standing.state == PortState::active;
  auto wiring = std::make_unique<Wiring>();
  if (descriptors_ != nullptr) {
    wiring->subscription = descriptors_->subscription.get();
    wiring->lent[wiring->lent_count++] = descriptors_.get();
    armed_.wire(*wiring);
  }
  if (core_.session() != 0) regions_->wire(*wiring);
  wiring->state = wanted.standing.state;
  wiring->reason = wanted.standing.reason;
  lender_.publish(std::move(wiring));
}

void ConsumerAgent::on_connection_lost(AgentContext& context) {
  adding_ = {};
  counters_.drop();
  armed_.drop(context);
  if (lease_ != nullptr) lease_->on_connection_lost(context);
  context.graveyard.bury(std::move(descriptors_));
  core_.on_links(false);
  rewire(context);
}

// The port is gone or the client ends: nothing is lent any more but what is out.
void ConsumerAgent::let_go(AgentContext& context) {
  closed_ = true;
  if (request_ != nullptr)
    std::exchange(request_, nullptr)->fail_with(Error::hot(Code::closed, "Client"));
  adding_ = {};
  counters_.drop();
  armed_.drop(context);
  if (lease_ != nullptr) lease_->close(context);
  context.graveyard.bury(std::move(descriptors_));
  context.graveyard.bury(std::move(regions_));
  // Nobody adopts what is in the mailbox of a port that is closed, or that no handle will ever have.
  if (!handed_over_ || lender_.cell()->closed.load(std::memory_order_acquire)) lender_.take_mail();
  lender_.collect();
}

void ConsumerAgent::close(AgentContext& context) {
  if (closed_) return;
  auto wiring = std::make_unique<Wiring>();
  wiring->state = PortState::closed;
  wiring->reason = Code::closed;
  lender_.publish(std::move(wiring));
  let_go(context);
}

}  // namespace tensorpool::agents
