// Configuration files of any bytes: refused with a reason, or what is loaded prints and loads again to the same,
// and the driver's core takes it. Lines that begin with "#!" are variables: "#!NAME=text".
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/assert.hpp"
#include "config/load.hpp"

namespace {

using namespace tensorpool;

config::Environment variables_in(std::string_view text) {
  config::Environment variables;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = text.substr(at, end - at);
    const std::size_t cut = line.find('=');
    if (line.starts_with("#!") && cut != std::string_view::npos)
      variables.insert_or_assign(std::string(line.substr(2, cut - 2)),
                                 std::string(line.substr(cut + 1)));
    at = end + 1;
  }
  return variables;
}

void check_loaded(const config::LoadedConfig& loaded) {
  const auto again = config::load(config::print(loaded, config::Secrets::shown), "printed", {});
  TP_ASSERT(again.has_value());
  TP_ASSERT(again->config == loaded.config);
  TP_ASSERT(
      config::load(config::print(loaded, config::Secrets::hidden), "printed", {}).has_value());
  TP_ASSERT(config::to_settings(loaded.config).has_value());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(data, data + size);
  const auto loaded = config::load(text, "fuzz", variables_in(text));
  if (loaded) {
    check_loaded(*loaded);
  } else {
    const Code code = loaded.error().code();
    TP_ASSERT(code == Code::invalid_argument || code == Code::invalid_file ||
              code == Code::limit_exceeded);
  }
  return 0;
}
