// A second reader of messages, written from docs/protocol/02-messages.md. It shares the list of
// fields with the codec and nothing else, takes one field after the other and knows no sizes in
// advance. What it accepts, and with which bytes, the codec must accept, and nothing more.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "wire/bytes.hpp"
#include "wire/fields.hpp"
#include "wire/messages.hpp"

namespace tensorpool::fuzz {

// The bytes that a writer makes of the message that a reader saw.
struct Reading {
  std::vector<std::byte> canonical;
  std::size_t consumed = 0;
};

class Oracle {
 public:
  template <class M>
  static std::optional<Reading> read(std::span<const std::byte> bytes) {
    Oracle oracle(bytes);
    for (const std::uint16_t expected :
         {M::block_length, M::template_id, M::schema_id, wire::schema_version}) {
      if (oracle.number<std::uint16_t>() != expected) return std::nullopt;  // MSG-9 to MSG-16
    }
    M shape{};
    wire::fields(shape, oracle);
    if (!oracle.good_) return std::nullopt;
    return Reading{std::move(oracle.canonical_), oracle.at_};
  }

  template <class T>
  void value(const char*, T&) {
    if constexpr (std::is_same_v<T, bool>) {
      good_ = number<std::uint8_t>() <= 1 && good_;
    } else if constexpr (std::is_enum_v<T>) {
      const auto raw = number<std::underlying_type_t<T>>();
      if (wire::listed(static_cast<T>(raw))) return;
      if constexpr (std::is_same_v<T, wire::FrameProgressState>) {
        replace(wire::FrameProgressState::unknown);
      } else if constexpr (std::is_same_v<T, wire::discovery::Status>) {
        replace(wire::discovery::Status::error);
      } else {
        good_ = false;  // MSG-18
      }
    } else {
      number<T>();
    }
  }
  template <class T>
  void value(const char*, std::optional<T>&) {
    if constexpr (std::is_enum_v<T>) {
      static_assert(std::is_same_v<T, wire::driver::PublishMode>);
      const auto raw = number<std::uint8_t>();
      if (raw == 0) replace(std::uint8_t{0xFF});  // MSG-96
      good_ = (raw == 0 || raw == 0xFF || wire::listed(static_cast<T>(raw))) && good_;
    } else {
      number<T>();
    }
  }
  template <class T>
  void sentinel(const char*, T&, T) {
    number<T>();
  }
  void assigned_stream(const char*, std::uint32_t&) {
    if (number<std::uint32_t>() == 0xFFFFFFFFU) replace(std::uint32_t{0});  // MSG-30
  }
  // A writer may not send bytes that a reader tolerates; the fuzzers write "?" for them.
  void text(const char*, std::string&) {
    for (std::byte& byte : data(std::uint64_t{1} << 30U)) {
      if (byte < std::byte{0x20} || byte > std::byte{0x7E}) byte = std::byte{'?'};
    }
  }
  void uri(const char*, std::string&) {
    for (const std::byte byte : data(std::uint64_t{1} << 30U)) {
      if (byte < std::byte{0x21} || byte > std::byte{0x7E}) good_ = false;  // MSG-42
    }
  }
  void data(const char*, wire::Bytes&, std::uint64_t max) { data(max); }
  template <class E>
  void group(const char*, std::vector<E>&) {
    const std::uint16_t count = group_header(E::block_length);
    ++depth_;
    E shape{};
    for (std::uint16_t i = 0; i < count && good_; ++i) wire::fields(shape, *this);
    --depth_;
  }
  void tags(const char*, std::vector<std::string>&) {
    const std::uint16_t count = group_header(0);
    ++depth_;
    std::string shape;
    for (std::uint16_t i = 0; i < count && good_; ++i) text("", shape);
    --depth_;
  }

 private:
  explicit Oracle(std::span<const std::byte> bytes) noexcept : bytes_(bytes) {}

  // Copies `size` bytes; false when they are not there.
  bool take(std::uint64_t size) {
    if (!good_ || size > bytes_.size() - at_) return good_ = false;
    const auto part = bytes_.subspan(at_, static_cast<std::size_t>(size));
    canonical_.insert(canonical_.end(), part.begin(), part.end());
    at_ += part.size();
    return true;
  }
  template <class T>
  T number() {
    return take(sizeof(T)) ? wire::load<T>(canonical_.data() + (canonical_.size() - sizeof(T)))
                           : T{};
  }
  // Another value for the one just read.
  template <class T>
  void replace(T value) {
    if (!good_) return;
    std::memcpy(canonical_.data() + (canonical_.size() - sizeof(T)), &value, sizeof(T));
  }
  std::span<std::byte> data(std::uint64_t max) {
    if (good_ && depth_ == 0 && at_ == bytes_.size()) {  // MSG-38
      canonical_.insert(canonical_.end(), 4, std::byte{0});
      return {};
    }
    const auto length = number<std::uint32_t>();
    if (length > max) good_ = false;  // MSG-36
    if (!take(length)) return {};     // MSG-35
    return std::span(canonical_).last(length);
  }
  std::uint16_t group_header(std::uint16_t block_length) {
    const auto found = number<std::uint16_t>();
    const auto count = number<std::uint16_t>();
    if (found != block_length || count > 65534) good_ = false;  // MSG-46, MSG-47
    return count;
  }

  std::span<const std::byte> bytes_;
  std::vector<std::byte> canonical_;
  std::size_t at_ = 0;
  int depth_ = 0;
  bool good_ = true;
};

}  // namespace tensorpool::fuzz
