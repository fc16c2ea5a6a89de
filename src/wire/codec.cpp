#include "wire/codec.hpp"

#include <array>
#include <utility>

#include "wire/bytes.hpp"

namespace tensorpool::wire {
namespace {

// One row per message: the alternatives of AnyMessage, in its order.
struct Row {
  std::uint16_t schema_id;
  std::uint16_t template_id;
  const char* name;
  Checked<AnyMessage> (*decode)(std::span<const std::byte>, std::size_t*) noexcept;
};

template <class M>
Checked<AnyMessage> decode_as(std::span<const std::byte> bytes, std::size_t* consumed) noexcept {
  auto message = try_decode<M>(bytes, consumed);
  if (!message) return tl::unexpected(message.error());
  return AnyMessage(*std::move(message));
}

template <std::size_t... I>
constexpr auto make_rows(std::index_sequence<I...>) {
  return std::array{Row{std::variant_alternative_t<I, AnyMessage>::schema_id,
                        std::variant_alternative_t<I, AnyMessage>::template_id,
                        std::variant_alternative_t<I, AnyMessage>::name,
                        &decode_as<std::variant_alternative_t<I, AnyMessage>>}...};
}

constexpr auto rows = make_rows(std::make_index_sequence<std::variant_size_v<AnyMessage>>());

const Row* find(std::uint16_t schema_id, std::uint16_t template_id) noexcept {
  for (const Row& row : rows) {
    if (row.schema_id == schema_id && row.template_id == template_id) return &row;
  }
  return nullptr;
}

bool known_schema(std::uint16_t schema_id) noexcept {
  for (const Row& row : rows) {
    if (row.schema_id == schema_id) return true;
  }
  return false;
}

// Why no message has this header.
Fault unknown(const MessageHeader& header) noexcept {
  Fault fault;
  if (!known_schema(header.schema_id)) {
    fault.problem = Problem::other_schema;
    fault.field = "schemaId";
    fault.offset = 4;
    fault.found = header.schema_id;
    return fault;
  }
  const bool memory_layout = header.schema_id == ShmPoolAnnounce::schema_id &&
                             header.template_id >= 50 && header.template_id <= 52;
  fault.problem = memory_layout ? Problem::memory_only : Problem::other_template;
  fault.field = "templateId";
  fault.offset = 2;
  fault.found = header.template_id;
  return fault;
}

}  // namespace

std::optional<MessageHeader> peek(std::span<const std::byte> bytes) noexcept {
  if (bytes.size() < message_header_bytes) return std::nullopt;
  return MessageHeader{.block_length = load<std::uint16_t>(bytes.data()),
                       .template_id = load<std::uint16_t>(bytes.data() + 2),
                       .schema_id = load<std::uint16_t>(bytes.data() + 4),
                       .version = load<std::uint16_t>(bytes.data() + 6)};
}

std::optional<std::int64_t> peek_correlation_id(std::span<const std::byte> bytes) noexcept {
  const auto header = peek(bytes);
  if (!header || header->version != schema_version) return std::nullopt;
  const auto is = [&]<class M>(std::type_identity<M>) {
    return *header ==
               MessageHeader{M::block_length, M::template_id, M::schema_id, schema_version} &&
           bytes.size() >= message_header_bytes + M::block_length;
  };
  const bool request = is(std::type_identity<driver::ShmAttachRequest>{}) ||
                       is(std::type_identity<driver::ShmDetachRequest>{}) ||
                       is(std::type_identity<driver::ShmDriverShutdownRequest>{});
  if (!request) return std::nullopt;
  return load<std::int64_t>(bytes.data() + message_header_bytes);
}

std::optional<std::int64_t> peek_attach_of_other_version(
    std::span<const std::byte> bytes) noexcept {
  using Request = driver::ShmAttachRequest;
  const auto header = peek(bytes);
  if (!header || header->schema_id != Request::schema_id ||
      header->template_id != Request::template_id || header->version == schema_version) {
    return std::nullopt;
  }
  constexpr std::size_t id_bytes = sizeof(Request::correlation_id);  // the first field of the block
  if (header->block_length < id_bytes || bytes.size() < message_header_bytes + id_bytes)
    return std::nullopt;
  return load<std::int64_t>(bytes.data() + message_header_bytes);
}

std::string_view message_name(std::uint16_t schema_id, std::uint16_t template_id) noexcept {
  const Row* row = find(schema_id, template_id);
  return row != nullptr ? row->name : std::string_view();
}

Checked<AnyMessage> try_decode_any(std::span<const std::byte> bytes,
                                   std::size_t* consumed) noexcept {
  const auto header = peek(bytes);
  if (!header) {
    Fault fault;
    fault.problem = Problem::short_header;
    fault.found = bytes.size();
    fault.expected = message_header_bytes;
    return tl::unexpected(fault);
  }
  const Row* row = find(header->schema_id, header->template_id);
  if (row == nullptr) return tl::unexpected(unknown(*header));
  return row->decode(bytes, consumed);
}

Result<AnyMessage> decode_any(std::span<const std::byte> bytes, std::size_t* consumed) {
  auto message = try_decode_any(bytes, consumed);
  if (!message) return fail(message.error().error("decode"));
  return *std::move(message);
}

}  // namespace tensorpool::wire
