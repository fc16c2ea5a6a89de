// Errors are values. Nothing in the library prints, exits or throws; the one exception is
// Result::value() on an error, at the caller's own request.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "tensorpool/export.hpp"

namespace tensorpool {

// What went wrong. The numbers are frozen: a code keeps its number for ever and no number is used
// again. Codes below 100 are outcomes that a running program meets and handles.
enum class Code : std::int32_t {
  ok = 0,

  // States of a port: wait, poll again, or end.
  not_attached = 1,  // nothing mapped yet
  reattaching = 2,   // the mapping was lost; the conductor is getting a new one
  shutdown = 3,      // the driver announced its end
  closed = 4,        // this object or its client was closed
  forked = 5,        // called in a forked child
  lease_ended = 6,   // a claim or view of an ended lease or mapping
  connecting = 7,    // no media driver yet

  // Outcomes of one call on the frame path.
  too_large = 20,         // no pool is large enough
  claims_exhausted = 21,  // too many open claims
  back_pressured = 22,    // the command queue or a subscriber is full
  no_consumer = 23,       // nobody is subscribed
  link_down = 24,         // a publication is closed or failed
  overwritten = 25,       // the writer was faster; the bytes are not valid
  no_frame = 26,          // nothing arrived
  held = 27,              // committed, waiting for an earlier claim
  consumed = 28,          // the slot or view was already used up
  wrong_thread = 29,      // the object belongs to another thread
  in_callback = 30,       // not allowed inside a callback
  dtype_mismatch = 31,    // a typed view of another element type
  rank_mismatch = 32,     // a typed view with another number of dimensions
  invalid_spec = 34,      // a tensor header that readers would refuse (SHM-208)
  extent_mismatch = 33,   // dims and strides reach past the payload
  interrupted = 35,       // Consumer::interrupt() ended the wait

  // Bad input and a bad environment.
  invalid_argument = 100,
  invalid_uri = 101,
  path_rejected = 102,  // containment, symlink, file kind, identity
  permission_rejected = 103,
  region_invalid = 104,  // superblock or size does not match its description
  hugepages_required = 105,
  no_space = 106,      // the file system cannot hold the regions
  system_error = 107,  // a system call failed; the text names it and errno
  malformed_message = 108,
  unsupported = 109,
  limit_exceeded = 110,  // a named limit of the library
  buffer_too_small = 111,
  invalid_file = 112,    // an input file that cannot be used
  stream_in_use = 113,   // another producer writes this stream
  driver_running = 114,  // another driver has this namespace

  // Transport and peers.
  no_media_driver = 200,
  transport_error = 201,  // the media driver refused or failed; the text is its own
  timeout = 202,
  rejected = 203,     // a peer answered with a refusal
  client_lost = 204,  // the media driver dropped this client

  internal = 900,  // a bug of this library
};

// The name of a code, as written above.
TENSORPOOL_EXPORT std::string_view name(Code code) noexcept;

// One failure: which call, which value, what to do. A value: copies and compares. Errors made on
// the frame path (Error::hot) hold numbers only and allocate nothing; their text is made when
// asked.
class TENSORPOOL_EXPORT [[nodiscard]] Error {
 public:
  // For cold paths. `call` names the failing call and must be a string literal; `detail` names the
  // offending value and what to do about it.
  Error(Code code, const char* call, std::string detail);

  // For the frame path: no allocation. `a` and `b` are the numbers that matter for `code`, for
  // example payload bytes and largest stride for too_large.
  static Error hot(Code code, const char* call, std::uint64_t a = 0, std::uint64_t b = 0) noexcept {
    return Error(code, call, a, b);
  }

  // For a failed system call: appends the name and number of `error_number`.
  static Error system(const char* call, int error_number, std::string_view detail);

  Code code() const noexcept { return code_; }
  // The failing call, such as "claim"; lives as long as the program.
  const char* call() const noexcept { return call_; }

  // "claim: too_large: payload of 900 bytes, largest pool stride 640; name a larger pool …"
  std::string message() const;

  friend bool operator==(const Error& left, const Error& right) noexcept {
    return left.code_ == right.code_ && left.a_ == right.a_ && left.b_ == right.b_;
  }

 private:
  Error(Code code, const char* call, std::uint64_t a, std::uint64_t b) noexcept
      : code_(code), call_(call), a_(a), b_(b) {}

  Code code_;
  const char* call_;
  std::uint64_t a_ = 0;
  std::uint64_t b_ = 0;
  std::shared_ptr<const std::string> detail_;
};

// A T or the Error that kept it from being made. `value()` on an error throws
// tl::bad_expected_access<Error>; `*result` and `result.error()` never throw.
template <class T>
using Result = tl::expected<T, Error>;

// Makes a failed Result of any type.
inline tl::unexpected<Error> fail(Error error) { return tl::unexpected<Error>(std::move(error)); }
inline tl::unexpected<Error> fail(Code code, const char* call, std::string detail) {
  return tl::unexpected<Error>(Error(code, call, std::move(detail)));
}

}  // namespace tensorpool
