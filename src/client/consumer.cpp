#include "tensorpool/consumer.hpp"

#include <cerrno>
#include <utility>

#include "base/fork.hpp"
#include "client/handles.hpp"
#include "client/waiting.hpp"

namespace tensorpool {

using client::ConsumerObject;
using client::ConsumerPort;
using Visit = ConsumerPort::Visit;

namespace {

ConsumerObject* object(void* port) noexcept { return static_cast<ConsumerObject*>(port); }

// Keeps the object while a handler runs: the handler may destroy the Consumer.
class Call {
 public:
  // What it was armed for belongs to a Wiring that the call may give back.
  explicit Call(ConsumerObject* object) noexcept : object_(object) {
    ++object_->calls;
    if (object_->event_fd != nullptr) [[unlikely]]
      object_->event_fd->disarm();
  }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;
  ~Call() {
    if (--object_->calls == 0) client::reap(object_);
  }

 private:
  ConsumerObject* object_;
};

// Ends the view. That may adopt news and give back the Wiring that the event descriptor was armed for, and tells the
// handler of events, which may close the Consumer: a call like any other.
Outcome end_view(ConsumerObject* owner, Visit asked) noexcept {
  if (owner->event_fd != nullptr) [[unlikely]]
    owner->event_fd->give_up();
  const Call call(owner);
  return owner->port.finish(asked);
}

Polled closed_poll() noexcept {
  Polled polled;
  polled.state = PortState::closed;
  return polled;
}

using Time = std::chrono::steady_clock::time_point;

// Pulls with `look` until there is a frame or the time is over.
template <class Look>
Result<FrameView> pull(void* port, const char* call, Time deadline, Look&& look) {
  ConsumerObject* owner = object(port);
  if (owner == nullptr) return fail(Error::hot(Code::closed, call));
  const Call guard(owner);
  if (owner->port.view_open()) return fail(Error::hot(Code::claims_exhausted, call, 1, 1));
  agents::OpenFrame* frame = nullptr;
  const auto found = client::wait_until(*owner, call, deadline, [&] {
    frame = look(owner->port);
    return frame != nullptr;
  });
  if (!found) return fail(found.error());
  if (!*found) {
    return fail(Error::hot(
        owner->port.state() == PortState::active ? Code::no_frame : owner->port.why_not(), call));
  }
  owner->asked = Visit::unproved;
  return detail::ConsumerHandle::view(owner, *frame);
}

agents::OpenFrame* next_of(ConsumerPort& port) {
  Polled polled;
  return port.next(polled);
}
agents::OpenFrame* latest_of(ConsumerPort& port) {
  Polled polled;
  return port.latest(polled);
}

}  // namespace

bool Frame::intact() const noexcept {
  const shm::ConstSlotRef slot(static_cast<const std::uint64_t*>(static_cast<const void*>(slot_)));
  const bool whole = !base::lost_by_fork(slot_) && shm::still(slot, committed_);
  proof_ = whole ? Proof::intact : Proof::overwritten;
  return whole;
}

FrameView::~FrameView() {
  if (port_ == nullptr) return;
  // Unfinished: nobody asked whether it was whole.
  (void)end_view(object(std::exchange(port_, nullptr)), Visit::overwritten);
}

bool FrameView::intact() const noexcept {
  if (port_ == nullptr) return false;
  ConsumerObject* owner = object(port_);
  const bool whole = owner->port.view_intact();
  owner->asked = whole ? Visit::intact : Visit::overwritten;
  return whole;
}

Outcome FrameView::finish() noexcept {
  ConsumerObject* owner = object(std::exchange(port_, nullptr));
  payload_ = nullptr;
  if (owner == nullptr) return Outcome::overwritten;
  return end_view(owner, owner->asked);
}

Consumer& Consumer::operator=(Consumer&& other) noexcept {
  if (this == &other) return *this;
  close();
  port_ = std::exchange(other.port_, nullptr);
  return *this;
}

Polled Consumer::poll(Handler handler) {
  ConsumerObject* owner = object(port_);
  if (owner == nullptr) return closed_poll();
  const Call call(owner);
  return owner->port.poll([&](const agents::OpenFrame& open) {
    const Frame frame = detail::FrameAccess::make(open);
    handler(frame);
    return detail::FrameAccess::proof(frame);
  });
}

Polled Consumer::poll_copy(std::span<std::byte> buffer, CopyHandler handler) {
  return poll_copy([buffer](const FrameInfo&) { return buffer; }, handler);
}

Polled Consumer::poll_copy(BufferSupplier supplier, CopyHandler handler) {
  ConsumerObject* owner = object(port_);
  if (owner == nullptr) return closed_poll();
  const Call call(owner);
  return owner->port.poll([&](const agents::OpenFrame& open) {
    const std::span<std::byte> buffer = supplier(open.info);
    if (buffer.size() < open.info.size_bytes) return Visit::skip;
    if (base::lost_by_fork(open.payload)) return Visit::overwritten;       // forked in the supplier
    shm::load_payload(buffer.data(), open.payload, open.info.size_bytes);  // R3
    if (!open.intact()) return Visit::overwritten;  // R4 to R6 before anybody looks
    handler(CopiedFrame{open.info, buffer.first(open.info.size_bytes)});
    return Visit::intact;
  });
}

Result<FrameView> Consumer::next(std::chrono::nanoseconds timeout) {
  return pull(port_, "next", client::deadline_after(timeout), next_of);
}
Result<FrameView> Consumer::next(std::chrono::steady_clock::time_point deadline) {
  return pull(port_, "next", deadline, next_of);
}
Result<FrameView> Consumer::latest(std::chrono::nanoseconds timeout) {
  return pull(port_, "latest", client::deadline_after(timeout), latest_of);
}
Result<FrameView> Consumer::latest(std::chrono::steady_clock::time_point deadline) {
  return pull(port_, "latest", deadline, latest_of);
}

Result<bool> Consumer::wait(std::chrono::nanoseconds timeout) {
  return wait(client::deadline_after(timeout));
}
Result<bool> Consumer::wait(std::chrono::steady_clock::time_point deadline) {
  ConsumerObject* owner = object(port_);
  if (owner == nullptr) return fail(Error::hot(Code::closed, "wait"));
  const Call call(owner);
  return client::wait_until(*owner, "wait", deadline, [&] {
    ConsumerPort& port = owner->port;
    if (port.state() == PortState::closed) return false;
    return port.state_changed() || (port.anything_waiting() && port.received());
  });
}

void Consumer::interrupt() noexcept {
  if (port_ == nullptr) return;
  const int before = errno;  // a signal handler leaves it as it was
  object(port_)->port.cell().tell(agents::News::interrupted);
  errno = before;
}

Result<int> Consumer::event_fd() {
  ConsumerObject* owner = object(port_);
  if (owner == nullptr) return fail(Error::hot(Code::closed, "event_fd"));
  if (owner->core->forked()) return fail(Error::hot(Code::forked, "event_fd"));
  if (owner->event_fd == nullptr) {
    auto opened = client::EventFd::open(*owner->core, owner->port.cell());
    if (!opened) return fail(std::move(opened.error()));
    owner->event_fd = std::move(*opened);
  }
  return owner->event_fd->fd();
}

Result<bool> Consumer::arm() {
  if (auto fd = event_fd(); !fd) return fail(Error(fd.error()));
  ConsumerObject* owner = object(port_);
  const Call call(owner);
  ConsumerPort& port = owner->port;
  if (port.busy()) return fail(Error::hot(Code::in_callback, "arm"));
  if (port.state() == PortState::closed) return fail(Error::hot(port.why_not(), "arm"));
  if (port.cell().take_interrupt()) return fail(Error::hot(Code::interrupted, "arm"));
  if (port.state_changed()) return true;
  return owner->event_fd->arm(port);
}

void Consumer::on_event(std::function<void(const Event&)> handler) {
  if (port_ != nullptr) object(port_)->port.on_event(std::move(handler));
}

PortState Consumer::state() noexcept {
  ConsumerObject* owner = object(port_);
  if (owner == nullptr) return PortState::closed;
  if (owner->event_fd != nullptr) owner->event_fd->give_up();
  return owner->port.state();
}

std::uint32_t Consumer::stream() const noexcept {
  return port_ == nullptr ? 0 : object(port_)->port.options().stream_id;
}

std::uint32_t Consumer::consumer_id() const noexcept {
  if (port_ == nullptr) return 0;
  const auto& port = object(port_)->port;
  const std::uint32_t leased = port.cell().client_id.load(std::memory_order_relaxed);
  return leased != 0 ? leased : port.options().consumer_id;
}

std::optional<std::uint32_t> Consumer::node_id() const noexcept {
  if (port_ == nullptr) return std::nullopt;
  const auto& port = object(port_)->port;
  const std::uint32_t id = port.cell().node_id.load(std::memory_order_relaxed);
  return id == wire::null_u32 ? std::nullopt : std::optional(id);
}

ConsumerStatistics Consumer::statistics() const noexcept {
  ConsumerStatistics s;
  if (port_ == nullptr) return s;
  const agents::ConsumerCounts& c = object(port_)->port.cell().consumer;
  s.delivered = c.delivered.get();
  s.overwritten = c.overwritten.get();
  s.lost = c.lost.get();
  s.skipped = c.skipped.get();
  s.ended = c.ended.get();
  s.seen = c.seen.get();
  s.foreign = c.foreign.get();
  s.wrong_epoch = c.wrong_epoch.get();
  s.duplicates = c.duplicates.get();
  s.malformed = c.malformed.get();
  s.resyncs = c.resyncs.get();
  s.bytes = c.bytes.get();
  s.sessions = c.sessions.get();
  s.last_seq = c.last_seq.get();
  s.epoch = c.epoch.get();
  return s;
}

void Consumer::close() noexcept {
  ConsumerObject* owner = object(std::exchange(port_, nullptr));
  if (owner == nullptr) return;
  owner->event_fd.reset();
  owner->port.close();
  owner->port.orphan();
  if (owner->calls == 0) client::reap(owner);
}

}  // namespace tensorpool
