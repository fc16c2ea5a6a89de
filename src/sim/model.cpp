#include "sim/model.hpp"

#include <algorithm>
#include <limits>

namespace tensorpool::sim {

const LinkFaults& Model::faults(std::int64_t from, std::int64_t to) const {
  const auto found = link_faults.find({from, to});
  return found == link_faults.end() ? options.faults : found->second;
}

void Model::trace(TraceKind kind, std::int64_t client, std::int32_t session, std::int32_t stream,
                  std::int64_t position) const {
  if (hook) hook(TraceEvent{kind, now(), client, session, stream, position});
}

void Model::tell(bool sent, std::int64_t client, std::int32_t session, std::int32_t stream,
                 std::span<const std::byte> bytes) const {
  if (message_hook) message_hook(MessageEvent{sent, client, session, stream, bytes});
}

bool Model::abandoned(std::int64_t client) const {
  const auto found = clients.find(client);
  return found != clients.end() && found->second.crashed;
}

bool Model::lost(std::int64_t client) const {
  const auto found = clients.find(client);
  return found == clients.end() || found->second.closed;
}

void Model::add(const std::shared_ptr<PublicationState>& publication) {
  publications[publication->id] = publication;
  for (const auto& [id, subscription] : subscriptions) connect(publication, subscription);
}

void Model::add(const std::shared_ptr<SubscriptionState>& subscription) {
  subscriptions[subscription->id] = subscription;
  for (const auto& [id, publication] : publications) {
    if (!publication->closed) connect(publication, subscription);
  }
}

void Model::connect(const std::shared_ptr<PublicationState>& publication,
                    const std::shared_ptr<SubscriptionState>& subscription) {
  if (publication->life != subscription->life || publication->media != subscription->media ||
      publication->stream_id != subscription->stream_id) {
    return;
  }
  links.push_back(Link{publication, subscription, nullptr, now(), 0});
  make_image(links.back());
}

void Model::make_image(Link& link) {
  link.image = std::make_shared<Image>();
  link.image->session_id = link.publication->session_id;
  // Aeron lets a subscriber join where it last noted that all others had read to: everything sent
  // from here on arrives, and a little of what was sent before may.
  const PublicationState& from = *link.publication;
  const std::size_t old = static_cast<std::size_t>(prng.below(from.recent.size() + 1));
  Image& image = *link.image;
  image.tail = from.log.empty() ? from.position : from.log.front()->start;
  for (std::size_t i = from.recent.size() - old; i < from.recent.size(); ++i) {
    if (from.recent[i]->state == Frame::State::committed) deliver(link, from.recent[i]);
  }
  image.consumed = old == 0 ? image.tail : from.recent[from.recent.size() - old]->start;
  if (image.queue.empty()) image.consumed = image.tail;
  link.ahead_ns = now();
  link.subscription->images.push_back(link.image);
  trace(TraceKind::image_available, link.subscription->client, link.image->session_id,
        link.subscription->stream_id, link.image->tail);
  if (link.subscription->log != nullptr) {
    (void)link.subscription->log->push({link.image->session_id, now(), true});
  }
}

void Model::drop_image(Link& link, Nanos rests_until_ns) {
  if (link.image == nullptr) return;
  std::erase(link.subscription->images, link.image);
  trace(TraceKind::image_unavailable, link.subscription->client, link.image->session_id,
        link.subscription->stream_id, link.image->consumed);
  if (link.subscription->log != nullptr) {
    (void)link.subscription->log->push({link.image->session_id, now(), false});
  }
  link.image = nullptr;
  link.rests_until_ns = rests_until_ns;
}

void Model::remove(PublicationState& publication) {
  if (publication.closed) return;
  // What was sent stays readable for a while; an open claim never becomes readable.
  publication.closed = true;
  publication.closed_at_ns = now();
  publications.erase(publication.id);
}

void Model::remove(SubscriptionState& subscription) {
  subscription.log = nullptr;
  std::erase_if(links, [&](const Link& link) { return link.subscription.get() == &subscription; });
  subscription.images.clear();
  subscriptions.erase(subscription.id);
}

void Model::remove_client(std::int64_t client) {
  std::vector<std::shared_ptr<PublicationState>> sending;
  std::vector<std::shared_ptr<SubscriptionState>> receiving;
  for (const auto& [id, p] : publications) {
    if (p->client == client) sending.push_back(p);
  }
  for (const auto& [id, s] : subscriptions) {
    if (s->client == client) receiving.push_back(s);
  }
  for (const auto& p : sending) remove(*p);
  for (const auto& s : receiving) remove(*s);
  std::erase_if(counters, [&](const auto& entry) { return entry.second->view.owner_id == client; });
}

bool Model::connected(const PublicationState& publication) const {
  return std::any_of(links.begin(), links.end(), [&](const Link& link) {
    return link.publication.get() == &publication && link.image != nullptr;
  });
}

// Only a living media driver moves the limit.
void Model::update_limit(PublicationState& publication) {
  if (!publication.life->running()) return;
  std::int64_t slowest = std::numeric_limits<std::int64_t>::max();
  for (const Link& link : links) {
    if (link.publication.get() == &publication && link.image != nullptr) {
      slowest = std::min(slowest, link.image->consumed);
    }
  }
  if (slowest == std::numeric_limits<std::int64_t>::max()) return;
  publication.limit = slowest + static_cast<std::int64_t>(options.term_bytes / 2);
}

transport::Position Model::reserve(PublicationState& publication, std::size_t bytes) {
  if (publication.closed || lost(publication.client)) return transport::publication_closed;
  if (!connected(publication)) return transport::not_connected;
  update_limit(publication);
  const bool unlucky =
      prng.chance(faults(publication.client, publication.client).back_pressure_per_million);
  if (publication.position >= publication.limit || unlucky) {
    trace(TraceKind::back_pressured, publication.client, publication.session_id,
          publication.stream_id, publication.position);
    return transport::back_pressured;
  }
  const auto term = static_cast<std::int64_t>(options.term_bytes);
  const std::int64_t offset = publication.position % term;
  if (publication.position + static_cast<std::int64_t>(bytes) > options.max_position) {
    return transport::max_position_exceeded;
  }
  if (offset + static_cast<std::int64_t>(bytes) > term) {
    // The rest of the term becomes padding; the next attempt begins the next term.
    const auto padding = append(publication, 0);
    padding->stop = publication.position = publication.position - offset + term;
    padding->state = Frame::State::aborted;
    distribute(publication);
    return transport::admin_action;
  }
  return 0;
}

std::shared_ptr<Frame> Model::append(PublicationState& publication, std::size_t payload) {
  auto frame = std::make_shared<Frame>();
  frame->data.resize(payload);
  frame->start = publication.position;
  frame->stop = publication.position + frame_bytes(payload);
  publication.log.push_back(frame);
  return frame;
}

void Model::distribute(PublicationState& publication) {
  while (!publication.log.empty() && publication.log.front()->state != Frame::State::open) {
    const std::shared_ptr<const Frame> frame = publication.log.front();
    publication.log.pop_front();
    if (frame->state == Frame::State::committed) {
      trace(TraceKind::sent, publication.client, publication.session_id, publication.stream_id,
            frame->stop);
    }
    for (Link& link : links) {
      if (link.publication.get() != &publication || link.image == nullptr) continue;
      if (frame->state == Frame::State::committed) deliver(link, frame);
      link.image->tail = frame->stop;
      if (link.image->queue.empty()) link.image->consumed = link.image->tail;
    }
    publication.recent.push_back(frame);
    forget_old(publication);
  }
}

void Model::forget_old(PublicationState& publication) const {
  const auto kept = static_cast<std::int64_t>(options.late_join_bytes);
  auto& recent = publication.recent;
  while (!recent.empty() && recent.back()->stop - recent.front()->start > kept) recent.pop_front();
}

void Model::deliver(Link& link, const std::shared_ptr<const Frame>& frame) {
  Image& image = *link.image;
  const LinkFaults& fault = faults(link.publication->client, link.subscription->client);
  const auto queue = [&](const std::shared_ptr<const Frame>& f) {
    const Nanos spread = std::max<Nanos>(0, fault.delay_max_ns - fault.delay_min_ns);
    const Nanos delay =
        fault.delay_min_ns + static_cast<Nanos>(prng.below(static_cast<std::uint64_t>(spread) + 1));
    image.last_due_ns = std::max(image.last_due_ns, now() + delay);
    image.queue.push_back({f, image.last_due_ns});
  };
  if (frame->begin) image.message.clear();
  image.message.push_back(frame);
  if (prng.chance(fault.loss_per_million)) {
    trace(TraceKind::lost, link.subscription->client, image.session_id,
          link.subscription->stream_id, frame->stop);
  } else {
    queue(frame);
  }
  if (frame->end && prng.chance(fault.duplicate_per_million)) {
    trace(TraceKind::duplicated, link.subscription->client, image.session_id,
          link.subscription->stream_id, frame->stop);
    for (const auto& again : image.message) queue(again);
  }
}

bool Model::hand_over(const SubscriptionState& subscription, Image& image, const Frame& frame,
                      transport::FragmentHandler handler, bool assembled) const {
  transport::Fragment fragment;
  fragment.session_id = image.session_id;
  const auto hand = [&] {
    tell(false, subscription.client, image.session_id, subscription.stream_id, fragment.data);
    handler(fragment);
  };
  if (!assembled || (frame.begin && frame.end)) {
    fragment.data = frame.data;
    fragment.begin = frame.begin;
    fragment.end = frame.end;
    image.partial_stop = -1;
    hand();
    return true;
  }
  if (frame.begin) {
    image.partial.clear();
  } else if (image.partial_stop != frame.start) {  // a gap: the rest of that message is dropped
    image.partial_stop = -1;
    return false;
  }
  image.partial.insert(image.partial.end(), frame.data.begin(), frame.data.end());
  image.partial_stop = frame.end ? -1 : frame.stop;
  if (!frame.end) return false;
  // Moved out, so that a handler that polls nothing of ours still sees stable bytes.
  const std::vector<std::byte> whole = std::move(image.partial);
  image.partial.clear();
  fragment.data = whole;
  hand();
  return true;
}

int Model::poll(SubscriptionState& subscription, transport::FragmentHandler handler, int limit,
                bool assembled) {
  int count = 0;
  const auto images = subscription.images;  // handlers may cause images to come and go
  const std::size_t first = images.empty() ? 0 : subscription.next_image++ % images.size();
  for (std::size_t i = 0; i < images.size() && count < limit; ++i) {
    Image& image = *images[(first + i) % images.size()];
    while (count < limit && !image.queue.empty() && image.queue.front().due_ns <= now()) {
      const auto frame = image.queue.front().frame;
      image.queue.pop_front();
      image.consumed = image.queue.empty() ? image.tail : std::max(image.consumed, frame->stop);
      ++count;
      trace(TraceKind::delivered, subscription.client, image.session_id, subscription.stream_id,
            frame->stop);
      (void)hand_over(subscription, image, *frame, handler, assembled);
    }
  }
  return count;
}

void Model::disconnect(std::int32_t session_id, Nanos duration_ns) {
  for (Link& link : links) {
    if (link.publication->session_id == session_id) drop_image(link, now() + duration_ns);
  }
}

void Model::check_link(Link& link) {
  const PublicationState& publication = *link.publication;
  if (link.image == nullptr) {
    if (!publication.closed && now() >= link.rests_until_ns) make_image(link);
    return;
  }
  if (publication.closed) {
    if (link.image->queue.empty() || now() >= publication.closed_at_ns + options.linger_ns) {
      drop_image(link, 0);
    }
    return;
  }
  const auto window = static_cast<std::int64_t>(options.term_bytes / 2);
  if (link.subscription->tethered || publication.position - link.image->consumed < window / 4 * 3) {
    link.ahead_ns = now();
  } else if (now() - link.ahead_ns >= options.untethered_timeout_ns) {
    drop_image(link, now() + options.resting_timeout_ns);
  }
}

void Model::check_client(Client& client) {
  if (client.crashed || client.stopped || client.closed) return;
  client.closed =
      client.dropped || now() - client.life->heartbeat_ns(now()) > client.driver_timeout_ns;
}

void Model::tick() {
  for (auto& [id, client] : clients) {
    if (!client.crashed && !client.stopped && !client.invoked) client.keepalive_ns = now();
    if (!client.invoked) check_client(client);
    if (client.life->running() && !client.dropped &&
        now() - client.keepalive_ns > options.client_liveness_ns) {
      client.dropped = true;
      trace(TraceKind::client_dropped, id, 0, 0, 0);
      remove_client(id);
    }
  }
  for (Link& link : links) {
    if (link.publication->life->running()) check_link(link);
  }
  std::erase_if(links,
                [](const Link& link) { return link.publication->closed && link.image == nullptr; });
}

}  // namespace tensorpool::sim
