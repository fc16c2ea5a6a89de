// Raw Aeron: what a descriptor costs without tensorpool, the bound of its latency. 48 bytes a message,
// whatever the payload would be. The client's settings are those of our own transport: pre-touched terms,
// invoked conductor, exclusive publications, try_claim, untethered subscriptions.
#include <aeronc.h>
#include <fmt/format.h>

#include "../registry.hpp"

namespace tensorpool::bench {
namespace {

constexpr std::size_t message_bytes = 48;
constexpr std::int32_t first_stream = 1'000'000;

[[noreturn]] void fail_aeron(const char* call) {
  const int number = aeron_errcode();
  throw Failure(fmt::format("{}: {} (Aeron error {})", call, aeron_errmsg(), number));
}

class AeronClient {
 public:
  explicit AeronClient(const std::string& directory) {
    if (aeron_context_init(&context_) != 0) fail_aeron("aeron_context_init");
    (void)aeron_context_set_dir(context_, directory.c_str());
    (void)aeron_context_set_error_handler(context_, [](void*, int, const char*) {}, nullptr);
    (void)aeron_context_set_pre_touch_mapped_memory(context_, true);
    (void)aeron_context_set_use_conductor_agent_invoker(context_, true);
    if (aeron_init(&client_, context_) != 0 || aeron_start(client_) != 0) fail_aeron("aeron_init");
  }
  AeronClient(const AeronClient&) = delete;
  AeronClient& operator=(const AeronClient&) = delete;
  ~AeronClient() {
    (void)aeron_close(client_);
    (void)aeron_context_close(context_);
  }

  aeron_t* get() const noexcept { return client_; }
  void do_work() noexcept { (void)aeron_main_do_work(client_); }

  // Until poll() gives 1, driving the conductor.
  template <class Poll>
  void until(Poll poll) {
    const std::int64_t begin = now_ns();
    for (int outcome = poll(); outcome != 1; outcome = poll()) {
      if (outcome < 0) fail_aeron("aeron_async_add");
      if (std::chrono::nanoseconds{now_ns() - begin} > patience)
        throw Failure("the media driver does not answer");
      do_work();
    }
  }

 private:
  aeron_context_t* context_ = nullptr;
  aeron_t* client_ = nullptr;
};

class AeronSender final : public Sender {
 public:
  explicit AeronSender(const Link& link) : client_(link.aeron_dir) {
    aeron_async_add_exclusive_publication_t* adding = nullptr;
    if (aeron_async_add_exclusive_publication(&adding, client_.get(), "aeron:ipc",
                                              first_stream + static_cast<std::int32_t>(link.id)) !=
        0)
      fail_aeron("aeron_async_add_exclusive_publication");
    client_.until(
        [&] { return aeron_async_add_exclusive_publication_poll(&publication_, adding); });
  }

  std::byte* claim(std::size_t) override {
    std::int64_t position = AERON_PUBLICATION_ADMIN_ACTION;
    while (position == AERON_PUBLICATION_ADMIN_ACTION)
      position = aeron_exclusive_publication_try_claim(publication_, message_bytes, &claim_);
    return position > 0 ? static_cast<std::byte*>(static_cast<void*>(claim_.data)) : nullptr;
  }
  bool publish(const Stamp& stamp) override {
    std::memset(claim_.data, 0x5A, message_bytes);
    std::memcpy(claim_.data, &stamp, sizeof stamp);
    return aeron_buffer_claim_commit(&claim_) == 0;
  }
  bool copy_in(std::span<const std::byte>, const Stamp& stamp) override {
    return claim(0) != nullptr && publish(stamp);
  }
  void idle() override { client_.do_work(); }

 private:
  AeronClient client_;
  aeron_exclusive_publication_t* publication_ = nullptr;
  aeron_buffer_claim_t claim_{};
};

class AeronReceiver final : public Receiver {
 public:
  explicit AeronReceiver(const Link& link) : client_(link.aeron_dir) {
    aeron_async_add_subscription_t* adding = nullptr;
    if (aeron_async_add_subscription(&adding, client_.get(), "aeron:ipc?tether=false",
                                     first_stream + static_cast<std::int32_t>(link.id), nullptr,
                                     nullptr, nullptr, nullptr) != 0)
      fail_aeron("aeron_async_add_subscription");
    client_.until([&] { return aeron_async_add_subscription_poll(&subscription_, adding); });
  }

  int poll(Handler handler) override {
    const int count = aeron_subscription_poll(
        subscription_,
        [](void* word, const std::uint8_t* data, std::size_t size, aeron_header_t*) {
          Stamp stamp;
          if (size < sizeof stamp) return;
          std::memcpy(&stamp, data, sizeof stamp);
          (*static_cast<Handler*>(word))({stamp, {}});
        },
        &handler, 10);
    return count > 0 ? count : 0;
  }
  Missed missed() const override { return {}; }
  void idle() override { client_.do_work(); }

 private:
  AeronClient client_;
  aeron_subscription_t* subscription_ = nullptr;
};

class Aeron final : public Subject {
 public:
  std::string name() const override { return "aeron"; }
  Kind kind() const override { return Kind::bound; }
  std::string version() const override { return TENSORPOOL_BENCH_AERON; }
  std::string setup() const override {
    return "48 bytes, as a descriptor has, instead of the frame: exclusive publication, try_claim, "
           "untethered "
           "subscription, pre-touched terms, conductor invoked; the same media driver as "
           "tensorpool's";
  }
  Capabilities capabilities() const override {
    return {.payload = false, .loss = Loss::drops_newest, .most_receivers = 64, .most_links = 64};
  }
  std::uint64_t shared_bytes(const Link&) const override { return std::uint64_t{64} << 20; }
  std::unique_ptr<Sender> sender(const Link& link) const override {
    return std::make_unique<AeronSender>(link);
  }
  std::unique_ptr<Receiver> receiver(const Link& link) const override {
    return std::make_unique<AeronReceiver>(link);
  }
};

}  // namespace

std::unique_ptr<Subject> make_aeron() { return std::make_unique<Aeron>(); }

}  // namespace tensorpool::bench
