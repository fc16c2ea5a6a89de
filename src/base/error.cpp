#include "tensorpool/error.hpp"

#include <fmt/format.h>

#include <cstring>

namespace tensorpool {
namespace {

struct Entry {
  Code code;
  std::string_view name;
};

constexpr Entry entries[] = {
    {Code::ok, "ok"},
    {Code::not_attached, "not_attached"},
    {Code::reattaching, "reattaching"},
    {Code::shutdown, "shutdown"},
    {Code::closed, "closed"},
    {Code::forked, "forked"},
    {Code::lease_ended, "lease_ended"},
    {Code::connecting, "connecting"},
    {Code::too_large, "too_large"},
    {Code::claims_exhausted, "claims_exhausted"},
    {Code::back_pressured, "back_pressured"},
    {Code::no_consumer, "no_consumer"},
    {Code::link_down, "link_down"},
    {Code::overwritten, "overwritten"},
    {Code::no_frame, "no_frame"},
    {Code::held, "held"},
    {Code::consumed, "consumed"},
    {Code::wrong_thread, "wrong_thread"},
    {Code::in_callback, "in_callback"},
    {Code::dtype_mismatch, "dtype_mismatch"},
    {Code::rank_mismatch, "rank_mismatch"},
    {Code::extent_mismatch, "extent_mismatch"},
    {Code::invalid_spec, "invalid_spec"},
    {Code::interrupted, "interrupted"},
    {Code::invalid_argument, "invalid_argument"},
    {Code::invalid_uri, "invalid_uri"},
    {Code::path_rejected, "path_rejected"},
    {Code::permission_rejected, "permission_rejected"},
    {Code::region_invalid, "region_invalid"},
    {Code::hugepages_required, "hugepages_required"},
    {Code::no_space, "no_space"},
    {Code::system_error, "system_error"},
    {Code::malformed_message, "malformed_message"},
    {Code::unsupported, "unsupported"},
    {Code::limit_exceeded, "limit_exceeded"},
    {Code::buffer_too_small, "buffer_too_small"},
    {Code::invalid_file, "invalid_file"},
    {Code::stream_in_use, "stream_in_use"},
    {Code::driver_running, "driver_running"},
    {Code::no_media_driver, "no_media_driver"},
    {Code::transport_error, "transport_error"},
    {Code::timeout, "timeout"},
    {Code::rejected, "rejected"},
    {Code::client_lost, "client_lost"},
    {Code::internal, "internal"},
};

// The text of an error that was made without one.
std::string describe(Code code, std::uint64_t a, std::uint64_t b) {
  switch (code) {
    case Code::not_attached:
      return "nothing is mapped yet; poll again, or wait for the attach";
    case Code::reattaching:
      return "the mapping was lost and is being replaced; try again";
    case Code::shutdown:
      return "the driver announced its end";
    case Code::closed:
      return "this object or its client is closed; make a new one";
    case Code::forked:
      return "a forked child cannot use its parent's client; connect again in the child";
    case Code::lease_ended:
      return "the mapping of this slot or view has ended; claim or poll again";
    case Code::connecting:
      return "no media driver yet; start one or wait";
    case Code::too_large:
      return fmt::format("payload of {} bytes, largest pool stride {} bytes; name a larger pool", a,
                         b);
    case Code::claims_exhausted:
      return fmt::format("{} claims are open, the window is {}; commit or abort one first", a, b);
    case Code::back_pressured:
      return "the queue is full; try again later";
    case Code::no_consumer:
      return "nobody is subscribed to the descriptor stream";
    case Code::link_down:
      return "a publication is closed or failed; it is being replaced";
    case Code::overwritten:
      return fmt::format("frame {} was overwritten while it was read", a);
    case Code::no_frame:
      return "no frame arrived";
    case Code::held:
      return fmt::format("frame {} waits for the earlier claim {}", a, b);
    case Code::consumed:
      return "this slot or view was already committed, aborted or finished";
    case Code::wrong_thread:
      return "the object belongs to another thread";
    case Code::in_callback:
      return "not allowed inside a callback; do it after the callback returned";
    case Code::dtype_mismatch:
      return fmt::format("the frame has element type {}, asked for {}", a, b);
    case Code::rank_mismatch:
      return fmt::format("the frame has {} dimensions, asked for {}", a, b);
    case Code::extent_mismatch:
      return fmt::format("dims and strides reach {} bytes, the payload has {}", a, b);
    case Code::interrupted:
      return "interrupt() ended the wait; call again to go on";
    default:
      return fmt::format("values {} and {}", a, b);
  }
}

}  // namespace

std::string_view name(Code code) noexcept {
  for (const Entry& entry : entries) {
    if (entry.code == code) return entry.name;
  }
  return "unknown";
}

Error::Error(Code code, const char* call, std::string detail)
    : code_(code), call_(call), detail_(std::make_shared<const std::string>(std::move(detail))) {}

Error Error::system(const char* call, int error_number, std::string_view detail) {
  return Error(Code::system_error, call,
               fmt::format("{}: {} (errno {})", detail, std::strerror(error_number), error_number));
}

std::string Error::message() const {
  return fmt::format("{}: {}: {}", call_, name(code_),
                     detail_ ? *detail_ : describe(code_, a_, b_));
}

}  // namespace tensorpool
