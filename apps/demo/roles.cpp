#include "demo/roles.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <system_error>

#include "tp/sources/source.hpp"

namespace tensorpool::demo {

namespace {

constexpr const char* main_stream = "10000";
constexpr const char* small_stream = "10001";
// Frames of the second stream, whose ring has four slots to be overwritten in.
constexpr const char* small_source = "pattern:640x480:u8";
constexpr std::uint32_t small_stride_bytes = 640 * 480;

// Times below the defaults, so that one need not wait long for a lease that nobody keeps alive: half of what
// a deployment would have. Clients take them from the same file (CFG-93).
constexpr const char* driver_config = R"(# of tensorpool's demo
[driver]
instance_id = "demo"
aeron_dir = "{folder}/aeron"
embedded_media_driver = "never"
announce_stream_id = 1001

[shm]
base_dir = "{folder}/regions"

[policies]
announce_period_ms = 500
lease_keepalive_interval_ms = 500
lease_expiry_grace_intervals = 3
shutdown_timeout_ms = 200

[profiles.main]
header_nslots = {slots}
payload_pools = [ {{ pool_id = 1, stride_bytes = {stride} }} ]

[profiles.small]
header_nslots = 4
payload_pools = [ {{ pool_id = 1, stride_bytes = {small_stride} }} ]

[streams.main]
stream_id = {main}
profile = "main"

[streams.small]
stream_id = {small}
profile = "small"
)";

Result<std::string> driver_program() {
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) return fail(Error::system("readlink", error.value(), "/proc/self/exe"));
  std::string path = self.parent_path().string() + "/tp_driver";
  if (::access(path.c_str(), X_OK) != 0) {
    const int why = errno;
    return fail(Error::system("access", why, path + ": the driver belongs beside this program"));
  }
  return path;
}

Result<std::string> write_config(const std::string& folder, std::uint32_t stride_bytes) {
  std::string path = folder + "/driver.toml";
  std::ofstream file(path);
  file << fmt::format(driver_config, fmt::arg("folder", folder), fmt::arg("main", main_stream),
                      fmt::arg("small", small_stream), fmt::arg("stride", stride_bytes),
                      fmt::arg("slots", sources::slots_for(stride_bytes)),
                      fmt::arg("small_stride", small_stride_bytes));
  file.close();
  if (!file) return fail(Error::system("write", errno, path));
  return path;
}

}  // namespace

std::string_view name(Role role) noexcept {
  switch (role) {
    case Role::media_driver:
      return "media driver";
    case Role::driver:
      return "driver";
    case Role::producer:
      return "producer";
    case Role::small_producer:
      return "small producer";
    case Role::consumer_a:
      return "consumer a";
    case Role::consumer_b:
      return "consumer b";
    case Role::slow_consumer:
      return "slow consumer";
  }
  return "?";
}

Folder::Folder() : path_(fmt::format("/dev/shm/tp-demo-{}-XXXXXX", ::getpid())) {
  if (::mkdtemp(path_.data()) == nullptr) path_.clear();
}

Folder::~Folder() {
  std::error_code ignored;
  if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
}

Result<std::vector<Command>> prepare(const std::string& folder, const Input& input) {
  std::error_code error;
  std::filesystem::create_directory(folder + "/regions", error);
  if (error) return fail(Error::system("mkdir", error.value(), folder + "/regions"));
  const auto config = write_config(folder, input.stride_bytes);
  if (!config) return fail(config.error());
  const auto program = driver_program();
  if (!program) return fail(program.error());

  std::vector<Command> commands(roles);
  const auto client = [&](Role role, const char* stream, std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"--stream", stream, "--driver-config", *config, "--report",
                                       "0.25", "--json"});
    commands[index(role)] = {std::string(name(role)), "", std::move(arguments)};
  };
  const std::string media_driver(name(Role::media_driver));
  commands[index(Role::media_driver)] = {
      media_driver, "", {"media-driver", "--aeron-dir", folder + "/aeron"}};
  commands[index(Role::driver)] = {
      std::string(name(Role::driver)), *program, {"--log", "json", *config}, true};
  client(Role::producer, main_stream,
         {"publish", "--input", input.source, "--loop", "--rate", "200"});
  client(Role::small_producer, small_stream, {"publish", "--input", small_source, "--rate", "150"});
  for (const Role role : {Role::consumer_a, Role::consumer_b})
    client(role, main_stream, {"watch", "--expect", input.source});
  client(Role::slow_consumer, small_stream,
         {"watch", "--expect", small_source, "--slow-ms", "60", "--slow-every", "16"});
  return commands;
}

}  // namespace tensorpool::demo
