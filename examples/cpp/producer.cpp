// Publishes the frames of a simulated camera: each is read straight into shared memory.
#include "support.hpp"

using example::Arguments;
using example::Camera;
using example::report;

// [readme]
#include <tensorpool/tensorpool.hpp>
namespace tp = tensorpool;
using namespace std::chrono_literals;

bool publish(Camera& camera, const Arguments& args) {
  // A driver owns the memory of streams and lends it to producers and consumers.
  const tp::ClientOptions options{.allowed_base_dirs = {args.base_dir}};
  auto client = tp::Client::connect(options).value();  // value() may throw
  auto producer = client.producer({.stream = args.stream, .wake_waiters = true}).wait(10s).value();

  while (camera.expose()) {
    auto slot = producer.claim(tp::DType::u16, {Camera::rows, Camera::columns});  // never blocks
    if (!slot) {  // drop this frame: such as reattaching, after the driver was restarted
      report(slot.error());
      continue;
    }
    auto pixels = slot->as<std::uint16_t>().value();
    camera.read_into(pixels, slot->seq());  // straight into shared memory
    auto sent = slot->commit({.timestamp_ns = camera.exposed_at_ns()});
    if (!sent) std::fprintf(stderr, "%s\n", sent.error().message().c_str());
  }  // a slot that is never committed aborts itself
  return report(producer.statistics());
}
// [/readme]

int main(int argc, char** argv) {
  return example::run(argc, argv, [](const Arguments& args) {
    Camera camera(args.count);
    return publish(camera, args);
  });
}
