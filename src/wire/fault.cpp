#include "wire/fault.hpp"

#include <fmt/format.h>

namespace tensorpool::wire {
namespace {

// Values have no place in the bytes; bytes at offset 0 are always those of the header.
bool of_bytes(const Fault& fault) noexcept {
  return fault.offset != 0 || fault.problem == Problem::short_header ||
         fault.problem == Problem::other_block_length;
}

// "ShmPoolAnnounce.payloadPools[0].regionUri at byte 57"
std::string place(const Fault& fault) {
  std::string text = *fault.message != '\0' ? fault.message : "message";
  if (fault.group != nullptr) text += fmt::format(".{}[{}]", fault.group, fault.entry);
  if (*fault.field != '\0') text += fmt::format(".{}", fault.field);
  if (of_bytes(fault)) text += fmt::format(" at byte {}", fault.offset);
  return text;
}

std::string reason(const Fault& fault) {
  const auto found = fault.found;
  const auto expected = fault.expected;
  switch (fault.problem) {
    case Problem::short_header:
      return fmt::format("{} bytes are fewer than a header of {}", found, expected);
    case Problem::other_schema:
      return expected != 0 ? fmt::format("schema id {}, expected {}", found, expected)
                           : fmt::format("schema id {} is not known", found);
    case Problem::other_template:
      return expected != 0 ? fmt::format("template id {}, expected {}", found, expected)
                           : fmt::format("template id {} is not known", found);
    case Problem::memory_only:
      return fmt::format("template id {} is a memory layout that is never sent as a message",
                         found);
    case Problem::other_version:
      return fmt::format("version {}, only {} is supported", found, expected);
    case Problem::other_block_length:
    case Problem::other_group_block_length:
      return fmt::format("block length {}, expected {}", found, expected);
    case Problem::short_block:
      return fmt::format("{} bytes left, the block needs {}", found, expected);
    case Problem::short_group_header:
      return fmt::format("{} bytes left, the group header needs {}", found, expected);
    case Problem::too_many_entries:
      return fmt::format("{} entries, at most {} are allowed", found, expected);
    case Problem::entries_beyond_end:
      return fmt::format("{} bytes left, the entries need {} at least", found, expected);
    case Problem::short_length_prefix:
      return fmt::format("{} bytes left, the length prefix needs {}", found, expected);
    case Problem::data_beyond_end:
      return fmt::format("length {}, but {} bytes are left", expected, found);
    case Problem::data_too_long:
      return fmt::format("length {}, at most {} is allowed", found, expected);
    case Problem::unlisted_value:
      return fmt::format("{} is not a value of this enum", static_cast<std::int64_t>(found));
    case Problem::forbidden_byte:
      return fmt::format("byte {:#04x} is not allowed here", found);
    case Problem::null_value:
      return fmt::format("{:#x} is the null value of this field; leave it absent", found);
    case Problem::buffer_too_small:
      return fmt::format("needs {} bytes, was given {}", expected, found);
    case Problem::rule:
      return fmt::format("{} (found {}, expected {})", fault.rule != nullptr ? fault.rule : "",
                         found, expected);
    case Problem::out_of_memory:
      return "no memory for the message";
  }
  return "unknown problem";
}

}  // namespace

Code Fault::code() const noexcept {
  switch (problem) {
    case Problem::other_schema:
    case Problem::other_template:
    case Problem::memory_only:
    case Problem::other_version:
      return Code::unsupported;
    case Problem::buffer_too_small:
      return Code::buffer_too_small;
    case Problem::null_value:
      return Code::invalid_argument;
    case Problem::out_of_memory:
      return Code::limit_exceeded;
    case Problem::unlisted_value:
    case Problem::forbidden_byte:
    case Problem::data_too_long:
    case Problem::too_many_entries:
      // Bytes that were read have an offset; values to be written have none.
      return offset == 0 ? Code::invalid_argument : Code::malformed_message;
    default:
      return Code::malformed_message;
  }
}

std::string Fault::text() const { return fmt::format("{}: {}", place(*this), reason(*this)); }

}  // namespace tensorpool::wire
