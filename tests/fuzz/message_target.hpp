// What the six targets on messages share: the properties of one decoder, and a mutator that keeps
// most inputs behind a header that somebody decodes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <variant>
#include <vector>

#include "base/assert.hpp"
#include "fuzz/guarded.hpp"
#include "fuzz/message_oracle.hpp"
#include "wire/check.hpp"
#include "wire/codec.hpp"
#include "wire/descriptor.hpp"

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);

namespace tensorpool::fuzz {

inline constexpr std::size_t message_limit_bytes = std::size_t{1} << 16U;

// Makes text writable: what a writer refuses becomes "?".
class Printable {
 public:
  template <class T>
  void value(const char*, T&) {}
  template <class T>
  void sentinel(const char*, T&, T) {}
  void assigned_stream(const char*, std::uint32_t&) {}
  void text(const char*, std::string& x) {
    for (char& c : x) {
      if (c < 0x20 || c > 0x7E) c = '?';
    }
  }
  void uri(const char*, std::string&) {}
  void data(const char*, wire::Bytes&, std::uint64_t) {}
  template <class E>
  void group(const char*, std::vector<E>& entries) {
    for (E& entry : entries) wire::fields(entry, *this);
  }
  void tags(const char* name, std::vector<std::string>& tags) {
    for (std::string& tag : tags) text(name, tag);
  }
};

template <class M>
void check_encoding(const M& decoded, const Reading& expected) {
  if constexpr (requires { wire::try_check(decoded); }) (void)wire::try_check(decoded);
  M message = decoded;
  Printable printable;
  wire::fields(message, printable);
  std::vector<std::byte> bytes(wire::encoded_size(message));
  TP_ASSERT(wire::try_encode(message, bytes) == bytes.size());
  TP_ASSERT(bytes == expected.canonical);
  const auto again = wire::try_decode<M>(bytes);
  TP_ASSERT(again.has_value() && *again == message);
  const auto narrow = wire::try_encode(message, std::span(bytes).first(bytes.size() - 1));
  TP_ASSERT(!narrow && narrow.error().problem == wire::Problem::buffer_too_small);
}

// The decoder of M takes what the oracle takes, and reads the same from it. True if it took it.
template <class M>
bool check_decoder(std::span<const std::byte> bytes) {
  const std::optional<Reading> expected = Oracle::read<M>(bytes);
  std::size_t consumed = bytes.size() + 1;
  const auto decoded = wire::try_decode<M>(bytes, &consumed);
  TP_ASSERT(decoded.has_value() == expected.has_value());
  if (!decoded) {
    TP_ASSERT(decoded.error().offset <= bytes.size());
    const bool other = decoded.error().problem == wire::Problem::other_schema ||
                       decoded.error().problem == wire::Problem::other_template;
    TP_ASSERT(other || !decoded.error().text().empty());  // slow, and dull for other messages
    return false;
  }
  TP_ASSERT(consumed == expected->consumed && consumed <= bytes.size());
  check_encoding(*decoded, *expected);
  // Bytes behind the message change nothing.
  const auto alone = wire::try_decode<M>(bytes.first(consumed));
  TP_ASSERT(alone.has_value() && *alone == *decoded);
  return true;
}

// The frame path's own decoder against the generic one.
template <class M, auto Decode, auto Encode>
void check_hot(std::span<const std::byte> bytes) {
  const M untouched{.stream_id = 0x5A5A5A5A, .epoch = 1, .seq = 2};
  M hot = untouched;
  const bool taken = Decode(bytes.data(), bytes.size(), hot);
  const auto generic = wire::try_decode<M>(bytes);
  // The hot path has no use for a seq without a commit word of its own (SHM-167).
  TP_ASSERT(taken == (generic.has_value() && generic->seq < wire::seq_end));
  TP_ASSERT(hot == (taken ? *generic : untouched));
  if (!taken) return;
  std::array<std::byte, M::smallest_size> by_hand{};
  std::array<std::byte, M::smallest_size> by_codec{};
  Encode(by_hand.data(), hot);
  TP_ASSERT(wire::try_encode(hot, by_codec) == by_codec.size());
  TP_ASSERT(by_hand == by_codec);
}

template <class... Ms>
struct Messages {
  static int test(const std::uint8_t* data, std::size_t size) {
    static Guarded memory(message_limit_bytes);
    static Guarded cut(message_limit_bytes);
    if (size > message_limit_bytes) return 0;
    const auto bytes = memory.copy(std::as_bytes(std::span(data, size)));
    const std::size_t accepted = count_accepted(bytes);
    // Cut off somewhere, with nothing readable behind the end.
    if (accepted != 0) {
      std::size_t sum = 0;
      for (const std::byte byte : bytes) sum += std::to_integer<std::size_t>(byte);
      count_accepted(cut.copy(bytes.first(bytes.size() - 1)));
      count_accepted(cut.copy(bytes.first(sum % bytes.size())));
    }
    const auto header = wire::peek(bytes);
    TP_ASSERT(header.has_value() == (size >= 8));
    if (header && ((header->schema_id == Ms::schema_id) || ...))
      TP_ASSERT(wire::try_decode_any(bytes).has_value() == (accepted == 1));
    return 0;
  }

  // Three of four inputs keep the header of a message, so that mutations reach what is behind it.
  static std::size_t mutate(std::uint8_t* data, std::size_t size, std::size_t max_size,
                            unsigned int seed) {
    size = LLVMFuzzerMutate(data, size, max_size);
    if (seed % 4 == 0 || size < wire::message_header_bytes) return size;
    constexpr std::array<std::uint64_t, sizeof...(Ms)> headers{wire::header_word<Ms>...};
    std::uint64_t word = 0;
    std::memcpy(&word, data, sizeof(word));
    for (const std::uint64_t header : headers) {
      if (word == header) return size;
    }
    std::memcpy(data, &headers[seed / 4 % headers.size()], sizeof(word));
    return size;
  }

 private:
  static std::size_t count_accepted(std::span<const std::byte> bytes) {
    const std::size_t accepted = (std::size_t{check_decoder<Ms>(bytes)} + ...);
    TP_ASSERT(accepted <= 1);
    return accepted;
  }
};

}  // namespace tensorpool::fuzz
