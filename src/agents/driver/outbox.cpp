#include "agents/driver/outbox.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace tensorpool::agents::driver {

void Outbox::add(Message message) {
  bytes_ += message.bytes.size();
  messages_.push_back(std::move(message));
}

void Outbox::pop() {
  Message& first = messages_.front();
  bytes_ -= first.bytes.size();
  if (first.announced != 0) {
    const auto found = announces_.find(first.announced);
    if (found != announces_.end() && found->second == &first) announces_.erase(found);
  }
  messages_.pop_front();
}

Result<void> Outbox::put(const wire::ShmPoolAnnounce& announce) {
  if (!up_) return {};
  std::vector<std::byte> bytes;
  if (auto made = encode(announce, bytes); !made) return made;
  const auto found = announces_.find(announce.stream_id);
  // Of another epoch it keeps its place behind the notice that comes before it (DRV-119).
  if (found != announces_.end() && found->second->epoch == announce.epoch) {
    bytes_ += bytes.size();
    bytes_ -= found->second->bytes.size();
    found->second->bytes = std::move(bytes);
    return {};
  }
  add({std::move(bytes), wire::ShmPoolAnnounce::name, announce.stream_id, announce.epoch});
  announces_[announce.stream_id] = &messages_.back();
  return {};
}

void Outbox::set_up(bool up) {
  up_ = up;
  alone_since_ns_ = 0;
  if (up) return;
  announces_.clear();
  std::erase_if(messages_, [&](const Message& message) {
    if (message.announced == 0) return false;
    bytes_ -= message.bytes.size();
    return true;
  });
}

void Outbox::give_up() {
  lost_ += messages_.size();
  messages_.clear();
  announces_.clear();
  bytes_ = 0;
}

int Outbox::flush(base::Nanos now, LinkAdd<transport::Publication>& control,
                  LinkAdd<transport::Publication>& announce,
                  FunctionRef<void(const Error&)> on_error) {
  int done = 0;
  while (!messages_.empty() && done < base::limits::driver_sends_per_cycle) {
    const Message& first = messages_.front();
    LinkAdd<transport::Publication>& link = first.announced != 0 ? announce : control;
    if (!link.ready()) break;
    const Sent sent = offer(now, first, link);
    if (sent == Sent::later) break;
    if (sent == Sent::never) {
      ++lost_;
      on_error(
          Error(Code::transport_error, "offer",
                fmt::format("{} of {} bytes cannot be sent on stream {}, which takes {}; use a "
                            "channel with a larger term-length",
                            first.name, first.bytes.size(), link.get()->stream_id(),
                            link.get()->max_message_bytes())));
    }
    pop();
    ++done;
  }
  return done;
}

Outbox::Sent Outbox::offer(base::Nanos now, const Message& message,
                           LinkAdd<transport::Publication>& link) {
  transport::Position position = 0;
  for (int i = 0; i <= base::limits::admin_action_retries; ++i) {
    position = link.get()->offer(message.bytes);
    if (position != transport::admin_action) break;
  }
  if (position > 0) {
    if (message.announced == 0) alone_since_ns_ = 0;
    return Sent::done;
  }
  switch (position) {
    case transport::not_connected:
      return not_connected(now, message);
    case transport::publication_closed:
    case transport::max_position_exceeded:
      link = LinkAdd<transport::Publication>{};
      return Sent::later;
    case transport::publication_error:
      return Sent::never;
    default:
      return Sent::later;
  }
}

// Nobody who could hear it now. The driver's own subscription is one, so for the control stream this
// is over soon, unless its channel leads elsewhere.
Outbox::Sent Outbox::not_connected(base::Nanos now, const Message& message) {
  if (message.announced != 0) return Sent::done;
  if (alone_since_ns_ == 0) alone_since_ns_ = std::max<base::Nanos>(now, 1);
  if (now - alone_since_ns_ < patience_ns_) return Sent::later;
  ++lost_;
  return Sent::done;
}

}  // namespace tensorpool::agents::driver
