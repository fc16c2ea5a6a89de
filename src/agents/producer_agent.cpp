#include "agents/producer_agent.hpp"

#include <fmt/format.h>

#include <utility>

#include "agents/describe.hpp"
#include "protocol/overloaded.hpp"
#include "transport/channel.hpp"

namespace tensorpool::agents {
namespace {

// How many announce periods an epoch must have been silent for before it is removed (SHM-270).
constexpr base::Nanos epoch_age_periods = 3;
constexpr base::Nanos never = std::numeric_limits<base::Nanos>::max();

protocol::ProducerSettings settings(const ClientOptions& client, const ProducerOptions& options) {
  protocol::ProducerSettings s;
  s.stream_id = options.stream;
  s.producer_id = options.producer_id;
  s.announce_period_ns = client.announce_period_ns;
  s.qos_interval_ns = options.qos_interval_ns;
  return s;
}

}  // namespace

ProducerAgent::ProducerAgent(AgentContext& context, std::shared_ptr<Request> request)
    : options_(request->producer),
      request_(std::move(request)),
      core_(settings(context.options, options_), context.now()),
      counters_(producer_counters(), "producer", options_.stream, options_.producer_id,
                static_cast<std::uint32_t>(context.world.file_system.process_id())) {
  protocol::ProducerActions actions;
  core_.start(actions);
  apply(context, actions);
}

int ProducerAgent::do_work(AgentContext& context) {
  int work = lender_.collect();
  if (closed_) return work;
  if (lender_.cell()->closed.load(std::memory_order_acquire) ||
      (request_ != nullptr && request_->abandoned())) {
    if (const auto gone = let_go(context); !gone)
      context.notify(NoticeKind::error, options_.stream, core_.epoch(), gone.error().message());
    return work + 1;
  }
  work += step_creation(context);
  work += add_links(context);
  work += read_notes(context);
  const protocol::Now now = context.now();
  if (now.monotonic >= core_.deadline()) {
    protocol::ProducerActions actions;
    core_.on_timer(now, actions);
    apply(context, actions);
    ++work;
  }
  if (now.monotonic >= collect_at_ns_) {
    collect_old_epochs(context);
    ++work;
  }
  return work + counters_.do_work(context, *lender_.cell(), counts_);
}

void ProducerAgent::apply(AgentContext& context, protocol::ProducerActions& actions) {
  for (const protocol::ProducerAction& action : actions.take()) {
    std::visit(protocol::Overloaded{
                   [&](const protocol::CreateRegions&) { create(context); },
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

void ProducerAgent::create(AgentContext& context) {
  shm::CreateOptions create;
  create.base_dir = options_.base_dir;
  create.namespace_ = options_.namespace_name;
  create.file_mode = options_.file_mode;
  create.prefault = options_.prefault;
  create.mlock = options_.lock_memory;
  create.exclusive = true;
  shm::StreamLayout layout;
  layout.stream_id = options_.stream;
  layout.nslots = options_.slots;
  for (const PoolOptions& pool : options_.pools)
    layout.pools.push_back({pool.pool_id, pool.stride_bytes});
  creator_.emplace(context.world.file_system, std::move(create), std::move(layout),
                   static_cast<std::uint64_t>(context.now().monotonic));
}

// A bounded step of the creation in each duty cycle: gigabytes are prefaulted without holding up
// anybody else.
int ProducerAgent::step_creation(AgentContext& context) {
  if (!creator_) return 0;
  auto done = creator_->step();
  if (!done) {
    core_.on_create_failed();
    creator_.reset();
    ++counts_.errors;
    context.notify(NoticeKind::error, options_.stream, 0, done.error().message());
    if (request_ != nullptr) std::exchange(request_, nullptr)->fail_with(std::move(done.error()));
    (void)let_go(context);  // nothing was created that it could fail to remove
    return 1;
  }
  if (!*done) return 1;
  created_.emplace(creator_->take());
  creator_.reset();
  // The session of a producer's mapping is its epoch: it makes one mapping in its life.
  regions_ =
      std::make_unique<LentRegions>(std::move(created_->mapped), created_->regions.layout.epoch);
  collect_at_ns_ = context.now().monotonic;
  collect_again_ns_ = collect_at_ns_ + (epoch_age_periods + 1) * context.options.announce_period_ns;
  protocol::ProducerActions actions;
  core_.on_created(context.now(), describe(created_->regions), actions);
  apply(context, actions);
  context.notify(NoticeKind::mapped, options_.stream, core_.epoch(), created_->directory);
  rewire();
  return 1;
}

// Epochs that dead producers of this stream left behind (SHM-265, SHM-270): one file a cycle, so that
// gigabytes of them hold nobody up for long. Twice, for those that are too young at the creation.
void ProducerAgent::collect_old_epochs(AgentContext& context) {
  const protocol::Now now = context.now();
  shm::CollectOptions collect;
  collect.base_dir = options_.base_dir;
  collect.namespace_ = options_.namespace_name;
  collect.stream_id = options_.stream;
  collect.current_epoch = created_->regions.layout.epoch;
  collect.min_age_ns =
      static_cast<std::uint64_t>(epoch_age_periods * context.options.announce_period_ns);
  collect.now_monotonic_ns = static_cast<std::uint64_t>(now.monotonic);
  collect.now_realtime_ns = now.realtime;
  collect.max_files = 1;
  collect.unfinished_epoch = collecting_;
  const auto collected = shm::collect_epochs(context.world.file_system, collect);
  if (!collected)
    context.notify(NoticeKind::error, options_.stream, 0, collected.error().message());
  collecting_ = collected ? collected->unfinished_epoch : 0;
  if (collected && collected->more) return;
  collect_at_ns_ = std::exchange(collect_again_ns_, never);
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
  core_.on_links(true);
  rewire();
  if (request_ != nullptr) std::exchange(request_, nullptr)->complete(lender_.cell());
  return *step;
}

// A publication that failed under the port is replaced.
int ProducerAgent::read_notes(AgentContext& context) {
  const Note::Value value = lender_.cell()->note(NoteKind::link_failed).read();
  std::uint64_t& read = notes_read_[static_cast<std::size_t>(NoteKind::link_failed)];
  if (value.count == read) return 0;
  read = value.count;
  if (descriptor_ == nullptr || value.session != regions_->session) return 0;
  context.graveyard.bury(std::move(descriptor_));
  core_.on_links(false);
  rewire();
  return 1;
}

void ProducerAgent::rewire() {
  auto wiring = std::make_unique<Wiring>();
  regions_->wire(*wiring);
  const bool active = core_.state() == protocol::ProducerState::active;
  wiring->state =
      active ? PortState::active : (was_active_ ? PortState::reattaching : PortState::connecting);
  wiring->reason = active ? Code::ok : (was_active_ ? Code::reattaching : Code::connecting);
  was_active_ |= active;
  if (descriptor_ != nullptr) {
    wiring->links[wiring->link_count++] = descriptor_->publication.get();
    wiring->lent[wiring->lent_count++] = descriptor_.get();
  }
  lender_.publish(std::move(wiring));
}

void ProducerAgent::on_connection_lost(AgentContext& context) {
  adding_ = {};
  counters_.drop();
  if (descriptor_ == nullptr) return;
  context.graveyard.bury(std::move(descriptor_));
  core_.on_links(false);
  rewire();
}

// The port is gone or the client ends. The files of this epoch go at a clean end; what is mapped
// stays mapped until the last claim is back.
Result<void> ProducerAgent::let_go(AgentContext& context) {
  closed_ = true;
  const bool taken = request_ == nullptr;
  core_.on_close();
  creator_.reset();
  adding_ = {};
  counters_.drop();
  if (request_ != nullptr)
    std::exchange(request_, nullptr)->fail_with(Error::hot(Code::closed, "Client"));
  Result<void> removed;
  if (created_ && options_.remove_on_close)
    removed = shm::remove_stream(context.world.file_system, *created_);
  created_.reset();
  context.graveyard.bury(std::move(descriptor_));
  context.graveyard.bury(std::move(regions_));
  // Nobody adopts what is in the mailbox of a port that is closed, or that no handle ever took.
  if (!taken || lender_.cell()->closed.load(std::memory_order_acquire)) lender_.take_mail();
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
