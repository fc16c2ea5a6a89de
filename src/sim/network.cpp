#include "sim/network.hpp"

#include <algorithm>
#include <utility>

#include "sim/model.hpp"
#include "sim/sim_transport.hpp"

namespace tensorpool::sim {

Network::Network(base::ManualClock& clock, const NetworkOptions& options)
    : model_(std::make_shared<Model>(clock, options)) {}
Network::~Network() = default;

Nanos Network::now() const noexcept { return model_->now(); }

void Network::advance(Nanos by) {
  const Nanos interval = std::max<Nanos>(1, model_->options.timer_interval_ns);
  while (by > 0) {
    // Up to the next multiple of the interval, so that timers fire at the same times however the
    // test cuts its steps.
    const Nanos step = std::min(by, interval - model_->now() % interval);
    model_->clock.advance(step);
    by -= step;
    if (model_->now() % interval == 0) model_->tick();
  }
}

bool Network::start_media_driver(const std::string& directory) {
  auto& life = model_->lives[directory];
  if (life != nullptr && !life->killed) return false;
  life = std::make_shared<Life>();
  life->pid = model_->next_pid++;
  life->start_ns = model_->clock.realtime_ns() + life->pid;  // no two lives share one
  model_->trace(TraceKind::driver_started, 0, 0, 0, 0);
  return true;
}

void Network::kill_media_driver(const std::string& directory) {
  const auto found = model_->lives.find(directory);
  if (found == model_->lives.end() || found->second->killed) return;
  Life& life = *found->second;
  if (!life.frozen) life.silent_since_ns = model_->now();
  life.killed = true;
  model_->trace(TraceKind::driver_killed, 0, 0, 0, 0);
}

void Network::freeze_media_driver(const std::string& directory, bool frozen) {
  const auto found = model_->lives.find(directory);
  if (found == model_->lives.end() || found->second->frozen == frozen) return;
  found->second->frozen = frozen;
  if (frozen) {
    found->second->silent_since_ns = model_->now();
    return;
  }
  // The media driver was away: it does not hold the silence against its clients.
  for (auto& [id, client] : model_->clients) {
    if (client.life == found->second) client.keepalive_ns = model_->now();
  }
}

std::vector<CounterView> Network::counters(const std::string& directory) const {
  std::vector<CounterView> views;
  const auto found = model_->lives.find(directory);
  if (found == model_->lives.end()) return views;
  for (const auto& [id, counter] : model_->counters) {
    if (counter->life != found->second) continue;
    views.push_back(counter->view);
    views.back().value = counter->memory->words[0];
  }
  return views;
}

void Network::crash(std::int64_t client_id) {
  const auto found = model_->clients.find(client_id);
  if (found != model_->clients.end()) found->second.crashed = true;
}

void Network::stop(std::int64_t client_id, bool stopped) {
  const auto found = model_->clients.find(client_id);
  if (found != model_->clients.end()) found->second.stopped = stopped;
}

void Network::set_faults(const LinkFaults& faults) { model_->options.faults = faults; }

void Network::set_faults(std::int64_t from_client, std::int64_t to_client,
                         const LinkFaults& faults) {
  model_->link_faults[{from_client, to_client}] = faults;
}

void Network::disconnect(std::int32_t session_id, Nanos duration_ns) {
  model_->disconnect(session_id, duration_ns);
}

void Network::on_trace(std::function<void(const TraceEvent&)> hook) {
  model_->hook = std::move(hook);
}

void Network::on_message(std::function<void(const MessageEvent&)> hook) {
  model_->message_hook = std::move(hook);
}

void Network::each_waiting(std::int64_t client_id, std::int32_t stream_id,
                           const std::function<void(std::span<const std::byte>)>& visit) const {
  for (const auto& [id, subscription] : model_->subscriptions) {
    if (subscription->client != client_id || subscription->stream_id != stream_id) continue;
    for (const auto& image : subscription->images) {
      for (const Delivery& delivery : image->queue) {
        if (delivery.due_ns > model_->now()) break;
        visit(delivery.frame->data);
      }
    }
  }
}

std::unique_ptr<transport::Transport> Network::make_transport() {
  return std::make_unique<SimTransport>(model_);
}

}  // namespace tensorpool::sim
