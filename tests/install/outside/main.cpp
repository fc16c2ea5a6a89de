// A producer, a consumer and the media driver between them, in one process: outside AERON_DIR BASE_DIR.
// Prints "received N" once that many frames held what was sent.
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <tensorpool/tensorpool.hpp>

namespace tp = tensorpool;
using namespace std::chrono_literals;

namespace {
constexpr std::int64_t rows = 48;
constexpr std::int64_t columns = 64;
constexpr std::uint32_t stream = 4242;
constexpr int wanted = 20;

std::uint16_t pixel(std::uint64_t seq, std::int64_t index) {
  return static_cast<std::uint16_t>(seq * 31 + static_cast<std::uint64_t>(index));
}

bool exchange(tp::Producer& producer, tp::Consumer& consumer) {
  int received = 0;
  int wrong = 0;
  const auto deadline = std::chrono::steady_clock::now() + 60s;
  while (received < wanted && wrong == 0 && std::chrono::steady_clock::now() < deadline) {
    auto slot = producer.claim(tp::DType::u16, {rows, columns});
    if (slot) {
      const std::uint64_t seq = slot->seq();
      auto pixels = slot->as<std::uint16_t>().value();
      for (std::int64_t i = 0; i < rows * columns; ++i)
        pixels[static_cast<std::size_t>(i)] = pixel(seq, i);
      (void)slot->commit();
    }
    consumer.poll([&](const tp::Frame& frame) {
      auto image = frame.view<std::uint16_t, 2>();
      if (!image || frame.info().extent_bytes() != frame.bytes().size()) {
        ++wrong;
        return;
      }
      int bad = 0;
      for (std::int64_t i = 0; i < rows * columns; ++i)
        bad += (*image)(i / columns, i % columns) == pixel(frame.seq(), i) ? 0 : 1;
      if (!frame.intact()) return;
      ++received;
      wrong += bad;
    });
  }
  std::printf("received %d, wrong %d\n", received, wrong);
  return received >= wanted && wrong == 0;
}
}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  try {
    auto media_driver = tp::MediaDriver::launch({.aeron_dir = argv[1]}).value();
    auto client =
        tp::Client::connect(
            {.mode = tp::Mode::direct, .aeron_dir = argv[1], .allowed_base_dirs = {argv[2]}})
            .value();
    auto producer = client
                        .producer({.stream = stream,
                                   .base_dir = argv[2],
                                   .slots = 16,
                                   .pools = {{.pool_id = 1, .stride_bytes = 2 * rows * columns}}})
                        .wait(60s)
                        .value();
    auto consumer = client.consumer({.stream = stream}).wait(60s).value();
    return exchange(producer, consumer) ? 0 : 1;
  } catch (const tl::bad_expected_access<tp::Error>& error) {  // what value() throws
    std::fprintf(stderr, "%s\n", error.error().message().c_str());
    return 1;
  }
}
