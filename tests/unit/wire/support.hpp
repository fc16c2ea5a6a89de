// What the wire tests share: every message type, messages with chosen or random contents, and an
// encoder of its own that knows nothing of the generated codecs.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "base/prng.hpp"
#include "wire/codec.hpp"
#include "wire/fields.hpp"
#include "wire/messages.hpp"

namespace tensorpool::wire::test {

using Buffer = std::vector<std::byte>;

template <class Variant>
struct TypesOf;
template <class... M>
struct TypesOf<std::variant<M...>> {
  using type = ::testing::Types<M...>;
};
using AllMessages = TypesOf<AnyMessage>::type;

// Bytes from a dump as in the reference; spaces and line ends are skipped.
inline Buffer from_hex(std::string_view text) {
  Buffer bytes;
  int half = -1;
  for (const char c : text) {
    int digit = -1;
    if (c >= '0' && c <= '9') digit = c - '0';
    if (c >= 'a' && c <= 'f') digit = c - 'a' + 10;
    if (digit < 0) continue;
    if (half < 0) {
      half = digit;
    } else {
      bytes.push_back(static_cast<std::byte>(half * 16 + digit));
      half = -1;
    }
  }
  return bytes;
}

template <class M>
Buffer encoded(const M& message) {
  Buffer bytes(encoded_size(message), std::byte{0xEE});
  const auto size = encode(message, bytes);
  EXPECT_TRUE(size.has_value()) << size.error().message();
  EXPECT_EQ(size.value_or(0), bytes.size());
  return bytes;
}

template <class T>
void put(Buffer& bytes, std::size_t at, T value) {
  for (std::size_t i = 0; i < sizeof(T); ++i)
    bytes[at + i] = static_cast<std::byte>(static_cast<std::uint64_t>(value) >> (8 * i) & 0xFFU);
}
template <class T>
T get(const Buffer& bytes, std::size_t at) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i)
    value |= static_cast<std::uint64_t>(std::to_integer<std::uint8_t>(bytes[at + i])) << (8 * i);
  return static_cast<T>(value);
}

// Fills every field: optional fields present, texts and groups not empty. The same seed gives the
// same message.
class Fill {
 public:
  explicit Fill(std::uint64_t seed, std::size_t entries = 2) : prng_(seed), entries_(entries) {}

  template <class T>
  void value(const char*, T& x) {
    x = random<T>();
  }
  template <class T>
  void value(const char*, std::optional<T>& x) {
    x = random<T>();
  }
  template <class T>
  void sentinel(const char*, T& x, T) {
    x = random<T>();
  }
  void assigned_stream(const char*, std::uint32_t& x) { x = random<std::uint32_t>(); }
  void text(const char*, std::string& x) { x = letters(' '); }
  void uri(const char*, std::string& x) { x = letters('-'); }
  void data(const char*, Bytes& x, std::uint64_t) {
    x.resize(1 + prng_.below(200));
    for (std::byte& byte : x) byte = static_cast<std::byte>(prng_.next());
  }
  template <class E>
  void group(const char*, std::vector<E>& x) {
    x.assign(entries_, E{});
    for (E& entry : x) fields(entry, *this);
  }
  void tags(const char*, std::vector<std::string>& x) {
    x.resize(entries_);
    for (std::string& tag : x) tag = letters(' ');
  }

 private:
  // Never a null value: those are for the optional tests.
  template <class T>
  T random() {
    if constexpr (std::is_same_v<T, bool>) {
      return prng_.below(2) != 0;
    } else if constexpr (std::is_enum_v<T>) {
      for (;;) {
        const auto candidate = static_cast<T>(prng_.below(8));
        if (listed(candidate)) return candidate;
      }
    } else {
      return static_cast<T>(1 + prng_.below(std::uint64_t{std::numeric_limits<T>::max()} - 1));
    }
  }
  std::string letters(char separator) {
    std::string text(1 + prng_.below(70), separator);
    for (char& c : text)
      if (prng_.below(5) != 0) c = static_cast<char>('!' + prng_.below(94));
    return text;
  }

  base::Prng prng_;
  std::size_t entries_;
};

template <class M>
M filled(std::uint64_t seed, std::size_t entries = 2) {
  M message;
  Fill fill(seed, entries);
  fields(message, fill);
  return message;
}

// Every optional field absent, every text and group empty; the rest as filled.
class Clear {
 public:
  template <class T>
  void value(const char*, T&) {}
  template <class T>
  void value(const char*, std::optional<T>& x) {
    x.reset();
  }
  template <class T>
  void sentinel(const char*, T& x, T null) {
    x = null;
  }
  void assigned_stream(const char*, std::uint32_t&) {}
  void text(const char*, std::string& x) { x.clear(); }
  void uri(const char*, std::string& x) { x.clear(); }
  void data(const char*, Bytes& x, std::uint64_t) { x.clear(); }
  template <class E>
  void group(const char*, std::vector<E>& x) {
    x.clear();
  }
  void tags(const char*, std::vector<std::string>& x) { x.clear(); }
};

template <class M>
M cleared(std::uint64_t seed) {
  M message = filled<M>(seed);
  Clear clear;
  fields(message, clear);
  return message;
}

// The bytes of a message by the tables alone: every field little-endian and packed, then groups,
// then var data. What it writes is compared with what the generated codecs write.
class TableEncoder {
 public:
  template <class M>
  static Buffer encode(const M& message) {
    TableEncoder encoder;
    encoder.append<std::uint16_t>(M::block_length);
    encoder.append<std::uint16_t>(M::template_id);
    encoder.append<std::uint16_t>(M::schema_id);
    encoder.append<std::uint16_t>(1);
    fields(message, encoder);
    return encoder.bytes_;
  }

  template <class T>
  void value(const char*, const T& x) {
    if constexpr (std::is_same_v<T, bool>) {
      append<std::uint8_t>(x ? 1 : 0);
    } else if constexpr (std::is_enum_v<T>) {
      append(static_cast<std::underlying_type_t<T>>(x));
    } else {
      append(x);
    }
  }
  template <class T>
  void value(const char* name, const std::optional<T>& x) {
    if (x) return value(name, *x);
    if constexpr (std::is_enum_v<T>) {
      append<std::uint8_t>(0xFF);
    } else if constexpr (std::is_same_v<T, std::int32_t>) {
      append<std::uint32_t>(0x80000000U);
    } else if constexpr (std::is_same_v<T, std::int64_t>) {
      append<std::uint64_t>(0x8000000000000000U);
    } else {
      static_assert(std::is_unsigned_v<T>);
      for (std::size_t i = 0; i < sizeof(T); ++i) bytes_.push_back(std::byte{0xFF});
    }
  }
  template <class T>
  void sentinel(const char*, const T& x, T) {
    append(x);
  }
  void assigned_stream(const char*, const std::uint32_t& x) { append(x); }
  void text(const char*, const std::string& x) { var_data(x.data(), x.size()); }
  void uri(const char*, const std::string& x) { var_data(x.data(), x.size()); }
  void data(const char*, const Bytes& x, std::uint64_t) { var_data(x.data(), x.size()); }
  template <class E>
  void group(const char*, const std::vector<E>& x) {
    append<std::uint16_t>(E::block_length);
    append(static_cast<std::uint16_t>(x.size()));
    for (const E& entry : x) fields(entry, *this);
  }
  void tags(const char*, const std::vector<std::string>& x) {
    append<std::uint16_t>(0);
    append(static_cast<std::uint16_t>(x.size()));
    for (const std::string& tag : x) var_data(tag.data(), tag.size());
  }

 private:
  template <class T>
  void append(T value) {
    for (std::size_t i = 0; i < sizeof(T); ++i)
      bytes_.push_back(
          static_cast<std::byte>(static_cast<std::uint64_t>(value) >> (8 * i) & 0xFFU));
  }
  void var_data(const void* from, std::size_t size) {
    append(static_cast<std::uint32_t>(size));
    const auto* first = static_cast<const std::byte*>(from);
    bytes_.insert(bytes_.end(), first, first + size);
  }

  Buffer bytes_;
};

// The fields of the fixed block of an M: name, offset in the message, size, kind.
struct BlockField {
  std::string name;
  std::size_t offset;
  std::size_t size;
  bool optional;
  bool is_enum;
  bool is_bool;
  bool degrading;
};

class BlockFields {
 public:
  template <class M>
  static std::vector<BlockField> of(std::size_t first = message_header_bytes) {
    BlockFields collector;
    collector.at_ = first;
    M message{};
    fields(message, collector);
    return collector.list_;
  }

  template <class T>
  void value(const char* name, T&) {
    add<T>(name, false);
  }
  template <class T>
  void value(const char* name, std::optional<T>&) {
    add<T>(name, true);
  }
  template <class T>
  void sentinel(const char* name, T&, T) {
    add<T>(name, true);
  }
  void assigned_stream(const char* name, std::uint32_t&) { add<std::uint32_t>(name, false); }
  void text(const char*, std::string&) {}
  void uri(const char*, std::string&) {}
  void data(const char*, Bytes&, std::uint64_t) {}
  template <class E>
  void group(const char*, std::vector<E>&) {}
  void tags(const char*, std::vector<std::string>&) {}

 private:
  template <class T>
  void add(const char* name, bool optional) {
    list_.push_back(
        {name, at_, sizeof(T), optional, std::is_enum_v<T>, std::is_same_v<T, bool>, degrades<T>});
    at_ += sizeof(T);
  }

  std::size_t at_ = 0;
  std::vector<BlockField> list_;
};

// How many var-data fields of its own a message ends with.
class VarFields {
 public:
  template <class M>
  static std::size_t of() {
    VarFields counter;
    M message{};
    fields(message, counter);
    return counter.count_;
  }
  template <class T>
  void value(const char*, T&) {}
  template <class T>
  void sentinel(const char*, T&, T) {}
  void assigned_stream(const char*, std::uint32_t&) {}
  void text(const char*, std::string&) { ++count_; }
  void uri(const char*, std::string&) { ++count_; }
  void data(const char*, Bytes&, std::uint64_t) { ++count_; }
  template <class E>
  void group(const char*, std::vector<E>&) {}
  void tags(const char*, std::vector<std::string>&) {}

 private:
  std::size_t count_ = 0;
};

}  // namespace tensorpool::wire::test
