// Sequences of anything that a driver's core can be told: messages whose few ids collide, messages from
// arbitrary bytes, answers of the files and their failures, jumps of time, revocations, the end, a restart on
// the same files. After every step the book of driver_book.hpp holds; nothing is an assert of the core's own.
//
// Input: settings (u8 bits, u8 keep and leases), then steps: u8 kind modulo 18 and what it needs, see Run::step.
#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "base/limits.hpp"
#include "fuzz/driver_book.hpp"
#include "fuzz/input.hpp"

namespace {

using namespace tensorpool;
using fuzz::Input;
using wire::driver::Role;
namespace drv = protocol::driver;
namespace messages = wire::driver;

constexpr base::Nanos second = 1'000'000'000;
constexpr base::Nanos latest_ns = INT64_MAX / 4;
constexpr std::uint32_t first_stream = 10'000;
constexpr std::uint32_t second_stream = 10'001;
constexpr std::uint32_t bare_stream = 10'002;
constexpr std::uint32_t range_first = 20'000;
constexpr std::uint32_t range_last = 20'002;
// An input asks a core for this many messages at most: nobody makes a driver speak more than they do.
constexpr std::size_t answers_to_a_message = 2;

wire::ShmPoolAnnounce describe(const shm::StreamLayout& layout) {
  wire::ShmPoolAnnounce regions;
  const std::string path = "shm:file?path=/dev/shm/" + std::to_string(layout.stream_id) + "/";
  regions.epoch = layout.epoch;
  regions.layout_version = layout.layout_version;
  regions.header_nslots = layout.nslots;
  regions.header_slot_bytes = static_cast<std::uint16_t>(layout.header_slot_bytes);
  regions.header_region_uri = path + "header.ring";
  for (const shm::PoolSpec& pool : layout.pools) {
    regions.payload_pools.push_back({pool.pool_id, layout.nslots, pool.stride_bytes,
                                     path + std::to_string(pool.pool_id) + ".pool"});
  }
  return regions;
}

class Run {
 public:
  explicit Run(Input& input)
      : input_(input), bits_(input.take<std::uint8_t>()), more_(input.take<std::uint8_t>()) {
    begin();
  }

  void all() {
    for (int steps = 0; !input_.empty() && steps < 2000; ++steps) {
      step();
      enter();
    }
    end();
  }

 private:
  // --- The driver's life.

  drv::Settings settings() const {
    drv::Settings s;
    s.keepalive_interval_ns = s.announce_period_ns = second;
    s.first_lease_id = first_lease_;
    s.profiles = {{"small", 8, {{1, 4096}, {2, 65536}}}, {"bare", 8, {}}};
    s.streams = {{first_stream, "small"}, {second_stream, "small"}, {bare_stream, "bare"}};
    for (drv::StreamSetting& stream : s.streams)
      stream.highest_epoch_on_disk = disk_.highest(stream.stream_id);
    s.allow_dynamic_streams = (bits_ & 1U) == 0;
    if ((bits_ & 2U) == 0) s.stream_id_range = {{range_first, range_last}};
    if ((bits_ & 4U) == 0) s.descriptor_stream_id_range = {{31'000, 31'001}};
    if ((bits_ & 4U) == 0) s.control_stream_id_range = {{32'000, 32'000}};
    s.shutdown_token = (bits_ & 8U) != 0 ? "" : "token";
    s.epoch_gc_on_startup = (bits_ & 16U) != 0;
    s.cleanup_shm_on_exit = (bits_ & 32U) != 0;
    s.hugetlbfs = (bits_ & 64U) != 0;
    s.answer_hellos = (bits_ & 128U) == 0;
    s.epoch_gc_keep = more_ % 4U;
    s.max_leases = 1 + more_ / 4U;
    return s;
  }
  void begin() {
    settings_ = settings();
    TP_ASSERT(drv::check(settings_));
    core_.emplace(settings_, now_);
    book_.emplace(disk_, announced_);
  }
  void enter() {
    book_->enter(*core_, actions_.take());
    book_->check(*core_, settings_, told_);
  }
  // Whatever happened, it ends, and says so once.
  void end() {
    for (int i = 0; i < 3; ++i) {
      core_->on_terminate(now_, actions_);
      enter();
    }
    for (int i = 0; i < 5000 && core_->deadline() != drv::never; ++i) timer();
    TP_ASSERT(core_->deadline() == drv::never && book_->stopped());
  }
  void timer() {
    now_.monotonic = std::max(now_.monotonic, std::min(core_->deadline(), latest_ns));
    tick();
    enter();
  }
  void tick() {
    core_->on_timer(now_, actions_);
    told_ = now_.monotonic;
  }

  // --- Steps.

  void step() {
    switch (take() % 18U) {
      case 0:
        return message([&] { core_->on_attach(now_, attach(), actions_); });
      case 1: {
        const drv::LeaseKey key = some_lease();
        return message([&] {
          core_->on_keepalive(now_, {key.lease_id, key.stream_id, key.client_id, key.role, 1},
                              actions_);
        });
      }
      case 2: {
        const drv::LeaseKey key = some_lease();
        const std::int64_t id = correlation();
        return message([&] {
          core_->on_detach(now_, {id, key.lease_id, key.stream_id, key.client_id, key.role},
                           actions_);
        });
      }
      case 3:
        return message([&] { core_->on_hello(now_, hello(), actions_); });
      case 4: {
        const auto reason = static_cast<messages::ShutdownReason>(take() % 5U);
        const std::string token = take() % 8U == 0 ? "token" : "tokens";
        core_->on_shutdown_request(now_, {1, reason, token, "why"}, actions_);
        return;
      }
      case 5: {
        const std::size_t length = input_.take<std::uint16_t>();
        return message([&] { raw(input_.take_bytes(length)); });
      }
      case 6:
        return message([&] { core_->on_attach_version(now_, correlation(), actions_); });
      case 7:
        return jump();
      case 8:
        if (take() % 4U != 0) core_->on_drained();
        return tick();
      case 9:
        return answer_creation();
      case 10:
        return answer_collection();
      case 11:
        return answer_nothing();
      case 12:
        return hold_up();
      case 13:
        if (take() % 8U == 0) core_->on_terminate(now_, actions_);
        return;
      case 14:
        (void)core_->revoke(now_, some_lease().lease_id, "by hand", actions_);
        return;
      case 15:
        return restart();
      case 16:
        return burst();
      default:
        return until_quiet();
    }
  }

  template <class Tell>
  void message(Tell&& tell) {
    tell();
    enter();
    TP_ASSERT(book_->said() <= answers_to_a_message);
  }

  std::uint8_t take() { return input_.take<std::uint8_t>(); }
  std::int64_t correlation() { return take() % 4U; }
  std::uint32_t client() {
    const std::uint8_t which = take();
    return which == 0xFF ? input_.take<std::uint32_t>() : which % 12U;
  }
  std::uint32_t stream() {
    constexpr std::array<std::uint32_t, 8> known{
        first_stream, second_stream, bare_stream,     0,
        range_first,  range_last,    range_first + 1, range_last + 1};
    const std::uint8_t which = take();
    return which == 0xFF ? input_.take<std::uint32_t>() : known[which % known.size()];
  }
  Role role() {
    const std::uint8_t which = take();
    return static_cast<Role>(which < 0xF0 ? 1 + which % 2U : which);
  }
  messages::ShmAttachRequest attach() {
    messages::ShmAttachRequest r;
    r.client_id = client();
    r.stream_id = stream();
    r.role = role();
    r.correlation_id = correlation();
    const std::uint8_t mode = take();
    if (mode != 0) r.publish_mode = static_cast<messages::PublishMode>(mode < 0xF0 ? 2 : mode);
    const std::uint8_t rest = take();
    r.require_hugepages = static_cast<messages::HugepagesPolicy>(rest % 4U);
    r.expected_layout_version = rest / 4U % 4U == 3 ? 2 : 0;
    if (rest / 16U % 2U == 1) r.desired_node_id = rest / 32U;
    if (rest == 0xFF) r.desired_node_id = input_.take<std::uint32_t>();
    return r;
  }
  // One that lives, one that ended, or one that never was; sometimes with a wrong field.
  drv::LeaseKey some_lease() {
    const std::uint8_t which = take();
    const std::uint8_t twist = take();
    drv::LeaseKey key{1, first_stream, 1, Role::consumer};
    if (which == 0xFF) key.lease_id = input_.take<std::uint64_t>();
    if (which != 0xFF && !book_->known().empty())
      key = book_->known()[which % book_->known().size()];
    if (twist == 0xF0) key.stream_id = stream();
    if (twist == 0xF1) key.client_id = client();
    if (twist == 0xF2) key.role = role();
    if (twist == 0xF3) ++key.lease_id;
    return key;
  }
  wire::ConsumerHello hello() {
    const drv::LeaseKey key = some_lease();
    wire::ConsumerHello h;
    h.stream_id = key.stream_id;
    h.consumer_id = key.client_id;
    h.descriptor_stream_id = take() % 3U;
    h.control_stream_id = take() % 3U;
    const std::uint8_t channels = take();
    if (channels % 2U == 1) h.descriptor_channel = "aeron:ipc";
    if (channels / 2U % 2U == 1) h.control_channel = "aeron:ipc";
    if (channels == 0xFF) h.control_channel.assign(base::limits::channel_bytes + 1U, 'a');
    h.mode = static_cast<wire::Mode>(channels / 16U % 8U);
    return h;
  }

  // As the driver's agent hears it.
  void raw(std::span<const std::byte> bytes) {
    const auto header = wire::peek(bytes);
    if (!header) return;
    if (header->schema_id == wire::ConsumerHello::schema_id) {
      if (const auto m = wire::try_decode<wire::ConsumerHello>(bytes))
        core_->on_hello(now_, *m, actions_);
      return;
    }
    if (const auto id = wire::peek_attach_of_other_version(bytes))
      return core_->on_attach_version(now_, *id, actions_);
    if (const auto m = wire::try_decode_request<messages::ShmAttachRequest>(bytes))
      return core_->on_attach(now_, *m, actions_);
    if (const auto m = wire::try_decode_request<messages::ShmDetachRequest>(bytes))
      return core_->on_detach(now_, *m, actions_);
    if (const auto m = wire::try_decode<messages::ShmLeaseKeepalive>(bytes))
      return core_->on_keepalive(now_, *m, actions_);
    if (const auto m = wire::try_decode<messages::ShmDriverShutdownRequest>(bytes))
      core_->on_shutdown_request(now_, *m, actions_);
  }

  void jump() {
    const std::uint8_t size = take();
    const auto by = static_cast<base::Nanos>(std::uint64_t{take()} << size % 48U);
    now_.monotonic = std::min(latest_ns, now_.monotonic + by);
    now_.realtime = std::min(latest_ns, now_.realtime + by);
  }

  void answer_creation() {
    const std::uint8_t outcome = take();
    if (book_->creations.empty()) return;
    const drv::CreateRegions asked = book_->creations.front();
    for (const drv::CollectEpochs& before : book_->collections) {
      if (before.stream_id == asked.layout.stream_id && before.request_id < asked.request_id)
        return;
    }
    book_->creations.pop_front();
    shm::StreamLayout layout = asked.layout;
    const bool fails = outcome >= 0xC0;
    const auto epoch = fails ? std::nullopt : disk_.create(layout, now_.monotonic);
    if (!epoch) {
      const Code code = outcome % 2U == 0 ? Code::no_space : Code::system_error;
      return core_->on_create_failed(
          now_, asked.request_id,
          Error(code, "create_stream", std::string(outcome == 0xFF ? 3000U : 5U, '\n')), actions_);
    }
    layout.epoch = *epoch;
    core_->on_created(now_, asked.request_id, describe(layout), actions_);
  }
  void answer_collection() {
    const std::uint8_t outcome = take();
    if (book_->collections.empty()) return;
    const drv::CollectEpochs asked = book_->collections.front();
    book_->collections.pop_front();
    if (outcome >= 0xC0) return core_->on_collected(now_, asked.request_id, 0, 1, actions_);
    const fuzz::EpochDisk::Collected done = disk_.collect(asked, now_.monotonic);
    core_->on_collected(now_, asked.request_id, done.removed, 0, actions_, done.young);
  }
  // To a question that nobody asks, or one of another driver.
  void answer_nothing() {
    const std::uint64_t id = UINT64_MAX - take();
    shm::StreamLayout layout;
    layout.epoch = 1;
    core_->on_created(now_, id, describe(layout), actions_);
    core_->on_create_failed(now_, id, Error(Code::no_space, "create_stream", "x"), actions_);
    core_->on_collected(now_, id, 1, 1, actions_);
    TP_ASSERT(actions_.empty());
  }
  void hold_up() {
    const std::uint8_t which = take() % 3U;
    if (which == 0) core_->on_held_up(now_);
    if (which == 1) core_->on_connected(now_);
    if (which == 2) core_->on_drained();
  }
  // Killed and begun anew; meanwhile somebody may have made a directory.
  void restart() {
    const std::uint8_t which = take();
    if (which % 4U == 0) {
      const std::uint32_t where = stream();
      disk_.plant(where, input_.take<std::uint64_t>(), now_.monotonic);
      return;
    }
    if (which % 4U != 1) return;
    // The clock went on, so that a stream nobody remembers begins above what was announced.
    now_.monotonic = std::min(latest_ns, now_.monotonic + second);
    first_lease_ = input_.take<std::uint64_t>();
    begin();
  }
  // Many clients at once.
  void burst() {
    const std::uint32_t from = 100 + take();
    const unsigned count = take();
    messages::ShmAttachRequest r = attach();
    for (unsigned i = 0; i < count; ++i) {
      r.client_id = from + i;
      message([&] { core_->on_attach(now_, r, actions_); });
    }
  }
  // All that is due now. It comes to an end.
  void until_quiet() {
    core_->on_drained();
    int steps = 0;
    while (core_->state() != drv::State::stopped && core_->deadline() <= now_.monotonic) {
      TP_ASSERT(++steps < 5000);
      tick();
      enter();
    }
  }

  Input& input_;
  const unsigned bits_;
  const unsigned more_;
  protocol::Now now_{100 * second, 1'700'000'000 * second};
  base::Nanos told_ = 0;
  std::uint64_t first_lease_ = UINT64_MAX - 3;  // so that ids come by null and 0
  fuzz::EpochDisk disk_;
  std::map<std::uint32_t, std::uint64_t> announced_;
  drv::Settings settings_;
  std::optional<drv::DriverCore> core_;
  std::optional<fuzz::DriverBook> book_;
  drv::Actions actions_;
};

}  // namespace

// Proves: DRV-7, DRV-29, DRV-40, DRV-91, DRV-123, DRV-130
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input input(data, size);
  Run(input).all();
  return 0;
}
