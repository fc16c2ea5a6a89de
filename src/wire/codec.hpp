// Between bytes and the plain structs of messages.hpp.
//
// Every decode checks all lengths first, over the whole message and in 64 bits, and only then lets
// the generated codec read it; nothing is allocated before that (MSG-37, MSG-49), and nothing at
// all for messages without groups and var data. What decode refuses:
//   - another schema, template, version or block length (MSG-10 to MSG-16);
//   - bytes that end early, group headers that are not those of the schema, more than 65534
//     entries, var data longer than its kind or than the bytes that are left;
//   - unlisted values of required enums (MSG-18); the two exceptions are in enums.hpp, and
//     try_decode_request takes them all;
//   - a URI or channel with a byte outside 0x21 to 0x7E (MSG-42).
// What it accepts: bytes after the end (MSG-39); a message that ends where one of its own var-data
// fields would begin (MSG-38); any bytes in free text (MSG-43), so make it safe before display;
// 0xFFFFFFFF as "no stream id" (MSG-30) and 0 as "no publish mode" (MSG-96).
// Rules between the values of a message are in check.hpp and are asked for separately.
//
// Each function comes twice. The try_ form returns a Fault and is for polled paths: it allocates
// nothing for input that it refuses. The plain form returns an Error with text. All functions may
// be called from any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "tensorpool/error.hpp"
#include "wire/fault.hpp"
#include "wire/messages.hpp"

namespace tensorpool::wire {

// The eight bytes before every message.
struct MessageHeader {
  std::uint16_t block_length = 0;
  std::uint16_t template_id = 0;
  std::uint16_t schema_id = 0;
  std::uint16_t version = 0;

  friend bool operator==(const MessageHeader&, const MessageHeader&) = default;
};

// The header alone, to decide whether the message is of interest (MSG-10, MSG-11). Nothing for
// fewer than 8 bytes (MSG-9).
std::optional<MessageHeader> peek(std::span<const std::byte> bytes) noexcept;

// The correlation id of a message of schema 901 that is a request (templates 1, 3 and 8), readable
// even when the message is then rejected, so that the rejection can be answered (MSG-21). Nothing
// when the schema, template, version or block length differ or bytes are missing.
std::optional<std::int64_t> peek_correlation_id(std::span<const std::byte> bytes) noexcept;

// The correlation id of an attach request of another schema version, of which nothing else is read, so
// that it can be answered with UNSUPPORTED (DRV-17, row 1 of A4.2). Nothing for version 1, for any
// other message, and for a block too short to hold the id.
std::optional<std::int64_t> peek_attach_of_other_version(std::span<const std::byte> bytes) noexcept;

// The name of a message, or empty for an unknown schema or template and for the memory layouts.
std::string_view message_name(std::uint16_t schema_id, std::uint16_t template_id) noexcept;

// Reads one M. With `consumed`, stores how many bytes the message takes; the others are trailing.
template <class M>
Checked<M> try_decode(std::span<const std::byte> bytes, std::size_t* consumed = nullptr) noexcept;
template <class M>
Result<M> decode(std::span<const std::byte> bytes, std::size_t* consumed = nullptr);

// As try_decode, but enum fields may have any value: a driver answers such requests instead of
// dropping them (A4.2). For ShmAttachRequest and ShmDetachRequest only. An unlisted publish mode is
// present and not listed().
template <class M>
Checked<M> try_decode_request(std::span<const std::byte> bytes) noexcept;

// The bytes that `message` takes, header included.
template <class M>
std::size_t encoded_size(const M& message) noexcept;

// Writes `message` to the start of `to` and returns its size. Refuses, before it writes anything:
// unlisted enums, bytes outside 0x20 to 0x7E in text (MSG-40) and outside 0x21 to 0x7E in URIs and
// channels, data longer than its kind, more than 65534 entries, a present optional that holds its
// own null value, 0xFFFFFFFF as an assigned stream id (MSG-30), and a `to` that is too small.
template <class M>
Checked<std::size_t> try_encode(const M& message, std::span<std::byte> to) noexcept;
template <class M>
Result<std::size_t> encode(const M& message, std::span<std::byte> to);

// Reads whatever message the header names.
Checked<AnyMessage> try_decode_any(std::span<const std::byte> bytes,
                                   std::size_t* consumed = nullptr) noexcept;
Result<AnyMessage> decode_any(std::span<const std::byte> bytes, std::size_t* consumed = nullptr);

template <class M>
Result<M> decode(std::span<const std::byte> bytes, std::size_t* consumed) {
  auto message = try_decode<M>(bytes, consumed);
  if (!message) return fail(message.error().error("decode"));
  return *std::move(message);
}

template <class M>
Result<std::size_t> encode(const M& message, std::span<std::byte> to) {
  auto size = try_encode(message, to);
  if (!size) return fail(size.error().error("encode"));
  return *size;
}

}  // namespace tensorpool::wire
