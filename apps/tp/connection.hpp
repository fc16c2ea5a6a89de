// What publish and watch share: which media driver, which client.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>

#include "tensorpool/tensorpool.hpp"

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

}  // namespace tensorpool::cli
