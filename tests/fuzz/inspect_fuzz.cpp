// `tp inspect` on region files of any bytes: it says what is wrong and ends with 0 or 1.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "base/assert.hpp"
#include "fuzz/file_in_memory.hpp"
#include "tp/inspect.hpp"

namespace {

using namespace tensorpool;

struct Inspector {
  Inspector() {
    // What is printed is of no interest here.
    TP_ASSERT(std::freopen("/dev/null", "w", stdout) != nullptr);
  }
  int run(std::vector<std::string> arguments) {
    // Anew, for what is not given stays as it was.
    cli::Program app("fuzz", "fuzz");
    cli::register_inspect(app);
    arguments.insert(arguments.begin(), {"inspect", file.path()});
    return app.read(std::move(arguments)).value_or(-1);
  }

  fuzz::FileInMemory file;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static Inspector inspector;
  inspector.file.set(data, size);
  const int as_json = inspector.run({"--json", "--slots", "all"});
  const int as_text = inspector.run({"--slots", "4"});
  TP_ASSERT(as_json == 0 || as_json == 1);
  TP_ASSERT(as_text == 0 || as_text == 1);
  TP_ASSERT(as_json >= as_text);  // more slots, more to find fault with
  return 0;
}
