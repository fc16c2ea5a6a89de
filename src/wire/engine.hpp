// Joins the walker and the generated codecs: the definitions of the templates that codec.hpp
// declares. Included by the one file per schema that instantiates them; private to this layer.
#pragma once

#include <new>
#include <optional>
#include <span>
#include <string_view>

#include "base/assert.hpp"
#include "wire/codec.hpp"
#include "wire/walk.hpp"

namespace tensorpool::wire {

// How one message maps to its generated flyweight. A specialisation per message:
//   using Flyweight = …;
//   static void unpack(Flyweight& from, std::uint64_t var_fields, M& to);   // after a walk
//   static void pack(const M& from, Flyweight& to);                         // into enough room
// `var_fields` is how many of the message's own var-data fields are there (MSG-38).
template <class M>
struct Sbe;

template <class Raw>
constexpr std::optional<Raw> optional_of(Raw raw) noexcept {
  return raw == null_value<Raw> ? std::nullopt : std::optional<Raw>(raw);
}
template <class Raw>
constexpr Raw raw_of(const std::optional<Raw>& value) noexcept {
  return value.value_or(null_value<Raw>);
}

// A stream id where 0xFFFFFFFF means 0 (MSG-30).
constexpr std::uint32_t assigned_stream_of(std::uint32_t raw) noexcept {
  return raw == null_u32 ? 0 : raw;
}

inline Bytes bytes_of(std::string_view text) {
  const auto* first = reinterpret_cast<const std::byte*>(text.data());
  return Bytes(first, first + text.size());
}
inline std::string_view text_of(const Bytes& bytes) noexcept {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
inline std::uint16_t count_of(std::size_t entries) noexcept {
  return static_cast<std::uint16_t>(entries);
}

// The payloadPools groups of three messages are the same type only by shape.
template <class Group>
void unpack_pools(Group& group, std::vector<PayloadPool>& pools) {
  pools.reserve(group.count());
  while (group.hasNext()) {
    group.next();
    PayloadPool& pool = pools.emplace_back();
    pool.pool_id = group.poolId();
    pool.pool_nslots = group.poolNslots();
    pool.stride_bytes = group.strideBytes();
    pool.region_uri = group.getRegionUriAsStringView();
  }
}
template <class Group>
void pack_pools(const std::vector<PayloadPool>& pools, Group& group) {
  for (const PayloadPool& pool : pools) {
    group.next().poolId(pool.pool_id).poolNslots(pool.pool_nslots).strideBytes(pool.stride_bytes);
    group.putRegionUri(std::string_view(pool.region_uri));
  }
}

inline Fault internal_fault(const char* message, Problem problem, const char* rule) noexcept {
  Fault fault;
  fault.message = message;
  fault.problem = problem;
  fault.rule = rule;
  return fault;
}

// What the walker found to be a whole M.
template <class M>
Checked<M> unpack_walked(std::span<const std::byte> bytes, const Walker& walker) noexcept {
  // The generated codec reads only, but takes a pointer to mutable bytes. It checks bounds and
  // throws; the walk has made that impossible, so what is left to catch is memory.
  auto* first = const_cast<char*>(reinterpret_cast<const char*>(bytes.data()));
  Checked<M> message;
  try {
    typename Sbe<M>::Flyweight flyweight;
    flyweight.wrapForDecode(first, message_header_bytes, M::block_length, schema_version,
                            walker.size());
    Sbe<M>::unpack(flyweight, walker.var_fields(), *message);
    TP_ASSERT(flyweight.sbePosition() == walker.size());
  } catch (const std::bad_alloc&) {
    return tl::unexpected(internal_fault(M::name, Problem::out_of_memory, nullptr));
  } catch (...) {
    base::assert_failed("the generated codec refused what the walk accepted", __FILE__, __LINE__);
  }
  return message;
}

template <class M>
Checked<M> try_decode(std::span<const std::byte> bytes, std::size_t* consumed) noexcept {
  Walker walker(bytes);
  if (!walker.walk<M>()) return tl::unexpected(walker.fault());
  Checked<M> message = unpack_walked<M>(bytes, walker);
  if (message && consumed != nullptr) *consumed = static_cast<std::size_t>(walker.size());
  return message;
}

template <class M>
Checked<M> try_decode_request(std::span<const std::byte> bytes) noexcept {
  Walker walker(bytes, Walker::Enums::any);
  if (!walker.walk<M>()) return tl::unexpected(walker.fault());
  return unpack_walked<M>(bytes, walker);
}

template <class M>
std::size_t encoded_size(const M& message) noexcept {
  Sizer sizer;
  fields(message, sizer);
  return static_cast<std::size_t>(message_header_bytes + sizer.size());
}

template <class M>
Checked<std::size_t> try_encode(const M& message, std::span<std::byte> to) noexcept {
  Validator validator;
  if (!validator.validate(message)) return tl::unexpected(validator.fault());
  const std::size_t size = encoded_size(message);
  if (size > to.size()) {
    Fault fault;
    fault.message = M::name;
    fault.problem = Problem::buffer_too_small;
    fault.found = to.size();
    fault.expected = size;
    return tl::unexpected(fault);
  }
  try {
    typename Sbe<M>::Flyweight flyweight;
    flyweight.wrapAndApplyHeader(reinterpret_cast<char*>(to.data()), 0, size);
    Sbe<M>::pack(message, flyweight);
    TP_ASSERT(flyweight.sbePosition() == size);
  } catch (...) {
    base::assert_failed("the generated codec refused values that were checked", __FILE__, __LINE__);
  }
  return size;
}

}  // namespace tensorpool::wire

// Makes the functions of codec.hpp for one message.
#define TENSORPOOL_WIRE_CODEC(M)                                                        \
  template Checked<M> try_decode<M>(std::span<const std::byte>, std::size_t*) noexcept; \
  template std::size_t encoded_size<M>(const M&) noexcept;                              \
  template Checked<std::size_t> try_encode<M>(const M&, std::span<std::byte>) noexcept
