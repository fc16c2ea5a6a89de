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
  auto client = tp::Client::connect({.mode = tp::Mode::direct}).value();  // value() may throw
  const tp::ProducerOptions stream{.stream = args.stream,
                                   .base_dir = args.base_dir,
                                   .slots = 64,
                                   .pools = {{.pool_id = 1, .stride_bytes = Camera::frame_bytes}}};
  auto producer = client.producer(stream).wait(5s).value();

  while (camera.expose()) {
    auto slot = producer.claim(tp::DType::u16, {Camera::rows, Camera::columns});  // never blocks
    if (!slot && slot.error().code() == tp::Code::reattaching) continue;          // drop this frame
    auto pixels = slot.value().as<std::uint16_t>().value();
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
