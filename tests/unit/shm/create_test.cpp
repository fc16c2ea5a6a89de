#include "shm/create.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "shm/map.hpp"
#include "shm/path.hpp"
#include "support/own_mount.hpp"
#include "unit/shm/faulty_file_system.hpp"
#include "unit/shm/support.hpp"

namespace tensorpool::shm {
namespace {

namespace fs = std::filesystem;
using namespace test;

std::uint32_t mode_of(const std::string& path) {
  struct stat s{};
  EXPECT_EQ(::stat(path.c_str(), &s), 0) << path;
  return s.st_mode & 07777U;
}

std::string path_of(const std::string& uri) { return parse_uri(uri)->path; }

// The creator itself, as another process would meet it.
Result<MappedStream> map_created(base::FileSystem& file_system, const TempDir& dir,
                                 const CreatedStream& created) {
  return map_stream(file_system, test::policy_for(file_system, dir.path()), created.regions);
}

// Proves: SHM-80, SHM-81, SHM-85, SHM-110
TEST(Create, files_lie_in_the_canonical_layout) {
  const TempDir dir;
  FaultyFileSystem file_system;
  file_system.user_name = "alice";
  const auto created = create_stream(file_system, options_in(dir), small_layout(77), now_ns);
  TP_ASSERT_OK(created);
  const std::string epoch_dir = dir / "tensorpool-alice/default/10000/77";
  EXPECT_EQ(created->directory, epoch_dir);
  EXPECT_EQ(created->regions.header_uri, "shm:file?path=" + epoch_dir + "/header.ring");
  EXPECT_EQ(created->regions.pool_uris,
            (std::vector<std::string>{"shm:file?path=" + epoch_dir + "/1.pool",
                                      "shm:file?path=" + epoch_dir + "/2.pool"}));
  EXPECT_EQ(fs::file_size(epoch_dir + "/header.ring"), 64U + 4U * 256U);
  EXPECT_EQ(fs::file_size(epoch_dir + "/1.pool"), 64U + 4U * 4096U);
  EXPECT_EQ(fs::file_size(epoch_dir + "/2.pool"), 64U + 4U * 64U);
}

// Proves: SHM-19, SHM-22, SHM-23, SHM-24, SHM-27, SHM-30
TEST(Create, superblocks_say_what_was_made) {
  const TempDir dir;
  base::PosixFileSystem file_system;
  const auto created = create_stream(file_system, options_in(dir), small_layout(77), now_ns);
  TP_ASSERT_OK(created);
  Superblock expected;
  expected.epoch = 77;
  expected.stream_id = 10000;
  expected.nslots = 4;
  expected.slot_bytes = 256;
  expected.pid = static_cast<std::uint64_t>(::getpid());
  expected.start_timestamp_ns = now_ns;
  expected.activity_timestamp_ns = now_ns;
  EXPECT_EQ(load_superblock(created->mapped.header.base()), expected);
  expected.region_type = RegionType::payload_pool;
  expected.pool_id = 1;
  expected.slot_bytes = expected.stride_bytes = 4096;
  EXPECT_EQ(load_superblock(created->mapped.pools[0].base()), expected);
  expected.pool_id = 2;
  expected.slot_bytes = expected.stride_bytes = 64;
  EXPECT_EQ(load_superblock(created->mapped.pools[1].base()), expected);
}

// Proves: SHM-6, SHM-14, SHM-133, SHM-132
TEST(Create, a_reader_maps_what_was_made) {
  const TempDir dir;
  base::PosixFileSystem file_system;
  auto created = create_stream(file_system, options_in(dir), small_layout(), now_ns);
  TP_ASSERT_OK(created);
  auto mapped = map_created(file_system, dir, *created);
  TP_ASSERT_OK(mapped);
  // One store of the writer is the reader's, without any copy between them.
  const char text[] = "in place";
  std::memcpy(created->mapped.payload(0, 3), text, sizeof text);
  EXPECT_STREQ(static_cast<const char*>(static_cast<const void*>(mapped->payload(0, 3))), text);
}

// Proves: SHM-73
TEST(Create, every_slot_of_a_new_ring_is_uncommitted) {
  const TempDir dir;
  base::PosixFileSystem file_system;
  auto created = create_stream(file_system, options_in(dir), small_layout(), now_ns);
  TP_ASSERT_OK(created);
  for (std::uint32_t i = 0; i < 4; ++i)
    EXPECT_FALSE(is_committed(load_commit_acquire(created->mapped.slot(i))));
}

// Proves: SHM-69
TEST(Create, the_order_is_files_space_pages_superblocks_sync) {
  const TempDir dir;
  FaultyFileSystem file_system;
  const auto created = create_stream(file_system, options_in(dir), small_layout(), now_ns);
  TP_ASSERT_OK(created);
  const std::vector<std::string> expected = {"create header.ring",
                                             "length 1088",
                                             "create 1.pool",
                                             "length 16448",
                                             "create 2.pool",
                                             "length 320",
                                             "reserve 1088",
                                             "reserve 16448",
                                             "reserve 320",
                                             "map",
                                             "map",
                                             "map",
                                             "prefault 1088",
                                             "prefault 16448",
                                             "prefault 320",
                                             "sync",
                                             "sync",
                                             "sync"};
  EXPECT_EQ(file_system.log, expected);
}

// Proves: SHM-69
TEST(Create, nothing_can_be_mapped_before_the_last_step) {
  const TempDir dir;
  FaultyFileSystem file_system;
  StreamCreator creator(file_system, options_in(dir), small_layout(77), now_ns);
  StreamRegions description;
  description.layout = small_layout(77);
  const std::string epoch_dir = dir / (user_directory_name(file_system) + "/default/10000/77/");
  description.header_uri = "shm:file?path=" + epoch_dir + "header.ring";
  description.pool_uris = {"shm:file?path=" + epoch_dir + "1.pool",
                           "shm:file?path=" + epoch_dir + "2.pool"};
  const MapPolicy policy = test::policy_for(file_system, dir.path());
  int steps = 0;
  int synced_when_mappable = -1;
  for (;; ++steps) {
    const auto done = creator.step();
    TP_ASSERT_OK(done);
    // Even somebody who guesses the path gets nothing while the superblocks are missing.
    if (synced_when_mappable < 0 && map_stream(file_system, policy, description).has_value()) {
      synced_when_mappable = file_system.calls[Op::prefault];
    }
    if (*done) break;
    ASSERT_LT(steps, 1000);
  }
  EXPECT_EQ(synced_when_mappable, 3);  // after all pages were there
  EXPECT_GT(steps, 10);
  EXPECT_TRUE(creator.take().mapped.is_mapped());
}

TEST(Create, big_regions_are_reserved_and_prefaulted_in_steps) {
  const TempDir dir;
  FaultyFileSystem file_system;
  StreamLayout layout = small_layout();
  layout.pools = {{1, 4U << 20U}};  // 16 MiB and a superblock
  TP_ASSERT_OK(create_stream(file_system, options_in(dir), layout, now_ns));
  EXPECT_EQ(file_system.calls[Op::reserve], 1 + 5);
  EXPECT_EQ(file_system.calls[Op::prefault], 1 + 5);
}

TEST(Create, without_prefault_no_page_is_touched_and_with_mlock_all_are_locked) {
  const TempDir dir;
  FaultyFileSystem file_system;
  CreateOptions options = options_in(dir);
  options.prefault = false;
  TP_ASSERT_OK(create_stream(file_system, options, small_layout(), now_ns));
  EXPECT_EQ(file_system.calls[Op::prefault], 0);
  EXPECT_EQ(file_system.locked_bytes, 0U);
  options.mlock = true;
  TP_ASSERT_OK(create_stream(file_system, options, small_layout(), now_ns));
  EXPECT_EQ(file_system.locked_bytes, 1088U + 16448U + 320U);
}

// Proves: DRV-147
TEST(Create, files_have_exactly_the_mode_whatever_the_umask) {
  const TempDir dir;
  base::PosixFileSystem file_system;
  for (const std::uint32_t mode : {0660U, 0600U, 0640U}) {
    for (const mode_t mask : {mode_t{0}, mode_t{0777}}) {
      const mode_t before = ::umask(mask);
      const auto created = create_stream(
          file_system,
          {.base_dir = dir.path(), .namespace_ = "m" + std::to_string(mode), .file_mode = mode},
          small_layout(), now_ns);
      ::umask(before);
      TP_ASSERT_OK(created);
      EXPECT_EQ(mode_of(path_of(created->regions.header_uri)), mode);
      EXPECT_EQ(mode_of(path_of(created->regions.pool_uris[0])), mode);
      EXPECT_EQ(mode_of(created->directory), directory_mode(mode));
    }
  }
}

TEST(Create, directory_modes_follow_file_modes) {
  EXPECT_EQ(directory_mode(0600), 0700U);
  EXPECT_EQ(directory_mode(0660), 02770U);
  EXPECT_EQ(directory_mode(0640), 02750U);
}

// Proves: CFG-42, CFG-43
TEST(Create, bad_file_modes_are_refused) {
  const TempDir dir;
  base::PosixFileSystem file_system;
  CreateOptions options = options_in(dir);
  for (const std::uint32_t mode : {0U, 0400U, 0200U, 0664U, 0661U, 01660U, 0777U}) {
    options.file_mode = mode;
    TP_EXPECT_CODE(create_stream(file_system, options, small_layout(), now_ns),
                   Code::invalid_argument);
  }
  EXPECT_TRUE(dir.empty());
}

// Proves: SHM-82
TEST(Create, user_names_cannot_traverse) {
  EXPECT_EQ(sanitised_user("alice-2_B"), "alice-2_B");
  EXPECT_EQ(sanitised_user("../../etc"), "______etc");
  EXPECT_EQ(sanitised_user("a.b c\n"), "a_b_c_");
  EXPECT_EQ(sanitised_user("ü"), "__");
  EXPECT_EQ(sanitised_user(""), "unknown");

  const TempDir dir;
  FaultyFileSystem file_system;
  file_system.user_name = "../x";
  const auto created = create_stream(file_system, options_in(dir), small_layout(5), now_ns);
  TP_ASSERT_OK(created);
  EXPECT_EQ(created->directory, dir / "tensorpool-___x/default/10000/5");
}

// Proves: SHM-83
TEST(Create, namespace_is_configured_and_checked) {
  const TempDir dir;
  base::PosixFileSystem file_system;
  CreateOptions options = options_in(dir);
  for (const std::string& bad : {std::string(), std::string(".."), std::string("a/b"),
                                 std::string("a.b"), std::string("a b"), std::string(256, 'a')}) {
    options.namespace_ = bad;
    TP_EXPECT_CODE(create_stream(file_system, options, small_layout(), now_ns),
                   Code::invalid_argument);
  }
  options.namespace_ = "trial-7";
  const auto created = create_stream(file_system, options, small_layout(), now_ns);
  TP_ASSERT_OK(created);
  EXPECT_NE(created->directory.find("/trial-7/"), std::string::npos);
}

TEST(Create, bad_layouts_are_refused_before_anything_is_made) {
  const TempDir dir;
  base::PosixFileSystem file_system;
  StreamLayout layout = small_layout();
  layout.nslots = 3;
  TP_EXPECT_CODE(create_stream(file_system, options_in(dir), layout, now_ns),
                 Code::invalid_argument);
  layout = small_layout();
  layout.pools[0].pool_id = 0;  // that of the header ring
  TP_EXPECT_CODE(create_stream(file_system, options_in(dir), layout, now_ns),
                 Code::invalid_argument);
  layout = small_layout();
  layout.nslots = 1U << 25U;
  TP_EXPECT_CODE(create_stream(file_system, options_in(dir), layout, now_ns), Code::limit_exceeded);
  TP_EXPECT_CODE(create_stream(file_system, {.base_dir = "relative"}, small_layout(), now_ns),
                 Code::invalid_argument);
  TP_EXPECT_CODE(create_stream(file_system, {.base_dir = dir / "missing"}, small_layout(), now_ns),
                 Code::system_error);
  EXPECT_TRUE(dir.empty());
}

// Proves: SHM-72, SHM-257, SHM-259, SHM-262
TEST(Create, every_creation_has_a_higher_epoch_and_new_files) {
  const TempDir dir;
  base::PosixFileSystem file_system;
  const auto first = create_stream(file_system, options_in(dir), small_layout(), now_ns);
  TP_ASSERT_OK(first);
  EXPECT_EQ(first->regions.layout.epoch, now_ns);
  // Another process at the same instant, one whose clock restarted, and one that remembers more.
  const auto second = create_stream(file_system, options_in(dir), small_layout(), now_ns);
  TP_ASSERT_OK(second);
  EXPECT_EQ(second->regions.layout.epoch, now_ns + 1);
  const auto third = create_stream(file_system, options_in(dir), small_layout(), 5);
  TP_ASSERT_OK(third);
  EXPECT_EQ(third->regions.layout.epoch, now_ns + 2);
  CreateOptions options = options_in(dir);
  options.last_epoch = now_ns + 100;
  const auto fourth = create_stream(file_system, options, small_layout(), now_ns);
  TP_ASSERT_OK(fourth);
  EXPECT_EQ(fourth->regions.layout.epoch, now_ns + 101);
  EXPECT_NE(first->directory, second->directory);
  // The first one is as it was.
  TP_ASSERT_OK(first->mapped.recheck(now_ns));
}

// Proves: SHM-72, SHM-262
TEST(Create, an_epoch_that_is_on_disk_is_never_used_again_and_no_lower_one) {
  const TempDir dir;
  base::PosixFileSystem file_system;
  TP_ASSERT_OK(create_stream(file_system, options_in(dir), small_layout(77), now_ns));
  const auto again = create_stream(file_system, options_in(dir), small_layout(77), now_ns);
  TP_EXPECT_CODE(again, Code::invalid_argument);
  EXPECT_NE(again.error().message().find("77"), std::string::npos);
  TP_EXPECT_CODE(create_stream(file_system, options_in(dir), small_layout(76), now_ns),
                 Code::invalid_argument);
  TP_ASSERT_OK(create_stream(file_system, options_in(dir), small_layout(78), now_ns));
}

// Proves: SHM-72, SHM-262
TEST(Create, two_creators_at_once_get_different_epochs) {
  const TempDir dir;
  FaultyFileSystem file_system;
  base::PosixFileSystem plain;
  // The other one makes its directory between this one's look at the disk and its mkdir.
  std::optional<CreatedStream> other;
  file_system.after_list = [&] {
    if (other) return;
    auto created = create_stream(plain, options_in(dir), small_layout(), now_ns);
    TP_ASSERT_OK(created);
    other = std::move(*created);
  };
  const auto mine = create_stream(file_system, options_in(dir), small_layout(), now_ns);
  TP_ASSERT_OK(mine);
  ASSERT_TRUE(other.has_value());
  EXPECT_EQ(other->regions.layout.epoch, now_ns);
  EXPECT_EQ(mine->regions.layout.epoch, now_ns + 1);
}

// Proves: DRV-132, SHM-33
TEST(Epoch, next_is_the_largest_of_clock_memory_and_disk) {
  EXPECT_EQ(*next_epoch(1000, 0, 0), 1000U);
  EXPECT_EQ(*next_epoch(1000, 1000, 0), 1001U);
  EXPECT_EQ(*next_epoch(1000, 0, 2000), 2001U);
  EXPECT_EQ(*next_epoch(1000, 3000, 2000), 3001U);
  EXPECT_EQ(*next_epoch(0, 0, 0), 1U);
  EXPECT_EQ(*next_epoch(0, 0, epoch_null - 2), epoch_null - 1);
  TP_EXPECT_CODE(next_epoch(0, 0, epoch_null - 1), Code::limit_exceeded);
  TP_EXPECT_CODE(next_epoch(0, epoch_null, 0), Code::limit_exceeded);
}

TEST(Epoch, only_plain_decimal_names_are_epochs) {
  EXPECT_EQ(epoch_from_name("77"), 77U);
  EXPECT_EQ(epoch_from_name("0"), 0U);
  EXPECT_EQ(epoch_from_name("18446744073709551614"), 18446744073709551614U);
  for (const char* bad : {"", "077", "18446744073709551615", "18446744073709551616",
                          "99999999999999999999999", "-1", "+1", " 1", "1 ", "1x", "0x1", "a"}) {
    EXPECT_EQ(epoch_from_name(bad), std::nullopt) << bad;
  }
}

// Proves: SHM-72
TEST(Epoch, names_that_are_no_epochs_are_ignored_on_disk) {
  const TempDir dir;
  base::PosixFileSystem file_system;
  const std::string stream_dir = dir / (user_directory_name(file_system) + "/default/10000");
  fs::create_directories(stream_dir + "/18446744073709551615");
  fs::create_directories(stream_dir + "/09999999999999999999");
  fs::create_directories(stream_dir + "/other");
  const auto created = create_stream(file_system, options_in(dir), small_layout(), now_ns);
  TP_ASSERT_OK(created);
  EXPECT_EQ(created->regions.layout.epoch, now_ns);
}

// Every call that can fail, one after the other: the error comes out, and nothing stays behind.
TEST(CreateFails, whatever_fails_nothing_is_left) {
  int failures = 0;
  for (const Op op :
       {Op::open_root, Op::open, Op::status, Op::info, Op::make_directory, Op::list, Op::set_length,
        Op::reserve, Op::set_mode, Op::sync, Op::map, Op::prefault, Op::lock, Op::canonical}) {
    for (int nth = 0;; ++nth) {
      const TempDir dir;
      FaultyFileSystem file_system;
      file_system.fail_at(op, nth, Error::system("injected", EIO, "a fault of this test"));
      CreateOptions options = options_in(dir);
      options.mlock = true;
      const auto created = create_stream(file_system, options, small_layout(), now_ns);
      if (created) {
        EXPECT_GT(nth, 0) << "no call of operation " << static_cast<int>(op);
        break;
      }
      ++failures;
      EXPECT_EQ(created.error().code(), Code::system_error) << created.error().message();
      EXPECT_TRUE(dir.empty()) << "operation " << static_cast<int>(op) << " call " << nth;
      EXPECT_EQ(file_system.mapped_bytes, 0);
      EXPECT_EQ(file_system.open_files, 0);
    }
  }
  EXPECT_GT(failures, 30);
}

TEST(CreateFails, an_error_stays_and_a_dropped_creator_removes_what_it_made) {
  const TempDir dir;
  FaultyFileSystem file_system;
  file_system.fail_at(Op::map, 1, Error::system("injected", EIO, "a fault of this test"));
  {
    StreamCreator creator(file_system, options_in(dir), small_layout(), now_ns);
    Result<bool> last = false;
    while (last && !*last) last = creator.step();
    TP_EXPECT_CODE(last, Code::system_error);
    TP_EXPECT_CODE(creator.step(), Code::system_error);
  }
  EXPECT_TRUE(dir.empty());
  {
    StreamCreator creator(file_system, options_in(dir), small_layout(), now_ns);
    for (int i = 0; i < 8; ++i) TP_ASSERT_OK(creator.step());
    EXPECT_FALSE(dir.empty());
  }
  EXPECT_TRUE(dir.empty());
  EXPECT_EQ(file_system.mapped_bytes, 0);
  EXPECT_EQ(file_system.open_files, 0);
}

// A collection of old epochs takes a slow creation for one whose creator died.
TEST(CreateFails, regions_whose_files_were_removed_meanwhile_are_not_handed_out) {
  const TempDir dir;
  FaultyFileSystem file_system;
  StreamCreator creator(file_system, options_in(dir), small_layout(77), now_ns);
  while (file_system.mapped_bytes == 0) ASSERT_TRUE(creator.step());
  for (const auto& entry : fs::recursive_directory_iterator(dir.path())) {
    if (entry.path().filename() == "77") {
      fs::remove_all(entry.path());
      break;
    }
  }
  Result<bool> done = false;
  while (done && !*done) done = creator.step();
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code(), Code::system_error);
  EXPECT_NE(done.error().message().find("create the stream again"), std::string::npos);
  EXPECT_EQ(file_system.mapped_bytes, 0);
}

TEST(CreateFails, directories_of_others_stay) {
  const TempDir dir;
  base::PosixFileSystem plain;
  const auto first = create_stream(plain, options_in(dir), small_layout(), now_ns);
  TP_ASSERT_OK(first);
  FaultyFileSystem file_system;
  file_system.fail_at(Op::sync, 0, Error::system("injected", EIO, "a fault of this test"));
  TP_EXPECT_CODE(create_stream(file_system, options_in(dir), small_layout(), now_ns),
                 Code::system_error);
  TP_ASSERT_OK(map_created(plain, dir, *first));
}

TEST(CreateFails, a_full_file_system_is_an_error_that_says_what_is_needed) {
  const TempDir dir;
  FaultyFileSystem file_system;
  file_system.fail_at(Op::reserve, 1, Error(Code::no_space, "fallocate", "full"));
  const auto created = create_stream(file_system, options_in(dir), small_layout(), now_ns);
  TP_EXPECT_CODE(created, Code::no_space);
  const std::string text = created.error().message();
  EXPECT_NE(text.find("17856 bytes"), std::string::npos) << text;  // 1088 + 16448 + 320
  EXPECT_NE(text.find("--shm-size"), std::string::npos) << text;
  EXPECT_TRUE(dir.empty());
}

TEST(CreateFails, a_hopeless_request_reserves_nothing) {
  const TempDir dir;
  FaultyFileSystem file_system;
  StreamLayout layout = small_layout();
  layout.nslots = 1U << 20U;
  layout.pools = {{1, 1U << 30U}};  // 1 PiB
  TP_EXPECT_CODE(create_stream(file_system, options_in(dir), layout, now_ns), Code::no_space);
  EXPECT_EQ(file_system.calls[Op::reserve], 0);
  EXPECT_TRUE(dir.empty());
}

// On a tmpfs of 1 MiB; dies of SIGBUS when space is promised that is not there.
void fill_up(const std::string& directory) {
  FaultyFileSystem file_system;
  // Without the first look at the free space, so that reserving itself meets the end.
  file_system.change_info = [](base::FileSystemInfo& info) {
    info.available_bytes = ~std::uint64_t{0};
  };
  CreateOptions options;
  options.base_dir = directory;
  options.prefault = false;  // which would find out, too
  StreamLayout layout = small_layout();
  layout.pools = {{1, 128U << 10U}, {2, 256U << 10U}};  // 512 KiB and 1 MiB
  TP_EXPECT_CODE(create_stream(file_system, options, layout, now_ns), Code::no_space);
  EXPECT_GT(file_system.calls[Op::reserve], 0);
  EXPECT_TRUE(fs::is_empty(directory));

  // What fits can be written to the last byte, with everything else used up by somebody.
  layout.pools = {{1, 64U << 10U}};
  auto created = create_stream(file_system, options, layout, now_ns);
  TP_ASSERT_OK(created);
  std::ofstream hog(directory + "/hog", std::ios::binary);
  const std::string megabyte(1U << 20U, 'x');
  hog.write(megabyte.data(), static_cast<std::streamsize>(megabyte.size()));
  hog.flush();
  EXPECT_FALSE(hog.good());
  for (std::uint32_t i = 0; i < 4; ++i)
    std::memset(created->mapped.payload(0, i), 0xAB, 64U << 10U);
}

TEST(CreateFails, a_really_full_file_system_never_raises_sigbus) {
  const TempDir dir;
  const auto ran =
      tensorpool::test::on_own_mount(dir.path(), "tmpfs", "size=1m", [&] { fill_up(dir.path()); });
  if (ran == tensorpool::test::Ran::not_allowed)
    GTEST_SKIP() << "mounting a tmpfs is not allowed here";
  EXPECT_EQ(ran, tensorpool::test::Ran::passed);
}

// Proves: SHM-113
TEST(CreateSafely, the_announced_path_is_canonical) {
  const TempDir dir;
  fs::create_directory(dir / "real");
  fs::create_directory_symlink(dir / "real", dir / "link");
  base::PosixFileSystem file_system;
  CreateOptions options = options_in(dir);
  options.base_dir = dir / "link/../link/";
  const auto created = create_stream(file_system, options, small_layout(), now_ns);
  TP_ASSERT_OK(created);
  EXPECT_EQ(created->base_dir, dir / "real");
  EXPECT_TRUE(path_of(created->regions.header_uri).starts_with(dir / "real/tensorpool-"));
  TP_ASSERT_OK(map_created(file_system, dir, *created));
}

TEST(CreateSafely, a_link_in_the_way_is_not_followed) {
  const TempDir dir;
  const TempDir elsewhere;
  base::PosixFileSystem file_system;
  fs::create_directory_symlink(elsewhere.path(), dir / user_directory_name(file_system));
  TP_EXPECT_CODE(create_stream(file_system, options_in(dir), small_layout(), now_ns),
                 Code::path_rejected);
  EXPECT_TRUE(elsewhere.empty());
}

TEST(CreateSafely, a_directory_of_another_user_is_not_used) {
  const TempDir dir;
  base::PosixFileSystem file_system;
  const std::string taken = dir / user_directory_name(file_system);
  fs::create_directory(taken);
  if (::chown(taken.c_str(), 54321, 54321) != 0) GTEST_SKIP() << "chown is not allowed here";
  TP_EXPECT_CODE(create_stream(file_system, options_in(dir), small_layout(), now_ns),
                 Code::path_rejected);
  EXPECT_TRUE(fs::is_empty(taken));
}

TEST(CreateSafely, a_base_directory_that_no_uri_can_name_is_refused) {
  const TempDir dir;
  fs::create_directory(dir / "with space");
  base::PosixFileSystem file_system;
  CreateOptions options = options_in(dir);
  options.base_dir = dir / "with space";
  TP_EXPECT_CODE(create_stream(file_system, options, small_layout(), now_ns), Code::invalid_uri);
  EXPECT_TRUE(fs::is_empty(dir / "with space"));
}

TEST(CreateHugepages, are_refused_where_there_are_none) {
  const TempDir dir;
  base::PosixFileSystem file_system;
  CreateOptions options = options_in(dir);
  options.require_hugepages = true;
  TP_EXPECT_CODE(create_stream(file_system, options, small_layout(), now_ns),
                 Code::hugepages_required);
  EXPECT_TRUE(dir.empty());
}

// The file system says it is hugetlbfs: sizes become multiples of its pages, and the URI says so.
// Proves: SHM-14, SHM-16
TEST(CreateHugepages, sizes_are_rounded_up_to_whole_pages) {
  const TempDir dir;
  FaultyFileSystem file_system;
  file_system.change_info = [](base::FileSystemInfo& info) {
    info.type = base::hugetlbfs_type;
    info.block_bytes = 2U << 20U;
  };
  CreateOptions options = options_in(dir);
  options.require_hugepages = true;
  const auto created = create_stream(file_system, options, small_layout(), now_ns);
  TP_ASSERT_OK(created);
  EXPECT_TRUE(created->regions.header_uri.ends_with("header.ring|require_hugepages=true"));
  EXPECT_EQ(fs::file_size(path_of(created->regions.header_uri)), 2U << 20U);
  EXPECT_EQ(created->mapped.pools[0].bytes(), 2U << 20U);
  const auto mapped = map_created(file_system, dir, *created);
  TP_ASSERT_OK(mapped);
  EXPECT_EQ(mapped->header.bytes(), 2U << 20U);
}

}  // namespace
}  // namespace tensorpool::shm
