// The form for a control loop: always the newest frame, older ones are skipped and counted. The client has no
// thread of its own here; next() and latest() drive it while they wait.
#include "support.hpp"

namespace tp = tensorpool;
using namespace std::chrono_literals;
using example::Arguments;

namespace {

bool control(const Arguments& args) {
  auto client = tp::Client::connect(
                    {.threading = tp::Threading::invoked, .allowed_base_dirs = {args.base_dir}})
                    .value();
  auto consumer = client.consumer({.stream = args.stream}).wait(10s).value();
  const example::EndedBySignals ended_by_signals(consumer);
  example::Mirror mirror;
  while (!example::stopped() && (args.count == 0 || mirror.steered() < args.count)) {
    (void)client.do_work();            // also while frames come without a pause
    auto frame = consumer.latest(1h);  // Ctrl-C ends it
    if (!frame) {
      if (frame.error().code() == tp::Code::closed) break;
      continue;  // interrupted, nothing came, or no stream yet
    }
    auto image = frame->view<std::uint16_t, 2>();
    const auto spot = image ? example::centroid(*image) : example::Point{};
    const auto seq = frame->seq();
    if (frame->finish() == tp::Outcome::delivered && image) mirror.steer(spot, seq);
  }
  return report(consumer.statistics(), mirror);
}

}  // namespace

int main(int argc, char** argv) { return example::run(argc, argv, control); }
