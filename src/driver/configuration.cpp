#include "driver/configuration.hpp"

#include <fmt/format.h>

#include "base/posix_file_system.hpp"
#include "driver/room.hpp"

namespace tensorpool::driver {
namespace {

// Said instead of being ignored in silence (CFG-105).
void warn_of_what_is_missing(config::LoadedConfig& loaded) {
  for (const std::string& table : loaded.other_tables) {
    if (table == "supervisor" || table == "discovery") {
      loaded.warnings.push_back(fmt::format(
          "[{}]: this version of the driver has none embedded; the table is ignored", table));
    }
  }
  if (loaded.config.policies.reuse_existing_shm) {
    loaded.warnings.emplace_back(
        "policies.reuse_existing_shm = true: has no effect, since every epoch gets files of its "
        "own");
  }
}

}  // namespace

Result<config::LoadedConfig> load_configuration(const Source& source) {
  std::string text(source.text.value_or(std::string(config::trial_config())));
  std::string name = source.text ? text_name : config::trial_name;
  if (source.file) {
    auto read = config::read_file(*source.file);
    if (!read) return fail(std::move(read.error()));
    text = std::move(*read);
    name = *source.file;
  }
  auto loaded = config::load(text, name, source.environment, source.overrides);
  if (!loaded) return loaded;
  // What the driver's core relies on beyond that.
  if (auto settings = config::to_settings(loaded->config); !settings)
    return fail(std::move(settings.error()));
  warn_of_what_is_missing(*loaded);
  return loaded;
}

Result<config::Directories> check_machine(config::LoadedConfig& loaded) {
  base::PosixFileSystem file_system;
  auto found = config::check_directories(loaded, file_system);
  if (!found) return found;
  auto room = room_of(loaded.config.shm.base_dir);
  if (!room) return fail(std::move(room.error()));
  if (found->page_size_bytes != 0) room->page_bytes = found->page_size_bytes;
  auto warning = check_room(loaded, *room);
  if (!warning) return fail(std::move(warning.error()));
  if (*warning) loaded.warnings.push_back(std::move(**warning));
  return found;
}

}  // namespace tensorpool::driver
