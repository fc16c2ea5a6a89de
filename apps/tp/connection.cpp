#include "tp/connection.hpp"

#include <fmt/format.h>
#include <poll.h>

#include <utility>

#include "config/load.hpp"
#include "config/system.hpp"
#include "tp/output.hpp"
#include "transport/aeron/aeron_transport.hpp"

namespace tensorpool::cli {

namespace {

constexpr std::int64_t ms_ns = 1'000'000;

// Options that only driver mode knows.
constexpr std::initializer_list<const char*> lease_options{"--driver-config", "--keepalive-ms",
                                                           "--keepalive-grace"};

void add_driver_options(Command& app, ConnectionOptions& options) {
  constexpr const char* group = "Driver mode";
  app.option("--driver-config", options.driver_config,
             "the driver's file: its endpoints, times and directories are taken from there, and "
             "from the environment as the driver does")
      .group(group);
  app.option("--keepalive-ms", options.keepalive_ms,
             "the driver's policies.lease_keepalive_interval_ms (default: 1000)")
      .check(whole_number(1, UINT32_MAX))
      .group(group);
  app.option("--keepalive-grace", options.keepalive_grace,
             "the driver's policies.lease_expiry_grace_intervals (default: 3)")
      .check(whole_number(1, UINT32_MAX))
      .group(group);
}

void add_endpoint_options(Command& app, ConnectionOptions& options) {
  constexpr const char* group =
      "Endpoints, as the driver (or the other side, in direct mode) has them";
  app.option("--control-channel", options.control_channel,
             "Aeron channel (default: aeron:ipc?term-length=4m)")
      .group(group);
  app.option("--control-stream", options.control_stream, "Aeron stream id (default: 1000)")
      .check(whole_number(1, INT32_MAX))
      .group(group);
  app.option("--announce-channel", options.announce_channel,
             "Aeron channel (default: aeron:ipc?term-length=4m)")
      .group(group);
  app.option("--announce-stream", options.announce_stream, "Aeron stream id (default: 1001)")
      .check(whole_number(1, INT32_MAX))
      .group(group);
  app.option("--announce-period-ms", options.announce_period_ms,
             "how often regions are announced (default: 1000)")
      .check(whole_number(1, UINT32_MAX))
      .group(group);
}

// CFG-93: what no message carries has to be the same on both sides.
Result<void> take_driver_config(const std::string& file, ClientOptions& options) {
  const auto text = config::read_file(file);
  if (!text) return fail(text.error());
  const auto loaded = config::load(*text, file, config::process_environment());
  if (!loaded) return fail(loaded.error());
  const config::DriverConfig& driver = loaded->config;
  // An empty one is Aeron's default, as it is to the driver; to a client it would be AERON_DIR first.
  options.aeron_dir = driver.driver.aeron_dir.empty() ? transport::aeron::default_directory()
                                                      : driver.driver.aeron_dir;
  // Stream ids are at most 2147483647 here.
  options.control = {driver.driver.control_channel,
                     static_cast<std::int32_t>(driver.driver.control_stream_id)};
  options.announce = {driver.driver.announce_channel,
                      static_cast<std::int32_t>(driver.driver.announce_stream_id)};
  options.announce_period_ns = driver.policies.announce_period_ms * ms_ns;
  options.keepalive_interval_ns = driver.policies.lease_keepalive_interval_ms * ms_ns;
  options.keepalive_grace = driver.policies.lease_expiry_grace_intervals;
  options.allowed_base_dirs = driver.shm.allowed_base_dirs;
  return {};
}

// What was given on the command line wins over the driver's file.
Result<ClientOptions> client_options(const ConnectionOptions& given) {
  ClientOptions options;
  options.mode = given.direct() ? Mode::direct : Mode::driver;
  if (given.driver_config) {
    if (auto taken = take_driver_config(*given.driver_config, options); !taken)
      return fail(std::move(taken.error()));
  }
  if (!given.aeron_dir.empty()) options.aeron_dir = given.aeron_dir;
  options.control.channel = given.control_channel.value_or(options.control.channel);
  options.announce.channel = given.announce_channel.value_or(options.announce.channel);
  options.control.stream_id = given.control_stream.value_or(options.control.stream_id);
  options.announce.stream_id = given.announce_stream.value_or(options.announce.stream_id);
  if (given.announce_period_ms) options.announce_period_ns = *given.announce_period_ms * ms_ns;
  if (given.keepalive_ms) options.keepalive_interval_ns = *given.keepalive_ms * ms_ns;
  options.keepalive_grace = given.keepalive_grace.value_or(options.keepalive_grace);
  if (!given.allowed_base_dirs.empty()) options.allowed_base_dirs = given.allowed_base_dirs;
  options.media_driver_timeout_ns =
      static_cast<std::int64_t>(given.media_driver_timeout_s * 1e3) * ms_ns;
  return options;
}

}  // namespace

void add_connection_options(Command& app, ConnectionOptions& options) {
  app.option("--stream", options.stream, "stream id")
      .show_default()
      .check(whole_number(1, INT32_MAX));
  app.option(
         "--mode", options.mode,
         "driver: tp_driver owns the memory and lends it; direct: no driver, each producer owns "
         "its regions. Both sides of a stream use the same")
      .show_default()
      .check(one_of({"driver", "direct"}));
  app.option("--aeron-dir", options.aeron_dir,
             "directory of the media driver (default: AERON_DIR, then Aeron's own)")
      .check(absolute_path());
  app.option("--media-driver", options.media_driver,
             "auto: start one inside this process when none is alive; never: wait for one "
             "(default: never in driver mode, since tp_driver brings one; auto in direct mode)")
      .check(one_of({"auto", "never"}));
  app.option("--media-driver-timeout", options.media_driver_timeout_s,
             "seconds until a media driver that does not answer counts as dead")
      .show_default()
      .check(between(0.1, 3600));
  add_driver_options(app, options);
  add_endpoint_options(app, options);
}

bool refuse_given(const Command& app, std::initializer_list<const char*> options,
                  std::string_view why) {
  bool any = false;
  for (const char* option : options) {
    if (!app.given(option)) continue;
    print_error(fmt::format("{}: {}", option, why));
    any = true;
  }
  return any;
}

bool refuse_lease_options(const Command& app, const ConnectionOptions& options) {
  return options.direct() &&
         refuse_given(app, lease_options,
                      "there is neither a driver nor a lease with --mode direct");
}

Result<Connection> connect(const ConnectionOptions& options, const std::string& client_name,
                           bool json) {
  auto made = client_options(options);
  if (!made) return fail(std::move(made.error()));
  Connection connection;
  const bool may_launch =
      options.media_driver.empty() ? options.direct() : options.media_driver == "auto";
  if (may_launch && !MediaDriver::alive(made->aeron_dir)) {
    auto driver = MediaDriver::launch({.aeron_dir = made->aeron_dir});
    if (driver) {
      connection.media_driver.emplace(std::move(*driver));
      print_error(
          fmt::format("no media driver was alive: started one in {}, which ends with this "
                      "program",
                      connection.media_driver->aeron_dir()));
    } else if (driver.error().code() != Code::rejected) {
      // rejected: somebody else started one between the question and the launch.
      return fail(std::move(driver.error()));
    }
  }
  connection.news = std::make_shared<News>(made->mode, made->control.stream_id, json);
  made->client_name = client_name;
  made->on_notice = [news = connection.news](const Notice& notice) { news->tell(notice); };
  auto client = Client::connect(std::move(*made));
  if (!client) return fail(std::move(client.error()));
  connection.client.emplace(std::move(*client));
  return connection;
}

bool Patience::over() {
  constexpr int round_ms = 5;
  constexpr int told_after = 200;
  if (rounds_ > 0) ::poll(nullptr, 0, round_ms);
  ++rounds_;
  const Client& client = *connection_.client;
  if (rounds_ == told_after && client.state() == ClientState::connecting)
    print_error(fmt::format("waiting for a media driver in {}{}", client.aeron_dir(),
                            connection_.news->media_driver_hint()));
  return stop_requested() || std::chrono::steady_clock::now() >= end_;
}

int refused(const Error& error) {
  // A request that failed was a notice first.
  if (const std::string text = error.message(); !told(text)) print_error(text);
  return error.code() == Code::invalid_argument ? exit_usage : exit_failed;
}

}  // namespace tensorpool::cli
