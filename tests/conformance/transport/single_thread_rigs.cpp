#include "rig.hpp"
#include "sim/network.hpp"

namespace tensorpool::conformance {
namespace {

class SimRig final : public Rig {
 public:
  SimRig() : network_(clock_, settings()), transport_(network_.make_transport()) { start_driver(); }

  transport::Transport& transport() override { return *transport_; }
  transport::ConnectOptions options() const override {
    transport::ConnectOptions options;
    options.directory = "/simulated";
    options.client_name = "conformance";
    options.invoked = true;
    options.driver_timeout_ns = 500'000'000;
    return options;
  }
  base::Nanos now() const override { return network_.now(); }
  void turn() override { network_.advance(100'000); }
  void kill_driver() override { network_.kill_media_driver("/simulated"); }
  void start_driver() override {
    network_.kill_media_driver("/simulated");
    ASSERT_TRUE(network_.start_media_driver("/simulated"));
  }
  std::vector<SeenCounter> counters() override {
    std::vector<SeenCounter> seen;
    for (const auto& c : network_.counters("/simulated")) {
      seen.push_back({c.type_id, c.value, c.label, c.key, c.owner_id});
    }
    return seen;
  }

 private:
  static sim::NetworkOptions settings() {
    sim::NetworkOptions options;
    options.faults.delay_max_ns = 50'000;
    options.untethered_timeout_ns = 50'000'000;
    options.resting_timeout_ns = 50'000'000;
    return options;
  }

  base::ManualClock clock_;
  sim::Network network_;
  std::unique_ptr<transport::Transport> transport_;
};

}  // namespace

std::vector<RigFactory> rigs() {
  return {{"aeron_invoked", [] { return make_aeron_rig(true); }},
          {"simulated", []() -> std::unique_ptr<Rig> { return std::make_unique<SimRig>(); }}};
}

}  // namespace tensorpool::conformance
