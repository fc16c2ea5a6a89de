// Aeron's exclusive publication and subscription as concrete final classes. Ports call these types
// directly (agents/aeron_env.hpp), so the frame path has no virtual call; everybody else uses the
// interfaces of transport/transport.hpp.
#pragma once

#include <aeronc.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <type_traits>
#include <vector>

#include "transport/transport.hpp"

namespace tensorpool::transport::aeron {

// Owns an exclusive publication; destroying it closes it.
class Publication final : public transport::Publication {
 public:
  // Takes over `handle`.
  explicit Publication(aeron_exclusive_publication_t* handle) noexcept;
  ~Publication() override;

  // try_claim and commit in one, with what `encode` writes: the form for ports, which hold no claim open.
  // Neither allocates nor fails between the two.
  template <class Encode>
  Position send(std::size_t size, const Encode& encode) noexcept {
    aeron_buffer_claim_t claim;
    const Position position = aeron_exclusive_publication_try_claim(handle_, size, &claim);
    if (position > 0) [[likely]] {
      encode(static_cast<std::byte*>(static_cast<void*>(claim.data)));
      (void)aeron_buffer_claim_commit(&claim);
    }
    return position;
  }
  Position try_claim(std::size_t size, Claim& claim) noexcept override {
    aeron_buffer_claim_t inner{};
    const Position position = aeron_exclusive_publication_try_claim(handle_, size, &inner);
    if (position > 0) [[likely]] {
      claim.data = static_cast<std::byte*>(static_cast<void*>(inner.data));
      claim.size = inner.length;
      claim.implementation[0] = inner.frame_header;
    }
    return position;
  }
  void commit(Claim& claim) noexcept override {
    aeron_buffer_claim_t inner = inner_claim(claim);
    (void)aeron_buffer_claim_commit(&inner);
  }
  void abort(Claim& claim) noexcept override {
    aeron_buffer_claim_t inner = inner_claim(claim);
    (void)aeron_buffer_claim_abort(&inner);
  }
  Position offer(std::span<const std::byte> message) noexcept override;
  bool is_connected() const noexcept override {
    return aeron_exclusive_publication_is_connected(handle_);
  }
  std::size_t max_claim_bytes() const noexcept override { return max_claim_bytes_; }
  std::size_t max_message_bytes() const noexcept override { return max_message_bytes_; }
  std::int32_t session_id() const noexcept override { return session_id_; }
  std::int32_t stream_id() const noexcept override { return stream_id_; }

 private:
  static aeron_buffer_claim_t inner_claim(const Claim& claim) noexcept {
    return {static_cast<std::uint8_t*>(claim.implementation[0]),
            static_cast<std::uint8_t*>(static_cast<void*>(claim.data)), claim.size};
  }

  aeron_exclusive_publication_t* handle_;
  std::size_t max_claim_bytes_ = 0;
  std::size_t max_message_bytes_ = 0;
  std::int32_t session_id_ = 0;
  std::int32_t stream_id_ = 0;
};

// Owns a subscription; destroying it closes it.
class Subscription final : public transport::Subscription {
 public:
  Subscription(aeron_subscription_t* handle, std::int32_t stream_id) noexcept
      : handle_(handle), stream_id_(stream_id) {}
  ~Subscription() override;

  // Aeron calls `handler` without a further indirection: the form for ports. It must not throw (it
  // runs inside Aeron, where an exception ends the process) and must not close this subscription.
  template <class Handler>
    requires(std::is_invocable_v<Handler&, const Fragment&> &&
             !std::is_same_v<std::remove_cvref_t<Handler>, FragmentHandler>)
  int poll(Handler&& handler, int limit) noexcept {
    using Callable = std::remove_reference_t<Handler>;
    return poll_raw(
        [](void* clientd, const std::uint8_t* buffer, std::size_t length,
           aeron_header_t*) noexcept {
          (*static_cast<Callable*>(clientd))(fragment_in_log(buffer, length));
        },
        const_cast<void*>(static_cast<const void*>(std::addressof(handler))), limit);
  }
  // The same through the interface.
  int poll(FragmentHandler handler, int limit) override {
    return poll_raw(&on_fragment, &handler, limit);
  }
  // An exception of `handler` is kept until Aeron has returned.
  int poll_assembled(FragmentHandler handler, int limit) override;
  int image_count() const noexcept override { return aeron_subscription_image_count(handle_); }
  // Sessions that a buffer is kept for, because they said something in fragments: of those that are gone, at
  // most what went since the last new one came.
  std::size_t assembling() const noexcept { return assembling_.size(); }
  std::int32_t stream_id() const noexcept override { return stream_id_; }

 private:
  // The same as fragment_of() for a fragment that lies in the log, as every one does that a poll without an
  // assembler hands over: Aeron's frame header of 32 bytes lies in front of it, in the published layout. Only
  // what the handler uses is loaded.
  static Fragment fragment_in_log(const std::uint8_t* buffer, std::size_t length) noexcept {
    constexpr std::ptrdiff_t header_bytes = 32;
    const std::uint8_t* const frame = buffer - header_bytes;
    const std::uint8_t flags = frame[5];
    Fragment fragment;
    fragment.data = {static_cast<const std::byte*>(static_cast<const void*>(buffer)), length};
    std::memcpy(&fragment.session_id, frame + 12, sizeof(fragment.session_id));
    fragment.begin = (flags & 0x80U) != 0;
    fragment.end = (flags & 0x40U) != 0;
    return fragment;
  }
  static Fragment fragment_of(const std::uint8_t* buffer, std::size_t length,
                              aeron_header_t* header) noexcept {
    constexpr std::uint8_t begin_flag = 0x80;
    constexpr std::uint8_t end_flag = 0x40;
    aeron_header_values_t values;
    (void)aeron_header_values(header, &values);
    Fragment fragment;
    fragment.data = {static_cast<const std::byte*>(static_cast<const void*>(buffer)), length};
    fragment.session_id = values.frame.session_id;
    fragment.begin = (values.frame.flags & begin_flag) != 0;
    fragment.end = (values.frame.flags & end_flag) != 0;
    return fragment;
  }
  int poll_raw(aeron_fragment_handler_t handler, void* clientd, int limit) noexcept {
    const int count =
        aeron_subscription_poll(handle_, handler, clientd, static_cast<std::size_t>(limit));
    return count < 0 ? 0 : count;
  }
  static void on_fragment(void* clientd, const std::uint8_t* buffer, std::size_t length,
                          aeron_header_t* header) noexcept;
  static void on_part(void* clientd, const std::uint8_t* buffer, std::size_t length,
                      aeron_header_t* header) noexcept;
  void let_go_of_the_gone();
  static void on_assembled(void* clientd, const std::uint8_t* buffer, std::size_t length,
                           aeron_header_t* header) noexcept;

  aeron_subscription_t* handle_;
  aeron_fragment_assembler_t* assembler_ = nullptr;  // made by the first poll_assembled
  std::vector<std::int32_t> assembling_;             // sessions that have a buffer in it
  std::vector<std::uint8_t> copy_;                   // of the message that is handed over
  bool another_session_ = false;                     // joined them during this poll
  void* assembled_target_ = nullptr;                 // what on_assembled calls during a poll
  std::int32_t stream_id_;
};

}  // namespace tensorpool::transport::aeron
