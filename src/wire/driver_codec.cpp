// Schema 901 through its generated codec.
#include "shm_tensorpool_driver/ShmAttachRequest.h"
#include "shm_tensorpool_driver/ShmAttachResponse.h"
#include "shm_tensorpool_driver/ShmDetachRequest.h"
#include "shm_tensorpool_driver/ShmDetachResponse.h"
#include "shm_tensorpool_driver/ShmDriverShutdown.h"
#include "shm_tensorpool_driver/ShmDriverShutdownRequest.h"
#include "shm_tensorpool_driver/ShmLeaseKeepalive.h"
#include "shm_tensorpool_driver/ShmLeaseRevoked.h"
#include "wire/engine.hpp"

namespace tensorpool::wire {

namespace sbe = ::shm_tensorpool_driver;

namespace {

// 0 and null are both "not specified" (MSG-96); other unlisted values only come this far from
// try_decode_request.
std::optional<driver::PublishMode> publish_mode_of(std::uint8_t raw) noexcept {
  if (raw == 0 || raw == null_value<std::uint8_t>) return std::nullopt;
  return static_cast<driver::PublishMode>(raw);
}

sbe::PublishMode::Value raw_of_publish_mode(
    const std::optional<driver::PublishMode>& mode) noexcept {
  return mode ? static_cast<sbe::PublishMode::Value>(*mode) : sbe::PublishMode::NULL_VALUE;
}

}  // namespace

template <>
struct Sbe<driver::ShmAttachRequest> {
  using Flyweight = sbe::ShmAttachRequest;

  static void unpack(Flyweight& from, std::uint64_t, driver::ShmAttachRequest& to) {
    to.correlation_id = from.correlationId();
    to.stream_id = from.streamId();
    to.client_id = from.clientId();
    to.role = static_cast<driver::Role>(from.roleRaw());
    to.expected_layout_version = from.expectedLayoutVersion();
    to.publish_mode = publish_mode_of(from.publishModeRaw());
    to.require_hugepages = static_cast<driver::HugepagesPolicy>(from.requireHugepagesRaw());
    to.desired_node_id = optional_of(from.desiredNodeId());
  }
  static void pack(const driver::ShmAttachRequest& from, Flyweight& to) {
    to.correlationId(from.correlation_id).streamId(from.stream_id).clientId(from.client_id);
    to.role(static_cast<sbe::Role::Value>(from.role));
    to.expectedLayoutVersion(from.expected_layout_version);
    to.publishMode(raw_of_publish_mode(from.publish_mode));
    to.requireHugepages(static_cast<sbe::HugepagesPolicy::Value>(from.require_hugepages));
    to.desiredNodeId(raw_of(from.desired_node_id));
  }
};

template <>
struct Sbe<driver::ShmAttachResponse> {
  using Flyweight = sbe::ShmAttachResponse;

  static void unpack(Flyweight& from, std::uint64_t var_fields, driver::ShmAttachResponse& to) {
    to.correlation_id = from.correlationId();
    to.code = static_cast<ResponseCode>(from.codeRaw());
    to.lease_id = optional_of(from.leaseId());
    to.lease_expiry_timestamp_ns = optional_of(from.leaseExpiryTimestampNs());
    to.stream_id = optional_of(from.streamId());
    to.epoch = optional_of(from.epoch());
    to.layout_version = optional_of(from.layoutVersion());
    to.header_nslots = optional_of(from.headerNslots());
    to.header_slot_bytes = optional_of(from.headerSlotBytes());
    to.node_id = optional_of(from.nodeId());
    unpack_pools(from.payloadPools(), to.payload_pools);
    if (var_fields > 0) to.header_region_uri = from.getHeaderRegionUriAsStringView();
    if (var_fields > 1) to.error_message = from.getErrorMessageAsStringView();
  }
  static void pack(const driver::ShmAttachResponse& from, Flyweight& to) {
    to.correlationId(from.correlation_id);
    to.code(static_cast<sbe::ResponseCode::Value>(from.code));
    to.leaseId(raw_of(from.lease_id));
    to.leaseExpiryTimestampNs(raw_of(from.lease_expiry_timestamp_ns));
    to.streamId(raw_of(from.stream_id));
    to.epoch(raw_of(from.epoch));
    to.layoutVersion(raw_of(from.layout_version));
    to.headerNslots(raw_of(from.header_nslots));
    to.headerSlotBytes(raw_of(from.header_slot_bytes));
    to.nodeId(raw_of(from.node_id));
    pack_pools(from.payload_pools, to.payloadPoolsCount(count_of(from.payload_pools.size())));
    to.putHeaderRegionUri(std::string_view(from.header_region_uri));
    to.putErrorMessage(std::string_view(from.error_message));
  }
};

template <>
struct Sbe<driver::ShmDetachRequest> {
  using Flyweight = sbe::ShmDetachRequest;

  static void unpack(Flyweight& from, std::uint64_t, driver::ShmDetachRequest& to) {
    to.correlation_id = from.correlationId();
    to.lease_id = from.leaseId();
    to.stream_id = from.streamId();
    to.client_id = from.clientId();
    to.role = static_cast<driver::Role>(from.roleRaw());
  }
  static void pack(const driver::ShmDetachRequest& from, Flyweight& to) {
    to.correlationId(from.correlation_id).leaseId(from.lease_id);
    to.streamId(from.stream_id).clientId(from.client_id);
    to.role(static_cast<sbe::Role::Value>(from.role));
  }
};

template <>
struct Sbe<driver::ShmDetachResponse> {
  using Flyweight = sbe::ShmDetachResponse;

  static void unpack(Flyweight& from, std::uint64_t var_fields, driver::ShmDetachResponse& to) {
    to.correlation_id = from.correlationId();
    to.code = static_cast<ResponseCode>(from.codeRaw());
    if (var_fields > 0) to.error_message = from.getErrorMessageAsStringView();
  }
  static void pack(const driver::ShmDetachResponse& from, Flyweight& to) {
    to.correlationId(from.correlation_id);
    to.code(static_cast<sbe::ResponseCode::Value>(from.code));
    to.putErrorMessage(std::string_view(from.error_message));
  }
};

template <>
struct Sbe<driver::ShmLeaseKeepalive> {
  using Flyweight = sbe::ShmLeaseKeepalive;

  static void unpack(Flyweight& from, std::uint64_t, driver::ShmLeaseKeepalive& to) {
    to.lease_id = from.leaseId();
    to.stream_id = from.streamId();
    to.client_id = from.clientId();
    to.role = static_cast<driver::Role>(from.roleRaw());
    to.client_timestamp_ns = from.clientTimestampNs();
  }
  static void pack(const driver::ShmLeaseKeepalive& from, Flyweight& to) {
    to.leaseId(from.lease_id).streamId(from.stream_id).clientId(from.client_id);
    to.role(static_cast<sbe::Role::Value>(from.role));
    to.clientTimestampNs(from.client_timestamp_ns);
  }
};

template <>
struct Sbe<driver::ShmDriverShutdown> {
  using Flyweight = sbe::ShmDriverShutdown;

  static void unpack(Flyweight& from, std::uint64_t var_fields, driver::ShmDriverShutdown& to) {
    to.timestamp_ns = from.timestampNs();
    to.reason = static_cast<driver::ShutdownReason>(from.reasonRaw());
    if (var_fields > 0) to.error_message = from.getErrorMessageAsStringView();
  }
  static void pack(const driver::ShmDriverShutdown& from, Flyweight& to) {
    to.timestampNs(from.timestamp_ns);
    to.reason(static_cast<sbe::ShutdownReason::Value>(from.reason));
    to.putErrorMessage(std::string_view(from.error_message));
  }
};

template <>
struct Sbe<driver::ShmLeaseRevoked> {
  using Flyweight = sbe::ShmLeaseRevoked;

  static void unpack(Flyweight& from, std::uint64_t var_fields, driver::ShmLeaseRevoked& to) {
    to.timestamp_ns = from.timestampNs();
    to.lease_id = from.leaseId();
    to.stream_id = from.streamId();
    to.client_id = from.clientId();
    to.role = static_cast<driver::Role>(from.roleRaw());
    to.reason = static_cast<driver::LeaseRevokeReason>(from.reasonRaw());
    if (var_fields > 0) to.error_message = from.getErrorMessageAsStringView();
  }
  static void pack(const driver::ShmLeaseRevoked& from, Flyweight& to) {
    to.timestampNs(from.timestamp_ns).leaseId(from.lease_id);
    to.streamId(from.stream_id).clientId(from.client_id);
    to.role(static_cast<sbe::Role::Value>(from.role));
    to.reason(static_cast<sbe::LeaseRevokeReason::Value>(from.reason));
    to.putErrorMessage(std::string_view(from.error_message));
  }
};

template <>
struct Sbe<driver::ShmDriverShutdownRequest> {
  using Flyweight = sbe::ShmDriverShutdownRequest;

  static void unpack(Flyweight& from, std::uint64_t var_fields,
                     driver::ShmDriverShutdownRequest& to) {
    to.correlation_id = from.correlationId();
    to.reason = static_cast<driver::ShutdownReason>(from.reasonRaw());
    if (var_fields > 0) to.token = from.getTokenAsStringView();
    if (var_fields > 1) to.error_message = from.getErrorMessageAsStringView();
  }
  static void pack(const driver::ShmDriverShutdownRequest& from, Flyweight& to) {
    to.correlationId(from.correlation_id);
    to.reason(static_cast<sbe::ShutdownReason::Value>(from.reason));
    to.putToken(std::string_view(from.token));
    to.putErrorMessage(std::string_view(from.error_message));
  }
};

TENSORPOOL_WIRE_CODEC(driver::ShmAttachRequest);
TENSORPOOL_WIRE_CODEC(driver::ShmAttachResponse);
TENSORPOOL_WIRE_CODEC(driver::ShmDetachRequest);
TENSORPOOL_WIRE_CODEC(driver::ShmDetachResponse);
TENSORPOOL_WIRE_CODEC(driver::ShmLeaseKeepalive);
TENSORPOOL_WIRE_CODEC(driver::ShmDriverShutdown);
TENSORPOOL_WIRE_CODEC(driver::ShmLeaseRevoked);
TENSORPOOL_WIRE_CODEC(driver::ShmDriverShutdownRequest);
template Checked<driver::ShmAttachRequest> try_decode_request(std::span<const std::byte>) noexcept;
template Checked<driver::ShmDetachRequest> try_decode_request(std::span<const std::byte>) noexcept;

}  // namespace tensorpool::wire
