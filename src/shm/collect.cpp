// Epochs on disk: their order, and the removal of those that nobody needs.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <functional>

#include "base/limits.hpp"
#include "shm/create.hpp"
#include "shm/path.hpp"

namespace tensorpool::shm {
namespace {

using base::File;
using base::FileKind;
using base::FileSystem;

// A plain decimal number without a leading zero; nullopt for anything else.
std::optional<std::uint64_t> plain_decimal(std::string_view text) noexcept {
  std::uint64_t value = 0;
  if (text.empty() || (text.size() > 1 && text.front() == '0')) return std::nullopt;
  if (!std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; }))
    return std::nullopt;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) return std::nullopt;
  return value;
}

constexpr std::string_view header_name = "header.ring";

bool is_region_file_name(std::string_view name) noexcept {
  if (name == header_name) return true;
  constexpr std::string_view suffix = ".pool";
  if (!name.ends_with(suffix)) return false;
  const auto id = plain_decimal(name.substr(0, name.size() - suffix.size()));
  return id && *id <= 0xFFFFU;
}

// What the header ring of an epoch directory says, if it says anything.
std::optional<Superblock> read_superblock(FileSystem& file_system, const File& directory) {
  auto status = file_system.status_at(directory, std::string(header_name));
  if (!status || !*status || (*status)->kind != FileKind::regular) return std::nullopt;
  auto file = file_system.open(directory, std::string(header_name), base::OpenMode::read);
  if (!file) return std::nullopt;
  std::array<std::byte, superblock_bytes> bytes{};
  auto got = file_system.read_at(*file, 0, bytes);
  if (!got || *got != bytes.size()) return std::nullopt;
  const Superblock block = decode_superblock(bytes);
  if (block.magic != region_magic) return std::nullopt;
  return block;
}

// The age and process conditions of A10 for one epoch directory.
bool abandoned(FileSystem& file_system, const File& directory, const CollectOptions& options) {
  const std::optional<Superblock> block = read_superblock(file_system, directory);
  if (block && block->pid != file_system.process_id() && file_system.process_alive(block->pid))
    return false;
  // Without a superblock a creation may be on its way: there the age is asked for in any case.
  if (block && options.waive_age) return true;
  const bool usable = block && block->activity_timestamp_ns != 0 &&
                      block->activity_timestamp_ns <= options.now_monotonic_ns;
  if (usable) return options.now_monotonic_ns - block->activity_timestamp_ns > options.min_age_ns;
  // Modification times are never compared with the monotonic clock.
  auto status = file_system.status(directory);
  if (!status || status->modified_realtime_ns >= options.now_realtime_ns) return false;
  const std::int64_t age = options.now_realtime_ns - status->modified_realtime_ns;
  return static_cast<std::uint64_t>(age) > options.min_age_ns;
}

// Unlinks the region files in `directory` and removes it from `parent`. False when `budget`, which is
// used up file by file, ended before that. The header ring goes last: it says whose epoch this was.
Result<bool> remove_epoch(FileSystem& file_system, const File& parent, const std::string& name,
                          const File& directory, std::uint32_t& budget) {
  auto entries = file_system.list(directory, base::limits::files_per_epoch);
  if (!entries) return fail(entries.error());
  std::erase_if(*entries, [](const std::string& entry) { return !is_region_file_name(entry); });
  std::partition(entries->begin(), entries->end(),
                 [](const std::string& entry) { return entry != header_name; });
  for (const std::string& entry : *entries) {
    if (budget == 0) return false;
    if (auto gone = file_system.unlink(directory, entry); !gone) return fail(gone.error());
    --budget;
  }
  if (auto gone = file_system.remove_directory(parent, name); !gone) return fail(gone.error());
  return true;
}

// The directory of one stream; nullopt when there is none yet.
Result<std::optional<File>> open_stream_directory(FileSystem& file_system,
                                                  const CollectOptions& options) {
  auto canonical = file_system.canonical(options.base_dir);
  if (!canonical) return fail(canonical.error());
  auto here = open_directory(file_system, *canonical);
  if (!here) return fail(here.error());
  for (const std::string& name : {user_directory_name(file_system), options.namespace_,
                                  fmt::format("{}", options.stream_id)}) {
    auto status = file_system.status_at(*here, name);
    if (!status) return fail(status.error());
    if (!*status) return std::optional<File>();
    auto next = file_system.open(*here, name, base::OpenMode::directory);
    if (!next) return fail(next.error());
    *here = std::move(*next);
  }
  return std::optional<File>(std::move(*here));
}

}  // namespace

std::optional<std::uint64_t> epoch_from_name(std::string_view name) noexcept {
  const auto value = plain_decimal(name);
  if (!value || *value == epoch_null) return std::nullopt;
  return value;
}

Result<std::uint64_t> highest_epoch_in(FileSystem& file_system, const File& directory) {
  auto names = file_system.list(directory, base::limits::epochs_scanned);
  if (!names) return fail(names.error());
  std::uint64_t highest = 0;
  for (const std::string& name : *names)
    highest = std::max(highest, epoch_from_name(name).value_or(0));
  return highest;
}

Result<std::uint64_t> next_epoch(std::uint64_t now_ns, std::uint64_t last_known,
                                 std::uint64_t highest_on_disk) {
  const std::uint64_t last = std::max(last_known, highest_on_disk);
  if (last >= epoch_null - 1 || now_ns >= epoch_null) {
    return fail(
        Code::limit_exceeded, "next_epoch",
        fmt::format("no epoch is left above {}; the stream needs a new id or namespace", last));
  }
  return std::max({now_ns, last + 1, std::uint64_t{1}});
}

Result<void> remove_stream(FileSystem& file_system, const CreatedStream& created) {
  // Containment first (SHM-267), then a walk that follows no link.
  if (!path_inside(created.base_dir, created.directory) ||
      created.directory.find("..") != std::string::npos) {
    return fail(Code::path_rejected, "remove_stream",
                fmt::format("'{}' is not inside '{}'", created.directory, created.base_dir));
  }
  auto parent = open_parent(file_system, created.directory);
  if (!parent) return fail(parent.error());
  if (epoch_from_name(parent->leaf) != created.regions.layout.epoch) {
    return fail(Code::path_rejected, "remove_stream",
                fmt::format("'{}' is not the directory of epoch {}", created.directory,
                            created.regions.layout.epoch));
  }
  auto directory = file_system.open(parent->directory, parent->leaf, base::OpenMode::directory);
  if (!directory) return fail(directory.error());
  std::uint32_t budget = UINT32_MAX;
  auto gone = remove_epoch(file_system, parent->directory, parent->leaf, *directory, budget);
  if (!gone) return fail(gone.error());
  return {};
}

Result<Collected> collect_epochs(FileSystem& file_system, const CollectOptions& options) {
  Collected collected;
  if (auto good = check_namespace(options.namespace_); !good) return fail(good.error());
  if (options.keep == 0) return collected;
  auto stream = open_stream_directory(file_system, options);
  if (!stream) return fail(stream.error());
  if (!*stream) return collected;
  const File& directory = **stream;
  auto names = file_system.list(directory, base::limits::epochs_scanned);
  if (!names) return fail(names.error());

  std::vector<std::uint64_t> others;
  for (const std::string& name : *names) {
    const auto epoch = epoch_from_name(name);
    if (epoch && *epoch != options.current_epoch) others.push_back(*epoch);
  }
  std::sort(others.begin(), others.end(), std::greater<>());
  std::uint32_t budget = options.max_files;
  const std::size_t kept = std::min<std::size_t>(options.keep - 1U, others.size());
  for (const std::uint64_t epoch : std::span(others).subspan(kept)) {
    if (std::find(options.in_use.begin(), options.in_use.end(), epoch) != options.in_use.end())
      continue;
    const std::string name = fmt::format("{}", epoch);
    auto opened = file_system.open(directory, name, base::OpenMode::directory);
    if (!opened) continue;
    if (epoch != options.unfinished_epoch && !abandoned(file_system, *opened, options)) {
      ++collected.young;
      continue;
    }
    const auto gone = remove_epoch(file_system, directory, name, *opened, budget);
    if (gone && !*gone) {
      collected.more = true;
      collected.unfinished_epoch = epoch;
      break;
    }
    (gone ? collected.removed : collected.failed).push_back(epoch);
  }
  return collected;
}

}  // namespace tensorpool::shm
