// What holds for every field of every message at any depth: lengths, characters, group headers,
// enums and nulls, each broken on its own in an otherwise good message.
#include <algorithm>
#include <array>

#include "unit/wire/support.hpp"

namespace tensorpool::wire::test {
namespace {

enum class Kind : std::uint8_t { enumerated, boolean, text, uri, data, group };

struct Part {
  Kind kind;
  std::string name;
  std::size_t at;              // in the message, header included
  std::uint64_t size = 0;      // bytes of an enum or of var data
  std::uint64_t max = 0;       // of var data
  std::uint16_t block_length;  // of a group
  bool refuses_unlisted = true;
};

// Where everything that a reader has to check stands in the bytes of one message.
class Parts {
 public:
  template <class M>
  static std::vector<Part> of(const M& message) {
    Parts parts;
    fields(message, parts);
    EXPECT_EQ(parts.at_, encoded_size(message));
    return parts.list_;
  }

  template <class T>
  void value(const char* name, const T&) {
    if constexpr (std::is_same_v<T, bool>) {
      list_.push_back({Kind::boolean, name, at_, 1, 0, 0, true});
    } else if constexpr (std::is_enum_v<T>) {
      list_.push_back({Kind::enumerated, name, at_, sizeof(T), 0, 0, !degrades<T>});
    }
    at_ += sizeof(T);
  }
  template <class T>
  void value(const char* name, const std::optional<T>& x) {
    value(name, x.value_or(T{}));
  }
  template <class T>
  void sentinel(const char*, const T&, T) {
    at_ += sizeof(T);
  }
  void assigned_stream(const char*, const std::uint32_t&) { at_ += 4; }
  void text(const char* name, const std::string& x) {
    var_data(Kind::text, name, x.size(), var_data_max_bytes);
  }
  void uri(const char* name, const std::string& x) {
    var_data(Kind::uri, name, x.size(), var_data_max_bytes);
  }
  void data(const char* name, const Bytes& x, std::uint64_t max) {
    var_data(Kind::data, name, x.size(), max);
  }
  template <class E>
  void group(const char* name, const std::vector<E>& entries) {
    list_.push_back({Kind::group, name, at_, 0, 0, E::block_length});
    at_ += group_header_bytes;
    for (const E& entry : entries) fields(entry, *this);
  }
  void tags(const char* name, const std::vector<std::string>& tags) {
    list_.push_back({Kind::group, name, at_, 0, 0, 0});
    at_ += group_header_bytes;
    for (const std::string& tag : tags) text("tag", tag);
  }

 private:
  void var_data(Kind kind, const char* name, std::size_t size, std::uint64_t max) {
    list_.push_back({kind, name, at_, size, max, 0});
    at_ += var_data_prefix_bytes + size;
  }

  std::size_t at_ = message_header_bytes;
  std::vector<Part> list_;
};

template <class M>
class EveryField : public ::testing::Test {
 protected:
  // Expects `bytes` to be refused because of `part`.
  static void expect_refused(const Buffer& bytes, const Part& part, Problem problem,
                             std::size_t offset) {
    const auto read = try_decode<M>(bytes);
    ASSERT_FALSE(read.has_value());
    EXPECT_EQ(read.error().problem, problem) << read.error().text();
    EXPECT_EQ(read.error().field, part.name);
    EXPECT_EQ(read.error().offset, offset);
    EXPECT_EQ(read.error().code(), Code::malformed_message);
  }

  const M message_ = filled<M>(20);
  const Buffer good_ = encoded(message_);
  const std::vector<Part> parts_ = Parts::of(message_);
};

struct Names {
  template <class M>
  static std::string GetName(int) {
    return M::name;
  }
};
TYPED_TEST_SUITE(EveryField, AllMessages, Names);

// Proves: MSG-35, MSG-36, MSG-53
TYPED_TEST(EveryField, OfVarDataHasItsLengthChecked) {
  for (const Part& part : this->parts_) {
    if (part.max == 0) continue;
    SCOPED_TRACE(part.name + " at " + std::to_string(part.at));
    const std::uint64_t left = this->good_.size() - part.at - var_data_prefix_bytes;
    for (const std::uint64_t length :
         {left + 1, part.max, part.max + 1, std::uint64_t{1} << 31U, std::uint64_t{0xFFFFFFFF}}) {
      if (length <= left) continue;  // enough bytes, though they are another field's
      Buffer bytes = this->good_;
      put(bytes, part.at, static_cast<std::uint32_t>(length));
      this->expect_refused(bytes, part,
                           length > part.max ? Problem::data_too_long : Problem::data_beyond_end,
                           part.at);
    }
  }
}

// Proves: MSG-42, MSG-43
TYPED_TEST(EveryField, OfVarDataHasItsCharactersChecked) {
  for (const Part& part : this->parts_) {
    if (part.max == 0) continue;
    SCOPED_TRACE(part.name + " at " + std::to_string(part.at));
    EXPECT_EQ(part.kind == Kind::uri, part.name.ends_with("Uri") || part.name.ends_with("Channel"));
    const std::size_t last = part.at + var_data_prefix_bytes + part.size - 1;
    for (const int value : {0x00, 0x0A, 0x20, 0x7F, 0x80, 0xFF}) {
      Buffer bytes = this->good_;
      bytes[last] = static_cast<std::byte>(value);
      if (part.kind == Kind::uri) {
        this->expect_refused(bytes, part, Problem::forbidden_byte, last);
        continue;
      }
      const auto read = try_decode<TypeParam>(bytes);
      ASSERT_TRUE(read.has_value()) << read.error().text();
      EXPECT_EQ(TableEncoder::encode(*read), bytes);
    }
  }
}

// Proves: MSG-46, MSG-47, MSG-49, MSG-51, MSG-53
TYPED_TEST(EveryField, OfAGroupHeaderIsChecked) {
  for (const Part& part : this->parts_) {
    if (part.kind != Kind::group) continue;
    SCOPED_TRACE(part.name + " at " + std::to_string(part.at));
    for (const int difference : {-1, 1, 8}) {
      Buffer bytes = this->good_;
      put(bytes, part.at, static_cast<std::uint16_t>(part.block_length + difference));
      this->expect_refused(bytes, part, Problem::other_group_block_length, part.at);
    }
    Buffer bytes = this->good_;
    put<std::uint16_t>(bytes, part.at + 2, 65535);
    this->expect_refused(bytes, part, Problem::too_many_entries, part.at);
    put<std::uint16_t>(bytes, part.at + 2, 65534);
    this->expect_refused(bytes, part, Problem::entries_beyond_end, part.at);
  }
}

// Proves: MSG-18, MSG-19, MSG-28
TYPED_TEST(EveryField, OfAnEnumIsChecked) {
  for (const Part& part : this->parts_) {
    if (part.kind != Kind::enumerated && part.kind != Kind::boolean) continue;
    SCOPED_TRACE(part.name + " at " + std::to_string(part.at));
    for (const std::uint32_t value : {9U, 0x7FU, 0x80U}) {
      Buffer bytes = this->good_;
      bytes[part.at + part.size - 1] = static_cast<std::byte>(value);
      if (part.refuses_unlisted) {
        this->expect_refused(bytes, part, Problem::unlisted_value, part.at);
      } else {
        EXPECT_TRUE(try_decode<TypeParam>(bytes).has_value());
      }
    }
  }
}

// Leaves the entries of groups in place, but everything in them absent or empty.
class Hollow : public Clear {
 public:
  template <class E>
  void group(const char*, std::vector<E>& entries) {
    for (E& entry : entries) fields(entry, *this);
  }
  void tags(const char*, std::vector<std::string>& tags) {
    for (std::string& tag : tags) tag.clear();
  }
};

// Proves: MSG-8, MSG-25, MSG-26, MSG-31, MSG-32, MSG-50
TYPED_TEST(EveryField, MayBeAbsentInEntriesToo) {
  auto message = this->message_;
  Hollow hollow;
  fields(message, hollow);
  const Buffer bytes = encoded(message);
  EXPECT_EQ(bytes, TableEncoder::encode(message));
  const auto back = decode<TypeParam>(bytes);
  ASSERT_TRUE(back.has_value()) << back.error().message();
  EXPECT_EQ(*back, message);
}

// Puts into one field, the `target`th that can hold one, a value that must not be written: an
// optional's own null, all ones as an assigned stream, a value outside an enum's registry, a
// character outside the kind's range.
class Spoil {
 public:
  explicit Spoil(std::size_t target) : target_(target) {}
  const std::string& field() const { return field_; }  // empty: there are fewer
  Problem problem() const { return problem_; }

  template <class T>
  void value(const char* name, T& x) {
    if constexpr (std::is_enum_v<T>) {
      if (hit(name, Problem::unlisted_value)) x = static_cast<T>(77);
    }
  }
  template <class T>
  void value(const char* name, std::optional<T>& x) {
    if (!hit(name, Problem::null_value)) return;
    if constexpr (std::is_enum_v<T>) {
      x = static_cast<T>(0xFF);
    } else {
      x = std::is_signed_v<T> ? std::numeric_limits<T>::min() : std::numeric_limits<T>::max();
    }
  }
  template <class T>
  void sentinel(const char*, T&, T) {}
  void assigned_stream(const char* name, std::uint32_t& x) {
    if (hit(name, Problem::null_value)) x = 0xFFFFFFFF;
  }
  void text(const char* name, std::string& x) {
    if (hit(name, Problem::forbidden_byte)) x.back() = '\x7F';
  }
  void uri(const char* name, std::string& x) {
    if (hit(name, Problem::forbidden_byte)) x.back() = ' ';
  }
  void data(const char* name, Bytes& x, std::uint64_t max) {
    if (max < 1000 && hit(name, Problem::data_too_long)) x.resize(max + 1);
  }
  template <class E>
  void group(const char*, std::vector<E>& entries) {
    for (E& entry : entries) fields(entry, *this);
  }
  void tags(const char*, std::vector<std::string>& tags) {
    for (std::string& tag : tags) text("tag", tag);
  }

 private:
  bool hit(const char* name, Problem problem) {
    if (seen_++ != target_) return false;
    field_ = name;
    problem_ = problem;
    return true;
  }

  std::size_t target_;
  std::size_t seen_ = 0;
  std::string field_;
  Problem problem_{};
};

// Proves: MSG-19, MSG-27, MSG-28, MSG-30, MSG-40
TYPED_TEST(EveryField, IsCheckedBeforeItIsWritten) {
  Buffer room(encoded_size(this->message_) + 1000, std::byte{0xEE});
  const Buffer untouched = room;
  for (std::size_t target = 0;; ++target) {
    auto message = this->message_;
    Spoil spoil(target);
    fields(message, spoil);
    if (spoil.field().empty()) break;
    SCOPED_TRACE(spoil.field());
    const auto written = try_encode(message, room);
    ASSERT_FALSE(written.has_value());
    EXPECT_EQ(written.error().problem, spoil.problem());
    EXPECT_EQ(written.error().field, spoil.field());
    EXPECT_EQ(written.error().code(), Code::invalid_argument);
    EXPECT_EQ(room, untouched);
  }
}

}  // namespace
}  // namespace tensorpool::wire::test
