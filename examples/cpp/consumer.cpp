// Finds the bright spot in every frame, in place, and acts only on frames that were proved whole.
#include "support.hpp"

using example::Arguments;
using example::centroid;
using example::Mirror;
using example::report;
using example::stopped;

// [readme]
#include <tensorpool/tensorpool.hpp>
namespace tp = tensorpool;
using namespace std::chrono_literals;

bool consume(Mirror& mirror, const Arguments& args) {
  const tp::ClientOptions options{.allowed_base_dirs = {args.base_dir}};
  auto client = tp::Client::connect(options).value();
  auto consumer = client.consumer({.stream = args.stream}).wait(10s).value();

  while (!stopped() && (args.count == 0 || mirror.steered() < args.count)) {
    auto polled = consumer.poll([&](const tp::Frame& frame) {
      auto image = frame.view<std::uint16_t, 2>();  // in place; element type and rank are checked
      if (!image) return;
      auto spot = centroid(*image);
      if (!frame.intact()) return;  // overwritten while we looked: do not act on it
      mirror.steer(spot, frame.seq());
    });
    if (polled.state == tp::PortState::closed) break;
    if (polled.work() == 0) (void)consumer.wait(100ms);  // or spin, for the least latency
  }
  return report(consumer.statistics(), mirror);  // every sequence number is accounted for
}
// [/readme]

int main(int argc, char** argv) {
  return example::run(argc, argv, [](const Arguments& args) {
    Mirror mirror;
    std::fprintf(stderr, "waiting for stream %u\n", args.stream);
    return consume(mirror, args);
  });
}
