#include "transport/aeron/hot.hpp"

#include <algorithm>
#include <exception>
#include <utility>

namespace tensorpool::transport::aeron {
namespace {

struct Assembled {
  FragmentHandler handler;
  std::exception_ptr thrown;
};

}  // namespace

Publication::Publication(aeron_exclusive_publication_t* handle) noexcept : handle_(handle) {
  aeron_publication_constants_t constants{};
  if (aeron_exclusive_publication_constants(handle_, &constants) != 0) return;
  max_claim_bytes_ = constants.max_payload_length;
  max_message_bytes_ = constants.max_message_length;
  session_id_ = constants.session_id;
  stream_id_ = constants.stream_id;
}

Publication::~Publication() { (void)aeron_exclusive_publication_close(handle_, nullptr, nullptr); }

Position Publication::offer(std::span<const std::byte> message) noexcept {
  // Aeron looks at the length only once there is room; ask first, so that the answer is always the same.
  if (message.size() > max_message_bytes_) return publication_error;
  // Aeron refuses a null buffer, also for an empty message.
  static constexpr std::uint8_t nothing = 0;
  const auto* bytes =
      message.empty() ? &nothing
                      : static_cast<const std::uint8_t*>(static_cast<const void*>(message.data()));
  return aeron_exclusive_publication_offer(handle_, bytes, message.size(), nullptr, nullptr);
}

Subscription::~Subscription() {
  (void)aeron_subscription_close(handle_, nullptr, nullptr);
  if (assembler_ != nullptr) (void)aeron_fragment_assembler_delete(assembler_);
}

void Subscription::on_fragment(void* clientd, const std::uint8_t* buffer, std::size_t length,
                               aeron_header_t* header) noexcept {
  (*static_cast<FragmentHandler*>(clientd))(fragment_of(buffer, length, header));
}

void Subscription::on_assembled(void* clientd, const std::uint8_t* buffer, std::size_t length,
                                aeron_header_t* header) noexcept {
  auto& target = *static_cast<Assembled*>(static_cast<Subscription*>(clientd)->assembled_target_);
  if (target.thrown != nullptr) return;  // nothing more is handed over; these messages are lost
  // A copy, for what is not assembled lies in the log still: a process that is stopped in here finds it overwritten
  // when it goes on, between two looks at the same byte.
  std::vector<std::uint8_t>& copy = static_cast<Subscription*>(clientd)->copy_;
  try {
    copy.assign(buffer, buffer + length);
    Fragment message = fragment_of(copy.data(), length, header);
    message.begin = message.end = true;
    target.handler(message);
  } catch (...) {
    target.thrown = std::current_exception();
  }
}

// Aeron's assembler keeps a buffer as large as the largest message of every session that it ever saw, and strangers
// come and go: those of sessions that are gone are let go of when a new one came. REQUIRES that no poll is under way:
// to look at the images tells Aeron that the list of them which a poll goes through is not used any more.
void Subscription::let_go_of_the_gone() {
  std::vector<std::int32_t> there;
  aeron_subscription_for_each_image(
      handle_,
      [](aeron_image_t* image, void* clientd) {
        aeron_image_constants_t constants{};
        if (aeron_image_constants(image, &constants) == 0)
          static_cast<std::vector<std::int32_t>*>(clientd)->push_back(constants.session_id);
      },
      &there);
  std::erase_if(assembling_, [&](std::int32_t known) {
    if (std::find(there.begin(), there.end(), known) != there.end()) return false;
    (void)aeron_fragment_assembler_delete_session_buffer(assembler_, known);
    return true;
  });
}

void Subscription::on_part(void* clientd, const std::uint8_t* buffer, std::size_t length,
                           aeron_header_t* header) noexcept {
  auto& self = *static_cast<Subscription*>(clientd);
  const Fragment part = fragment_of(buffer, length, header);
  auto& known = self.assembling_;
  if (part.begin && !part.end &&
      std::find(known.begin(), known.end(), part.session_id) == known.end()) {
    known.push_back(part.session_id);
    self.another_session_ = true;
  }
  aeron_fragment_assembler_handler(self.assembler_, buffer, length, header);
}

int Subscription::poll_assembled(FragmentHandler handler, int limit) {
  if (assembler_ == nullptr &&
      aeron_fragment_assembler_create(&assembler_, &on_assembled, this) != 0)
    return 0;
  Assembled target{handler, nullptr};
  assembled_target_ = &target;
  const int count = poll_raw(&on_part, this, limit);
  assembled_target_ = nullptr;
  if (std::exchange(another_session_, false)) let_go_of_the_gone();
  if (target.thrown != nullptr) std::rethrow_exception(target.thrown);
  return count;
}

}  // namespace tensorpool::transport::aeron
