#include "tp/connection.hpp"

#include <fmt/format.h>
#include <poll.h>

#include <charconv>
#include <mutex>
#include <system_error>

#include "tp/output.hpp"

namespace tensorpool::cli {

CLI::Validator between(double least, double most) {
  return CLI::Validator(
      [least, most](std::string& text) {
        double value = 0;
        if (CLI::detail::lexical_cast(text, value) && value >= least && value <= most)
          return std::string();
        return fmt::format("'{}' is no number from {} to {}", text, least, most);
      },
      fmt::format("{} to {}", least, most));
}

CLI::Validator whole_number(std::uint64_t least, std::uint64_t most) {
  return CLI::Validator(
      [least, most](std::string& text) {
        std::uint64_t value = 0;
        const char* end = text.data() + text.size();
        const auto [stopped, error] = std::from_chars(text.data(), end, value);
        // A leading 0 would mean octal to CLI11.
        const bool plain = text.size() == 1 || !text.starts_with('0');
        if (error == std::errc() && stopped == end && plain && value >= least && value <= most)
          return std::string();
        return fmt::format("'{}' is no whole number from {} to {}", text, least, most);
      },
      fmt::format("{} to {}", least, most));
}

namespace {

CLI::Validator absolute_path() {
  return CLI::Validator(
      [](std::string& text) {
        if (text.starts_with('/')) return std::string();
        return fmt::format("'{}' is no absolute path", text);
      },
      "absolute path");
}

// Notices come on the conductor's thread. True when `text` was the last thing said.
bool told(std::string_view text) {
  static std::mutex mutex;
  static std::string last;
  const std::lock_guard lock(mutex);
  if (text == last) return true;
  last = text;
  return false;
}

}  // namespace

int not_run(const CLI::App& app, const CLI::ParseError& error) {
  if (error.get_exit_code() == 0) return app.exit(error);  // prints the help
  print_error(error.what());
  return exit_usage;
}

void add_connection_options(CLI::App& app, ConnectionOptions& options) {
  app.add_option("--stream", options.stream, "stream id")
      ->capture_default_str()
      ->check(whole_number(1, INT32_MAX));
  app.add_option("--aeron-dir", options.aeron_dir,
                 "directory of the media driver (default: AERON_DIR, then Aeron's own)")
      ->check(absolute_path());
  app.add_option("--media-driver", options.media_driver,
                 "auto: start one inside this process when none is alive; never: wait for one")
      ->capture_default_str()
      ->check(CLI::IsMember({"auto", "never"}));
  app.add_option("--mode", options.mode,
                 "direct: no tensorpool driver, each producer owns its regions")
      ->capture_default_str()
      ->check(CLI::IsMember({"direct"}));
  app.add_option("--base-dir", options.base_dir, "where regions live")
      ->capture_default_str()
      ->check(absolute_path());
}

Result<Connection> connect(const ConnectionOptions& options, const std::string& client_name) {
  Connection connection;
  if (options.media_driver == "auto" && !MediaDriver::alive(options.aeron_dir)) {
    auto driver = MediaDriver::launch({.aeron_dir = options.aeron_dir});
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
  ClientOptions client_options;
  client_options.mode = Mode::direct;
  client_options.aeron_dir = options.aeron_dir;
  client_options.client_name = client_name;
  client_options.allowed_base_dirs = {options.base_dir};
  client_options.on_notice = [](const Notice& notice) {
    // Told once per reason: why a stream that is announced does not become active.
    if (notice.kind != NoticeKind::error && notice.kind != NoticeKind::announce_rejected) return;
    if (!told(notice.text)) print_error(notice.text);
  };
  auto client = Client::connect(std::move(client_options));
  if (!client) return fail(std::move(client.error()));
  connection.client.emplace(std::move(*client));
  return connection;
}

bool Patience::over() {
  constexpr int round_ms = 5;
  constexpr int told_after = 200;
  if (rounds_ > 0) ::poll(nullptr, 0, round_ms);
  ++rounds_;
  if (rounds_ == told_after && client_.state() == ClientState::connecting)
    print_error(fmt::format("waiting for a media driver in {}", client_.aeron_dir()));
  return stop_requested() || std::chrono::steady_clock::now() >= end_;
}

int refused(const Error& error) {
  // A request that failed was a notice first.
  if (const std::string text = error.message(); !told(text)) print_error(text);
  return error.code() == Code::invalid_argument ? exit_usage : exit_failed;
}

}  // namespace tensorpool::cli
