// What publish and watch share: which mode, which media driver, which client.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tensorpool/tensorpool.hpp"
#include "tp/command_line.hpp"
#include "tp/news.hpp"
#include "tp/signals.hpp"

namespace tensorpool::cli {

// What was not given is left to the driver's configuration where one is named, then to the library.
struct ConnectionOptions {
  std::string mode = "driver";  // never guessed (CON-51)
  std::uint32_t stream = 10'000;
  std::string aeron_dir;
  std::string media_driver;  // empty: as the mode wants it
  double media_driver_timeout_s = 10;
  std::vector<std::string> allowed_base_dirs;

  std::optional<std::string> driver_config;  // a file
  std::optional<std::string> control_channel;
  std::optional<std::string> announce_channel;
  std::optional<std::int32_t> control_stream;
  std::optional<std::int32_t> announce_stream;
  std::optional<std::uint32_t> announce_period_ms;
  std::optional<std::uint32_t> keepalive_ms;
  std::optional<std::uint32_t> keepalive_grace;

  bool direct() const noexcept { return mode == "direct"; }
};

void add_connection_options(Command& app, ConnectionOptions& options);

// True when one of `options` was given, which is said on standard error together with why it is wrong.
bool refuse_given(const Command& app, std::initializer_list<const char*> options,
                  std::string_view why);
// The same for what only driver mode knows.
bool refuse_lease_options(const Command& app, const ConnectionOptions& options);

// The client, and the media driver when this process runs it (it must outlive the client).
struct Connection {
  std::optional<MediaDriver> media_driver;
  std::shared_ptr<News> news;
  std::optional<Client> client;
};
// Says on standard error when it starts a media driver.
Result<Connection> connect(const ConnectionOptions& options, const std::string& client_name,
                           bool json);

// Waits until there is something to say or no more reason to wait: true once a request has to end.
// Made anew for every request.
class Patience {
 public:
  static constexpr std::chrono::seconds usual{30};
  Patience(const Connection& connection, std::chrono::nanoseconds limit) noexcept
      : connection_(connection), end_(std::chrono::steady_clock::now() + limit) {}
  bool over();

 private:
  const Connection& connection_;
  std::chrono::steady_clock::time_point end_;
  int rounds_ = 0;
};

// What a request comes to within `limit`. Says on standard error when it waits for a media driver; a
// signal ends the wait with the error `closed`, the limit with no_media_driver or timeout.
template <class T>
Result<T> finish(Pending<T> pending, const Connection& connection,
                 std::chrono::nanoseconds limit = Patience::usual) {
  Patience patience(connection, limit);
  while (!patience.over()) {
    if (auto outcome = pending.poll()) return std::move(*outcome);
  }
  if (stop_requested()) return fail(Code::closed, "wait", "ended before the stream was ready");
  auto ended = pending.wait(std::chrono::nanoseconds{0});  // the library's own words for why
  if (!ended) return fail(connection.news->explained(std::move(ended.error())));
  return ended;
}

// The exit code for an error of connecting or of a request, which is printed: a setting that was
// given on the command line and is refused is a wrong command line.
int refused(const Error& error);

}  // namespace tensorpool::cli
