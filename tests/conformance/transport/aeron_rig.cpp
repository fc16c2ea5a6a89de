#include <cstdlib>
#include <thread>

#include "rig.hpp"
#include "support/folder.hpp"
#include "transport/aeron/aeron_transport.hpp"
#include "transport/aeron/media_driver.hpp"

namespace tensorpool::conformance {
namespace {

// Aeron with a media driver of its own. Invoked: the test's thread drives media driver and clients.
class AeronRig final : public Rig {
 public:
  explicit AeronRig(bool invoked)
      : invoked_(invoked), transport_(transport::aeron::make_transport()) {
    start_driver();
  }
  AeronRig(const AeronRig&) = delete;
  AeronRig& operator=(const AeronRig&) = delete;
  ~AeronRig() override = default;

  transport::Transport& transport() override { return *transport_; }
  transport::ConnectOptions options() const override {
    transport::ConnectOptions options;
    options.directory = folder_ / "aeron";
    options.client_name = "conformance";
    options.invoked = invoked_;
    options.driver_timeout_ns = 4'000'000'000;  // a crowded machine stops this process, too
    return options;
  }
  base::Nanos now() const override { return base::SystemClock::monotonic(); }
  void turn() override {
    if (driving_ && invoked_) (void)driver_->do_work();
    std::this_thread::yield();
  }
  // The files stay, as after kill -9; an invoked one is simply never driven again.
  void kill_driver() override {
    driving_ = false;
    if (!invoked_) driver_.reset();
  }
  void start_driver() override {
    driver_.reset();
    transport::aeron::EmbeddedDriverOptions options;
    options.directory = folder_ / "aeron";
    options.invoked = invoked_;
    options.term_bytes = 64U << 10U;
    options.sparse_terms = true;
    options.timer_interval_ns = 10'000'000;
    options.untethered_timeout_ns = 50'000'000;
    options.linger_ns = 50'000'000;
    options.delete_directory = false;
    auto launched = transport::aeron::EmbeddedMediaDriver::launch(options);
    if (!launched) {
      ADD_FAILURE() << launched.error().message();
      std::abort();
    }
    driver_ = std::move(*launched);
    driving_ = true;
  }
  std::vector<SeenCounter> counters() override {
    std::vector<SeenCounter> seen;
    const auto listed = transport::aeron::list_counters(folder_ / "aeron");
    EXPECT_TRUE(listed);
    if (!listed) return seen;
    for (const auto& c : *listed) seen.push_back({c.type_id, c.value, c.label, c.key, c.owner_id});
    return seen;
  }

 private:
  bool invoked_;
  bool driving_ = false;
  test::Folder folder_{"conformance"};
  std::unique_ptr<transport::Transport> transport_;
  std::unique_ptr<transport::aeron::EmbeddedMediaDriver> driver_;
};

}  // namespace

std::unique_ptr<Rig> make_aeron_rig(bool invoked) { return std::make_unique<AeronRig>(invoked); }

}  // namespace tensorpool::conformance
