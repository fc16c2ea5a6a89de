// Schema 903 through its generated codec.
#include "shm_tensorpool_merge/SequenceMergeMapAnnounce.h"
#include "shm_tensorpool_merge/SequenceMergeMapRequest.h"
#include "shm_tensorpool_merge/TimestampMergeMapAnnounce.h"
#include "shm_tensorpool_merge/TimestampMergeMapRequest.h"
#include "wire/engine.hpp"

namespace tensorpool::wire {

namespace sbe = ::shm_tensorpool_merge;

template <>
struct Sbe<merge::SequenceMergeMapAnnounce> {
  using Flyweight = sbe::SequenceMergeMapAnnounce;

  static void unpack(Flyweight& from, std::uint64_t, merge::SequenceMergeMapAnnounce& to) {
    to.out_stream_id = from.outStreamId();
    to.epoch = from.epoch();
    to.stale_timeout_ns = optional_of(from.staleTimeoutNs());
    auto& group = from.rules();
    to.rules.reserve(group.count());
    while (group.hasNext()) {
      group.next();
      merge::SequenceRule& rule = to.rules.emplace_back();
      rule.input_stream_id = group.inputStreamId();
      rule.rule_type = static_cast<merge::RuleType>(group.ruleTypeRaw());
      rule.offset = optional_of(group.offset());
      rule.window_size = optional_of(group.windowSize());
    }
  }
  static void pack(const merge::SequenceMergeMapAnnounce& from, Flyweight& to) {
    to.outStreamId(from.out_stream_id).epoch(from.epoch);
    to.staleTimeoutNs(raw_of(from.stale_timeout_ns));
    auto& group = to.rulesCount(count_of(from.rules.size()));
    for (const merge::SequenceRule& rule : from.rules) {
      group.next().inputStreamId(rule.input_stream_id);
      group.ruleType(static_cast<sbe::MergeRuleType::Value>(rule.rule_type));
      group.offset(raw_of(rule.offset)).windowSize(raw_of(rule.window_size));
    }
  }
};

template <>
struct Sbe<merge::SequenceMergeMapRequest> {
  using Flyweight = sbe::SequenceMergeMapRequest;

  static void unpack(Flyweight& from, std::uint64_t, merge::SequenceMergeMapRequest& to) {
    to.out_stream_id = from.outStreamId();
    to.epoch = from.epoch();
  }
  static void pack(const merge::SequenceMergeMapRequest& from, Flyweight& to) {
    to.outStreamId(from.out_stream_id).epoch(from.epoch);
  }
};

template <>
struct Sbe<merge::TimestampMergeMapAnnounce> {
  using Flyweight = sbe::TimestampMergeMapAnnounce;

  static void unpack(Flyweight& from, std::uint64_t, merge::TimestampMergeMapAnnounce& to) {
    to.out_stream_id = from.outStreamId();
    to.epoch = from.epoch();
    to.stale_timeout_ns = optional_of(from.staleTimeoutNs());
    to.clock_domain = static_cast<ClockDomain>(from.clockDomainRaw());
    to.lateness_ns = optional_of(from.latenessNs());
    auto& group = from.rules();
    to.rules.reserve(group.count());
    while (group.hasNext()) {
      group.next();
      merge::TimestampRule& rule = to.rules.emplace_back();
      rule.input_stream_id = group.inputStreamId();
      rule.rule_type = static_cast<merge::TimeRuleType>(group.ruleTypeRaw());
      rule.timestamp_source = static_cast<merge::TimestampSource>(group.timestampSourceRaw());
      rule.offset_ns = optional_of(group.offsetNs());
      rule.window_ns = optional_of(group.windowNs());
    }
  }
  static void pack(const merge::TimestampMergeMapAnnounce& from, Flyweight& to) {
    to.outStreamId(from.out_stream_id).epoch(from.epoch);
    to.staleTimeoutNs(raw_of(from.stale_timeout_ns));
    to.clockDomain(static_cast<sbe::ClockDomain::Value>(from.clock_domain));
    to.latenessNs(raw_of(from.lateness_ns));
    auto& group = to.rulesCount(count_of(from.rules.size()));
    for (const merge::TimestampRule& rule : from.rules) {
      group.next().inputStreamId(rule.input_stream_id);
      group.ruleType(static_cast<sbe::MergeTimeRuleType::Value>(rule.rule_type));
      group.timestampSource(static_cast<sbe::TimestampSource::Value>(rule.timestamp_source));
      group.offsetNs(raw_of(rule.offset_ns)).windowNs(raw_of(rule.window_ns));
    }
  }
};

template <>
struct Sbe<merge::TimestampMergeMapRequest> {
  using Flyweight = sbe::TimestampMergeMapRequest;

  static void unpack(Flyweight& from, std::uint64_t, merge::TimestampMergeMapRequest& to) {
    to.out_stream_id = from.outStreamId();
    to.epoch = from.epoch();
  }
  static void pack(const merge::TimestampMergeMapRequest& from, Flyweight& to) {
    to.outStreamId(from.out_stream_id).epoch(from.epoch);
  }
};

TENSORPOOL_WIRE_CODEC(merge::SequenceMergeMapAnnounce);
TENSORPOOL_WIRE_CODEC(merge::SequenceMergeMapRequest);
TENSORPOOL_WIRE_CODEC(merge::TimestampMergeMapAnnounce);
TENSORPOOL_WIRE_CODEC(merge::TimestampMergeMapRequest);

}  // namespace tensorpool::wire
