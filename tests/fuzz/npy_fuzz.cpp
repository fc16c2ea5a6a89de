// NumPy files of any bytes: refused with a reason, or every frame lies inside the file.
#include <cstddef>
#include <cstdint>

#include "base/assert.hpp"
#include "fuzz/file_in_memory.hpp"
#include "tp/sources/npy.hpp"

namespace {

using namespace tensorpool;

// Where the data begins, as the format says.
std::size_t data_offset(const std::uint8_t* data) {
  const std::size_t length = data[8] + 256U * data[9];
  return data[6] == 1 ? 10 + length : 12 + length + 65536U * data[10];
}

void check_source(sources::Source& source, std::size_t data_bytes) {
  TP_ASSERT(source.size() >= 1);
  const TensorSpec spec = source.spec(0);
  const auto wanted = sources::payload_bytes(spec);
  TP_ASSERT(wanted.has_value() && *wanted >= 1);
  TP_ASSERT(source.size() <= data_bytes / *wanted);
  unsigned sum = 0;
  for (const std::size_t index : {std::size_t{0}, source.size() / 2, source.size() - 1}) {
    const auto frame = source.frame(index);
    TP_ASSERT(frame.has_value() && frame->size() == *wanted);
    for (const std::byte byte : *frame) sum += std::to_integer<unsigned>(byte);
  }
  volatile unsigned keep = sum;
  static_cast<void>(keep);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const fuzz::FileInMemory file;
  file.set(data, size);
  const auto source = sources::open_npy(file.path());
  if (source) {
    check_source(**source, size - data_offset(data));
  } else {
    TP_ASSERT(source.error().code() == Code::invalid_file && !source.error().message().empty());
  }
  return 0;
}
