// Prints what fields.hpp and messages.hpp say of every message, for check_schemas.py to compare
// with the tables of docs/protocol/02-messages.md. One line per message, field, group and var-data
// field, in wire order; offsets as in the tables.
#include <cstdio>
#include <string>
#include <type_traits>

#include "wire/fields.hpp"
#include "wire/messages.hpp"

namespace tensorpool::wire {
namespace {

template <class T>
const char* type_name() {
  if constexpr (std::is_same_v<T, bool>)
    return "u8";
  else if constexpr (std::is_enum_v<T>)
    return type_name<std::underlying_type_t<T>>();
  else if constexpr (std::is_same_v<T, std::uint8_t>)
    return "u8";
  else if constexpr (std::is_same_v<T, std::uint16_t>)
    return "u16";
  else if constexpr (std::is_same_v<T, std::uint32_t>)
    return "u32";
  else if constexpr (std::is_same_v<T, std::uint64_t>)
    return "u64";
  else if constexpr (std::is_same_v<T, std::int32_t>)
    return "i32";
  else
    return "i64";
}

class Dump {
 public:
  explicit Dump(std::string path) : path_(std::move(path)) {}

  template <class T>
  void value(const char* name, T&) {
    field(name, type_name<T>(), sizeof(T), "required");
  }
  template <class T>
  void value(const char* name, std::optional<T>&) {
    field(name, type_name<T>(), sizeof(T), "optional");
  }
  template <class T>
  void sentinel(const char* name, T&, T null) {
    field(name, type_name<T>(), sizeof(T), null == 0 ? "zero" : "optional");
  }
  void assigned_stream(const char* name, std::uint32_t&) { field(name, "u32", 4, "required"); }
  void text(const char* name, std::string&) { var(name, "varAscii"); }
  void uri(const char* name, std::string&) { var(name, "varAscii"); }
  void data(const char* name, Bytes&, std::uint64_t max) {
    var(name, max == 256 ? "varData256" : "varData");
  }
  template <class E>
  void group(const char* name, std::vector<E>&) {
    std::printf("group %s %s %d\n", path_.c_str(), name, static_cast<int>(E::block_length));
    E entry;
    Dump inner(path_ + "." + name);
    fields(entry, inner);
  }
  void tags(const char* name, std::vector<std::string>&) {
    std::printf("group %s %s 0\n", path_.c_str(), name);
  }

 private:
  void field(const char* name, const char* type, std::size_t size, const char* presence) {
    std::printf("field %s %s %zu %s %s\n", path_.c_str(), name, at_, type, presence);
    at_ += size;
  }
  void var(const char* name, const char* kind) {
    std::printf("data %s %s %s\n", path_.c_str(), name, kind);
  }

  std::string path_;
  std::size_t at_ = 0;
};

template <class M>
void dump() {
  std::printf("message %s %d %d %d %d\n", M::name, M::schema_id, M::template_id, M::block_length,
              M::smallest_size);
  M message;
  Dump visitor(M::name);
  fields(message, visitor);
}

template <class... M>
void dump_all(std::type_identity<std::variant<M...>>) {
  (dump<M>(), ...);
}

}  // namespace
}  // namespace tensorpool::wire

int main() {
  using namespace tensorpool::wire;
  dump_all(std::type_identity<AnyMessage>{});
  return 0;
}
