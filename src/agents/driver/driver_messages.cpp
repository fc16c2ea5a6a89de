// What clients say to a driver, and what its core wants done about it.
#include <fmt/format.h>

#include <utility>

#include "agents/driver/driver_impl.hpp"
#include "protocol/overloaded.hpp"

namespace tensorpool::agents::driver {
namespace {

namespace messages = wire::driver;

}  // namespace

// --- What clients say.

int DriverAgent::Impl::poll() {
  if (generation_ == nullptr || !generation_->control_in.ready()) {
    core_.on_held_up(now());
    return 0;
  }
  auto handle = [this](const transport::Fragment& message) { on_message(message.data); };
  const int heard = generation_->control_in.get()->poll_assembled(handle, options_.fragment_limit);
  if (heard >= options_.fragment_limit) {
    core_.on_held_up(now());  // more may wait, keepalives among it
  } else {
    core_.on_drained(clients_return_until_ns_);
  }
  return heard;
}

// Everything else on this stream, our own answers included, is somebody else's (DRV-13, DRV-14).
void DriverAgent::Impl::on_message(std::span<const std::byte> message) {
  const auto header = wire::peek(message);
  if (!header) return;
  if (header->schema_id == messages::ShmAttachRequest::schema_id)
    return on_driver_message(*header, message);
  if (header->schema_id == wire::ConsumerHello::schema_id &&
      header->template_id == wire::ConsumerHello::template_id &&
      header->version == wire::schema_version) {
    hear(wire::try_decode<wire::ConsumerHello>(message), &DriverCore::on_hello);
  }
}

void DriverAgent::Impl::on_driver_message(const wire::MessageHeader& header,
                                          std::span<const std::byte> message) {
  if (header.version != wire::schema_version) {
    const auto id = wire::peek_attach_of_other_version(message);
    if (!id || !may_answer()) return;
    core_.on_attach_version(now(), *id, actions_);
    return apply();
  }
  // A client that comes or goes has more to say, while keepalives only come again.
  if (header.template_id == messages::ShmAttachRequest::template_id ||
      header.template_id == messages::ShmDetachRequest::template_id)
    stir();
  switch (header.template_id) {
    case messages::ShmAttachRequest::template_id:
      return hear(wire::try_decode_request<messages::ShmAttachRequest>(message),
                  &DriverCore::on_attach);
    case messages::ShmDetachRequest::template_id:
      return hear(wire::try_decode_request<messages::ShmDetachRequest>(message),
                  &DriverCore::on_detach);
    case messages::ShmDriverShutdownRequest::template_id:
      return hear(wire::try_decode<messages::ShmDriverShutdownRequest>(message),
                  &DriverCore::on_shutdown_request);
    case messages::ShmLeaseKeepalive::template_id: {
      const auto keepalive = wire::try_decode<messages::ShmLeaseKeepalive>(message);
      // Those of living leases ask for nothing and are heard in any case.
      if (keepalive && core_.leases().all().contains(keepalive->lease_id)) {
        core_.on_keepalive(now(), *keepalive, actions_);
        return apply();
      }
      return hear(keepalive, &DriverCore::on_keepalive);
    }
    default:
      return;
  }
}

template <class M, class Decoded>
void DriverAgent::Impl::hear(const Decoded& decoded,
                             void (DriverCore::*step)(Now, const M&, Actions&)) {
  if (!decoded) {
    ++malformed_;
    return;
  }
  if (!may_answer()) return;
  (core_.*step)(now(), *decoded, actions_);
  apply();
}

// Whether there is room for what an input may ask for. Requests that come meanwhile are not heard: their clients
// ask again, while an answer that got lost would be missed.
bool DriverAgent::Impl::may_answer() {
  if (outbox_.has_room()) {
    complained_ = false;
    return true;
  }
  ++shed_;
  if (!std::exchange(complained_, true)) {
    error(0, fmt::format("requests are not heard: {} messages wait for room in streams {} and {}; "
                         "find the subscriber that stands still, or use a larger term-length",
                         outbox_.size(), options_.control.stream_id, options_.announce.stream_id));
  }
  return false;
}

// --- What the core wants.

void DriverAgent::Impl::apply() {
  for (Action& action : actions_.take()) perform(action);
}

void DriverAgent::Impl::perform(Action& action) {
  std::visit(protocol::Overloaded{
                 [&](const protocol::driver::SendAttachResponse& send) { say(send.message); },
                 [&](const protocol::driver::SendDetachResponse& send) { say(send.message); },
                 [&](const protocol::driver::SendLeaseRevoked& send) { say(send.message); },
                 [&](const protocol::driver::SendDriverShutdown& send) { say(send.message); },
                 [&](const protocol::driver::SendConsumerConfig& send) { say(send.message); },
                 [&](const protocol::driver::SendAnnounce& send) { announce(send); },
                 [&](protocol::driver::CreateRegions& create) { ask(std::move(create)); },
                 [&](const protocol::driver::CollectEpochs& collect) { ask(collect); },
                 [&](const protocol::driver::RemoveRegions& remove) { ask(remove); },
                 [&](const protocol::driver::Stopped&) {
                   last_words_until_ns_ = protocol::driver::later(now().monotonic, last_words_ns);
                 },
                 [&](const Report& report) { on_report(report); },
             },
             action);
}

template <class M>
void DriverAgent::Impl::say(const M& message) {
  if (const auto put = outbox_.put(message); !put) error(0, put.error().message());
}

void DriverAgent::Impl::announce(const protocol::driver::SendAnnounce& action) {
  const auto held = held_.find(action.message.stream_id);
  if (action.refresh_activity && held != held_.end() && held->second.epoch == action.message.epoch)
    held->second.mapped.refresh_activity(static_cast<std::uint64_t>(now().monotonic));
  if (const auto put = outbox_.put(action.message); !put)
    error(action.message.stream_id, put.error().message());
}

void DriverAgent::Impl::on_report(const Report& report) {
  if (report.event == Event::regions_failed || report.event == Event::stream_forgotten) {
    const auto stream = core_.streams().all().find(report.stream_id);
    if (stream == core_.streams().all().end() || !stream->second.regions) retire(report.stream_id);
  }
  if (options_.on_report) options_.on_report(report);
}

void DriverAgent::Impl::notice(NoticeKind kind, std::uint32_t stream_id, std::string_view text) {
  if (options_.on_notice) options_.on_notice(DriverNotice{kind, stream_id, text});
}

int DriverAgent::Impl::send() {
  if (generation_ == nullptr) return 0;
  return outbox_.flush(now().monotonic, generation_->control_out, announce_link(),
                       [this](const Error& e) { error(0, e.message()); });
}

}  // namespace tensorpool::agents::driver
