#include "shm/create.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <limits>
#include <utility>

#include "base/assert.hpp"
#include "base/limits.hpp"
#include "shm/path.hpp"
#include "shm/uri.hpp"

namespace tensorpool::shm {
namespace {

using base::Access;
using base::File;
using base::FileSystem;

bool name_char(char c) noexcept {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_';
}

// How often a creator tries another epoch when a directory appears under its hands.
constexpr int epoch_attempts = 16;

}  // namespace

std::string sanitised_user(std::string_view user) {
  std::string text(user);
  for (char& c : text) {
    if (!name_char(c)) c = '_';
  }
  return text.empty() ? "unknown" : text;
}

Result<void> check_namespace(std::string_view text) {
  if (text.empty() || text.size() > base::limits::namespace_bytes ||
      !std::all_of(text.begin(), text.end(), name_char)) {
    return fail(Code::invalid_argument, "create_stream",
                fmt::format("namespace '{}': 1 to {} characters of A-Z a-z 0-9 - _", text,
                            base::limits::namespace_bytes));
  }
  return {};
}

Result<void> check_file_mode(std::uint32_t mode) {
  if (mode > 0777 || (mode & 0600U) != 0600U || (mode & 0007U) != 0) {
    return fail(
        Code::invalid_argument, "create_stream",
        fmt::format(
            "file mode {:o}: at most 770, with read and write for the owner and nothing for others",
            mode));
  }
  return {};
}

std::uint32_t directory_mode(std::uint32_t file_mode) noexcept {
  std::uint32_t mode = file_mode & 0777U;
  for (const std::uint32_t shift : {0U, 3U, 6U}) {
    if ((mode & (7U << shift)) != 0) mode |= 1U << shift;
  }
  return (mode & 0070U) != 0 ? mode | 02000U : mode;
}

// What a creation has done so far, and so what is to be undone when it ends early.
class StreamCreator::Work {
 public:
  Work(FileSystem& file_system, CreateOptions options, StreamLayout layout, std::uint64_t now_ns)
      : file_system_(file_system),
        options_(std::move(options)),
        layout_(std::move(layout)),
        now_ns_(now_ns) {}
  ~Work() {
    if (stage_ != Stage::taken) undo();
  }
  Work(const Work&) = delete;
  Work& operator=(const Work&) = delete;

  Result<bool> step() {
    if (error_) return fail(*error_);
    if (stage_ == Stage::done || stage_ == Stage::taken) return true;
    if (auto done = advance(); !done) {
      error_ = done.error().code() == Code::no_space ? no_space(done.error()) : done.error();
      undo();
      return fail(*error_);
    }
    return stage_ == Stage::done;
  }

  CreatedStream take() {
    TP_ASSERT(stage_ == Stage::done);
    stage_ = Stage::taken;
    return std::move(created_);
  }

 private:
  enum class Stage {
    check,
    directories,
    lock,
    epoch,
    files,
    reserve,
    map,
    prefault,
    superblocks,
    sync,
    names,
    done,
    taken
  };

  // A directory on the way down to the files.
  struct Level {
    File parent;
    std::string name;
    bool made = false;
  };

  // One file of the stream; the header ring comes first, then the pools in their order.
  struct Region {
    std::string name;
    std::uint64_t bytes = 0;  // formula, rounded up to hugepages
    std::uint64_t reserved = 0;
    File file;
    bool made = false;
  };

  // One step of the current stage.
  Result<void> advance() {
    switch (stage_) {
      case Stage::check:
        return check_request();
      case Stage::directories:
        return make_directories();
      case Stage::lock:
        return lock_stream();
      case Stage::epoch:
        return make_epoch_directory();
      case Stage::files:
        return make_file();
      case Stage::reserve:
        return reserve_part();
      case Stage::map:
        return map_file();
      case Stage::prefault:
        return prefault_part();
      case Stage::superblocks:
        return write_superblocks();
      case Stage::sync:
        return sync_file();
      case Stage::names:
        return check_names();
      case Stage::done:
      case Stage::taken:
        break;
    }
    return {};
  }

  void enter(Stage stage) noexcept {
    stage_ = stage;
    current_ = 0;
  }
  // Goes on to the next region, and after the last one to the next stage.
  void next_region(Stage after) noexcept {
    if (++current_ == regions_.size()) enter(after);
  }

  Result<void> check_request();
  Result<void> plan_regions();
  Result<void> descend(const std::string& name);
  Result<void> make_directories();
  Result<void> lock_stream();
  Result<void> make_epoch_directory();
  Result<void> make_file();
  Result<void> reserve_part();
  Result<void> map_file();
  Result<void> prefault_part();
  Result<void> write_superblocks();
  Result<void> sync_file();
  Result<void> check_names();
  Result<void> describe();
  Error no_space(const Error& cause) const;
  void undo() noexcept;

  std::uint64_t total_bytes() const noexcept {
    std::uint64_t sum = 0;
    for (const Region& region : regions_) sum += region.bytes;
    return sum;
  }

  FileSystem& file_system_;
  CreateOptions options_;
  StreamLayout layout_;
  std::uint64_t now_ns_;
  Stage stage_ = Stage::check;
  std::size_t current_ = 0;  // region of the current stage
  std::uint64_t granule_ = Mapping::default_granule_bytes;
  std::uint64_t available_ = 0;
  std::vector<Level> levels_;
  File here_;  // the deepest directory so far
  std::vector<Region> regions_;
  std::optional<Prefault> prefault_;
  CreatedStream created_;
  std::optional<Error> error_;
};

Result<void> StreamCreator::Work::check_request() {
  if (auto good = check_namespace(options_.namespace_); !good) return good;
  if (auto good = check_file_mode(options_.file_mode); !good) return good;
  StreamLayout checked = layout_;
  if (checked.epoch == epoch_none) checked.epoch = 1;
  if (const LayoutFault fault = check(checked); fault != LayoutFault::none) {
    const bool limit = fault == LayoutFault::too_many_slots || fault == LayoutFault::too_many_pools;
    return fail(limit ? Code::limit_exceeded : Code::invalid_argument, "create_stream",
                fmt::format("layout of stream {}: {}", layout_.stream_id, name(fault)));
  }
  for (PoolSpec& pool : layout_.pools) {
    pool.nslots.reset();
    if (pool.pool_id == 0) {
      return fail(Code::invalid_argument, "create_stream",
                  "pool id 0 is that of the header ring; begin with 1");
    }
  }
  if (options_.base_dir.empty() || options_.base_dir.front() != '/') {
    return fail(Code::invalid_argument, "create_stream",
                fmt::format("base directory '{}' is not absolute", options_.base_dir));
  }
  auto canonical = file_system_.canonical(options_.base_dir);
  if (!canonical) return fail(canonical.error());
  auto base = open_directory(file_system_, *canonical);
  if (!base) return fail(base.error());
  created_.base_dir = std::move(*canonical);
  here_ = std::move(*base);
  return plan_regions();
}

// Names and sizes of the files, and whether they can fit at all.
Result<void> StreamCreator::Work::plan_regions() {
  auto info = file_system_.file_system_info(here_);
  if (!info) return fail(info.error());
  const bool hugepages = info->type == base::hugetlbfs_type;
  if (options_.require_hugepages && !hugepages) {
    return fail(Code::hugepages_required, "create_stream",
                fmt::format("'{}' is not on hugetlbfs", created_.base_dir));
  }
  if (hugepages) granule_ = info->block_bytes;
  available_ = info->available_bytes;
  const auto file_bytes = [&](std::uint64_t bytes) {
    return hugepages ? (bytes + granule_ - 1) / granule_ * granule_ : bytes;
  };
  const auto plan = [&](std::string file_name, std::uint64_t bytes) {
    Region region;
    region.name = std::move(file_name);
    region.bytes = file_bytes(bytes);
    regions_.push_back(std::move(region));
  };
  plan("header.ring", *header_ring_bytes(layout_.nslots));
  for (const PoolSpec& pool : layout_.pools) {
    plan(fmt::format("{}.pool", pool.pool_id), *pool_bytes(layout_.nslots, pool.stride_bytes));
  }
  enter(Stage::directories);
  // A first answer, so that a hopeless request does not fill the memory before it fails; reserving
  // gives the last word.
  if (total_bytes() > available_)
    return fail(Code::no_space, "statfs", "not enough space is available");
  return {};
}

// Goes down into `name`, which is made where it is missing.
Result<void> StreamCreator::Work::descend(const std::string& name) {
  Level level;
  level.name = name;
  auto next =
      open_own_directory(file_system_, here_, name, directory_mode(options_.file_mode), level.made);
  if (!next && !level.made) return fail(next.error());
  level.parent = std::move(here_);
  levels_.push_back(std::move(level));
  if (!next) return fail(next.error());
  here_ = std::move(*next);
  return {};
}

Result<void> StreamCreator::Work::make_directories() {
  const std::array<std::string, 3> names = {user_directory_name(file_system_), options_.namespace_,
                                            fmt::format("{}", layout_.stream_id)};
  created_.directory = created_.base_dir == "/" ? "" : created_.base_dir;
  for (const std::string& name : names) {
    if (auto deeper = descend(name); !deeper) return deeper;
    created_.directory += "/" + name;
  }
  enter(Stage::lock);
  return {};
}

// Before the epochs are looked at, so that from here on only this creator makes any.
Result<void> StreamCreator::Work::lock_stream() {
  enter(Stage::epoch);
  if (!options_.exclusive) return {};
  auto directory =
      file_system_.open(levels_.back().parent, levels_.back().name, base::OpenMode::directory);
  if (!directory) return fail(directory.error());
  auto lock =
      StreamLock::take(file_system_, std::move(*directory), layout_.stream_id, created_.directory);
  if (!lock) return fail(lock.error());
  created_.lock = std::move(*lock);
  return {};
}

// A new epoch gets a new directory, always (SHM-72).
Result<void> StreamCreator::Work::make_epoch_directory() {
  const bool chosen = layout_.epoch != epoch_none;
  std::uint64_t last = options_.last_epoch;
  for (int attempt = 0; attempt < epoch_attempts; ++attempt) {
    auto highest = highest_epoch_in(file_system_, here_);
    if (!highest) return fail(highest.error());
    if (chosen && *highest >= layout_.epoch) break;
    if (!chosen) {
      auto next = next_epoch(now_ns_, last, *highest);
      if (!next) return fail(next.error());
      layout_.epoch = *next;
    }
    const std::string name = fmt::format("{}", layout_.epoch);
    auto made = file_system_.make_directory(here_, name, directory_mode(options_.file_mode));
    if (!made) return fail(made.error());
    if (!*made && chosen) break;
    if (!*made) {
      last = layout_.epoch;
      continue;
    }
    Level level;
    level.name = name;
    level.made = true;
    auto directory = file_system_.open(here_, name, base::OpenMode::directory);
    level.parent = std::move(here_);
    levels_.push_back(std::move(level));
    if (!directory) return fail(directory.error());
    here_ = std::move(*directory);
    created_.directory += "/" + name;
    enter(Stage::files);
    return describe();
  }
  return fail(Code::invalid_argument, "create_stream",
              fmt::format("epoch {} of stream {} is not above those that have a directory in '{}'",
                          layout_.epoch, layout_.stream_id, created_.directory));
}

// The description is made before any file is, so that a path outside the URI grammar costs nothing.
Result<void> StreamCreator::Work::describe() {
  created_.regions.layout = layout_;
  for (std::size_t i = 0; i < regions_.size(); ++i) {
    auto uri =
        format_uri({created_.directory + "/" + regions_[i].name, options_.require_hugepages});
    if (!uri) return fail(uri.error());
    if (i == 0) {
      created_.regions.header_uri = std::move(*uri);
    } else {
      created_.regions.pool_uris.push_back(std::move(*uri));
    }
  }
  return {};
}

Result<void> StreamCreator::Work::make_file() {
  Region& region = regions_[current_];
  auto file = file_system_.open(here_, region.name, base::OpenMode::create_exclusive);
  if (!file) return fail(file.error());
  region.file = std::move(*file);
  region.made = true;
  if (auto exact = file_system_.set_mode(region.file, options_.file_mode); !exact) return exact;
  if (auto sized = file_system_.set_length(region.file, region.bytes); !sized) return sized;
  next_region(Stage::reserve);
  return {};
}

Result<void> StreamCreator::Work::reserve_part() {
  Region& region = regions_[current_];
  std::uint64_t part = std::min(base::limits::region_step_bytes, region.bytes - region.reserved);
  if (part < region.bytes - region.reserved && part % granule_ != 0)
    part = region.bytes - region.reserved;
  if (auto reserved = file_system_.reserve(region.file, region.reserved, part); !reserved)
    return reserved;
  region.reserved += part;
  if (region.reserved == region.bytes) next_region(Stage::map);
  return {};
}

Result<void> StreamCreator::Work::map_file() {
  Region& region = regions_[current_];
  auto address = file_system_.map(region.file, region.bytes, Access::read_write);
  if (!address) return fail(address.error());
  Mapping mapping(file_system_, *address, region.bytes, Access::read_write, granule_);
  if (current_ == 0) {
    created_.mapped.header = std::move(mapping);
  } else {
    created_.mapped.pools.push_back(std::move(mapping));
  }
  next_region(Stage::prefault);
  return {};
}

Result<void> StreamCreator::Work::prefault_part() {
  if (!options_.prefault && !options_.mlock) {
    enter(Stage::superblocks);
    return {};
  }
  if (!prefault_) prefault_.emplace(created_.mapped, options_.mlock, Use::created);
  auto done = prefault_->step(base::limits::region_step_bytes);
  if (!done) return fail(done.error());
  if (*done) enter(Stage::superblocks);
  return {};
}

Result<void> StreamCreator::Work::write_superblocks() {
  Superblock block;
  block.epoch = layout_.epoch;
  block.stream_id = layout_.stream_id;
  block.nslots = layout_.nslots;
  block.pid = file_system_.process_id();
  block.start_timestamp_ns = now_ns_;
  block.activity_timestamp_ns = now_ns_;
  const auto write = [&block](const Mapping& mapping) {
    std::array<std::byte, superblock_bytes> bytes;
    encode(block, bytes);
    // Through the mapping: hugetlbfs has no write().
    std::memcpy(mapping.base(), bytes.data(), bytes.size());
  };
  block.region_type = RegionType::header_ring;
  block.slot_bytes = static_cast<std::uint32_t>(header_slot_bytes);
  block.stride_bytes = 0;
  write(created_.mapped.header);
  block.region_type = RegionType::payload_pool;
  for (std::size_t i = 0; i < layout_.pools.size(); ++i) {
    block.pool_id = layout_.pools[i].pool_id;
    block.slot_bytes = layout_.pools[i].stride_bytes;
    block.stride_bytes = layout_.pools[i].stride_bytes;
    write(created_.mapped.pools[i]);
  }
  created_.mapped.pid = block.pid;
  created_.mapped.pool_pids.assign(created_.mapped.pools.size(), block.pid);
  created_.mapped.start_timestamp_ns = now_ns_;
  created_.mapped.layout = layout_;
  created_.mapped.geometry = RingGeometry(layout_.nslots, layout_.pools);
  enter(Stage::sync);
  return {};
}

Result<void> StreamCreator::Work::sync_file() {
  if (auto synced = file_system_.sync(regions_[current_].file); !synced) return synced;
  regions_[current_].file.close();
  next_region(Stage::names);
  return {};
}

// Until its superblocks are there, a slow creation looks like one whose creator died, and whoever
// collects old epochs may remove it (SHM-270 names a process only once one is recorded). Regions
// that nobody can open are not handed out; from here on the recorded process keeps them.
Result<void> StreamCreator::Work::check_names() {
  for (const Region& region : regions_) {
    auto status = file_system_.status_at(here_, region.name);
    if (!status) return fail(status.error());
    if (!*status) {
      return fail(Error::system(
          "fstatat", ENOENT,
          fmt::format("'{}/{}' was removed while the stream was being created, as an epoch that "
                      "nobody needs; create the stream again",
                      created_.directory, region.name)));
    }
  }
  enter(Stage::done);
  return {};
}

Error StreamCreator::Work::no_space(const Error& cause) const {
  const std::string available = available_ == std::numeric_limits<std::uint64_t>::max()
                                    ? "unknown"
                                    : fmt::format("{}", available_);
  return Error(
      Code::no_space, "create_stream",
      fmt::format(
          "stream {} needs {} bytes in '{}', {} were available; use fewer or smaller slots, remove "
          "old files there, or give that file system more room (a container's /dev/shm: "
          "--shm-size). Cause: {}",
          layout_.stream_id, total_bytes(), created_.base_dir, available, cause.message()));
}

// Best effort: what cannot be removed is left to the collection of old epochs.
void StreamCreator::Work::undo() noexcept {
  prefault_.reset();
  created_.mapped = MappedStream{};
  for (Region& region : regions_) {
    if (region.made) static_cast<void>(file_system_.unlink(here_, region.name));
    region.made = false;
    region.file.close();
  }
  here_.close();
  created_.lock = StreamLock{};
  for (; !levels_.empty(); levels_.pop_back()) {
    const Level& level = levels_.back();
    if (level.made) static_cast<void>(file_system_.remove_directory(level.parent, level.name));
  }
}

StreamCreator::StreamCreator(FileSystem& file_system, CreateOptions options, StreamLayout layout,
                             std::uint64_t now_ns)
    : work_(std::make_unique<Work>(file_system, std::move(options), std::move(layout), now_ns)) {}
StreamCreator::StreamCreator(StreamCreator&&) noexcept = default;
StreamCreator& StreamCreator::operator=(StreamCreator&&) noexcept = default;
StreamCreator::~StreamCreator() = default;

Result<bool> StreamCreator::step() { return work_->step(); }
CreatedStream StreamCreator::take() { return work_->take(); }

Result<CreatedStream> create_stream(FileSystem& file_system, const CreateOptions& options,
                                    StreamLayout layout, std::uint64_t now_ns) {
  StreamCreator creator(file_system, options, std::move(layout), now_ns);
  for (;;) {
    auto done = creator.step();
    if (!done) return fail(done.error());
    if (*done) return creator.take();
  }
}

}  // namespace tensorpool::shm
