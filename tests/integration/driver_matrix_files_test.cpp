// The configuration matrix: the keys whose effect is files and memory.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <utility>

#include "base/posix_file_system.hpp"
#include "integration/call_watch.hpp"
#include "integration/driver_matrix.hpp"
#include "shm/map.hpp"
#include "support/own_mount.hpp"

namespace tensorpool::integration::matrix {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using wire::driver::HugepagesPolicy;

// Proves: CFG-40, CFG-44, CFG-56, DRV-146, DRV-147
TEST_F(DriverMatrix, regions) {
  const std::string base = folder_.path() + "/own";
  fs::create_directory(base);
  Keys keys = {{"shm.base_dir", quoted(base)},
               {"shm.namespace", "\"matrix\""},
               {"shm.permissions_mode", "\"640\""},
               {"shm.allowed_base_dirs", "[" + quoted(folder_.path()) + "]"},
               {"profiles.q.header_nslots", "16"},
               {"profiles.q.header_slot_bytes", "256"},
               {"profiles.q.payload_pools",
                "[ { pool_id = 7, stride_bytes = 128 }, { pool_id = 9, stride_bytes = 8192 } ]"},
               {"streams.s.stream_id", "778"},
               {"streams.s.profile", "\"q\""}};
  Keys outside = keys;
  outside["shm.allowed_base_dirs"] = "[" + quoted(folder_.regions()) + "]";
  EXPECT_THAT(refusal(outside), AllOf(HasSubstr("shm.base_dir"), HasSubstr("allowed_base_dirs")));
  Keys wide = keys;
  wide["profiles.q.header_slot_bytes"] = "128";
  EXPECT_THAT(refusal(wide), HasSubstr("profiles.q.header_slot_bytes = 128: must be 256"));
  EXPECT_TRUE(fs::is_empty(base));

  start(keys);
  RawClient& peer = ready_client();
  EXPECT_EQ(attach(peer, Role::producer, 1, stream).code, ResponseCode::rejected);
  const ShmAttachResponse made = attach(peer, Role::producer, 1, 778);
  ASSERT_EQ(made.code, ResponseCode::ok) << made.error_message;
  EXPECT_EQ(made.header_nslots, 16U);
  EXPECT_EQ(made.header_slot_bytes, 256U);
  ASSERT_EQ(made.payload_pools.size(), 2U);
  EXPECT_EQ(made.payload_pools[0].pool_id, 7U);
  EXPECT_EQ(made.payload_pools[0].stride_bytes, 128U);
  EXPECT_EQ(made.payload_pools[1].pool_id, 9U);
  EXPECT_EQ(made.payload_pools[1].stride_bytes, 8192U);
  const auto file_of_uri = [](const std::string& uri) { return uri.substr(uri.find('/')); };
  std::map<std::string, std::uintmax_t> sizes = {
      {file_of_uri(made.header_region_uri), 64 + 16 * 256},
      {file_of_uri(made.payload_pools[0].region_uri), 64 + 16 * 128},
      {file_of_uri(made.payload_pools[1].region_uri), 64 + 16 * 8192}};
  for (auto& [uri, size] : sizes) {
    const fs::path path = uri.substr(uri.find("file=") == std::string::npos ? 0 : 5);
    EXPECT_THAT(path.string(), AllOf(HasSubstr(base + "/tensorpool-"),
                                     HasSubstr("/matrix/778/" + std::to_string(*made.epoch))));
    struct stat status = {};
    ASSERT_EQ(::stat(path.c_str(), &status), 0) << path;
    EXPECT_EQ(status.st_mode & 07777U, 0640U) << path;
    EXPECT_EQ(static_cast<std::uintmax_t>(status.st_size), size) << path;
    ASSERT_EQ(::stat(path.parent_path().c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777U, 02750U) << path.parent_path();
  }
  EXPECT_TRUE(fs::is_empty(folder_.regions()));
}

// Proves: DRV-4, DRV-71, DRV-148
TEST_F(DriverMatrix, regions_are_what_the_protocol_says) {
  start({});
  RawClient& peer = ready_client();
  const ShmAttachResponse made = attach(peer, Role::producer, 1);
  ASSERT_EQ(made.code, ResponseCode::ok) << made.error_message;
  base::PosixFileSystem files;
  shm::MapPolicy::Settings settings;
  settings.allowed_base_dirs = {folder_.regions()};
  auto policy = shm::MapPolicy::make(files, settings);
  ASSERT_TRUE(policy.has_value()) << policy.error().message();
  // Checks URIs, paths, files and superblocks.
  auto mapped = shm::map_stream(files, *policy, agents::driver::test::regions_of(made));
  ASSERT_TRUE(mapped.has_value()) << mapped.error().message();
  const shm::Superblock header = shm::load_superblock(mapped->header.base());
  EXPECT_EQ(header.slot_bytes, 256U);
  EXPECT_EQ(header.stride_bytes, 0U);
  EXPECT_EQ(header.epoch, made.epoch);
  const shm::Superblock pool = shm::load_superblock(mapped->pools[0].base());
  EXPECT_EQ(pool.slot_bytes, 4096U);
  EXPECT_EQ(pool.stride_bytes, 4096U);
}

// Proves: DRV-144
TEST_F(DriverMatrix, a_place_that_leads_elsewhere_is_not_used) {
  const std::string elsewhere = folder_.path() + "/elsewhere";
  fs::create_directory(elsewhere);
  const std::string link = folder_.path() + "/link";
  fs::create_directory_symlink(folder_.regions(), link);
  start({{"shm.base_dir", quoted(link)},
         {"streams.t.stream_id", "778"},
         {"streams.t.profile", "\"p\""}});
  // Its own namespace, with the lock of the driver.
  std::vector<fs::path> namespaces;
  for (const auto& entry : fs::recursive_directory_iterator(folder_.regions()))
    if (entry.path().filename() == "default") namespaces.push_back(entry.path());
  ASSERT_EQ(namespaces.size(), 1U);
  fs::create_directory_symlink(elsewhere, namespaces[0] / "778");
  RawClient& peer = ready_client();
  const ShmAttachResponse refused = attach(peer, Role::producer, 1, 778);
  EXPECT_EQ(refused.code, ResponseCode::internal_error);
  EXPECT_THAT(refused.error_message, HasSubstr("failed to provision SHM"));
  EXPECT_TRUE(fs::is_empty(elsewhere));
  const ShmAttachResponse made = attach(peer, Role::producer, 1);
  EXPECT_EQ(made.code, ResponseCode::ok) << made.error_message;
  EXPECT_THAT(made.header_region_uri, HasSubstr(folder_.regions() + "/tensorpool-"));
}

TEST_F(DriverMatrix, page_size) {
  const auto page = static_cast<unsigned>(::sysconf(_SC_PAGESIZE));
  DriverProcess& surprised = start({{"shm.page_size_bytes", std::to_string(2 * page)}});
  EXPECT_THAT(surprised.log(), AllOf(HasSubstr("shm.page_size_bytes = " + std::to_string(2 * page)),
                                     HasSubstr("which are used")));
  end(surprised);
  DriverProcess& content = start({{"shm.page_size_bytes", std::to_string(page)}});
  EXPECT_THAT(content.log(), Not(HasSubstr("page_size")));
}

// Proves: CFG-45, DRV-51, DRV-53
TEST_F(DriverMatrix, hugepages) {
  EXPECT_THAT(refusal({{"shm.require_hugepages", "true"}}),
              AllOf(HasSubstr("shm.base_dir"), HasSubstr("hugetlbfs")));
  EXPECT_FALSE(fs::exists(folder_.aeron()));
  start({{"shm.require_hugepages", "false"}});
  RawClient& peer = ready_client();
  EXPECT_EQ(attach(peer, Role::consumer, 1).code, ResponseCode::ok);
  ShmAttachRequest wanted = request(Role::consumer, 2);
  wanted.require_hugepages = HugepagesPolicy::hugepages;
  EXPECT_EQ(attach(peer, wanted).error_message, "hugepages not available");
}

// With as many huge pages as the machine has, which may be none: then the regions cannot be made, but what
// is wanted is clear.
// Proves: CFG-45, DRV-52, DRV-53
TEST_F(DriverMatrix, hugepages_of_a_mount) {
  const std::string mount = folder_.path() + "/huge";
  fs::create_directory(mount);
  const auto ran = test::on_own_mount(mount, "hugetlbfs", "pagesize=2M", [&] {
    DriverProcess& driver = start({{"shm.base_dir", quoted(mount)},
                                   {"shm.require_hugepages", "true"},
                                   {"shm.page_size_bytes", "2097152"},
                                   {"policies.cleanup_shm_on_exit", "true"}});
    EXPECT_THAT(driver.log(), Not(HasSubstr("page_size")));
    RawClient& peer = ready_client();
    ShmAttachRequest standard = request(Role::consumer, 1);
    standard.require_hugepages = HugepagesPolicy::standard;
    EXPECT_EQ(attach(peer, standard).error_message, "standard pages requested");
    const ShmAttachResponse made = attach(peer, Role::consumer, 2);
    EXPECT_TRUE(made.code == ResponseCode::ok || made.code == ResponseCode::internal_error)
        << made.error_message;
    if (made.code == ResponseCode::ok) {
      EXPECT_THAT(made.header_region_uri, HasSubstr("|require_hugepages=true"));
    }
    end(driver);
  });
  if (ran == test::Ran::not_allowed) GTEST_SKIP() << "mounting hugetlbfs is not allowed here";
  EXPECT_EQ(ran, test::Ran::passed);
}

// Pages of the largest region file that are in memory, and all of them.
std::pair<std::size_t, std::size_t> pages_of(const std::string& folder) {
  fs::path largest;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    if (entry.is_regular_file() && (largest.empty() || entry.file_size() > fs::file_size(largest)))
      largest = entry.path();
  const std::size_t bytes = largest.empty() ? 0 : fs::file_size(largest);
  const int file = ::open(largest.c_str(), O_RDONLY | O_CLOEXEC);
  void* address = ::mmap(nullptr, bytes, PROT_READ, MAP_SHARED, file, 0);
  ::close(file);
  if (address == MAP_FAILED) return {};
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  std::vector<unsigned char> present((bytes + page - 1) / page);
  EXPECT_EQ(::mincore(address, bytes, present.data()), 0);
  ::munmap(address, bytes);
  return {static_cast<std::size_t>(std::count_if(present.begin(), present.end(),
                                                 [](unsigned char is) { return (is & 1U) != 0; })),
          present.size()};
}

// VmLck of /proc/PID/status.
std::uint64_t locked_bytes(pid_t process) {
  std::ifstream status("/proc/" + std::to_string(process) + "/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("VmLck:")) return std::stoull(line.substr(6)) * 1024;
  return 0;
}

// Whether a megabyte may be locked; an unprivileged driver in a container often may not.
bool may_lock() {
  rlimit limit{};
  return ::geteuid() == 0 ||
         (::getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur >= 1U << 20U);
}

// Proves: DRV-149, DRV-150
TEST_F(DriverMatrix, memory) {
  const auto with = [&](bool prefault, bool lock) {
    DriverProcess& driver =
        start({{"policies.prefault_shm", prefault ? "true" : "false"},
               {"policies.mlock_shm", lock ? "true" : "false"},
               {"policies.cleanup_shm_on_exit", "true"},
               {"profiles.p.payload_pools", "[ { pool_id = 1, stride_bytes = 65536 } ]"}});
    RawClient& peer = ready_client();
    const ShmAttachResponse made = attach(peer, Role::consumer, 1);
    if (lock && !may_lock()) {
      EXPECT_EQ(made.code, ResponseCode::internal_error) << "a failure is fatal";
      return std::uint64_t{1} << 20U;
    }
    EXPECT_EQ(made.code, ResponseCode::ok) << made.error_message;
    const auto [present, all] = pages_of(folder_.regions());
    EXPECT_GE(all, 128U);
    const std::uint64_t locked = locked_bytes(driver.pid());
    EXPECT_EQ(present == all, prefault || lock) << present << " of " << all;
    end(driver);
    return locked;
  };
  EXPECT_LT(with(false, false), 8U * 65536);
  EXPECT_LT(with(true, false), 8U * 65536);
#if TENSORPOOL_CALLS_WATCHED  // sanitizers make nothing of mlock
  EXPECT_GT(with(false, true), 8U * 65536);
#endif
}

// Proves: DRV-127, DRV-155
TEST_F(DriverMatrix, existing_files) {
  std::uint64_t epoch = 0;
  std::set<std::string> found;
  for (const bool clean : {false, true}) {
    DriverProcess& driver = start({{"policies.reuse_existing_shm", clean ? "true" : "false"},
                                   {"policies.cleanup_shm_on_exit", clean ? "true" : "false"},
                                   {"profiles.p.header_nslots", clean ? "16" : "8"},
                                   {"policies.epoch_gc_enabled", "false"}});
    // Nothing is ever used again, and that is said.
    EXPECT_EQ(
        driver.log().find("policies.reuse_existing_shm = true: has no effect") != std::string::npos,
        clean);
    RawClient& peer = ready_client();
    const ShmAttachResponse made = attach(peer, Role::consumer, 1);
    EXPECT_GT(made.epoch.value_or(0), epoch);
    epoch = made.epoch.value_or(0);
    EXPECT_EQ(epochs().size(), found.size() + 1);
    end(driver);
    found = epochs();
    EXPECT_EQ(found.size(), clean ? 0U : 1U);
  }
}

// Proves: DRV-180, DRV-183, DRV-187
TEST_F(DriverMatrix, old_epochs) {
  constexpr std::size_t rounds = 3;
  // Two epochs a round. A collection is asked for with each, and those of a stream are done in their
  // order with what else there is to do: the last attach comes after all but its own.
  const auto epochs_after = [&](const Keys& keys) {
    for (const auto& entry : fs::directory_iterator(folder_.regions())) fs::remove_all(entry);
    DriverProcess& driver = start(keys);
    RawClient& peer = ready_client();
    for (std::uint32_t i = 1; i <= rounds; ++i)
      detach(peer, attach(peer, Role::producer, i), Role::producer, i);
    (void)attach(peer, Role::producer, 9);
    if (keys.at("policies.epoch_gc_min_age_ns") == "1" &&
        keys.at("policies.epoch_gc_enabled") == "true" &&
        keys.at("policies.epoch_gc_keep") != "0") {
      const std::size_t keep = std::stoul(keys.at("policies.epoch_gc_keep"));
      EXPECT_TRUE(eventually([&] { return epochs().size() <= keep; }));
    }
    end(driver);
    return epochs().size();
  };
  const auto keys = [](const char* enabled, const char* keep, const char* age) {
    return Keys{{"policies.epoch_gc_enabled", enabled},
                {"policies.epoch_gc_keep", keep},
                {"policies.epoch_gc_min_age_ns", age}};
  };
  EXPECT_EQ(epochs_after(keys("true", "1", "1")), 1U);
  EXPECT_EQ(epochs_after(keys("true", "3", "1")), 3U);
  EXPECT_EQ(epochs_after(keys("true", "0", "1")), 2 * rounds + 1);
  EXPECT_EQ(epochs_after(keys("false", "1", "1")), 2 * rounds + 1);
  EXPECT_EQ(epochs_after(keys("true", "1", "86400000000000")), 2 * rounds + 1);

  // What was left, when another starts.
  for (const bool on_startup : {false, true}) {
    Keys later = keys("true", "2", "1");
    later["policies.epoch_gc_on_startup"] = on_startup ? "true" : "false";
    DriverProcess& driver = start(later);
    if (on_startup) {
      // No epoch is the current one yet, which the two to be kept would include.
      EXPECT_TRUE(eventually([&] { return epochs().size() == 1; }));
    }
    end(driver);
    EXPECT_EQ(epochs().size(), on_startup ? 1 : 2 * rounds + 1);
  }
}

}  // namespace
}  // namespace tensorpool::integration::matrix
