// tensorpool in direct mode: one client for each group of links and process, with a descriptor stream
// of its own, so that nobody polls his own descriptors. The stamp travels in fields that frames have anyway:
// the trace id (descriptor) and the capture time (slot header).
#include <fmt/format.h>

#include <array>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <utility>

#include "../registry.hpp"
#include "tensorpool/tensorpool.hpp"

namespace tensorpool::bench {
namespace {

template <class T>
T value_of(Result<T> result) {
  if (!result) throw Failure(result.error().message());
  return std::move(*result);
}

// What clients of this process told of whoever held a producer up. Written by their conductors.
class Remark {
 public:
  void hear(const Notice& notice) {
    if (notice.kind != NoticeKind::back_pressure) return;
    const std::lock_guard lock(mutex_);
    text_ = notice.text;
  }
  std::string text() const {
    const std::lock_guard lock(mutex_);
    return text_;
  }

 private:
  mutable std::mutex mutex_;
  std::string text_;
};

ClientOptions client_options(const Link& link, Remark& remark) {
  ClientOptions options;
  options.mode = Mode::direct;
  options.threading = link.threaded ? Threading::threaded : Threading::invoked;
  options.aeron_dir = link.aeron_dir;
  options.client_name = "tensorpool bench";
  options.descriptor.stream_id = 10'000 + static_cast<std::int32_t>(link.group);
  // A short one finds streams soon; but it says how often a conductor wakes, and that is what waiting costs.
  if (!link.waits) options.announce_period_ns = 200'000'000;
  options.liveness_factor = 5;
  options.allowed_base_dirs = {link.directory};
  options.lock_memory = link.lock_memory;
  options.on_notice = [&remark](const Notice& notice) { remark.hear(notice); };
  return options;
}

// The clients of this process. Links of a group share one, whose conductor the first of them drives.
class Clients {
 public:
  struct Lent {
    std::shared_ptr<Client> client;
    bool drives = false;
  };
  Lent of(const Link& link) {
    auto& known = clients_[link.group];
    if (auto client = known.lock()) return {client, false};
    auto made = std::make_shared<Client>(value_of(Client::connect(client_options(link, remark_))));
    known = made;
    return {std::move(made), true};
  }
  const Remark& remark() const noexcept { return remark_; }

 private:
  Remark remark_;
  std::map<std::uint32_t, std::weak_ptr<Client>> clients_;
};

std::uint32_t stride(std::uint64_t bytes) {
  return static_cast<std::uint32_t>((bytes + 63) / 64 * 64);
}

Producer make_producer(Client& client, const Link& link) {
  ProducerOptions options;
  options.stream = link.id;
  options.base_dir = link.directory;
  options.namespace_name = "bench";
  options.slots = link.slots;
  options.lock_memory = link.lock_memory;
  options.wake_waiters = link.waits;
  std::uint16_t id = 0;
  for (const std::uint32_t bytes : link.pools)
    options.pools.push_back({.pool_id = ++id, .stride_bytes = stride(bytes)});
  if (options.pools.empty())
    options.pools = {{.pool_id = 1, .stride_bytes = stride(link.frame_bytes)}};
  return value_of(client.producer(std::move(options)).wait(patience));
}

TensorSpec bytes_spec(std::uint64_t size) {
  TensorSpec spec;
  spec.dtype = DType::u8;
  spec.shape = {static_cast<std::int64_t>(size)};
  return spec;
}

CommitOptions commit_options(const Stamp& stamp) {
  CommitOptions options;
  options.timestamp_ns = static_cast<std::uint64_t>(stamp.time_ns);
  options.trace_id = stamp.seq;
  return options;
}

// A claim that is made where it stays: moving a slot would be a cost of this file, not of the library.
class HeldClaim {
 public:
  HeldClaim() = default;
  HeldClaim(const HeldClaim&) = delete;
  HeldClaim& operator=(const HeldClaim&) = delete;
  ~HeldClaim() { drop(); }

  Result<Slot>& make(Producer& producer, const TensorSpec& spec) {
    drop();
    held_ = ::new (static_cast<void*>(room_.data())) Result<Slot>(producer.claim(spec));
    return *held_;
  }
  Slot& operator*() noexcept { return **held_; }
  void drop() noexcept {
    if (held_ != nullptr) std::destroy_at(held_);
    held_ = nullptr;
  }

 private:
  alignas(Result<Slot>) std::array<std::byte, sizeof(Result<Slot>)> room_;
  Result<Slot>* held_ = nullptr;
};

class TensorpoolSender final : public Sender {
 public:
  TensorpoolSender(Clients::Lent lent, const Remark& remark, const Link& link)
      : lent_(std::move(lent)), remark_(remark), producer_(make_producer(*lent_.client, link)) {}

  std::byte* claim(std::size_t bytes) override {
    Result<Slot>& slot = claim_.make(producer_, spec_of(bytes));
    return slot ? slot->bytes().data() : nullptr;
  }
  bool publish(const Stamp& stamp) override {
    const auto committed = (*claim_).commit(commit_options(stamp));
    claim_.drop();
    return committed && committed->told == Told::consumers;
  }
  bool copy_in(std::span<const std::byte> payload, const Stamp& stamp) override {
    const auto committed = producer_.offer(spec_of(payload.size()), payload, commit_options(stamp));
    return committed && committed->told == Told::consumers;
  }
  void idle() override {
    if (lent_.drives) (void)lent_.client->do_work();
  }
  std::string remark() const override { return remark_.text(); }

 private:
  const TensorSpec& spec_of(std::size_t bytes) {
    if (bytes != size_) {
      size_ = bytes;
      spec_ = bytes_spec(bytes);
    }
    return spec_;
  }

  Clients::Lent lent_;
  const Remark& remark_;
  Producer producer_;
  HeldClaim claim_;
  TensorSpec spec_;
  std::uint64_t size_ = 0;
};

class TensorpoolReceiver final : public Receiver {
 public:
  TensorpoolReceiver(Clients::Lent lent, const Link& link)
      : lent_(std::move(lent)),
        consumer_(value_of(lent_.client->consumer({.stream = link.id}).wait(patience))) {}

  int poll(Handler handler) override {
    const Polled polled = consumer_.poll([&](const Frame& frame) {
      handler({{frame.info().trace_id, static_cast<std::int64_t>(frame.info().capture_time_ns)},
               frame.bytes(),
               &frame,
               [](const void* one) { return static_cast<const Frame*>(one)->intact(); }});
    });
    return static_cast<int>(polled.delivered);
  }
  int wait(Handler handler, std::chrono::nanoseconds timeout) override {
    auto view = consumer_.next(timeout);
    if (!view) return 0;
    handler({{view->info().trace_id, static_cast<std::int64_t>(view->info().capture_time_ns)},
             view->bytes(),
             &*view,
             [](const void* one) { return static_cast<const FrameView*>(one)->intact(); }});
    return view->finish() == Outcome::delivered ? 1 : 0;
  }
  Missed missed() const override {
    const ConsumerStatistics all = consumer_.statistics();
    return {all.overwritten, all.lost, all.skipped + all.ended};
  }
  void idle() override {
    if (lent_.drives) (void)lent_.client->do_work();
  }

 private:
  Clients::Lent lent_;
  Consumer consumer_;
};

class Tensorpool final : public Subject {
 public:
  std::string name() const override { return "tensorpool"; }
  Kind kind() const override { return Kind::ours; }
  std::string setup() const override {
    return "direct mode, one pool stream and one descriptor stream for each direction, conductors "
           "invoked unless said otherwise, producers that wake waiters where readers sleep, "
           "regions pre-faulted (the default)";
  }
  Capabilities capabilities() const override {
    return {.payload = true,
            .wait = true,
            .loss = Loss::overwrites_oldest,
            .most_receivers = 64,
            .most_links = 64};
  }
  std::uint64_t shared_bytes(const Link& link) const override {
    std::uint64_t pools = link.pools.empty() ? link.frame_bytes : 0;
    for (const std::uint32_t bytes : link.pools) pools += bytes;
    // Descriptor terms, and those of what a client tells beside frames.
    return link.slots * (pools + 512) + (std::uint64_t{96} << 20);
  }
  std::unique_ptr<Sender> sender(const Link& link) const override {
    return std::make_unique<TensorpoolSender>(clients_.of(link), clients_.remark(), link);
  }
  std::unique_ptr<Receiver> receiver(const Link& link) const override {
    return std::make_unique<TensorpoolReceiver>(clients_.of(link), link);
  }

 private:
  mutable Clients clients_;  // filled in worker processes only
};

}  // namespace

std::unique_ptr<Subject> make_tensorpool() { return std::make_unique<Tensorpool>(); }

}  // namespace tensorpool::bench
