#include "tensorpool/producer.hpp"

#include "client/handles.hpp"

namespace tensorpool {

using client::ProducerObject;

namespace {

ProducerObject* object(void* port) noexcept { return static_cast<ProducerObject*>(port); }

}  // namespace

std::string_view name(PortState state) noexcept {
  switch (state) {
    case PortState::connecting:
      return "connecting";
    case PortState::active:
      return "active";
    case PortState::reattaching:
      return "reattaching";
    case PortState::shutdown:
      return "shutdown";
    case PortState::closed:
      return "closed";
  }
  return "unknown";
}

Slot& Slot::operator=(Slot&& other) noexcept {
  if (this == &other) return *this;
  if (port_ != nullptr) (void)abort();
  port_ = std::exchange(other.port_, nullptr);
  wiring_ = other.wiring_;
  seq_ = other.seq_;
  data_ = other.data_;
  size_ = other.size_;
  dtype_ = other.dtype_;
  pool_id_ = other.pool_id_;
  return *this;
}

TensorSpec Slot::spec() const noexcept {
  if (port_ == nullptr) return {};
  return object(port_)->port.spec_of(detail::ProducerHandle::claim_of(*this));
}

Result<Committed> Slot::commit(const CommitOptions& options) noexcept {
  ProducerObject* owner = object(std::exchange(port_, nullptr));
  if (owner == nullptr) [[unlikely]]
    return fail(Error::hot(Code::consumed, "Slot::commit"));
  Committed committed;
  if (!owner->port.commit(*static_cast<agents::Wiring*>(wiring_), seq_, options, committed))
      [[unlikely]] {
    const agents::Refusal why = owner->port.refusal();
    client::reap(owner);
    return why.in("commit");
  }
  // A port whose handle is gone was closed before, and commits nothing: there is nothing to delete.
  return committed;
}

Result<void> Slot::abort() noexcept {
  ProducerObject* owner = object(std::exchange(port_, nullptr));
  if (owner == nullptr) return fail(Error::hot(Code::consumed, "Slot::abort"));
  auto outcome = owner->port.abort(detail::ProducerHandle::claim_of(*this));
  client::reap(owner);
  return outcome;
}

Producer& Producer::operator=(Producer&& other) noexcept {
  if (this == &other) return *this;
  close();
  port_ = std::exchange(other.port_, nullptr);
  return *this;
}

Result<Slot> Producer::claim(const TensorSpec& spec) noexcept {
  ProducerObject* owner = object(port_);
  if (owner == nullptr) [[unlikely]]
    return fail(Error::hot(Code::closed, "claim"));
  agents::ClaimedSlot claimed;
  if (!owner->port.claim(spec, claimed)) [[unlikely]]
    return owner->port.refusal().in("claim");
  return Result<Slot>(tl::in_place, Slot::Key(), owner, claimed.wiring, claimed.seq, claimed.data,
                      claimed.size, spec.dtype, claimed.pool_id);
}

Result<Committed> Producer::offer(const TensorSpec& spec, std::span<const std::byte> payload,
                                  const CommitOptions& options) noexcept {
  ProducerObject* owner = object(port_);
  if (owner == nullptr) return fail(Error::hot(Code::closed, "offer"));
  return owner->port.offer(spec, payload, options);
}

PortState Producer::state() noexcept {
  ProducerObject* owner = object(port_);
  return owner == nullptr ? PortState::closed : owner->port.state();
}

std::uint32_t Producer::stream() const noexcept {
  return port_ == nullptr ? 0 : object(port_)->port.options().stream_id;
}

std::uint32_t Producer::producer_id() const noexcept {
  if (port_ == nullptr) return 0;
  const auto& port = object(port_)->port;
  const std::uint32_t leased = port.cell().client_id.load(std::memory_order_relaxed);
  return leased != 0 ? leased : port.options().producer_id;
}

std::optional<std::uint32_t> Producer::node_id() const noexcept {
  if (port_ == nullptr) return std::nullopt;
  const auto& port = object(port_)->port;
  const std::uint32_t id = port.cell().node_id.load(std::memory_order_relaxed);
  return id == wire::null_u32 ? std::nullopt : std::optional(id);
}

ProducerStatistics Producer::statistics() const noexcept {
  ProducerStatistics s;
  if (port_ == nullptr) return s;
  const agents::ProducerCounts& c = object(port_)->port.cell().producer;
  s.published = c.published.get();
  s.not_announced = c.not_announced.get();
  s.aborted = c.aborted.get();
  s.refused = c.refused.get();
  s.claimed = c.claimed.get();
  s.open = c.open.get();
  s.too_large = c.too_large.get();
  s.exhausted = c.exhausted.get();
  s.back_pressured = c.back_pressured.get();
  s.bytes = c.bytes.get();
  s.sessions = c.sessions.get();
  s.next_seq = c.next_seq.get();
  s.epoch = c.epoch.get();
  return s;
}

void Producer::close() noexcept {
  ProducerObject* owner = object(std::exchange(port_, nullptr));
  if (owner == nullptr) return;
  owner->port.close();
  owner->port.orphan();
  client::reap(owner);
}

}  // namespace tensorpool
