#include "tp/inspect.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

#include "shm/layout.hpp"
#include "shm/slot_image.hpp"
#include "shm/tensor_rules.hpp"
#include "shm/uri.hpp"
#include "tp/json.hpp"
#include "tp/signals.hpp"

namespace tensorpool::cli {

namespace {

struct InspectOptions {
  std::string target;
  std::string slots = "8";
  bool json = false;
};

// A file read piece by piece with pread, never mapped: one that shrinks meanwhile gives short reads
// and no signal.
class RegionFile {
 public:
  RegionFile() = default;
  RegionFile(const RegionFile&) = delete;
  RegionFile& operator=(const RegionFile&) = delete;
  ~RegionFile() {
    if (fd_ >= 0) ::close(fd_);
  }

  Result<void> open(const std::string& path) {
    fd_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd_ < 0) return fail(Error::system("open", errno, path));
    struct stat status{};
    if (::fstat(fd_, &status) != 0) return fail(Error::system("fstat", errno, path));
    if (!S_ISREG(status.st_mode)) {
      return fail(Code::invalid_file, "inspect", fmt::format("'{}' is no regular file", path));
    }
    size_ = static_cast<std::uint64_t>(status.st_size);
    return {};
  }
  std::uint64_t size() const { return size_; }

  // How many bytes of `out` the file has from `offset`.
  std::size_t read(std::uint64_t offset, std::span<std::byte> out) const {
    std::size_t have = 0;
    while (have < out.size()) {
      const ssize_t got =
          ::pread(fd_, out.data() + have, out.size() - have, static_cast<off_t>(offset + have));
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) break;
      have += static_cast<std::size_t>(got);
    }
    return have;
  }

 private:
  int fd_ = -1;
  std::uint64_t size_ = 0;
};

const char* type_name(shm::RegionType type) {
  switch (type) {
    case shm::RegionType::header_ring:
      return "header_ring";
    case shm::RegionType::payload_pool:
      return "payload_pool";
  }
  return "unknown";
}

// What is wrong with a superblock and the file's size, field by field.
std::vector<std::string> faults_of(const shm::Superblock& block, std::uint64_t file_bytes) {
  std::vector<std::string> faults;
  if (block.magic != shm::region_magic) {
    faults.push_back(fmt::format("magic is {:#018x}, not {:#018x} (\"TOPLSHM1\")", block.magic,
                                 shm::region_magic));
  }
  if (block.layout_version != shm::supported_layout_version) {
    faults.push_back(fmt::format("layout_version is {}, this program knows {}",
                                 block.layout_version, shm::supported_layout_version));
  }
  if (!shm::epoch_usable(block.epoch))
    faults.push_back(fmt::format("epoch is {}, which is never announced", block.epoch));
  if (block.stream_id == 0) faults.push_back("stream_id is 0");
  if (!shm::valid_nslots(block.nslots))
    faults.push_back(fmt::format("nslots is {}, not a power of two", block.nslots));
  std::uint32_t slot_bytes = 0;
  switch (block.region_type) {
    case shm::RegionType::header_ring:
      slot_bytes = shm::header_slot_bytes;
      if (block.slot_bytes != shm::header_slot_bytes)
        faults.push_back(fmt::format("slot_bytes is {}, not 256", block.slot_bytes));
      if (block.stride_bytes != 0)
        faults.push_back(fmt::format("stride_bytes is {}, not 0", block.stride_bytes));
      if (block.pool_id != 0)
        faults.push_back(fmt::format("pool_id is {}, not 0, in a header ring", block.pool_id));
      break;
    case shm::RegionType::payload_pool:
      slot_bytes = block.stride_bytes;
      if (!shm::valid_stride(block.stride_bytes)) {
        faults.push_back(
            fmt::format("stride_bytes is {}, not a positive multiple of 64", block.stride_bytes));
      }
      // Writers of this project say the stride, some others "unset" (SHM-24, SHM-25).
      if (block.slot_bytes != block.stride_bytes &&
          block.slot_bytes != shm::pool_slot_bytes_unset) {
        faults.push_back(
            fmt::format("slot_bytes is {}, neither the stride nor 4294967295", block.slot_bytes));
      }
      break;
    default:
      faults.push_back(fmt::format("region_type is {}, neither 1 (header ring) nor 2 (pool)",
                                   static_cast<int>(block.region_type)));
      return faults;
  }
  if (const auto wanted = shm::region_bytes(block.nslots, slot_bytes);
      !wanted || *wanted > file_bytes) {
    faults.push_back(fmt::format("the file has {} bytes, its superblock describes {}", file_bytes,
                                 wanted.value_or(0)));
  }
  return faults;
}

Json json_of(const shm::Superblock& block) {
  return {{"magic", fmt::format("{:#018x}", block.magic)},
          {"layout_version", block.layout_version},
          {"epoch", block.epoch},
          {"stream_id", block.stream_id},
          {"region_type", type_name(block.region_type)},
          {"pool_id", block.pool_id},
          {"nslots", block.nslots},
          {"slot_bytes", block.slot_bytes},
          {"stride_bytes", block.stride_bytes},
          {"pid", block.pid},
          {"start_timestamp_ns", block.start_timestamp_ns},
          {"activity_timestamp_ns", block.activity_timestamp_ns}};
}

// Names a fault of a slot; a single file does not say which pools its stream has, so the slot's own
// pool is taken to exist and to be large enough.
std::string_view slot_fault(const shm::SlotFields& fields, std::uint32_t nslots,
                            std::uint32_t index) {
  const std::array<shm::PoolSpec, 1> pool{shm::PoolSpec{fields.pool_id, 0xFFFFFFC0U}};
  const shm::RingGeometry ring(nslots, pool);
  return name(shm::validate(fields, ring, index));
}

Json json_of_slot(const shm::HeaderImage& image, std::uint32_t nslots, std::uint32_t index) {
  const std::uint64_t word = image.words[0];
  Json json{{"slot", index}};
  if (word == 0 && std::ranges::all_of(image.words, [](std::uint64_t w) { return w == 0; })) {
    json["state"] = "unused";
    return json;
  }
  const shm::SlotFields fields = shm::parse(image);
  json["state"] = shm::is_committed(word) ? "committed" : "in_progress";
  json["seq"] = shm::seq_of(word);
  const std::size_t shown = std::min<std::size_t>(fields.ndims, max_dims);
  json["dtype"] = name(fields.dtype);
  json["dtype_value"] = static_cast<int>(fields.dtype);
  json["major_order"] = static_cast<int>(fields.order);
  json["ndims"] = fields.ndims;
  json["dims"] = std::span(fields.dims).first(shown);
  json["strides"] = std::span(fields.strides).first(shown);
  json["values_len_bytes"] = fields.values_len_bytes;
  json["payload_slot"] = fields.payload_slot;
  json["pool_id"] = fields.pool_id;
  json["payload_offset"] = fields.payload_offset;
  json["timestamp_ns"] = fields.timestamp_ns;
  json["meta_version"] = fields.meta_version;
  json["progress_unit"] = static_cast<int>(fields.progress_unit);
  Json faults = Json::array();
  if ((shm::seq_of(word) & (nslots - 1U)) != index) {
    faults.push_back(fmt::format("seq {} belongs into slot {}", shm::seq_of(word),
                                 shm::seq_of(word) & (nslots - 1U)));
  }
  if (const std::string_view fault = slot_fault(fields, nslots, index);
      shm::is_committed(word) && fault != "none")
    faults.push_back(fault);
  json["faults"] = std::move(faults);
  return json;
}

std::uint32_t slots_wanted(const std::string& text) {
  return text == "all" ? UINT32_MAX : static_cast<std::uint32_t>(std::stoul(text));
}

// The newest slots first would need all of them; these are the first in the ring.
Json slots_of(const RegionFile& file, const shm::Superblock& block, std::uint32_t wanted,
              std::vector<std::string>& faults) {
  Json slots = Json::array();
  // A damaged count is no reason to show nothing: read what the file holds.
  const std::uint32_t nslots = shm::valid_nslots(block.nslots) ? block.nslots : 1;
  for (std::uint32_t index = 0; index < std::min(wanted, nslots); ++index) {
    shm::HeaderImage image{};
    const std::span<std::byte> bytes(image.bytes(), shm::header_slot_bytes);
    if (file.read(shm::header_slot_offset(index), bytes) != bytes.size()) {
      faults.push_back(fmt::format("the file ends before or inside slot {}", index));
      break;
    }
    slots.push_back(json_of_slot(image, nslots, index));
  }
  return slots;
}

Result<Json> inspect_file(const std::string& path, std::uint32_t wanted_slots) {
  RegionFile file;
  if (const auto opened = file.open(path); !opened) return fail(opened.error());
  Json json{{"path", path}, {"file_bytes", file.size()}};
  std::array<std::byte, shm::superblock_bytes> bytes{};
  const std::size_t have = file.read(0, bytes);
  if (have < bytes.size()) {
    json["faults"] = {fmt::format("the file has {} bytes; a superblock has 64", have)};
    return json;
  }
  const shm::Superblock block = shm::decode_superblock(bytes);
  json["superblock"] = json_of(block);
  std::vector<std::string> faults = faults_of(block, file.size());
  if (block.region_type == shm::RegionType::header_ring && block.magic == shm::region_magic)
    json["slots"] = slots_of(file, block, wanted_slots, faults);
  json["faults"] = faults;
  return json;
}

bool print_region(const Json& json, bool as_json) {
  bool sound = json["faults"].empty();
  const Json slots = json.value("slots", Json::array());
  for (const Json& slot : slots) sound = sound && slot.value("faults", Json::array()).empty();
  if (as_json) {
    print_json(json);
    return sound;
  }
  print_line(paint(Colour::bold, json["path"].get<std::string>()));
  print_line(
      fmt::format("  {:<22} {}", "file", human_bytes(json["file_bytes"].get<std::uint64_t>())));
  const Json block = json.value("superblock", Json::object());
  for (const auto& [key, value] : block.items())
    print_line(fmt::format("  {:<22} {}", key,
                           value.is_string() ? value.get<std::string>() : value.dump()));
  for (const Json& slot : slots) {
    std::string line = fmt::format("  slot {:<5} {:<12}", slot["slot"].get<std::uint32_t>(),
                                   slot["state"].get<std::string>());
    if (slot.contains("seq")) {
      line += fmt::format(
          " seq {} {} {} strides {} {} bytes pool {} t {}", slot["seq"].get<std::uint64_t>(),
          slot["dtype"].get<std::string>(), slot["dims"].dump(), slot["strides"].dump(),
          slot["values_len_bytes"].get<std::uint64_t>(), slot["pool_id"].get<std::uint32_t>(),
          slot["timestamp_ns"].get<std::uint64_t>());
      for (const Json& fault : slot["faults"])
        line += paint(Colour::red, fmt::format(" — {}", fault.get<std::string>()));
    }
    print_line(line);
  }
  for (const Json& fault : json["faults"])
    print_line(paint(Colour::red, fmt::format("  wrong: {}", fault.get<std::string>())));
  return sound;
}

// The regions of an epoch directory: the ring first, then the pools by name.
Result<std::vector<std::string>> regions_in(const std::string& folder) {
  std::vector<std::string> files;
  std::error_code error;
  for (std::filesystem::directory_iterator it(folder, error), end; !error && it != end;
       it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (name == "header.ring" || name.ends_with(".pool")) files.push_back(it->path().string());
  }
  if (error)
    return fail(Code::invalid_file, "inspect", fmt::format("'{}': {}", folder, error.message()));
  if (files.empty()) {
    return fail(
        Code::invalid_file, "inspect",
        fmt::format("'{}' holds neither header.ring nor *.pool; name an epoch's folder", folder));
  }
  std::ranges::sort(files, {}, [](const std::string& path) {
    return std::pair(!path.ends_with("header.ring"), path);
  });
  return files;
}

int inspect(const InspectOptions& options) {
  std::string path = options.target;
  if (path.starts_with("shm:")) {
    const auto uri = shm::parse_uri(path);
    if (!uri) return failed(uri.error());
    path = uri->path;
  }
  std::vector<std::string> files{path};
  if (std::error_code error; std::filesystem::is_directory(path, error)) {
    auto found = regions_in(path);
    if (!found) return failed(found.error());
    files = std::move(*found);
  }
  bool sound = true;
  for (const std::string& file : files) {
    const auto region = inspect_file(file, slots_wanted(options.slots));
    if (!region) return failed(region.error());
    sound = print_region(*region, options.json) && sound;
    if (stop_requested()) break;
  }
  return sound ? exit_ok : exit_failed;
}

std::string check_slots(const std::string& text) {
  const bool digits = !text.empty() && text.size() <= 9 &&
                      text.find_first_not_of("0123456789") == std::string::npos;
  return digits || text == "all" ? "" : "must be a number or 'all'";
}

}  // namespace

Command register_inspect(Command& root) {
  auto options = std::make_shared<InspectOptions>();
  Command app = root.command("inspect", "Show what region files say, and what is wrong");
  app.option("target", options->target,
             "a region file, its URI (shm:file?path=…), or the folder of an epoch")
      .required();
  app.option("--slots", options->slots, "how many header slots to show, or 'all'")
      .show_default()
      .check({"N|all", check_slots});
  app.flag("--json", options->json, "one JSON object per region");
  app.footer(fmt::format(
      "Files are only read; damaged and foreign ones are shown field by field.\n\n"
      "Examples:\n"
      "  tp inspect /dev/shm/tensorpool-me/default/10000/1/\n"
      "  tp inspect /dev/shm/tensorpool-me/default/10000/1/header.ring --slots all\n"
      "  tp inspect 'shm:file?path=/dev/shm/tensorpool-me/default/10000/1/1.pool' --json\n\n"
      "Exit codes: 0 sound, 1 something is wrong or unreadable, 2 wrong command line."));
  app.runs([options] { return inspect(*options); });
  return app;
}

}  // namespace tensorpool::cli
