#include "agents/producer_agent.hpp"

#include <utility>

#include "agents/leased_regions.hpp"
#include "agents/own_regions.hpp"
#include "protocol/overloaded.hpp"
#include "transport/channel.hpp"

namespace tensorpool::agents {
namespace {

protocol::ProducerSettings settings(const ClientOptions& client, const ProducerOptions& options) {
  protocol::ProducerSettings s;
  s.stream_id = options.stream;
  s.producer_id = options.producer_id;
  s.announce_period_ns = client.announce_period_ns;
  s.qos_interval_ns = options.qos_interval_ns;
  s.announces = client.mode == Mode::direct;
  return s;
}

}  // namespace

ProducerAgent::ProducerAgent(AgentContext& context, std::shared_ptr<Request> request)
    : options_(request->producer),
      request_(std::move(request)),
      core_(settings(context.options, options_), context.now()),
      bell_(options_),
      counters_(producer_counters(), "producer", options_.stream, options_.producer_id,
                static_cast<std::uint32_t>(context.world.file_system.process_id())) {
  RegionUser& user = *this;
  if (context.options.mode == Mode::direct) {
    source_ = std::make_unique<OwnRegions>(options_, user);
  } else {
    source_ = std::make_unique<LeasedRegions>(context, *request_, lender_.cell(), user);
  }
  protocol::ProducerActions actions;
  core_.start(actions);
  apply(context, actions);
}

int ProducerAgent::do_work(AgentContext& context) {
  int work = lender_.collect();
  if (closed_) return source_->ended() ? work : work + source_->do_work(context);
  if (lender_.cell()->closed.load(std::memory_order_acquire) ||
      (request_ != nullptr && request_->abandoned())) {
    if (const auto gone = let_go(context); !gone)
      context.notify(NoticeKind::error, options_.stream, core_.epoch(), gone.error().message());
    return work + 1;
  }
  work += source_->do_work(context);
  if (closed_) return work;
  if (was_active_ && standing() != posted_)
    rewire();  // such as the driver that was shut down is back
  work += add_links(context);
  work += add_bell(context);
  work += read_notes(context);
  // Regions of a lease were prefaulted by the driver, in its own process.
  if (regions_ != nullptr && source_->lease() != nullptr) work += regions_->prefault_step();
  work +=
      laggards_.do_work(context, options_.stream, lender_.cell()->producer.back_pressured.get());
  const protocol::Now now = context.now();
  if (now.monotonic >= core_.deadline()) {
    protocol::ProducerActions actions;
    core_.on_timer(now, actions);
    apply(context, actions);
    ++work;
  }
  return work + counters_.do_work(context, *lender_.cell(), counts_);
}

void ProducerAgent::apply(AgentContext& context, protocol::ProducerActions& actions) {
  for (const protocol::ProducerAction& action : actions.take()) {
    std::visit(protocol::Overloaded{
                   [&](const protocol::CreateRegions&) { source_->begin(context); },
                   [&](const protocol::RefreshActivity& a) {
                     if (regions_ != nullptr) regions_->stream.refresh_activity(a.now_ns);
                   },
                   [&](const protocol::SendAnnounce& a) {
                     if (context.generation != nullptr)
                       context.send(context.generation->announce_out, a.message);
                   },
                   [&](const protocol::SendQosProducer& a) {
                     if (context.generation == nullptr) return;
                     wire::QosProducer message = a.message;
                     message.current_seq = lender_.cell()->producer.next_seq.get();
                     context.send(context.generation->qos_out, message);
                   },
               },
               action);
  }
}

void ProducerAgent::on_regions(AgentContext& context, std::unique_ptr<LentRegions> regions,
                               wire::ShmPoolAnnounce description, std::string_view where) {
  regions_ = std::move(regions);
  if (const std::uint32_t id = lender_.cell()->client_id.load(std::memory_order_relaxed); id != 0)
    core_.set_producer_id(id);
  protocol::ProducerActions actions;
  core_.on_created(context.now(), std::move(description), actions);
  apply(context, actions);
  context.notify(NoticeKind::mapped, options_.stream, core_.epoch(), where);
  rewire();
}

void ProducerAgent::on_regions_lost(AgentContext& context) {
  if (regions_ == nullptr) return;
  core_.on_lost();
  context.graveyard.bury(std::move(regions_));
  rewire();
}

void ProducerAgent::on_no_regions(AgentContext& context, Error why) {
  core_.on_create_failed();
  ++counts_.errors;
  if (request_ == nullptr) return rewire();  // the port says why, until it is closed
  context.notify(NoticeKind::error, options_.stream, 0, why.message());
  std::exchange(request_, nullptr)->fail_with(std::move(why));
  (void)let_go(context);  // nothing is there that could not be removed
}

int ProducerAgent::add_links(AgentContext& context) {
  if (context.generation == nullptr || descriptor_ != nullptr || regions_ == nullptr) return 0;
  const auto step = adding_.step(context.now().monotonic, [&] {
    return context.generation->connection->add_publication(
        transport::descriptor_channel(context.options.descriptor.channel),
        context.options.descriptor.stream_id, context.add_deadline());
  });
  if (request_ != nullptr)
    request_->registration_id.store(adding_.registration_id(), std::memory_order_relaxed);
  if (!step) {
    ++counts_.errors;
    context.notify(NoticeKind::error, options_.stream, 0, step.error().message());
    return 0;
  }
  if (!adding_.ready()) return *step;
  descriptor_ = std::make_unique<LentPublication>(context.generation, adding_.take());
  laggards_.watch(*descriptor_->publication);
  core_.on_links(true);
  rewire();
  return *step;
}

// And whom it wakes.
int ProducerAgent::add_bell(AgentContext& context) {
  if (descriptor_ == nullptr || regions_ == nullptr) return 0;
  const WakeStep done = bell_.do_work(context, *lender_.cell(), options_.producer_id, counts_);
  if (!done.rewire) return done.work;
  rewire();
  return done.work + 1;
}

// A publication that failed under the port is replaced.
int ProducerAgent::read_notes(AgentContext& context) {
  const Note::Value value = lender_.cell()->note(NoteKind::link_failed).read();
  std::uint64_t& read = notes_read_[static_cast<std::size_t>(NoteKind::link_failed)];
  if (value.count == read) return 0;
  read = value.count;
  if (descriptor_ == nullptr || regions_ == nullptr || value.session != regions_->session) return 0;
  context.graveyard.bury(std::move(descriptor_));
  core_.on_links(false);
  rewire();
  return 1;
}

Standing ProducerAgent::standing() const noexcept {
  if (core_.state() == protocol::ProducerState::active) return {PortState::active, Code::ok};
  if (regions_ == nullptr) {
    if (const auto known = source_->standing()) return *known;
  }
  if (was_active_) return {PortState::reattaching, Code::reattaching};
  return {PortState::connecting, Code::connecting};
}

void ProducerAgent::rewire() {
  auto wiring = std::make_unique<Wiring>();
  if (regions_ != nullptr) regions_->wire(*wiring);
  const Standing now = standing();
  posted_ = now;
  wiring->state = now.state;
  wiring->reason = now.reason;
  was_active_ |= now.state == PortState::active;
  if (descriptor_ != nullptr) {
    wiring->links[wiring->link_count++] = descriptor_->publication.get();
    wiring->lent[wiring->lent_count++] = descriptor_.get();
    bell_.wire(*wiring);
  }
  lender_.publish(std::move(wiring));
  if (now.state == PortState::active && request_ != nullptr) {
    handed_over_ = true;
    std::exchange(request_, nullptr)->complete(lender_.cell());
  }
}

void ProducerAgent::on_connection_lost(AgentContext& context) {
  adding_ = {};
  counters_.drop();
  bell_.drop(context);
  laggards_.drop();
  if (source_->lease() != nullptr) source_->lease()->on_connection_lost(context);
  if (descriptor_ == nullptr) return;
  context.graveyard.bury(std::move(descriptor_));
  core_.on_links(false);
  rewire();
}

// The port is gone or the client ends. The files of this epoch go at a clean end; what is mapped
// stays mapped until the last claim is back.
Result<void> ProducerAgent::let_go(AgentContext& context) {
  closed_ = true;
  core_.on_close();
  adding_ = {};
  counters_.drop();
  bell_.drop(context);
  if (request_ != nullptr)
    std::exchange(request_, nullptr)->fail_with(Error::hot(Code::closed, "Client"));
  Result<void> removed = source_->end(context);
  context.graveyard.bury(std::move(descriptor_));
  context.graveyard.bury(std::move(regions_));
  // Nobody adopts what is in the mailbox of a port that is closed, or that no handle will ever have.
  if (!handed_over_ || lender_.cell()->closed.load(std::memory_order_acquire)) lender_.take_mail();
  lender_.collect();
  return removed;
}

Result<void> ProducerAgent::close(AgentContext& context) {
  if (closed_) return {};
  auto wiring = std::make_unique<Wiring>();
  wiring->state = PortState::closed;
  wiring->reason = Code::closed;
  lender_.publish(std::move(wiring));
  return let_go(context);
}

}  // namespace tensorpool::agents
