// Every enum of the wire protocol with its registry: the names of docs/protocol/02-messages.md.
// A value that is not in the registry has no name; it is never mapped to a listed one (MSG-19).
#pragma once

#include <cstdint>
#include <string_view>
#include <type_traits>

#include "tensorpool/types.hpp"

namespace tensorpool::wire {

using tensorpool::ClockDomain;

// How a consumer wants to be served.
enum class Mode : std::uint8_t { stream = 1, rate_limited = 2 };

enum class FrameProgressState : std::uint8_t {
  unknown = 0,
  started = 1,
  progress = 2,
  complete = 3
};

// Answers to control requests, in schemas 900 and 901. Four bytes on the wire.
enum class ResponseCode : std::int32_t {
  ok = 0,
  unsupported = 1,
  invalid_params = 2,
  rejected = 3,
  internal_error = 4,
};

namespace driver {

enum class HugepagesPolicy : std::uint8_t { unspecified = 0, standard = 1, hugepages = 2 };
enum class Role : std::uint8_t { producer = 1, consumer = 2 };
enum class PublishMode : std::uint8_t { require_existing = 1, existing_or_create = 2 };
enum class LeaseRevokeReason : std::uint8_t { detached = 1, expired = 2, revoked = 3 };
enum class ShutdownReason : std::uint8_t { normal = 0, admin = 1, error = 2 };

}  // namespace driver

namespace merge {

enum class TimestampSource : std::uint8_t { frame_descriptor = 1, slot_header = 2 };
enum class RuleType : std::uint8_t { offset = 0, window = 1 };
enum class TimeRuleType : std::uint8_t { offset_ns = 0, window_ns = 1 };

}  // namespace merge

namespace discovery {

enum class Status : std::uint8_t { ok = 1, not_found = 2, error = 3 };

}  // namespace discovery

// The protocol's name of a value; empty for a value outside the registry.
constexpr std::string_view protocol_name(Mode value) noexcept {
  switch (value) {
    case Mode::stream:
      return "STREAM";
    case Mode::rate_limited:
      return "RATE_LIMITED";
  }
  return {};
}

constexpr std::string_view protocol_name(FrameProgressState value) noexcept {
  switch (value) {
    case FrameProgressState::unknown:
      return "UNKNOWN";
    case FrameProgressState::started:
      return "STARTED";
    case FrameProgressState::progress:
      return "PROGRESS";
    case FrameProgressState::complete:
      return "COMPLETE";
  }
  return {};
}

constexpr std::string_view protocol_name(ResponseCode value) noexcept {
  switch (value) {
    case ResponseCode::ok:
      return "OK";
    case ResponseCode::unsupported:
      return "UNSUPPORTED";
    case ResponseCode::invalid_params:
      return "INVALID_PARAMS";
    case ResponseCode::rejected:
      return "REJECTED";
    case ResponseCode::internal_error:
      return "INTERNAL_ERROR";
  }
  return {};
}

constexpr std::string_view protocol_name(ClockDomain value) noexcept {
  switch (value) {
    case ClockDomain::monotonic:
      return "MONOTONIC";
    case ClockDomain::realtime_synced:
      return "REALTIME_SYNCED";
  }
  return {};
}

constexpr std::string_view protocol_name(driver::HugepagesPolicy value) noexcept {
  switch (value) {
    case driver::HugepagesPolicy::unspecified:
      return "UNSPECIFIED";
    case driver::HugepagesPolicy::standard:
      return "STANDARD";
    case driver::HugepagesPolicy::hugepages:
      return "HUGEPAGES";
  }
  return {};
}

constexpr std::string_view protocol_name(driver::Role value) noexcept {
  switch (value) {
    case driver::Role::producer:
      return "PRODUCER";
    case driver::Role::consumer:
      return "CONSUMER";
  }
  return {};
}

constexpr std::string_view protocol_name(driver::PublishMode value) noexcept {
  switch (value) {
    case driver::PublishMode::require_existing:
      return "REQUIRE_EXISTING";
    case driver::PublishMode::existing_or_create:
      return "EXISTING_OR_CREATE";
  }
  return {};
}

constexpr std::string_view protocol_name(driver::LeaseRevokeReason value) noexcept {
  switch (value) {
    case driver::LeaseRevokeReason::detached:
      return "DETACHED";
    case driver::LeaseRevokeReason::expired:
      return "EXPIRED";
    case driver::LeaseRevokeReason::revoked:
      return "REVOKED";
  }
  return {};
}

constexpr std::string_view protocol_name(driver::ShutdownReason value) noexcept {
  switch (value) {
    case driver::ShutdownReason::normal:
      return "NORMAL";
    case driver::ShutdownReason::admin:
      return "ADMIN";
    case driver::ShutdownReason::error:
      return "ERROR";
  }
  return {};
}

constexpr std::string_view protocol_name(merge::TimestampSource value) noexcept {
  switch (value) {
    case merge::TimestampSource::frame_descriptor:
      return "FRAME_DESCRIPTOR";
    case merge::TimestampSource::slot_header:
      return "SLOT_HEADER";
  }
  return {};
}

constexpr std::string_view protocol_name(merge::RuleType value) noexcept {
  switch (value) {
    case merge::RuleType::offset:
      return "OFFSET";
    case merge::RuleType::window:
      return "WINDOW";
  }
  return {};
}

constexpr std::string_view protocol_name(merge::TimeRuleType value) noexcept {
  switch (value) {
    case merge::TimeRuleType::offset_ns:
      return "OFFSET_NS";
    case merge::TimeRuleType::window_ns:
      return "WINDOW_NS";
  }
  return {};
}

constexpr std::string_view protocol_name(discovery::Status value) noexcept {
  switch (value) {
    case discovery::Status::ok:
      return "OK";
    case discovery::Status::not_found:
      return "NOT_FOUND";
    case discovery::Status::error:
      return "ERROR";
  }
  return {};
}

// Whether a value read from the wire is in the registry of its enum.
template <class E>
  requires std::is_enum_v<E>
constexpr bool listed(E value) noexcept {
  return !protocol_name(value).empty();
}

// The two enums that degrade instead of causing rejection: an unlisted FrameProgress.state is read
// as UNKNOWN, an unlisted DiscoveryResponse.status as ERROR.
template <class E>
inline constexpr bool degrades = false;
template <>
inline constexpr bool degrades<FrameProgressState> = true;
template <>
inline constexpr bool degrades<discovery::Status> = true;

}  // namespace tensorpool::wire
