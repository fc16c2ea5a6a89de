// Why bytes are not a message, or values cannot be one. A Fault holds numbers and literals only, so
// that refusing what a peer sent allocates nothing; its text is made when somebody asks for it.
#pragma once

#include <cstdint>
#include <string>
#include <tl/expected.hpp>

#include "tensorpool/error.hpp"

namespace tensorpool::wire {

enum class Problem : std::uint8_t {
  // Of the header. `found` and `expected` are the two values.
  short_header,        // fewer than 8 bytes (MSG-9)
  other_schema,        // not the asked or a known schema (MSG-12)
  other_template,      // not the asked or a known template (MSG-13)
  memory_only,         // templates 50 to 52 of schema 900 are never messages (MSG-7)
  other_version,       // MSG-14, MSG-15
  other_block_length,  // MSG-16
  // Of the bytes after it. `offset` is where the offending bytes begin.
  short_block,               // `found` bytes left of `expected` (MSG-17)
  short_group_header,        // likewise (MSG-44)
  other_group_block_length,  // MSG-46, MSG-53
  too_many_entries,          // more than 65534 (MSG-47)
  entries_beyond_end,        // `expected` bytes at least, `found` left (MSG-49)
  short_length_prefix,       // 1 to 3 bytes of a var-data length, or none inside a group (MSG-38)
  data_beyond_end,           // `expected` bytes announced, `found` left (MSG-35)
  data_too_long,             // `found` bytes, at most `expected` (MSG-36)
  unlisted_value,            // an enum value `found` outside the registry (MSG-18, MSG-19)
  forbidden_byte,            // `found` in a URI, channel or (when writing) text (MSG-40, MSG-42)
  // Of values to be written or checked.
  null_value,        // a present optional holds its own null value `found`
  buffer_too_small,  // `expected` bytes needed, `found` given
  rule,              // a rule between fields; `rule` is its text
  out_of_memory,
};

struct Fault {
  Problem problem = Problem::rule;
  const char* message = "";     // the message's name; empty while it is unknown
  const char* group = nullptr;  // the innermost group the field is in, if any
  const char* field = "";       // the protocol's name of the field
  const char* rule = nullptr;   // for Problem::rule
  std::uint64_t entry = 0;      // the entry of `group`
  std::uint64_t offset = 0;     // byte in the message, header included; 0 for values
  std::uint64_t found = 0;      // a signed value is stored as its two's complement
  std::uint64_t expected = 0;

  // malformed_message, unsupported (schema, template, version), invalid_argument (a value that must
  // not be written), buffer_too_small, limit_exceeded (out of memory).
  Code code() const noexcept;
  // "ShmPoolAnnounce.payloadPools[0].regionUri at byte 57: length 900, but 12 bytes are left"
  std::string text() const;
  // As an Error of `call`, which must be a string literal.
  Error error(const char* call) const { return Error(code(), call, text()); }
};

// A T, or the Fault that kept it from being made.
template <class T>
using Checked = tl::expected<T, Fault>;

}  // namespace tensorpool::wire
