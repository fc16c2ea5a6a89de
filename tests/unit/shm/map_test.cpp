#include "shm/map.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>

#include "shm/create.hpp"
#include "unit/shm/faulty_file_system.hpp"
#include "unit/shm/support.hpp"

namespace tensorpool::shm {
namespace {

namespace fs = std::filesystem;
using namespace test;

std::string uri_of(const std::string& path) { return "shm:file?path=" + path; }
std::string path_of(const std::string& uri) { return parse_uri(uri)->path; }

// A stream of this test and the policy of a reader of it.
class MapTest : public testing::Test {
 protected:
  void SetUp() override {
    auto made = create_stream(file_system_, options_in(dir_), small_layout(77), now_ns);
    TP_ASSERT_OK(made);
    created_ = std::move(*made);
    description_ = created_.regions;
    policy_ = test::policy_for(file_system_, dir_.path());
    mapped_before_ = file_system_.mapped_bytes;
    open_before_ = file_system_.open_files;
  }

  // The stream is refused with this code, and nothing of it stays mapped or open.
  void expect_refused(Code code, const std::string& why) {
    const auto mapped = map_stream(file_system_, policy_, description_);
    ASSERT_FALSE(mapped.has_value()) << why;
    EXPECT_EQ(mapped.error().code(), code) << why << ": " << mapped.error().message();
    EXPECT_EQ(file_system_.mapped_bytes, mapped_before_) << why;
    EXPECT_EQ(file_system_.open_files, open_before_) << why;
  }
  void expect_accepted(const std::string& why) {
    const auto mapped = map_stream(file_system_, policy_, description_);
    ASSERT_TRUE(mapped.has_value()) << why << ": " << mapped.error().message();
  }

  std::string header_path() const { return path_of(created_.regions.header_uri); }
  std::string pool_path() const { return path_of(created_.regions.pool_uris[0]); }

  // Makes another file the header ring of the description: a copy of the real one.
  std::string copy_of_header(const std::string& name) {
    const std::string copy = dir_ / name;
    fs::copy_file(header_path(), copy, fs::copy_options::overwrite_existing);
    EXPECT_EQ(::chmod(copy.c_str(), 0660), 0);
    return copy;
  }

  TempDir dir_;
  FaultyFileSystem file_system_;
  CreatedStream created_;
  StreamRegions description_;
  MapPolicy policy_;
  std::int64_t mapped_before_ = 0;
  int open_before_ = 0;
};

// The producer of a lease writes what the driver made; everybody else maps for reading. The checks are the
// same.
TEST_F(MapTest, MapsForWritingOnlyWhenAsked) {
  const auto reading = map_stream(file_system_, policy_, description_);
  TP_ASSERT_OK(reading);
  EXPECT_FALSE(reading->header.writable());
  auto writing = map_stream(file_system_, policy_, description_, base::Access::read_write);
  TP_ASSERT_OK(writing);
  EXPECT_TRUE(writing->header.writable());
  for (const Mapping& pool : writing->pools) EXPECT_TRUE(pool.writable());
  writing->refresh_activity(4711);
  EXPECT_EQ(reading->activity_ns(), 4711U) << "of the same pages";
  MapPolicy nothing;
  TP_EXPECT_CODE(map_stream(file_system_, nothing, description_, base::Access::read_write),
                 Code::path_rejected);
}

// Proves: SHM-6, SHM-126, SHM-127, SHM-133
TEST_F(MapTest, a_good_stream_is_mapped_read_only_and_its_files_are_closed) {
  const auto mapped = map_stream(file_system_, policy_, description_);
  TP_ASSERT_OK(mapped);
  EXPECT_EQ(mapped->layout, description_.layout);
  EXPECT_EQ(mapped->geometry.nslots, 4U);
  EXPECT_EQ(mapped->geometry.pools().size(), 2U);
  EXPECT_EQ(mapped->pid, static_cast<std::uint64_t>(::getpid()));
  EXPECT_EQ(mapped->start_timestamp_ns, now_ns);
  EXPECT_FALSE(mapped->header.writable());
  EXPECT_FALSE(mapped->pools[1].writable());
  EXPECT_EQ(file_system_.open_files, open_before_);
}

// Proves: SHM-84
TEST_F(MapTest, names_of_files_do_not_matter) {
  fs::rename(header_path(), dir_ / "anything.at.all");
  description_.header_uri = uri_of(dir_ / "anything.at.all");
  expect_accepted("a ring of another name");
}

// Proves: SHM-71
TEST_F(MapTest, mapping_neither_creates_nor_resizes_files) {
  const auto size = fs::file_size(header_path());
  expect_accepted("the stream");
  EXPECT_EQ(fs::file_size(header_path()), size);
  description_.header_uri = uri_of(dir_ / "missing");
  expect_refused(Code::path_rejected, "a missing file");
  EXPECT_FALSE(fs::exists(dir_ / "missing"));
}

// Proves: SHM-16
TEST_F(MapTest, a_longer_file_is_accepted) {
  fs::resize_file(header_path(), 2U << 20U);
  fs::resize_file(pool_path(), 2U << 20U);
  expect_accepted("longer files");
}

// Proves: SHM-15, SHM-123, SHM-137
TEST_F(MapTest, a_shorter_file_is_refused) {
  for (const std::uint64_t bytes :
       {std::uint64_t{1087}, std::uint64_t{64}, std::uint64_t{63}, std::uint64_t{0}}) {
    fs::resize_file(header_path(), bytes);
    expect_refused(Code::region_invalid, "a header ring of " + std::to_string(bytes));
  }
  fs::resize_file(header_path(), 1088);
  fs::resize_file(path_of(created_.regions.pool_uris[1]), 319);
  expect_refused(Code::region_invalid, "a pool that lacks a byte");
}

// Proves: SHM-114, SHM-92, SHM-108, SHM-111
TEST_F(MapTest, bad_uris_are_refused) {
  for (const char* uri : {"", "shm:file?path=relative", "file:///etc/passwd", "shm:file?path=/"}) {
    description_.header_uri = uri;
    expect_refused(Code::invalid_uri, uri);
  }
  EXPECT_FALSE(open_region(file_system_, policy_, {"relative", false}).has_value());
  EXPECT_FALSE(open_region(file_system_, policy_, {"", false}).has_value());
}

// Proves: SHM-115, SHM-117
TEST_F(MapTest, files_outside_the_allowed_directories_are_refused) {
  const TempDir outside;
  const std::string copy = outside / "header.ring";
  fs::copy_file(header_path(), copy);
  ASSERT_EQ(::chmod(copy.c_str(), 0660), 0);
  description_.header_uri = uri_of(copy);
  expect_refused(Code::path_rejected, "outside");
  // Also when the text of the path begins inside.
  description_.header_uri =
      uri_of(dir_ / ("../" + fs::path(outside.path()).filename().string() + "/header.ring"));
  expect_refused(Code::path_rejected, "out through ..");
}

// Proves: SHM-117
TEST_F(MapTest, containment_is_compared_by_components) {
  const std::string sibling = dir_.path() + "2";
  fs::create_directory(sibling);
  fs::copy_file(header_path(), sibling + "/header.ring");
  ASSERT_EQ(::chmod((sibling + "/header.ring").c_str(), 0660), 0);
  description_.header_uri = uri_of(sibling + "/header.ring");
  expect_refused(Code::path_rejected, "a directory whose name only begins alike");
  fs::remove_all(sibling);
}

TEST_F(MapTest, a_path_that_is_merely_not_canonical_is_accepted) {
  const std::string copy = copy_of_header("copy");
  description_.header_uri = uri_of(dir_.path() + "//./tensorpool-x/../copy");
  fs::create_directory(dir_ / "tensorpool-x");
  expect_accepted("a path with ..");
}

// Proves: SHM-119
TEST_F(MapTest, links_are_refused_even_when_they_stay_inside) {
  fs::create_symlink(header_path(), dir_ / "link.ring");
  description_.header_uri = uri_of(dir_ / "link.ring");
  expect_refused(Code::path_rejected, "the file itself");
  fs::create_directory_symlink(created_.directory, dir_ / "linked");
  description_.header_uri = uri_of(dir_ / "linked/header.ring");
  expect_refused(Code::path_rejected, "a directory on the way");
  fs::create_symlink("/etc/passwd", dir_ / "out");
  description_.header_uri = uri_of(dir_ / "out");
  expect_refused(Code::path_rejected, "out of the directory");
  fs::create_symlink(dir_ / "loop", dir_ / "loop");
  description_.header_uri = uri_of(dir_ / "loop");
  expect_refused(Code::path_rejected, "a loop");
}

// Proves: SHM-118
TEST_F(MapTest, anything_but_a_regular_file_is_refused) {
  fs::create_directory(dir_ / "directory");
  description_.header_uri = uri_of(dir_ / "directory");
  expect_refused(Code::path_rejected, "a directory");

  ASSERT_EQ(::mkfifo((dir_ / "fifo").c_str(), 0660), 0);
  description_.header_uri = uri_of(dir_ / "fifo");
  expect_refused(Code::path_rejected, "a FIFO");  // and does not wait for its writer

  const int sock = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, (dir_ / "s").c_str(), sizeof(address.sun_path) - 1);
  ASSERT_EQ(::bind(sock, static_cast<sockaddr*>(static_cast<void*>(&address)), sizeof address), 0);
  description_.header_uri = uri_of(dir_ / "s");
  expect_refused(Code::path_rejected, "a socket");
  ::close(sock);

  policy_ = test::policy_for(file_system_, "/dev");
  description_.header_uri = uri_of("/dev/zero");
  expect_refused(Code::path_rejected, "a device");
}

// Proves: SHM-120
TEST_F(MapTest, the_open_descriptor_is_examined_too) {
  // As if the entry had been replaced between the look at the path and the open.
  file_system_.change_status = [](base::FileStatus& status) {
    status.kind = base::FileKind::other;
  };
  expect_refused(Code::path_rejected, "a descriptor of another kind");
}

// Proves: SHM-121
TEST_F(MapTest, the_open_file_must_be_the_one_that_was_looked_at) {
  // A rename puts another good file at the path, after the look at the path and before the open.
  const std::string victim = copy_of_header("victim");
  const std::string other = copy_of_header("other");
  description_.header_uri = uri_of(victim);
  file_system_.change_status_at = [&](base::FileStatus&) { fs::rename(other, victim); };
  expect_refused(Code::path_rejected, "a swapped file");
  file_system_.change_status_at = nullptr;
  expect_accepted("the new file, when nobody swaps it");

  file_system_.change_status_at = [](base::FileStatus& status) { status.device += 1; };
  expect_refused(Code::path_rejected, "another device");
}

// Proves: SHM-116
TEST_F(MapTest, allowed_directories_are_resolved_once) {
  const TempDir other;
  fs::create_directory_symlink(dir_.path(), other / "base");
  policy_ = test::policy_for(file_system_, other / "base");
  // The link now leads elsewhere; the policy means what it meant.
  fs::remove(other / "base");
  fs::create_directory_symlink("/etc", other / "base");
  const std::size_t resolved = file_system_.canonical_paths.size();
  expect_accepted("the directory of the time of configuration");
  for (std::size_t i = resolved; i < file_system_.canonical_paths.size(); ++i) {
    EXPECT_NE(file_system_.canonical_paths[i], other / "base");
  }
  EXPECT_FALSE(policy_.allows("/etc/passwd"));
}

// Proves: SHM-124
TEST_F(MapTest, without_an_allowed_directory_everything_is_refused) {
  policy_ = MapPolicy();
  expect_refused(Code::path_rejected, "the empty policy");
  MapPolicy::Settings settings;
  settings.allowed_base_dirs.clear();
  TP_EXPECT_CODE(MapPolicy::make(file_system_, settings), Code::invalid_argument);
}

TEST_F(MapTest, bad_policies_are_refused) {
  MapPolicy::Settings settings;
  for (const std::string& bad :
       {std::string(), std::string("relative"), dir_ / "missing", header_path()}) {
    settings.allowed_base_dirs = {bad};
    TP_EXPECT_CODE(MapPolicy::make(file_system_, settings), Code::invalid_argument);
  }
  settings.allowed_base_dirs = {dir_.path()};
  settings.forbidden_mode_bits = 01000;
  TP_EXPECT_CODE(MapPolicy::make(file_system_, settings), Code::invalid_argument);
}

TEST_F(MapTest, one_of_several_allowed_directories_is_enough) {
  MapPolicy::Settings settings;
  settings.allowed_base_dirs = {"/etc", dir_.path()};
  auto policy = MapPolicy::make(file_system_, settings);
  TP_ASSERT_OK(policy);
  policy_ = *policy;
  expect_accepted("the second directory");
}

// Proves: SHM-125
TEST_F(MapTest, permissions_of_the_descriptor_count) {
  ASSERT_EQ(::chmod(header_path().c_str(), 0664), 0);
  expect_refused(Code::permission_rejected, "a mode for others");
  ASSERT_EQ(::chmod(header_path().c_str(), 0660), 0);

  MapPolicy::Settings settings;
  settings.allowed_base_dirs = {dir_.path()};
  settings.owner = ::geteuid() + 1;
  policy_ = *MapPolicy::make(file_system_, settings);
  expect_refused(Code::permission_rejected, "another owner");
  settings.owner = ::geteuid();
  settings.group = ::getegid() + 1;
  policy_ = *MapPolicy::make(file_system_, settings);
  expect_refused(Code::permission_rejected, "another group");
  settings.group = ::getegid();
  policy_ = *MapPolicy::make(file_system_, settings);
  expect_accepted("the right owner and group");

  settings.forbidden_mode_bits = 0;
  policy_ = *MapPolicy::make(file_system_, settings);
  ASSERT_EQ(::chmod(header_path().c_str(), 0666), 0);
  expect_accepted("a policy that forbids nothing");
}

// Proves: SHM-125
TEST_F(MapTest, the_size_of_the_descriptor_counts) {
  file_system_.change_status = [](base::FileStatus& status) { status.size_bytes = 100; };
  expect_refused(Code::region_invalid, "a descriptor that is too short");
}

// Proves: SHM-128, SHM-130
TEST_F(MapTest, required_hugepages_are_checked_by_the_type_of_the_file_system) {
  description_.header_uri += "|require_hugepages=true";
  expect_refused(Code::hugepages_required, "tmpfs");
  fs::resize_file(header_path(), 2U << 20U);
  fs::resize_file(pool_path(), 2U << 20U);
  fs::resize_file(path_of(created_.regions.pool_uris[1]), 2U << 20U);
  file_system_.change_info = [](base::FileSystemInfo& info) {
    info.type = base::hugetlbfs_type;
    info.block_bytes = 2U << 20U;
  };
  expect_accepted("hugetlbfs");
  file_system_.change_info = [](base::FileSystemInfo& info) { info.type = 0xEF53; };
  expect_refused(Code::hugepages_required, "ext4");
  fs::resize_file(header_path(), 4096);
  file_system_.change_info = [](base::FileSystemInfo& info) {
    info.type = base::hugetlbfs_type;
    info.block_bytes = 2U << 20U;
  };
  expect_refused(Code::region_invalid, "a file that ends inside a hugepage");
}

// Proves: SHM-129
TEST_F(MapTest, required_hugepages_without_a_way_to_check_are_refused) {
  description_.header_uri += "|require_hugepages=true";
  file_system_.fail_at(Op::info, file_system_.calls[Op::info],
                       Error::system("fstatfs", ENOSYS, "no such call on this platform"));
  expect_refused(Code::system_error, "an unknown file system");
}

// Proves: SHM-123, SHM-137
TEST_F(MapTest, whatever_call_fails_nothing_is_mapped) {
  int failures = 0;
  for (const Op op :
       {Op::open_root, Op::open, Op::status_at, Op::status, Op::info, Op::map, Op::canonical}) {
    for (int later = 0;; ++later) {
      file_system_.fail_at(op, file_system_.calls[op] + later,
                           Error::system("injected", EIO, "a fault of this test"));
      if (map_stream(file_system_, policy_, description_)) break;
      ++failures;
      EXPECT_EQ(file_system_.mapped_bytes, mapped_before_);
      EXPECT_EQ(file_system_.open_files, open_before_);
    }
  }
  EXPECT_GT(failures, 10);
}

TEST_F(MapTest, a_failing_lock_fails_the_mapping) {
  MapPolicy::Settings settings;
  settings.allowed_base_dirs = {dir_.path()};
  settings.mlock = true;
  policy_ = *MapPolicy::make(file_system_, settings);
  file_system_.fail_at(Op::lock, 2, Error::system("mlock", ENOMEM, "a fault of this test"));
  expect_refused(Code::system_error, "the third region");
  expect_accepted("without a fault");
  EXPECT_EQ(file_system_.locked_bytes, (1088U + 16448U) + (1088U + 16448U + 320U));
}

// Proves: SHM-7, SHM-8, SHM-9, SHM-10, SHM-11, SHM-140
TEST_F(MapTest, bad_descriptions_are_refused) {
  const StreamRegions good = description_;
  const auto with = [&](const std::function<void(StreamRegions&)>& change, Code code,
                        const char* why) {
    description_ = good;
    change(description_);
    expect_refused(code, why);
  };
  with(
      [](auto& d) {
        d.layout.pools.clear();
        d.pool_uris.clear();
      },
      Code::region_invalid, "no pools");
  with([](auto& d) { d.layout.nslots = 3; }, Code::region_invalid, "three slots");
  with([](auto& d) { d.layout.pools[0].nslots = 8; }, Code::region_invalid,
       "other slots in a pool");
  with([](auto& d) { d.layout.pools[1].pool_id = 1; }, Code::region_invalid, "a repeated pool id");
  with([](auto& d) { d.layout.pools[1].stride_bytes = 65; }, Code::region_invalid,
       "a stride of 65");
  with([](auto& d) { d.layout.header_slot_bytes = 128; }, Code::region_invalid,
       "header slots of 128 bytes");
  with([](auto& d) { d.layout.layout_version = 2; }, Code::unsupported, "layout version 2");
  with([](auto& d) { d.layout.nslots = 1U << 30U; }, Code::limit_exceeded, "too many slots");
  with([](auto& d) { d.pool_uris.pop_back(); }, Code::region_invalid, "a pool without a URI");
  with([](auto& d) { d.pool_uris.push_back(d.header_uri); }, Code::region_invalid,
       "a URI without a pool");
}

// One superblock field of one region replaced in the file, then mapped.
struct Wrong {
  const char* what;
  std::function<void(Superblock&)> change;
};

class SuperblockTest : public MapTest {
 protected:
  // region 0 is the header ring, 1 and 2 the pools
  void with(int region, const Wrong& wrong, bool accepted) {
    Mapping& mapping = region == 0 ? created_.mapped.header
                                   : created_.mapped.pools[static_cast<std::size_t>(region) - 1];
    const Superblock before = load_superblock(mapping.base());
    Superblock changed = before;
    wrong.change(changed);
    std::array<std::byte, superblock_bytes> bytes;
    encode(changed, bytes);
    std::memcpy(mapping.base(), bytes.data(), bytes.size());
    if (accepted) {
      expect_accepted(wrong.what);
    } else {
      expect_refused(Code::region_invalid, wrong.what);
    }
    encode(before, bytes);
    std::memcpy(mapping.base(), bytes.data(), bytes.size());
  }
};

// Proves: SHM-20, SHM-132, SHM-133, SHM-136, SHM-137, SHM-139
TEST_F(SuperblockTest, a_field_that_differs_from_the_description_is_refused_in_every_region) {
  const Wrong wrongs[] = {
      {"magic", [](Superblock& b) { b.magic += 1; }},
      {"magic of another byte order", [](Superblock& b) { b.magic = __builtin_bswap64(b.magic); }},
      {"magic of a text", [](Superblock& b) { std::memcpy(&b.magic, "TPOLSHM1", 8); }},
      {"layout version", [](Superblock& b) { b.layout_version = 2; }},
      {"epoch", [](Superblock& b) { b.epoch = 76; }},
      {"stream", [](Superblock& b) { b.stream_id = 10001; }},
      {"slots", [](Superblock& b) { b.nslots = 8; }},
      {"slot bytes", [](Superblock& b) { b.slot_bytes += 64; }},
      {"pool id", [](Superblock& b) { b.pool_id = 7; }},
      {"nothing at all", [](Superblock& b) { b = Superblock{}; }},
  };
  for (int region = 0; region < 3; ++region) {
    for (const Wrong& wrong : wrongs) with(region, wrong, false);
  }
}

// Proves: SHM-31, SHM-138, SHM-161, SHM-271
TEST_F(SuperblockTest, other_layout_versions_are_incompatible) {
  for (const std::uint32_t version : {0U, 2U, 100U}) {
    with(0, {"version", [&](Superblock& b) { b.layout_version = version; }}, false);
    // Even when the description says the same.
    description_.layout.layout_version = version;
    const auto described = map_stream(file_system_, policy_, description_);
    TP_EXPECT_CODE(described, Code::unsupported);
    description_.layout.layout_version = 1;
  }
}

// Proves: SHM-55
TEST_F(SuperblockTest, region_types_are_checked) {
  for (const int type : {0, 3, -1}) {
    for (int region = 0; region < 3; ++region) {
      with(region, {"type", [&](Superblock& b) { b.region_type = static_cast<RegionType>(type); }},
           false);
    }
  }
  with(0, {"a pool", [](Superblock& b) { b.region_type = RegionType::payload_pool; }}, false);
  with(1, {"a ring", [](Superblock& b) { b.region_type = RegionType::header_ring; }}, false);
  std::swap(description_.pool_uris[0], description_.header_uri);
  expect_refused(Code::region_invalid, "regions that changed places");
}

// Proves: SHM-25, SHM-26
TEST_F(SuperblockTest, slot_bytes_have_two_values_in_pools_and_one_in_rings) {
  with(1, {"unset", [](Superblock& b) { b.slot_bytes = 0xFFFFFFFFU; }}, true);
  for (const std::uint32_t other : {0U, 64U, 256U, 4095U, 8192U, 0xFFFFFFFEU}) {
    with(1, {"other", [&](Superblock& b) { b.slot_bytes = other; }}, false);
  }
  for (const std::uint32_t other : {0U, 64U, 255U, 512U, 0xFFFFFFFFU}) {
    with(0, {"other", [&](Superblock& b) { b.slot_bytes = other; }}, false);
  }
}

// Proves: SHM-28, SHM-29
TEST_F(SuperblockTest, stride_bytes_count_in_pools_only) {
  for (const std::uint32_t other : {0U, 64U, 8192U}) {
    with(1, {"pool", [&](Superblock& b) { b.stride_bytes = other; }}, false);
    with(0, {"ring", [&](Superblock& b) { b.stride_bytes = other; }}, true);
  }
}

// Proves: SHM-78
TEST_F(SuperblockTest, pid_and_times_are_remembered_not_checked) {
  with(0, {"pid", [](Superblock& b) { b.pid = 1; }}, true);
  with(1, {"start", [](Superblock& b) { b.start_timestamp_ns = 1; }}, true);
  with(2, {"activity", [](Superblock& b) { b.activity_timestamp_ns = 0; }}, true);
}

// A stream whose pool has 1024 slots of 8 MiB, as a sparse file of this test: no memory is used but
// for the pages that are touched.
// Proves: SHM-17
TEST(BigPool, offsets_beyond_4_gib_reach_their_own_bytes) {
  const TempDir dir;
  base::PosixFileSystem file_system;
  StreamLayout layout;
  layout.stream_id = 10000;
  layout.epoch = 77;
  layout.nslots = 1024;
  layout.pools = {{1, 8U << 20U}};
  const std::uint64_t pool_size = *pool_bytes(1024, 8U << 20U);
  ASSERT_GT(pool_size, std::uint64_t{1} << 32U);

  Superblock block;
  block.epoch = 77;
  block.stream_id = 10000;
  block.nslots = 1024;
  const auto make = [&](const std::string& path, std::uint64_t size) {
    std::array<std::byte, superblock_bytes> bytes;
    encode(block, bytes);
    std::ofstream file(path, std::ios::binary);
    file.write(static_cast<const char*>(static_cast<const void*>(bytes.data())), 64);
    file.close();
    fs::resize_file(path, size);
    ASSERT_EQ(::chmod(path.c_str(), 0660), 0);
  };
  block.slot_bytes = 256;
  make(dir / "ring", *header_ring_bytes(1024));
  block.region_type = RegionType::payload_pool;
  block.pool_id = 1;
  block.slot_bytes = block.stride_bytes = 8U << 20U;
  make(dir / "pool", pool_size);

  // A mark at the start of slots on both sides of 4 GiB, and at the very end, through the file.
  std::fstream file(dir / "pool", std::ios::binary | std::ios::in | std::ios::out);
  for (const std::uint32_t slot : {0U, 511U, 512U, 1023U}) {
    file.seekp(static_cast<std::streamoff>(payload_slot_offset(slot, 8U << 20U)));
    file.write(static_cast<const char*>(static_cast<const void*>(&slot)), sizeof slot);
  }
  file.seekp(static_cast<std::streamoff>(pool_size - 1));
  file.put('!');
  file.close();

  const auto mapped = map_stream(file_system, test::policy_for(file_system, dir.path()),
                                 {layout, uri_of(dir / "ring"), {uri_of(dir / "pool")}});
  TP_ASSERT_OK(mapped);
  for (const std::uint32_t slot : {0U, 511U, 512U, 1023U}) {
    std::uint32_t mark = 0;
    std::memcpy(&mark, mapped->payload(0, slot), sizeof mark);
    EXPECT_EQ(mark, slot);
  }
  EXPECT_EQ(*(mapped->payload(0, 1023) + ((8U << 20U) - 1)), std::byte{'!'});

  fs::resize_file(dir / "pool", pool_size - 1);
  TP_EXPECT_CODE(map_stream(file_system, test::policy_for(file_system, dir.path()),
                            {layout, uri_of(dir / "ring"), {uri_of(dir / "pool")}}),
                 Code::region_invalid);
}

TEST(Faults, of_superblocks_have_names) {
  for (int fault = 0; fault <= static_cast<int>(SuperblockFault::stride_bytes); ++fault) {
    EXPECT_NE(name(static_cast<SuperblockFault>(fault)), "unknown") << fault;
  }
}

}  // namespace
}  // namespace tensorpool::shm
