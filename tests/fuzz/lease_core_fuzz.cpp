// A client's lease under arbitrary answers, notices, announces and times: it attaches only to what passes every
// check of 04-driver.md A4.4, is never believed in beyond its deadline, ends once, and never asks in a tight
// loop. The checks are written down here a second time.
//
// Input: u8 settings, then steps: u8 kind modulo 12 and what it needs, see Run::step.
#include <algorithm>
#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <variant>

#include "base/assert.hpp"
#include "base/limits.hpp"
#include "fuzz/input.hpp"
#include "protocol/lease_core.hpp"
#include "protocol/overloaded.hpp"
#include "wire/codec.hpp"

namespace {

using namespace tensorpool;
using fuzz::Input;
using protocol::LeaseState;
using protocol::Sent;
using wire::driver::Role;
using wire::driver::ShmAttachResponse;
namespace messages = wire::driver;

constexpr base::Nanos second = 1'000'000'000;
constexpr base::Nanos latest_ns = INT64_MAX / 4;
constexpr std::uint32_t stream_id = 10'000;
constexpr std::uint32_t own_id = 77;
constexpr base::Nanos backoff_first = 100'000'000;
constexpr base::Nanos life_ns = 3 * second;

// A4.4, each line once more.
bool in_order(const ShmAttachResponse& r, std::uint32_t wanted) {
  if (static_cast<std::int32_t>(r.code) != 0) return false;
  if (!r.lease_id || !r.stream_id || !r.epoch || !r.layout_version || !r.header_nslots ||
      !r.header_slot_bytes)
    return false;
  if (*r.lease_id == 0 || *r.stream_id == 0 || *r.epoch == 0 || *r.epoch == UINT64_MAX)
    return false;
  if (*r.header_slot_bytes != 256 || *r.layout_version != 1) return false;
  const std::uint32_t slots = *r.header_nslots;
  if (slots == 0 || (slots & (slots - 1)) != 0) return false;
  if (r.payload_pools.empty() || r.payload_pools.size() > base::limits::pools_per_stream)
    return false;
  const auto blank = [](const std::string& uri) {
    return uri.size() > 4096 || std::all_of(uri.begin(), uri.end(), [](char c) {
             return c == ' ' || (c >= '\t' && c <= '\r');
           });
  };
  std::set<std::uint16_t> ids;
  for (const wire::PayloadPool& pool : r.payload_pools) {
    if (!ids.insert(pool.pool_id).second || pool.pool_nslots != slots) return false;
    if (pool.stride_bytes == 0 || pool.stride_bytes % 64 != 0 || blank(pool.region_uri))
      return false;
  }
  return !blank(r.header_region_uri) && (wanted == 0 || wanted == *r.stream_id);
}

class Run {
 public:
  explicit Run(Input& input)
      : input_(input), bits_(input.take<std::uint8_t>()), core_(settings(), now_) {
    core_.start(now_);
  }

  void all() {
    for (int steps = 0; !input_.empty() && steps < 2000; ++steps) {
      step();
      enter();
    }
    close();
    enter();
    for (int i = 0; i < 4 && core_.deadline() != INT64_MAX; ++i) timer();
    TP_ASSERT(core_.state() == LeaseState::closed && core_.lease() == nullptr);
  }

 private:
  protocol::LeaseSettings settings() const {
    protocol::LeaseSettings s;
    s.stream_id = (bits_ & 1U) != 0 ? 0 : stream_id;
    s.client_id = own_id;
    s.client_id_is_ours = (bits_ & 2U) != 0;
    s.role = (bits_ & 4U) != 0 ? Role::producer : Role::consumer;
    s.reattach = (bits_ & 8U) == 0;
    s.desired_node_id = (bits_ & 16U) != 0 ? std::optional<std::uint32_t>(3) : std::nullopt;
    s.backoff_first_ns = backoff_first;
    s.seed = bits_;
    return s;
  }

  // --- What the core asks for.

  void enter() {
    while (!actions_.empty()) {
      for (const protocol::LeaseAction& action : actions_.take())
        std::visit([&](const auto& what) { took(what); }, action);
    }
    check();
  }
  void check() const {
    const bool holds = core_.state() == LeaseState::attached || core_.state() == LeaseState::mapped;
    TP_ASSERT((core_.lease() != nullptr) == holds && holds == lease_.has_value());
    if (!holds) return;
    TP_ASSERT(core_.lease()->lease_id == *lease_);
    TP_ASSERT(core_.lease()->deadline_ns <= believed_until_);
  }
  void took(const protocol::SendAttach& send) {
    const messages::ShmAttachRequest& m = send.message;
    TP_ASSERT(!closed_ && !lease_ && m.client_id != 0 && m.correlation_id != 0);
    TP_ASSERT(m.correlation_id == core_.correlation_id() && m.client_id == core_.client_id());
    if (m.correlation_id != asked_) TP_ASSERT(correlations_.insert(m.correlation_id).second);
    asked_ = m.correlation_id;
    TP_ASSERT(now_.monotonic >= quiet_until_);  // DRV-86
    sendable(m);
  }
  void took(const protocol::SendDetach& send) {
    TP_ASSERT(correlations_.insert(send.message.correlation_id).second);
    sendable(send.message);
  }
  void took(const protocol::SendKeepalive& send) {
    TP_ASSERT(lease_ && send.message.lease_id == *lease_ && now_.monotonic <= believed_until_);
    sendable(send.message);
    const auto outcome = static_cast<Sent>(take() % 3U);
    if (outcome == Sent::taken)
      believed_until_ = std::max(believed_until_, now_.monotonic + life_ns);
    core_.on_keepalive_sent(now_, outcome, actions_);
  }
  void took(const protocol::LeaseGranted& granted) {
    TP_ASSERT(answer_ && !lease_ && !closed_ && in_order(*answer_, wanted_));
    TP_ASSERT(answer_->correlation_id == asked_ && core_.correlation_id() == 0);
    TP_ASSERT(granted.lease.lease_id == *answer_->lease_id);
    TP_ASSERT(granted.lease.epoch == *answer_->epoch);
    TP_ASSERT(granted.regions.payload_pools == answer_->payload_pools);
    lease_ = granted.lease.lease_id;
    const std::optional<std::uint64_t> expiry = answer_->lease_expiry_timestamp_ns;
    if (expiry) TP_ASSERT(*expiry >= static_cast<std::uint64_t>(now_.monotonic));
    believed_until_ = now_.monotonic + life_ns;
    if (expiry) {
      believed_until_ = static_cast<base::Nanos>(
          std::min<std::uint64_t>(*expiry, static_cast<std::uint64_t>(INT64_MAX)));
    }
  }
  void took(const protocol::LeaseEnded& ended) {
    TP_ASSERT(lease_ && ended.lease.lease_id == *lease_ && ended.why != LeaseEnd::none);
    lease_.reset();
    quiet_until_ = now_.monotonic + backoff_first;
  }
  void took(const protocol::ProducerGone&) {
    TP_ASSERT(lease_ && core_.state() == LeaseState::attached);
  }
  void took(const protocol::AttachFailed&) {
    TP_ASSERT(!lease_ && !closed_);
    quiet_until_ = now_.monotonic + backoff_first;
  }
  template <class M>
  static void sendable(const M& message) {
    std::vector<std::byte> bytes(wire::encoded_size(message));
    TP_ASSERT(wire::try_encode(message, bytes));
  }

  // --- Steps.

  void step() {
    switch (take() % 12U) {
      case 0:
        return core_.on_links(now_, take() % 4U != 0);
      case 1:
        return hear(response());
      case 2:
        return hear(notice());
      case 3:
        return hear(shutdown());
      case 4:
        return hear(announce());
      case 5: {
        const std::size_t length = input_.take<std::uint16_t>();
        return raw(input_.take_bytes(length));
      }
      case 6:
        return jump();
      case 7:
        return timer();
      case 8:
        return port();
      case 9:
        return core_.on_image(take() % 4, now_.monotonic - take(), take() % 2U == 0);
      case 10:
        if (take() % 16U == 0) close();
        return;
      default:
        return until_quiet();
    }
  }

  void close() {
    core_.close(now_, actions_);
    lease_.reset();  // its end is told to nobody
    closed_ = true;
  }

  std::uint8_t take() { return input_.take<std::uint8_t>(); }
  // Mostly the right one.
  template <class T>
  T or_any(T right) {
    const std::uint8_t which = take();
    return which < 0xE0 ? right : which < 0xF0 ? T(right + 1) : input_.take<T>();
  }
  template <class T>
  std::optional<T> or_none(T right) {
    const std::uint8_t which = take();
    if (which == 0xFF) return std::nullopt;
    const T value = which < 0xE0 ? right : which < 0xF0 ? T(which - 0xE0) : input_.take<T>();
    return value == T(-1) ? std::nullopt : std::optional<T>(value);  // null, as it is decoded
  }
  std::int64_t correlation() {
    return static_cast<std::int64_t>(
        or_any<std::uint64_t>(static_cast<std::uint64_t>(core_.correlation_id())));
  }
  std::string uri() {
    const std::uint8_t which = take();
    if (which < 0xF0) return "shm:file?path=/dev/shm/a";
    return which < 0xF4 ? std::string() : std::string(which < 0xF8 ? 5U : 4097U, ' ');
  }

  ShmAttachResponse response() {
    ShmAttachResponse r;
    r.correlation_id = correlation();
    r.code = static_cast<wire::ResponseCode>(
        static_cast<std::int32_t>(or_any<std::uint32_t>(take() < 0xC0 ? 0 : 3)));
    r.lease_id = or_none<std::uint64_t>(5000);
    r.lease_expiry_timestamp_ns =
        or_none<std::uint64_t>(static_cast<std::uint64_t>(now_.monotonic + life_ns));
    r.stream_id = or_none<std::uint32_t>(stream_id);
    r.epoch = or_none<std::uint64_t>(900);
    r.layout_version = or_none<std::uint32_t>(1);
    r.header_nslots = or_none<std::uint32_t>(8);
    r.header_slot_bytes = or_none<std::uint16_t>(256);
    r.node_id = or_none<std::uint32_t>(3);
    const unsigned pools = take();
    for (unsigned i = 0; i < (pools < 0xF0 ? 1 + pools % 3U : pools - 0xF0U + 3U); ++i) {
      const auto id = static_cast<std::uint16_t>(take() == 0xFF ? 1U : i + 1U);
      r.payload_pools.push_back({id, or_any<std::uint32_t>(8), or_any<std::uint32_t>(4096), uri()});
    }
    r.header_region_uri = uri();
    if (take() > 0x80) r.error_message = "client_id already attached";
    return r;
  }
  messages::ShmLeaseRevoked notice() {
    messages::ShmLeaseRevoked m;
    m.timestamp_ns = or_any<std::uint64_t>(static_cast<std::uint64_t>(now_.monotonic));
    m.lease_id = or_any<std::uint64_t>(lease_.value_or(5000));
    m.stream_id = or_any<std::uint32_t>(stream_id);
    m.client_id = or_any<std::uint32_t>(core_.client_id());
    m.role = static_cast<Role>(or_any<std::uint8_t>(1 + take() % 2U));
    m.reason = static_cast<messages::LeaseRevokeReason>(or_any<std::uint8_t>(1 + take() % 3U));
    return m;
  }
  messages::ShmDriverShutdown shutdown() {
    messages::ShmDriverShutdown m;
    m.timestamp_ns = or_any<std::uint64_t>(static_cast<std::uint64_t>(now_.monotonic));
    m.reason = static_cast<messages::ShutdownReason>(or_any<std::uint8_t>(take() % 3U));
    return m;
  }
  wire::ShmPoolAnnounce announce() {
    wire::ShmPoolAnnounce m;
    m.stream_id = or_any<std::uint32_t>(stream_id);
    m.epoch = or_any<std::uint64_t>(900);
    m.announce_timestamp_ns = or_any<std::uint64_t>(static_cast<std::uint64_t>(now_.monotonic));
    m.announce_clock_domain = static_cast<ClockDomain>(
        or_any<std::uint8_t>(static_cast<std::uint8_t>(ClockDomain::monotonic)));
    return m;
  }

  void hear(const ShmAttachResponse& m) {
    answer_ = m;
    wanted_ = core_.stream_id();
    core_.on_attach_response(now_, m, actions_);
  }
  void hear(const messages::ShmLeaseRevoked& m) { core_.on_revoked(now_, m, actions_); }
  void hear(const messages::ShmDriverShutdown& m) { core_.on_shutdown(now_, m, actions_); }
  void hear(const wire::ShmPoolAnnounce& m) { core_.on_announce(now_, 1, m, actions_); }

  // As the conductor hears it.
  void raw(std::span<const std::byte> bytes) {
    if (const auto m = wire::try_decode<ShmAttachResponse>(bytes)) return hear(*m);
    if (const auto m = wire::try_decode<messages::ShmLeaseRevoked>(bytes)) return hear(*m);
    if (const auto m = wire::try_decode<messages::ShmDriverShutdown>(bytes)) return hear(*m);
    if (const auto m = wire::try_decode<wire::ShmPoolAnnounce>(bytes)) return hear(*m);
  }

  void jump() {
    const std::uint8_t size = take();
    const auto by = static_cast<base::Nanos>(std::uint64_t{take()} << size % 48U);
    now_.monotonic = std::min(latest_ns, now_.monotonic + by);
    now_.realtime = std::min(latest_ns, now_.realtime + by);
  }
  void timer() {
    if (core_.deadline() != INT64_MAX)
      now_.monotonic = std::max(now_.monotonic, std::min(core_.deadline(), latest_ns));
    core_.on_timer(now_, actions_);
    enter();
  }
  void port() {
    const std::uint8_t what = take() % 3U;
    const std::uint64_t id = or_any<std::uint64_t>(lease_.value_or(5000));
    if (what == 0) core_.on_mapped(id);
    if (what == 1) core_.on_unmapped(id);
    if (what == 2) core_.on_map_failed(now_, id, Error(Code::system_error, "map", "x"), actions_);
  }
  // All that is due now is soon done.
  void until_quiet() {
    for (int i = 0; core_.deadline() <= now_.monotonic; ++i) {
      TP_ASSERT(i < 8);
      core_.on_timer(now_, actions_);
      enter();
    }
    // A lease whose time is over is gone then.
    TP_ASSERT(!lease_ || now_.monotonic <= believed_until_);
  }

  Input& input_;
  const unsigned bits_;
  protocol::Now now_{100 * second, 1'700'000'000 * second};
  protocol::LeaseActions actions_;
  protocol::LeaseCore core_;
  std::optional<ShmAttachResponse> answer_;
  std::uint32_t wanted_ = 0;
  std::int64_t asked_ = 0;
  std::set<std::int64_t> correlations_;  // of all requests; none is used for two (DRV-34)
  std::optional<std::uint64_t> lease_;
  base::Nanos believed_until_ = 0;
  base::Nanos quiet_until_ = 0;
  bool closed_ = false;
};

}  // namespace

// Proves: DRV-34, DRV-75, DRV-77, DRV-78, DRV-86, DRV-96
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input input(data, size);
  Run(input).all();
  return 0;
}
