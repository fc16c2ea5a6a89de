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
  explicit Patience(const Client& client) noexcept : client_(client) {}
  bool over();

 private:
  const Client& client_;
  int rounds_ = 0;
};

// For options that are numbers: unlike CLI11's own ranges it does not let "nan" pass.
CLI::Validator between(double least, double most);

// What a request comes to. Says on standard error when it waits for a media driver; a signal ends the
// wait with the error `closed`.
template <class T>
Result<T> finish(Pending<T> pending, const Client& client) {
  Patience patience(client);
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
