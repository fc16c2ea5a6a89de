#include "tp/media_driver.hpp"

#include <poll.h>

#include <memory>
#include <string>

#include "tensorpool/media_driver.hpp"
#include "tp/output.hpp"
#include "tp/signals.hpp"

namespace tensorpool::cli {

CLI::App* register_media_driver(CLI::App& root, int& exit_code) {
  auto directory = std::make_shared<std::string>();
  CLI::App* app = root.add_subcommand("media-driver", "Run a media driver until told to end");
  app->group("");
  app->add_option("--aeron-dir", *directory, "its directory");
  app->callback([directory, &exit_code] {
    auto driver = MediaDriver::launch({.aeron_dir = *directory});
    if (!driver) {
      exit_code = failed(driver.error());
      return;
    }
    print_json({{"kind", "ready"}, {"role", "media-driver"}, {"aeron_dir", driver->aeron_dir()}});
    // A signal interrupts the wait; the timeout covers one that came just before it.
    while (!stop_requested()) ::poll(nullptr, 0, 100);
    exit_code = exit_ok;
  });
  return app;
}

}  // namespace tensorpool::cli
