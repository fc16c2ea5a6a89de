#include "tp/media_driver.hpp"

#include <poll.h>

#include <memory>
#include <string>

#include "tensorpool/media_driver.hpp"
#include "tp/json.hpp"
#include "tp/signals.hpp"

namespace tensorpool::cli {

Command register_media_driver(Command& root) {
  auto directory = std::make_shared<std::string>();
  Command app = root.command("media-driver", "Run a media driver until told to end");
  app.hide();
  app.option("--aeron-dir", *directory, "its directory");
  app.runs([directory] {
    auto driver = MediaDriver::launch({.aeron_dir = *directory});
    if (!driver) return failed(driver.error());
    print_json({{"kind", "ready"}, {"role", "media-driver"}, {"aeron_dir", driver->aeron_dir()}});
    // A signal interrupts the wait; the timeout covers one that came just before it.
    while (!stop_requested()) ::poll(nullptr, 0, 100);
    return exit_ok;
  });
  return app;
}

}  // namespace tensorpool::cli
