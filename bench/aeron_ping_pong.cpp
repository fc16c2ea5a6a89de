// Raw Aeron: what a descriptor costs without tensorpool. The client's settings are those of our own
// transport: pre-touched terms, invoked conductor, exclusive publications, untethered subscriptions.
#include <aeronc.h>
#include <fmt/format.h>

#include <cstdint>
#include <cstring>

#include "ping_pong.hpp"

namespace tensorpool::bench {
namespace {

constexpr std::size_t message_bytes = 48;
constexpr std::int32_t ping_stream = 9001;
constexpr std::int32_t echo_stream = 9002;

[[noreturn]] void fail_aeron(const char* call) {
  const int number = aeron_errcode();
  throw Failure(fmt::format("{}: {} (Aeron error {})", call, aeron_errmsg(), number));
}

class AeronLink {
 public:
  AeronLink(const std::string& aeron_dir, std::int32_t out, std::int32_t in) {
    if (aeron_context_init(&context_) != 0) fail_aeron("aeron_context_init");
    (void)aeron_context_set_dir(context_, aeron_dir.c_str());
    (void)aeron_context_set_error_handler(context_, [](void*, int, const char*) {}, nullptr);
    (void)aeron_context_set_pre_touch_mapped_memory(context_, true);
    (void)aeron_context_set_use_conductor_agent_invoker(context_, true);
    if (aeron_init(&client_, context_) != 0 || aeron_start(client_) != 0) fail_aeron("aeron_init");
    aeron_async_add_exclusive_publication_t* publication = nullptr;
    aeron_async_add_subscription_t* subscription = nullptr;
    if (aeron_async_add_exclusive_publication(&publication, client_, "aeron:ipc", out) != 0 ||
        aeron_async_add_subscription(&subscription, client_, "aeron:ipc?tether=false", in, nullptr,
                                     nullptr, nullptr, nullptr) != 0)
      fail_aeron("aeron_async_add");
    until([&] { return aeron_async_add_exclusive_publication_poll(&publication_, publication); });
    until([&] { return aeron_async_add_subscription_poll(&subscription_, subscription); });
  }
  AeronLink(const AeronLink&) = delete;
  AeronLink& operator=(const AeronLink&) = delete;
  ~AeronLink() {
    (void)aeron_close(client_);
    (void)aeron_context_close(context_);
  }

  bool send() noexcept {
    aeron_buffer_claim_t claim;
    std::int64_t position = AERON_PUBLICATION_ADMIN_ACTION;
    while (position == AERON_PUBLICATION_ADMIN_ACTION)
      position = aeron_exclusive_publication_try_claim(publication_, message_bytes, &claim);
    if (position <= 0) return false;
    std::memset(claim.data, 0x5A, message_bytes);
    return aeron_buffer_claim_commit(&claim) == 0;
  }
  bool receive() noexcept {
    std::uint64_t first = 0;
    const int count = aeron_subscription_poll(
        subscription_,
        [](void* word, const std::uint8_t* data, std::size_t, aeron_header_t*) {
          std::memcpy(word, data, sizeof(std::uint64_t));
        },
        &first, 10);
    return count > 0 && first != 0;
  }
  void do_work() noexcept { (void)aeron_main_do_work(client_); }

 private:
  template <class Poll>
  void until(Poll poll) {
    const std::int64_t begin = now_ns();
    for (int outcome = poll(); outcome != 1; outcome = poll()) {
      if (outcome < 0) fail_aeron("aeron_async_add");
      if (now_ns() - begin > give_up_ns) throw Failure("the media driver does not answer");
      do_work();
    }
  }

  aeron_context_t* context_ = nullptr;
  aeron_t* client_ = nullptr;
  aeron_exclusive_publication_t* publication_ = nullptr;
  aeron_subscription_t* subscription_ = nullptr;
};

}  // namespace

void ping_aeron(const std::string& aeron_dir, PingBoard& board, const PingOptions& options) {
  AeronLink link(aeron_dir, ping_stream, echo_stream);
  ping(link, board, options);
}

void echo_aeron(const std::string& aeron_dir, PingBoard& board, const PingOptions& options) {
  AeronLink link(aeron_dir, echo_stream, ping_stream);
  echo(link, board, options);
}

}  // namespace tensorpool::bench
