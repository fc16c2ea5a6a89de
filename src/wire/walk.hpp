// The visitors of fields() that the codecs share: walking untrusted bytes, adding up sizes,
// checking values before they are written. Private to this layer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "wire/bytes.hpp"
#include "wire/fault.hpp"
#include "wire/fields.hpp"
#include "wire/messages.hpp"

namespace tensorpool::wire {

// The integer that carries a T on the wire.
template <class T>
struct wire_type {
  using type = T;
};
template <>
struct wire_type<bool> {
  using type = std::uint8_t;
};
template <class T>
  requires std::is_enum_v<T>
struct wire_type<T> {
  using type = std::underlying_type_t<T>;
};
template <class T>
struct wire_type<std::optional<T>> : wire_type<T> {};
template <class T>
using wire_type_t = typename wire_type<std::remove_const_t<T>>::type;

template <class T>
inline constexpr bool is_optional = false;
template <class T>
inline constexpr bool is_optional<std::optional<T>> = true;

// The null sentinel of an optional integer or enum on the wire: the largest unsigned, the smallest
// signed value.
template <class Raw>
inline constexpr Raw null_value =
    std::is_signed_v<Raw> ? std::numeric_limits<Raw>::min() : std::numeric_limits<Raw>::max();

// Whether a reader takes `raw` as a T (MSG-18, MSG-19). Integers take everything.
template <class T>
constexpr bool acceptable(wire_type_t<T> raw) noexcept {
  if constexpr (std::is_same_v<T, bool>) {
    return raw <= 1;
  } else if constexpr (std::is_enum_v<T>) {
    return degrades<T> || listed(static_cast<T>(raw));
  } else if constexpr (std::is_same_v<T, std::optional<driver::PublishMode>>) {
    return raw == 0 || raw == null_value<wire_type_t<T>> ||
           listed(static_cast<driver::PublishMode>(raw));  // MSG-96
  } else {
    return true;
  }
}

// The bytes of a message or group entry with all groups and var data empty.
class SmallestSize {
 public:
  template <class T>
  static constexpr std::uint64_t of() noexcept {
    SmallestSize sizes;
    Nothing<T> nothing;
    fields(nothing.fields, sizes);
    return sizes.block_ + sizes.rest_;
  }
  template <class T>
  static constexpr std::uint64_t block_of() noexcept {
    SmallestSize sizes;
    Nothing<T> nothing;
    fields(nothing.fields, sizes);
    return sizes.block_;
  }

  template <class T>
  constexpr void value(const char*, T&) noexcept {
    block_ += sizeof(wire_type_t<T>);
  }
  template <class T>
  constexpr void sentinel(const char*, T&, T) noexcept {
    block_ += sizeof(T);
  }
  constexpr void assigned_stream(const char*, std::uint32_t&) noexcept {
    block_ += sizeof(std::uint32_t);
  }
  constexpr void text(const char*, std::string&) noexcept { rest_ += var_data_prefix_bytes; }
  constexpr void uri(const char*, std::string&) noexcept { rest_ += var_data_prefix_bytes; }
  constexpr void data(const char*, Bytes&, std::uint64_t) noexcept {
    rest_ += var_data_prefix_bytes;
  }
  template <class E>
  constexpr void group(const char*, std::vector<E>&) noexcept {
    rest_ += group_header_bytes;
  }
  constexpr void tags(const char*, std::vector<std::string>&) noexcept {
    rest_ += group_header_bytes;
  }

 private:
  // Only the types of the fields count. Never constructed: clang refuses libstdc++ 12's std::string
  // in constant expressions.
  template <class T>
  union Nothing {
    constexpr Nothing() noexcept : none{} {}
    constexpr ~Nothing() {}
    char none;
    T fields;
  };

  std::uint64_t block_ = 0;
  std::uint64_t rest_ = 0;
};

// Walks the bytes of one M and refuses everything that the generated codec must not meet. Reads
// lengths, enums and the bytes of URIs; allocates nothing.
class Walker {
 public:
  enum class Enums : std::uint8_t { listed, any };
  explicit Walker(std::span<const std::byte> bytes, Enums enums = Enums::listed) noexcept
      : bytes_(bytes), enums_(enums) {}

  // True if the bytes begin with a whole M.
  template <class M>
  bool walk() noexcept {
    static_assert(M::smallest_size == message_header_bytes + M::block_length + trailing_bytes<M>(),
                  "fields() and the table differ");
    fault_.message = M::name;
    if (!header(M::schema_id, M::template_id, M::block_length)) return false;
    M shape{};
    fields(shape, *this);
    return !failed_;
  }

  const Fault& fault() const noexcept { return fault_; }
  // Bytes of the message, and how many of its own var-data fields are there (MSG-38).
  std::uint64_t size() const noexcept { return at_; }
  std::uint64_t var_fields() const noexcept { return var_fields_; }

  template <class T>
  void value(const char* name, T&) noexcept {
    if (failed_) return;
    using Raw = wire_type_t<T>;
    const Raw raw = load<Raw>(bytes_.data() + at_);
    if (enums_ == Enums::listed && !acceptable<T>(raw))
      return refuse(Problem::unlisted_value, name, static_cast<std::uint64_t>(raw), 0);
    at_ += sizeof(Raw);
  }
  template <class T>
  void sentinel(const char*, T&, T) noexcept {
    at_ += sizeof(T);
  }
  void assigned_stream(const char*, std::uint32_t&) noexcept { at_ += sizeof(std::uint32_t); }
  void text(const char* name, std::string&) noexcept { var_data(name, var_data_max_bytes); }
  void data(const char* name, Bytes&, std::uint64_t max) noexcept { var_data(name, max); }
  void uri(const char* name, std::string&) noexcept;
  void tags(const char* name, std::vector<std::string>&) noexcept;

  template <class E>
  void group(const char* name, std::vector<E>&) noexcept {
    static_assert(E::block_length == SmallestSize::block_of<E>(), "fields() and the table differ");
    const std::uint64_t count = group_header(name, E::block_length, SmallestSize::of<E>());
    const Place outer = enter(name);
    E shape{};
    for (std::uint64_t i = 0; i < count && !failed_; ++i) {
      fault_.entry = i;
      if (left() < E::block_length)
        return refuse(Problem::short_block, "", left(), E::block_length);
      fields(shape, *this);
    }
    leave(outer);
  }

 private:
  struct Place {
    const char* group;
    std::uint64_t entry;
  };

  template <class M>
  static constexpr std::uint64_t trailing_bytes() noexcept {
    static_assert(M::block_length == SmallestSize::block_of<M>(), "fields() and the table differ");
    return SmallestSize::of<M>() - SmallestSize::block_of<M>();
  }

  std::uint64_t left() const noexcept { return bytes_.size() - at_; }
  bool header(std::uint16_t schema_id, std::uint16_t template_id,
              std::uint16_t block_length) noexcept;
  // The number of entries; 0 after a refusal.
  std::uint64_t group_header(const char* name, std::uint16_t block_length,
                             std::uint64_t smallest_entry) noexcept;
  // The length of the field that was walked over; 0 after a refusal and for an omitted field.
  std::uint64_t var_data(const char* name, std::uint64_t max) noexcept;
  void refuse(Problem problem, const char* field, std::uint64_t found,
              std::uint64_t expected) noexcept;
  Place enter(const char* group) noexcept;
  void leave(Place outer) noexcept;

  std::span<const std::byte> bytes_;
  Enums enums_;
  std::uint64_t at_ = 0;
  std::uint64_t var_fields_ = 0;
  std::uint32_t depth_ = 0;
  bool failed_ = false;
  Fault fault_{};
};

// Adds up the bytes that a message takes.
class Sizer {
 public:
  std::uint64_t size() const noexcept { return size_; }

  template <class T>
  void value(const char*, const T&) noexcept {
    size_ += sizeof(wire_type_t<T>);
  }
  template <class T>
  void sentinel(const char*, const T&, T) noexcept {
    size_ += sizeof(T);
  }
  void assigned_stream(const char*, const std::uint32_t&) noexcept {
    size_ += sizeof(std::uint32_t);
  }
  void text(const char*, const std::string& x) noexcept {
    size_ += var_data_prefix_bytes + x.size();
  }
  void uri(const char*, const std::string& x) noexcept {
    size_ += var_data_prefix_bytes + x.size();
  }
  void data(const char*, const Bytes& x, std::uint64_t) noexcept {
    size_ += var_data_prefix_bytes + x.size();
  }
  template <class E>
  void group(const char*, const std::vector<E>& entries) noexcept {
    size_ += group_header_bytes;
    for (const E& entry : entries) fields(entry, *this);
  }
  void tags(const char*, const std::vector<std::string>& tags) noexcept {
    size_ += group_header_bytes;
    for (const std::string& tag : tags) size_ += var_data_prefix_bytes + tag.size();
  }

 private:
  std::uint64_t size_ = 0;
};

// Refuses values that must not be written.
class Validator {
 public:
  template <class M>
  bool validate(const M& message) noexcept {
    fault_.message = M::name;
    fields(message, *this);
    return !failed_;
  }
  const Fault& fault() const noexcept { return fault_; }

  template <class T>
  void value(const char* name, const T& x) noexcept {
    if constexpr (is_optional<T>) {
      if (x) present(name, *x);
    } else if constexpr (std::is_enum_v<T>) {
      if (!listed(x)) refuse(Problem::unlisted_value, name, static_cast<std::uint64_t>(x), 0);
    }
  }
  template <class T>
  void sentinel(const char*, const T&, T) noexcept {}
  void assigned_stream(const char* name, const std::uint32_t& x) noexcept {
    if (x == null_u32) refuse(Problem::null_value, name, x, 0);
  }
  void text(const char* name, const std::string& x) noexcept { characters(name, x, 0x20); }
  void uri(const char* name, const std::string& x) noexcept { characters(name, x, 0x21); }
  void data(const char* name, const Bytes& x, std::uint64_t max) noexcept {
    if (x.size() > max) refuse(Problem::data_too_long, name, x.size(), max);
  }
  template <class E>
  void group(const char* name, const std::vector<E>& entries) noexcept {
    if (entries.size() > group_max_entries)
      return refuse(Problem::too_many_entries, name, entries.size(), group_max_entries);
    const Place outer = enter(name);
    for (std::size_t i = 0; i < entries.size() && !failed_; ++i) {
      fault_.entry = i;
      fields(entries[i], *this);
    }
    leave(outer);
  }
  void tags(const char* name, const std::vector<std::string>& tags) noexcept;

 private:
  struct Place {
    const char* group;
    std::uint64_t entry;
  };

  template <class T>
  void present(const char* name, T x) noexcept {
    using Raw = wire_type_t<T>;
    const auto raw = static_cast<Raw>(x);
    if (raw == null_value<Raw>)
      return refuse(Problem::null_value, name, static_cast<std::uint64_t>(raw), 0);
    value(name, x);
  }
  Place enter(const char* group) noexcept;
  void leave(Place outer) noexcept;
  void characters(const char* name, const std::string& x, unsigned char lowest) noexcept;
  void refuse(Problem problem, const char* field, std::uint64_t found,
              std::uint64_t expected) noexcept;

  bool failed_ = false;
  Fault fault_{};
};

// The index of the first byte outside lowest…0x7E, or npos.
std::size_t forbidden_byte(std::string_view text, unsigned char lowest) noexcept;

}  // namespace tensorpool::wire
