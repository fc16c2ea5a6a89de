// What a client looks at beside its settings: AERON_DIR, and no configuration file (CFG-92, CFG-115). getenv and the
// calls that open files are interposed.
#include <dlfcn.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <set>

#include "integration/call_watch.hpp"
#include "integration/support.hpp"

#if TENSORPOOL_CALLS_WATCHED

namespace {

struct Seen {
  std::mutex mutex;
  bool watching = false;
  std::set<std::string> variables;
  std::set<std::string> files;
};
Seen& seen() {
  static Seen all;
  return all;
}

void note(std::set<std::string> Seen::* where, const char* name) {
  Seen& all = seen();
  const std::lock_guard lock(all.mutex);
  if (all.watching) (all.*where).insert(name);
}

template <class Call>
Call* real(const char* name) {
  return reinterpret_cast<Call*>(::dlsym(RTLD_NEXT, name));
}

mode_t mode_of(int flags, va_list rest) {
  return (flags & O_CREAT) != 0 ? va_arg(rest, mode_t) : 0;
}

}  // namespace

#define TENSORPOOL_INTERPOSED extern "C" __attribute__((visibility("default")))

TENSORPOOL_INTERPOSED char* getenv(const char* name) noexcept {
  note(&Seen::variables, name);
  const std::size_t length = std::strlen(name);
  for (char** variable = environ; *variable != nullptr; ++variable) {
    if (std::strncmp(*variable, name, length) == 0 && (*variable)[length] == '=')
      return *variable + length + 1;
  }
  return nullptr;
}

TENSORPOOL_INTERPOSED int open(const char* path, int flags, ...) {
  note(&Seen::files, path);
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = mode_of(flags, rest);
  va_end(rest);
  return real<int(const char*, int, ...)>("open")(path, flags, mode);
}
TENSORPOOL_INTERPOSED int open64(const char* path, int flags, ...) {
  note(&Seen::files, path);
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = mode_of(flags, rest);
  va_end(rest);
  return real<int(const char*, int, ...)>("open64")(path, flags, mode);
}
TENSORPOOL_INTERPOSED int openat(int directory, const char* path, int flags, ...) {
  note(&Seen::files, path);
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = mode_of(flags, rest);
  va_end(rest);
  return real<int(int, const char*, int, ...)>("openat")(directory, path, flags, mode);
}
TENSORPOOL_INTERPOSED FILE* fopen(const char* path, const char* mode) {
  note(&Seen::files, path);
  return real<FILE*(const char*, const char*)>("fopen")(path, mode);
}
TENSORPOOL_INTERPOSED FILE* fopen64(const char* path, const char* mode) {
  note(&Seen::files, path);
  return real<FILE*(const char*, const char*)>("fopen64")(path, mode);
}

namespace tensorpool::integration {
namespace {

void watch(bool on) {
  const std::lock_guard lock(seen().mutex);
  seen().watching = on;
}

// Values that would break or change a client that looked.
constexpr std::pair<const char*, const char*> environment[] = {
    {"DRIVER_AERON_DIR", "/nowhere"},
    {"DRIVER_CONTROL_CHANNEL", "aeron:udp?endpoint=nowhere:1"},
    {"DRIVER_CONTROL_STREAM_ID", "77"},
    {"TP_CONTROL_CHANNEL", "aeron:udp?endpoint=nowhere:1"},
    {"TP_CONTROL_STREAM_ID", "77"},
    {"TP_LOG_LEVEL", "loud"},
    {"TP_MODE", "driver"},
    {"SHM_BASE_DIR", "/nowhere"},
    {"SHM_NAMESPACE", "nobody"},
    {"SHM_PERMISSIONS_MODE", "600"},
    {"SHM_ALLOWED_BASE_DIRS", "/nowhere"},
    {"POLICIES_ANNOUNCE_PERIOD_MS", "1"},
    {"POLICIES_LEASE_KEEPALIVE_INTERVAL_MS", "1"},
    {"POLICIES_PREFAULT_SHM", "maybe"},
    // Aeron's own, which the client's settings replace.
    {"AERON_CLIENT_NAME", "stranger"},
    {"AERON_DRIVER_TIMEOUT", "1"},
    {"AERON_CLIENT_RESOURCE_LINGER_DURATION", "3600s"},
    {"AERON_CLIENT_IDLE_SLEEP_DURATION", "3600s"},
    {"AERON_CLIENT_PRE_TOUCH_MAPPED_MEMORY", "false"},
};

// Proves: CFG-92, CFG-115
TEST(ClientEnvironment, is_aeron_dir_and_nothing_else) {
  const World world;  // the media driver has read its own by now
  const std::string folder = world.folder().path();
  for (const char* name : {"tensorpool", "driver", "client", "config"})
    std::ofstream(folder + "/" + name + ".toml") << "driver.control_stream_id = 77\n";
  std::filesystem::current_path(folder);
  for (const auto& [name, value] : environment) ASSERT_EQ(::setenv(name, value, 1), 0);
  ASSERT_EQ(::setenv("AERON_DIR", world.folder().aeron().c_str(), 1), 0);
  ASSERT_EQ(::setenv("HOME", folder.c_str(), 1), 0);

  watch(true);
  {
    ClientOptions options = client_options(world.folder());
    options.aeron_dir.clear();
    options.client_name = "plain";
    Client client = connect(options);
    EXPECT_EQ(client.aeron_dir(), world.folder().aeron());
    Producer producer = make_producer(client, producer_options(world.folder(), 5, 8, {4096}));
    Consumer consumer = make_consumer(client, consumer_options(5));
    ASSERT_TRUE(until_active(consumer));
    const std::vector<std::byte> bytes(64);
    TensorSpec spec;
    spec.dtype = DType::u8;
    spec.shape = Dims{64};
    EXPECT_TRUE(eventually([&] {
      (void)producer.offer(spec, bytes);
      return consumer.next(10ms).has_value();
    }));
    const auto counters = transport::aeron::list_counters(world.folder().aeron());
    ASSERT_TRUE(counters.has_value());
    for (const auto& counter : *counters)
      EXPECT_EQ(counter.label.find("stranger"), std::string::npos) << counter.label;
  }
  watch(false);

  EXPECT_TRUE(seen().variables.contains("AERON_DIR"));
  EXPECT_FALSE(seen().files.empty());
  // Aeron's client asks for these itself, where its default directory and context are made; what they
  // say has no effect.
  const std::set<std::string> of_aeron = {"AERON_DIR",
                                          "AERON_CLIENT_NAME",
                                          "AERON_DRIVER_TIMEOUT",
                                          "AERON_CLIENT_RESOURCE_LINGER_DURATION",
                                          "AERON_CLIENT_IDLE_SLEEP_DURATION",
                                          "AERON_CLIENT_PRE_TOUCH_MAPPED_MEMORY",
                                          "TMPDIR",
                                          "USER",
                                          "USERNAME"};
  for (const std::string& name : seen().variables) EXPECT_TRUE(of_aeron.contains(name)) << name;
  for (const std::string& file : seen().files)
    EXPECT_EQ(file.find(".toml"), std::string::npos) << file;
}

}  // namespace
}  // namespace tensorpool::integration

#endif
