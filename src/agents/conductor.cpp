#include "agents/conductor.hpp"

#include <algorithm>
#include <utility>

#include "transport/channel.hpp"
#include "wire/text.hpp"

namespace tensorpool::agents {
namespace {

transport::ConnectOptions connect_options(const ClientOptions& options) {
  transport::ConnectOptions connect;
  connect.directory = options.aeron_dir;
  connect.client_name = options.client_name;
  // Never a thread of its own: what an idle client costs is how often its threads wake.
  connect.invoked = true;
  connect.driver_timeout_ns = options.media_driver_timeout_ns;
  return connect;
}

}  // namespace

Conductor::Conductor(const ClientOptions& options, shm::MapPolicy policy, World world)
    : options_(options),
      policy_(std::move(policy)),
      context_{world, options_, policy_, nullptr, {}, {}},
      connector_(world.transport, connect_options(options)),
      commands_(options.command_queue_capacity),
      counters_(client_counters(), "client", 0, 0,
                static_cast<std::uint32_t>(world.file_system.process_id())) {}

Conductor::~Conductor() {
  (void)close();
  // No port is left: everything comes back now.
  for (auto& agent : producers_) agent->lender().drain();
  for (auto& agent : consumers_) agent->lender().drain();
  while (!context_.graveyard.empty() && context_.graveyard.do_work() > 0) {
  }
}

int Conductor::do_work() {
  const base::Nanos started = context_.now().monotonic;
  int work = 0;
  if (context_.generation != nullptr) work += context_.generation->connection->do_work();
  work += connect();
  work += run_commands();
  if (context_.generation != nullptr) {
    work += add_shared_links();
    work += poll_control();
  }
  work += run_agents();
  work += counters_.do_work(context_, *no_port_.cell(), counts_);
  work += context_.graveyard.do_work();
  const base::Nanos took = context_.now().monotonic - started;
  if (took > longest_cycle_ns_.load(std::memory_order_relaxed)) {
    longest_cycle_ns_.store(took, std::memory_order_relaxed);
    counts_.longest_cycle_ns = static_cast<std::uint64_t>(took);
  }
  return work;
}

// Finds a media driver, notices its death, and starts anew beside what the old life left lent.
int Conductor::connect() {
  const Connector::Step step = connector_.do_work(context_.now().monotonic, context_.generation);
  if (!step.complaint.empty()) context_.notify(NoticeKind::error, 0, 0, step.complaint);
  if (!step.lost.empty()) {
    lose_connection(step.lost);
    return 1;
  }
  if (!step.connected) return 0;
  connected_.store(true, std::memory_order_release);
  context_.bell->ring();  // links are added now, and answered soon
  context_.notify(NoticeKind::connected, 0, 0, connector_.directory());
  return 1;
}

void Conductor::lose_connection(std::string_view why) {
  connected_.store(false, std::memory_order_release);
  // Agents doom the links that they lent; those keep the generation until the ports let go.
  for (auto& agent : producers_) agent->on_connection_lost(context_);
  for (auto& agent : consumers_) agent->on_connection_lost(context_);
  counters_.drop();
  for (const auto& [session, joined] : std::exchange(joined_, {})) {
    for (auto& agent : consumers_) agent->on_image(context_, session, joined, false);
    for (auto& agent : producers_) {
      if (agent->lease() != nullptr) agent->lease()->on_image(session, joined, false);
    }
  }
  context_.generation.reset();
  ++counts_.errors;
  context_.notify(NoticeKind::connection_lost, 0, 0, why);
}

int Conductor::run_commands() {
  int work = 0;
  std::shared_ptr<Request> request;
  // As many as fit the queue: whoever goes on asking cannot hold up the rest of the cycle.
  while (work < static_cast<int>(options_.command_queue_capacity) && commands_.pop(request)) {
    ++work;
    start(std::move(request));
  }
  return work;
}

void Conductor::start(std::shared_ptr<Request> request) {
  if (request->abandoned()) return;
  if (producers_.size() + consumers_.size() >= base::limits::ports_per_client) {
    request->fail_with(Error(
        Code::limit_exceeded, "Client",
        "a client holds at most 64 producers and consumers; close some or use another client"));
    return;
  }
  if (request->kind == RequestKind::producer) {
    producers_.push_back(std::make_unique<ProducerAgent>(context_, std::move(request)));
    producers_.back()->lender().cell()->conductor = context_.bell;
    for (const auto& [session, at] : joined_) {
      if (LeaseAgent* lease = producers_.back()->lease()) lease->on_image(session, at, true);
    }
    return;
  }
  consumers_.push_back(std::make_unique<ConsumerAgent>(context_, std::move(request)));
  consumers_.back()->lender().cell()->conductor = context_.bell;
  for (const auto& [session, at] : joined_)
    consumers_.back()->on_image(context_, session, at, true);
}

// The links that the conductor itself uses, as far as any port needs them: no subscription that
// nobody polls, no log that nobody writes.
int Conductor::add_shared_links() {
  Generation& g = *context_.generation;
  const base::Nanos now = context_.now().monotonic;
  const bool one_endpoint = options_.announce == options_.control;
  int work = 0;
  auto publish = [&](LinkAdd<transport::Publication>& link, const Endpoint& endpoint) {
    const auto step = link.step(now, [&] {
      return g.connection->add_publication(transport::control_channel(endpoint.channel),
                                           endpoint.stream_id, context_.add_deadline());
    });
    if (step) {
      work += *step;
    } else {
      ++counts_.errors;
      context_.notify(NoticeKind::error, 0, 0, step.error().message());
    }
  };
  auto subscribe = [&](LinkAdd<transport::Subscription>& link, const Endpoint& endpoint,
                       transport::ImageLog& log) {
    const auto step = link.step(now, [&] {
      return g.connection->add_subscription(endpoint.channel, endpoint.stream_id,
                                            context_.add_deadline(), &log);
    });
    if (step) {
      work += *step;
    } else {
      ++counts_.errors;
      context_.notify(NoticeKind::error, 0, 0, step.error().message());
    }
  };
  const bool any = !producers_.empty() || !consumers_.empty();
  const bool leases = options_.mode == Mode::driver;
  if (any) publish(g.qos_out, options_.qos);
  if (!producers_.empty() && !leases) publish(g.announce_out, options_.announce);
  if (!consumers_.empty() || (any && leases)) {
    publish(g.control_out, options_.control);
    subscribe(g.control_in, options_.control, g.control_images);
    // CON-5: equal endpoints share one subscription.
    if (!one_endpoint) subscribe(g.announce_in, options_.announce, g.announce_images);
  }
  return work;
}

int Conductor::poll_control() {
  Generation& g = *context_.generation;
  int work = take_images(g.control_images) + take_images(g.announce_images);
  work += take_descriptor_images(g.descriptor_images);
  auto handle = [&](const transport::Fragment& message) {
    on_message(message.session_id, message.data);
  };
  const int limit = static_cast<int>(options_.fragment_limit);
  if (g.control_in.ready()) work += g.control_in.get()->poll_assembled(handle, limit);
  if (g.announce_in.ready()) work += g.announce_in.get()->poll_assembled(handle, limit);
  return work;
}

int Conductor::take_images(transport::ImageLog& log) {
  int work = 0;
  while (const auto event = log.pop()) {
    ++work;
    if (event->available) {
      joined_[event->session_id] = event->monotonic_ns;
    } else {
      joined_.erase(event->session_id);
    }
    for (auto& agent : consumers_) {
      agent->on_image(context_, event->session_id, event->monotonic_ns, event->available);
    }
    for (auto& agent : producers_) {
      if (agent->lease() != nullptr)
        agent->lease()->on_image(event->session_id, event->monotonic_ns, event->available);
    }
  }
  return work;
}

// A publisher of descriptors that has just been joined may send behind any bell that a sleeping port knows of.
int Conductor::take_descriptor_images(transport::ImageLog& log) {
  int work = 0;
  bool joined = false;
  while (const auto event = log.pop()) {
    ++work;
    joined |= event->available;
  }
  if (!joined) return work;
  context_.wake.look_soon();
  for (auto& agent : consumers_) agent->on_descriptor_image();
  return work;
}

// Everything on these streams but what agents want to know is somebody else's (MSG-12, STR-8). What cannot be
// decoded is counted and dropped (CON-44).
void Conductor::on_message(std::int32_t session, std::span<const std::byte> message) {
  const auto header = wire::peek(message);
  if (!header) return;
  if (header->schema_id == wire::ShmPoolAnnounce::schema_id) {
    if (header->template_id == wire::ShmPoolAnnounce::template_id) on_announce(session, message);
    return;
  }
  if (options_.mode != Mode::driver ||
      header->schema_id != wire::driver::ShmAttachResponse::schema_id)
    return;
  switch (header->template_id) {
    case wire::driver::ShmAttachResponse::template_id:
      return on_driver_message<wire::driver::ShmAttachResponse>(message);
    case wire::driver::ShmLeaseRevoked::template_id:
      return on_driver_message<wire::driver::ShmLeaseRevoked>(message);
    case wire::driver::ShmDriverShutdown::template_id:
      return on_driver_message<wire::driver::ShmDriverShutdown>(message);
    default:
      return;  // requests of other clients, and answers to a detach, which change nothing
  }
}

void Conductor::on_announce(std::int32_t session, std::span<const std::byte> message) {
  const auto announce = wire::try_decode<wire::ShmPoolAnnounce>(message);
  if (!announce) {
    ++counts_.errors;
    return;
  }
  joined_.try_emplace(session, context_.now().monotonic);
  for (auto& agent : consumers_) agent->on_announce(context_, session, *announce);
  for (auto& agent : producers_) {
    if (agent->lease() != nullptr) agent->lease()->on_announce(context_, session, *announce);
  }
}

template <class F>
void Conductor::for_each_lease(F&& what) {
  for (auto& agent : producers_) {
    if (agent->lease() != nullptr) what(*agent->lease());
  }
  for (auto& agent : consumers_) {
    if (agent->lease() != nullptr) what(*agent->lease());
  }
}

template <class M>
void Conductor::on_driver_message(std::span<const std::byte> message) {
  auto decoded = wire::try_decode<M>(message);
  if (!decoded) {
    ++counts_.errors;
    return;
  }
  // It ends on terminals and in logs (MSG-43).
  decoded->error_message =
      wire::printable(decoded->error_message, base::limits::error_message_bytes);
  for_each_lease([&](LeaseAgent& lease) { lease.on_message(context_, *decoded); });
}

int Conductor::run_agents() {
  int work = 0;
  for (auto& agent : producers_) work += agent->do_work(context_);
  for (auto& agent : consumers_) work += agent->do_work(context_);
  const auto done = [](const auto& agent) { return agent->finished(); };
  std::erase_if(producers_, done);
  std::erase_if(consumers_, done);
  return work;
}

Result<void> Conductor::close() {
  if (std::exchange(closed_, true)) return {};
  connected_.store(false, std::memory_order_release);
  std::shared_ptr<Request> request;
  while (commands_.pop(request)) request->fail_with(Error::hot(Code::closed, "Client"));
  Result<void> outcome;
  for (auto& agent : producers_) {
    if (auto closed = agent->close(context_); !closed && outcome) outcome = std::move(closed);
  }
  for (auto& agent : consumers_) agent->close(context_);
  counters_.drop();
  while (context_.graveyard.do_work() > 0) {
  }
  context_.generation.reset();
  return outcome;
}

}  // namespace tensorpool::agents
