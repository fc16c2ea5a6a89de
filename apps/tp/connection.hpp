// What publish and watch share: which media driver, which client.
#pragma once

#include <CLI/CLI.hpp>
#include <chrono>
#include <optional>
#include <string>

#include "tensorpool/tensorpool.hpp"
#include "tp/signals.hpp"

namespace tensorpool::cli {

struct ConnectionOptions {
  std::string aeron_dir;
  std::string media_driver = "auto";
  std::string mode = "direct";
  std::string base_dir = "/dev/shm";
  std::uint32_t stream = 10'000;
};

void add_connection_options(CLI::App& app, ConnectionOptions& options);

// The client, and the media driver when this process runs it (it must outlive the client).
struct Connection {
  std::optional<MediaDriver> media_driver;
  std::optional<Client> client;
};
// Says on standard error when it starts a media driver.
Result<Connection> connect(const ConnectionOptions& options, const std::string& client_name);

// Waits until there is something to say or no more reason to wait: true once a request has to end.
// Made anew for every request.
class Patience {
 public:
  static constexpr std::chrono::seconds usual{30};
  Patience(const Client& client, std::chrono::nanoseconds limit) noexcept
      : client_(client), end_(std::chrono::steady_clock::now() + limit) {}
  bool over();

 private:
  const Client& client_;
  std::chrono::steady_clock::time_point end_;
  int rounds_ = 0;
};

// For options that are numbers: unlike CLI11's own ranges it does not let "nan" pass.
CLI::Validator between(double least, double most);
// For counts and ids, in decimal digits: CLI11 takes "" for 0 and a number that is too large for some
// other one.
CLI::Validator whole_number(std::uint64_t least, std::uint64_t most);

// The exit code of a command line that was not run: help, or what is wrong with it, which is printed.
int not_run(const CLI::App& app, const CLI::ParseError& error);

// What a request comes to within `limit`. Says on standard error when it waits for a media driver; a
// signal ends the wait with the error `closed`, the limit with no_media_driver or timeout.
template <class T>
Result<T> finish(Pending<T> pending, const Client& client,
                 std::chrono::nanoseconds limit = Patience::usual) {
  Patience patience(client, limit);
  while (!patience.over()) {
    if (auto outcome = pending.poll()) return std::move(*outcome);
  }
  if (stop_requested()) return fail(Code::closed, "wait", "ended before the stream was ready");
  return pending.wait(std::chrono::nanoseconds{0});  // the library's own words for why
}

// The exit code for an error of connecting or of a request, which is printed: a setting that was
// given on the command line and is refused is a wrong command line.
int refused(const Error& error);

}  // namespace tensorpool::cli
