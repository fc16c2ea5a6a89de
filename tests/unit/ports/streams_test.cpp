// What a listener hears of a producer and a consumer of direct mode: a conductor with real regions
// over the simulated network, and somebody who reads every stream along.
#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "agents/conductor.hpp"
#include "base/posix_file_system.hpp"
#include "support/folder.hpp"
#include "unit/ports/support.hpp"
#include "unit/sim/support.hpp"
#include "wire/check.hpp"
#include "wire/codec.hpp"

namespace tensorpool::agents::test {
namespace {

constexpr base::Nanos ms = 1'000'000;

class Deployment {
 public:
  Deployment() : listener_(world_.connect()) {
    options_.mode = Mode::direct;
    options_.aeron_dir = world_.directory;
    options_.allowed_base_dirs = {files_.path()};
    options_.announce_period_ns = 100 * ms;
    shm::MapPolicy::Settings settings;
    settings.allowed_base_dirs = options_.allowed_base_dirs;
    auto policy = shm::MapPolicy::make(file_system_, settings);
    EXPECT_TRUE(policy);
    conductor_ = std::make_unique<Conductor>(options_, std::move(*policy),
                                             World{*world_.transport, file_system_, world_.clock});
    for (const Endpoint& endpoint :
         {options_.control, options_.announce, options_.descriptor, options_.qos})
      heard_on_.push_back(world_.subscribe(*listener_, endpoint.stream_id));
  }

  ProducerOptions producer(std::uint32_t slots = 8, std::uint32_t stride_bytes = 256) const {
    ProducerOptions options;
    options.stream = test_stream;
    options.producer_id = 7;
    options.base_dir = files_.path();
    options.slots = slots;
    options.pools = {{.pool_id = 1, .stride_bytes = stride_bytes}};
    options.qos_interval_ns = 100 * ms;
    return options;
  }
  template <class Options>
  std::shared_ptr<Cell> add(Options options) {
    auto request = std::make_shared<Request>(std::move(options));
    EXPECT_TRUE(conductor_->submit(request));
    for (int i = 0; i < 2000 && request->state() == Request::State::pending; ++i) step();
    EXPECT_EQ(request->state(), Request::State::complete);
    return request->take_cell();
  }
  void step() {
    world_.network.advance(ms);
    (void)conductor_->do_work();
    for (auto& subscription : heard_on_) {
      (void)subscription->poll_assembled(
          [this](const transport::Fragment& message) {
            heard.emplace_back(message.data.begin(), message.data.end());
          },
          100);
    }
  }
  void run(base::Nanos time) {
    for (base::Nanos at = 0; at < time; at += ms) step();
  }
  template <class M>
  std::vector<M> all() const {
    std::vector<M> found;
    for (const auto& bytes : heard) {
      const auto message = wire::try_decode_any(bytes);
      if (!message) continue;
      if (const M* m = std::get_if<M>(&*message)) found.push_back(*m);
    }
    return found;
  }

  std::vector<std::vector<std::byte>> heard;

 private:
  tensorpool::test::Folder files_{"ports"};
  base::PosixFileSystem file_system_;
  ClientOptions options_;
  sim::World world_;
  std::unique_ptr<transport::Connection> listener_;
  std::vector<std::unique_ptr<transport::Subscription>> heard_on_;
  std::unique_ptr<Conductor> conductor_;
};

// Proves: STR-4, STR-230
TEST(Streams, EveryMessageIsSbeWithItsHeaderAndNamesItsSender) {
  Deployment deployment;
  ProducerPortOptions port_options = ProducerRig::default_options();
  ProducerPort<TestEnv> producer(port_options, deployment.add(deployment.producer()), nullptr);
  ConsumerOptions consumer_options;
  consumer_options.stream = test_stream;
  consumer_options.consumer_id = 42;
  ConsumerPort<TestEnv> consumer(ConsumerRig::default_options(), deployment.add(consumer_options),
                                 nullptr);
  for (int i = 0; i < 500 && producer.state() != PortState::active; ++i) deployment.step();
  const std::vector<std::byte> payload(100);
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(producer.offer(bytes_spec(100), payload, {}));
    deployment.run(300 * ms);
    (void)consumer.poll([](const OpenFrame&) { return ConsumerPort<TestEnv>::Visit::unproved; });
  }
  std::set<std::uint16_t> templates;
  for (const auto& bytes : deployment.heard) {
    const auto header = wire::peek(bytes);
    ASSERT_TRUE(header);
    EXPECT_EQ(header->schema_id, 900);
    EXPECT_EQ(header->version, 1);
    std::size_t consumed = 0;
    const auto message = wire::try_decode_any(bytes, &consumed);
    ASSERT_TRUE(message) << "template " << header->template_id;
    EXPECT_EQ(consumed, bytes.size());
    templates.insert(header->template_id);
  }
  // Announce, hello, descriptor, and both reports.
  EXPECT_EQ(templates.size(), 5U);
  const auto announces = deployment.all<wire::ShmPoolAnnounce>();
  ASSERT_FALSE(announces.empty());
  for (const auto& announce : announces) EXPECT_EQ(announce.producer_id, 7U);
  for (const auto& qos : deployment.all<wire::QosProducer>()) EXPECT_EQ(qos.producer_id, 7U);
  producer.close();
  consumer.close();
  deployment.run(10 * ms);
}

// Proves: STR-29, STR-30, STR-31, STR-32, STR-22
TEST(Streams, TheFirstAnnounceOfAnEpochDescribesRegionsThatAreThere) {
  Deployment deployment;
  const std::shared_ptr<Cell> cell = deployment.add(deployment.producer(16, 512));
  for (int i = 0; i < 500 && deployment.all<wire::ShmPoolAnnounce>().empty(); ++i) {
    deployment.step();
  }
  const auto announces = deployment.all<wire::ShmPoolAnnounce>();
  ASSERT_FALSE(announces.empty());
  const wire::ShmPoolAnnounce& first = announces.front();
  EXPECT_EQ(first.stream_id, test_stream);
  EXPECT_EQ(first.header_slot_bytes, 256);
  EXPECT_EQ(first.header_nslots, 16U);
  ASSERT_EQ(first.payload_pools.size(), 1U);
  EXPECT_EQ(first.payload_pools[0].pool_nslots, 16U);
  EXPECT_EQ(first.payload_pools[0].stride_bytes, 512U);
  const auto file_of = [](const std::string& uri) {
    constexpr std::string_view prefix = "shm:file?path=";
    EXPECT_EQ(uri.substr(0, prefix.size()), prefix);
    std::string path = uri.substr(prefix.size(), uri.find('|') - prefix.size());
    EXPECT_EQ(path.front(), '/');
    return path;
  };
  EXPECT_EQ(std::filesystem::file_size(file_of(first.header_region_uri)), 64U + 16 * 256);
  EXPECT_EQ(std::filesystem::file_size(file_of(first.payload_pools[0].region_uri)), 64U + 16 * 512);
  cell->closed.store(true);
  deployment.run(10 * ms);
}

// A layout is fixed for an epoch: another layout is another producer with regions of its own.
// Proves: SHM-258, STR-204, SHM-257
TEST(Streams, EveryRestartAndEveryOtherLayoutHasAHigherEpoch) {
  Deployment deployment;
  std::uint64_t last = 0;
  for (const auto& [slots, stride] : {std::pair{8U, 256U}, {8U, 256U}, {16U, 256U}, {8U, 512U}}) {
    deployment.heard.clear();
    const std::shared_ptr<Cell> cell = deployment.add(deployment.producer(slots, stride));
    deployment.run(250 * ms);
    const auto announces = deployment.all<wire::ShmPoolAnnounce>();
    ASSERT_FALSE(announces.empty());
    for (const auto& announce : announces) {
      EXPECT_EQ(announce.header_nslots, slots);
      EXPECT_EQ(announce.payload_pools.at(0).stride_bytes, stride);
      EXPECT_EQ(announce.epoch, announces.front().epoch);  // one layout per epoch
    }
    EXPECT_GT(announces.front().epoch, last);
    last = announces.front().epoch;
    cell->closed.store(true);
    deployment.run(10 * ms);
  }
}

// Two producers of one stream, which only different directories allow, do not write to each other's
// memory.
// Proves: SHM-76
TEST(Streams, EveryProducerWritesRegionsOfItsOwn) {
  Deployment deployment;
  ProducerOptions other = deployment.producer();
  other.producer_id = 8;
  other.namespace_name = "other";
  const std::shared_ptr<Cell> first = deployment.add(deployment.producer());
  const std::shared_ptr<Cell> second = deployment.add(other);
  deployment.run(500 * ms);
  std::set<std::uint64_t> epochs;
  std::set<std::string> regions;
  for (const auto& announce : deployment.all<wire::ShmPoolAnnounce>()) {
    epochs.insert(announce.epoch);
    regions.insert(announce.header_region_uri);
    regions.insert(announce.payload_pools.at(0).region_uri);
  }
  EXPECT_EQ(epochs.size(), 2U);
  EXPECT_EQ(regions.size(), 4U);
  first->closed.store(true);
  second->closed.store(true);
  deployment.run(10 * ms);
}

}  // namespace
}  // namespace tensorpool::agents::test
