#include "agents/connector.hpp"

namespace tensorpool::agents {
namespace {

// How often the media driver is looked at.
constexpr base::Nanos probe_interval_ns = 100'000'000;

}  // namespace

Connector::Step Connector::do_work(base::Nanos now, std::shared_ptr<Generation>& generation) {
  if (now < next_probe_ns_ && !opening_) return {};
  next_probe_ns_ = now + probe_interval_ns;
  return generation != nullptr ? look_after(*generation) : connect(generation);
}

// Whether the media driver that is connected to still lives.
Connector::Step Connector::look_after(const Generation& generation) {
  Step step;
  if (generation.connection->is_closed()) {
    step.lost = "the media driver died or dropped this client";
    return step;
  }
  if (transport_.replaced(options_, generation.media_driver_start_ns)) {
    step.lost = "the media driver was replaced";
    return step;
  }
  if (const std::string text = generation.connection->complaint(); !text.empty())
    step.complaint = once(text);
  return step;
}

Connector::Step Connector::connect(std::shared_ptr<Generation>& generation) {
  Step step;
  if (!opening_) {
    const transport::MediaDriverState state = transport_.probe(options_);
    if (state.unusable) step.complaint = once(state.why);
    if (!state.alive) return step;
    opening_start_ns_ = state.start_ns;
  }
  auto connection = transport_.connect(options_);
  opening_ = !connection && connection.error().code() == Code::connecting;
  if (opening_) return step;
  if (!connection) {
    step.complaint = once(connection.error().message());
    return step;
  }
  last_complaint_.clear();
  generation = std::make_shared<Generation>();
  generation->connection = std::move(*connection);
  generation->media_driver_start_ns = opening_start_ns_;
  step.connected = true;
  return step;
}

// What keeps a client from connecting or hearing others is told once per reason.
std::string Connector::once(const std::string& text) {
  if (text == last_complaint_) return {};
  last_complaint_ = text;
  return text;
}

}  // namespace tensorpool::agents
