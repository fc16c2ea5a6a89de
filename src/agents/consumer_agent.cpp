#include "agents/consumer_agent.hpp"

#include <utility>

#include "protocol/overloaded.hpp"

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
  return s;
}

shm::StreamRegions describe(const wire::ShmPoolAnnounce& announce) {
  shm::StreamRegions regions;
  regions.layout.stream_id = announce.stream_id;
  regions.layout.epoch = announce.epoch;
  regions.layout.nslots = announce.header_nslots;
  regions.layout.layout_version = announce.layout_version;
  regions.layout.header_slot_bytes = announce.header_slot_bytes;
  regions.header_uri = announce.header_region_uri;
  for (const wire::PayloadPool& pool : announce.payload_pools) {
    regions.layout.pools.push_back({pool.pool_id, pool.stride_bytes, pool.pool_nslots});
    regions.pool_uris.push_back(pool.region_uri);
  }
  return regions;
}

}  // namespace

ConsumerAgent::ConsumerAgent(AgentContext& context, std::shared_ptr<Request> request)
    : options_(request->consumer),
      request_(std::move(request)),
      core_(settings(context.options, options_), context.now()),
      counters_(consumer_counters(), "consumer", options_.stream, options_.consumer_id,
                static_cast<std::uint32_t>(context.world.file_system.process_id())) {}

void ConsumerAgent::on_image(AgentContext& context, std::int32_t session, base::Nanos joined,
                             bool available) {
  core_.on_image(context.now(), session, joined, available);
}

void ConsumerAgent::on_announce(AgentContext& context, std::int32_t session,
                                const wire::ShmPoolAnnounce& announce) {
  if (closed_ || announce.stream_id != options_.stream) return;
  protocol::ConsumerActions actions;
  core_.on_announce(context.now(), session, announce, actions);
  apply(context, actions);
}

int ConsumerAgent::do_work(AgentContext& context) {
  int work = lender_.collect();
  if (closed_) return work;
  if (lender_.cell()->closed.load(std::memory_order_acquire) ||
      (request_ != nullptr && request_->abandoned())) {
    let_go(context);
    return work + 1;
  }
  work += add_links(context);
  work += read_notes(context);
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
  rewire(context);
}

// Checks and maps everything at once: a read-only mapping costs microseconds per region.
void ConsumerAgent::map(AgentContext& context, const protocol::MapRegions& action,
                        protocol::ConsumerActions& next) {
  auto mapped =
      shm::map_stream(context.world.file_system, context.map_policy, describe(action.announce));
  const protocol::Now now = context.now();
  if (!mapped) {
    ++counts_.errors;
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
    return context.generation->connection->add_subscription(context.options.descriptor.channel,
                                                            context.options.descriptor.stream_id,
                                                            context.add_deadline(), nullptr);
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
  if (request_ != nullptr) std::exchange(request_, nullptr)->complete(lender_.cell());
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

// Posts a Wiring when what the port should work on changed.
void ConsumerAgent::rewire(AgentContext& /*context*/) {
  if (closed_) return;
  const Wired wanted{core_.session(), core_.state(), descriptors_.get()};
  if (wanted == wired_) return;
  const bool was_active = wired_.state == protocol::ConsumerState::active || was_active_;
  wired_ = wanted;
  was_active_ = was_active;
  auto wiring = std::make_unique<Wiring>();
  if (descriptors_ != nullptr) {
    wiring->subscription = descriptors_->subscription.get();
    wiring->lent[wiring->lent_count++] = descriptors_.get();
  }
  if (core_.state() == protocol::ConsumerState::connecting) {
    wiring->state = was_active ? PortState::reattaching : PortState::connecting;
    wiring->reason = was_active ? Code::reattaching : Code::not_attached;
  } else {
    regions_->wire(*wiring);
    const bool active = core_.state() == protocol::ConsumerState::active;
    wiring->state =
        active ? PortState::active : (was_active ? PortState::reattaching : PortState::connecting);
    wiring->reason = active ? Code::ok : (was_active ? Code::reattaching : Code::connecting);
  }
  lender_.publish(std::move(wiring));
}

void ConsumerAgent::on_connection_lost(AgentContext& context) {
  adding_ = {};
  counters_.drop();
  context.graveyard.bury(std::move(descriptors_));
  core_.on_links(false);
  rewire(context);
}

// The port is gone or the client ends: nothing is lent any more but what is out.
void ConsumerAgent::let_go(AgentContext& context) {
  closed_ = true;
  const bool taken = request_ == nullptr;
  if (request_ != nullptr)
    std::exchange(request_, nullptr)->fail_with(Error::hot(Code::closed, "Client"));
  adding_ = {};
  counters_.drop();
  context.graveyard.bury(std::move(descriptors_));
  context.graveyard.bury(std::move(regions_));
  // Nobody adopts what is in the mailbox of a port that is closed, or that no handle ever took.
  if (!taken || lender_.cell()->closed.load(std::memory_order_acquire)) lender_.take_mail();
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
