#include "wire/walk.hpp"

#include "wire/codec.hpp"

namespace tensorpool::wire {

std::size_t forbidden_byte(std::string_view text, unsigned char lowest) noexcept {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte < lowest || byte > 0x7E) return i;
  }
  return std::string_view::npos;
}

void Walker::refuse(Problem problem, const char* field, std::uint64_t found,
                    std::uint64_t expected) noexcept {
  if (failed_) return;
  failed_ = true;
  fault_.problem = problem;
  fault_.field = field;
  fault_.offset = at_;
  fault_.found = found;
  fault_.expected = expected;
}

bool Walker::header(std::uint16_t schema_id, std::uint16_t template_id,
                    std::uint16_t block_length) noexcept {
  const auto header = peek(bytes_);
  if (!header) {
    refuse(Problem::short_header, "", bytes_.size(), message_header_bytes);
    return false;
  }
  const struct {
    Problem problem;
    const char* field;
    std::uint64_t offset;
    std::uint16_t found;
    std::uint16_t expected;
  } checks[] = {
      {Problem::other_schema, "schemaId", 4, header->schema_id, schema_id},
      {Problem::other_template, "templateId", 2, header->template_id, template_id},
      {Problem::other_version, "version", 6, header->version, schema_version},
      {Problem::other_block_length, "blockLength", 0, header->block_length, block_length},
  };
  for (const auto& check : checks) {
    if (check.found == check.expected) continue;
    at_ = check.offset;
    refuse(check.problem, check.field, check.found, check.expected);
    return false;
  }
  at_ = message_header_bytes;
  if (left() < block_length) {
    refuse(Problem::short_block, "", left(), block_length);
    return false;
  }
  return true;
}

std::uint64_t Walker::group_header(const char* name, std::uint16_t block_length,
                                   std::uint64_t smallest_entry) noexcept {
  if (failed_) return 0;
  if (left() < group_header_bytes) {
    refuse(Problem::short_group_header, name, left(), group_header_bytes);
    return 0;
  }
  const auto found_length = load<std::uint16_t>(bytes_.data() + at_);
  const std::uint64_t count = load<std::uint16_t>(bytes_.data() + at_ + sizeof(std::uint16_t));
  if (found_length != block_length) {
    refuse(Problem::other_group_block_length, name, found_length, block_length);
    return 0;
  }
  if (count > group_max_entries) {
    refuse(Problem::too_many_entries, name, count, group_max_entries);
    return 0;
  }
  if (count * smallest_entry > left() - group_header_bytes) {
    refuse(Problem::entries_beyond_end, name, left() - group_header_bytes, count * smallest_entry);
    return 0;
  }
  at_ += group_header_bytes;
  return count;
}

std::uint64_t Walker::var_data(const char* name, std::uint64_t max) noexcept {
  if (failed_) return 0;
  const bool of_message = depth_ == 0;
  if (of_message && left() == 0) return 0;  // MSG-38
  if (left() < var_data_prefix_bytes) {
    refuse(Problem::short_length_prefix, name, left(), var_data_prefix_bytes);
    return 0;
  }
  const std::uint64_t length = load<std::uint32_t>(bytes_.data() + at_);
  if (length > max) {
    refuse(Problem::data_too_long, name, length, max);
    return 0;
  }
  if (length > left() - var_data_prefix_bytes) {
    refuse(Problem::data_beyond_end, name, left() - var_data_prefix_bytes, length);
    return 0;
  }
  at_ += var_data_prefix_bytes + length;
  if (of_message) ++var_fields_;
  return length;
}

void Walker::uri(const char* name, std::string&) noexcept {
  const std::uint64_t length = var_data(name, var_data_max_bytes);
  if (failed_ || length == 0) return;
  const auto* text = reinterpret_cast<const char*>(bytes_.data() + (at_ - length));
  const std::size_t bad = forbidden_byte({text, static_cast<std::size_t>(length)}, 0x21);
  if (bad == std::string_view::npos) return;
  at_ = at_ - length + bad;
  refuse(Problem::forbidden_byte, name, static_cast<unsigned char>(text[bad]), 0);
}

void Walker::tags(const char* name, std::vector<std::string>&) noexcept {
  const std::uint64_t count = group_header(name, 0, var_data_prefix_bytes);
  const Place outer = enter(name);
  for (std::uint64_t i = 0; i < count && !failed_; ++i) {
    fault_.entry = i;
    var_data("tag", var_data_max_bytes);
  }
  leave(outer);
}

Walker::Place Walker::enter(const char* group) noexcept {
  const Place outer{fault_.group, fault_.entry};
  if (!failed_) fault_.group = group;
  ++depth_;
  return outer;
}

void Walker::leave(Place outer) noexcept {
  --depth_;
  if (failed_) return;
  fault_.group = outer.group;
  fault_.entry = outer.entry;
}

Validator::Place Validator::enter(const char* group) noexcept {
  const Place outer{fault_.group, fault_.entry};
  if (!failed_) fault_.group = group;
  return outer;
}

void Validator::leave(Place outer) noexcept {
  if (failed_) return;
  fault_.group = outer.group;
  fault_.entry = outer.entry;
}

void Validator::refuse(Problem problem, const char* field, std::uint64_t found,
                       std::uint64_t expected) noexcept {
  if (failed_) return;
  failed_ = true;
  fault_.problem = problem;
  fault_.field = field;
  fault_.found = found;
  fault_.expected = expected;
}

void Validator::characters(const char* name, const std::string& x, unsigned char lowest) noexcept {
  if (x.size() > var_data_max_bytes)
    return refuse(Problem::data_too_long, name, x.size(), var_data_max_bytes);
  const std::size_t bad = forbidden_byte(x, lowest);
  if (bad != std::string_view::npos)
    refuse(Problem::forbidden_byte, name, static_cast<unsigned char>(x[bad]), 0);
}

void Validator::tags(const char* name, const std::vector<std::string>& tags) noexcept {
  if (tags.size() > group_max_entries)
    return refuse(Problem::too_many_entries, name, tags.size(), group_max_entries);
  const Place outer = enter(name);
  for (std::size_t i = 0; i < tags.size() && !failed_; ++i) {
    fault_.entry = i;
    characters("tag", tags[i], 0x20);
  }
  leave(outer);
}

}  // namespace tensorpool::wire
