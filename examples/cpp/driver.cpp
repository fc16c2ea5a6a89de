// A driver inside an application, and a producer and a consumer that attach to it. One process plays all roles here;
// clients of other processes attach in the same way.
#include <thread>

#include "support.hpp"

namespace tp = tensorpool;
using namespace std::chrono_literals;
using example::Arguments;
using example::Camera;

namespace {

// [guide:driver-configuration]
constexpr const char* configuration = R"(
[profiles.camera]
header_nslots = 64
payload_pools = [ { pool_id = 1, stride_bytes = 153600 } ]  # 240 x 320 pixels of two bytes

[streams.camera]
stream_id = 10000
profile = "camera"
)";
// [/guide:driver-configuration]

tp::DriverOptions options_for(const Arguments& args) {
  // [guide:driver-options]
  tp::DriverOptions options{.config_text = configuration};  // or .config_file, or neither
  options.overrides = {{"shm.base_dir", args.base_dir},     // win over text and file
                       {"streams.camera.stream_id", std::to_string(args.stream)}};
  options.on_notice =
      [](const tp::DriverNotice& notice) {  // on the driver's thread: short, no throwing
        const std::string_view event = tp::name(notice.event);
        std::fprintf(stderr, "driver: %.*s %.*s\n", static_cast<int>(event.size()), event.data(),
                     static_cast<int>(notice.text.size()), notice.text.data());
      };
  // [/guide:driver-options]
  return options;
}

bool stream_through(tp::Driver& driver, const Arguments& args) {
  // [guide:driver-clients]
  auto client = tp::Client::connect({.aeron_dir = driver.aeron_dir()}).value();  // in driver mode
  auto producer =
      client.producer({.stream = args.stream}).wait(5s).value();  // the driver made the regions
  auto consumer = client.consumer({.stream = args.stream}).wait(5s).value();
  // [/guide:driver-clients]
  Camera camera(args.count);
  example::Mirror mirror;
  while (camera.expose()) {
    auto slot = producer.claim(tp::DType::u16, {Camera::rows, Camera::columns});
    if (!slot) continue;  // reattaching
    camera.read_into(slot->as<std::uint16_t>().value(), slot->seq());
    (void)slot->commit();
    consumer.poll([&](const tp::Frame& frame) {
      const auto image = frame.view<std::uint16_t, 2>();
      if (!image) return;
      const auto spot = example::centroid(*image);
      if (frame.intact()) mirror.steer(spot, frame.seq());
    });
  }
  const tp::DriverStatus status = driver.status();
  std::printf("%llu producer, %llu consumer, %llu bytes reserved\n",
              static_cast<unsigned long long>(status.producers),
              static_cast<unsigned long long>(status.consumers),
              static_cast<unsigned long long>(status.bytes_reserved));
  const bool balanced = example::report(producer.statistics());
  return example::report(consumer.statistics(), mirror) && balanced;
}

bool threaded(const Arguments& args) {
  // [guide:driver-threaded]
  auto driver =
      tp::Driver::launch(options_for(args)).value();  // runs in a thread of its own from here on
  // [/guide:driver-threaded]
  const bool good = stream_through(driver, args);
  // [guide:driver-end]
  driver.terminate();               // drains: no new attaches, then the clients are told
  return driver.wait(10s) && good;  // policies.shutdown_timeout_ms is 2 s
  // [/guide:driver-end]
}

// The same without any thread: an application with a loop of its own calls the duty cycle in it.
bool invoked(const Arguments& args) {
  tp::DriverOptions options = options_for(args);
  options.overrides.emplace_back("policies.shutdown_timeout_ms", "0");
  // [guide:driver-invoked]
  options.threading = tp::Threading::invoked;
  auto driver = tp::Driver::launch(options).value();
  while (!driver.stopped()) {
    if (driver.do_work() == 0) std::this_thread::sleep_for(1ms);  // or whatever else the loop does
    if (driver.status().connected) driver.terminate();
  }
  // [/guide:driver-invoked]
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  return example::run(argc, argv,
                      [](const Arguments& args) { return threaded(args) && invoked(args); });
}
