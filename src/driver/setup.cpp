#include "driver/setup.hpp"

#include <utility>

#include "transport/aeron/aeron_transport.hpp"

namespace tensorpool::driver {

Result<Setup> setup_from(const config::LoadedConfig& loaded,
                         const config::Directories& directories) {
  const config::DriverConfig& config = loaded.config;
  auto settings = config::to_settings(config);
  if (!settings) return fail(std::move(settings.error()));

  Setup setup;
  agents::driver::DriverOptions& agent = setup.agent;
  agent.core = std::move(*settings);
  agent.core.hugetlbfs = directories.hugetlbfs;
  agent.regions = {.base_dir = config.shm.base_dir,
                   .namespace_name = config.shm.namespace_,
                   .file_mode = config.shm.permissions_mode,
                   .prefault = config.policies.prefault_shm,
                   .mlock = config.policies.mlock_shm};
  agent.instance_id = config.driver.instance_id;
  agent.aeron_dir = config.driver.aeron_dir.empty() ? transport::aeron::default_directory()
                                                    : config.driver.aeron_dir;
  // Stream ids are at most 2147483647 here.
  agent.control = {config.driver.control_channel,
                   static_cast<std::int32_t>(config.driver.control_stream_id)};
  agent.announce = {config.driver.announce_channel,
                    static_cast<std::int32_t>(config.driver.announce_stream_id)};
  if (config.driver.embedded_media_driver == "always") {
    setup.media_driver = EmbeddedMediaDriver::always;
  } else if (config.driver.embedded_media_driver == "never") {
    setup.media_driver = EmbeddedMediaDriver::never;
  }
  if (auto good = agents::driver::check(agent); !good) return fail(std::move(good.error()));
  return setup;
}

}  // namespace tensorpool::driver
