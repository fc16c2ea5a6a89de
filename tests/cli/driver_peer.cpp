// driver_peer ROLE AERON_DIR BASE_DIR STREAM: one party of a driver in a process of its own. Says "ready" once it is
// attached; ends with its standard input.
//   produce, consume: the C++ client in driver mode
//   foreign: what a driver of another implementation and its client say, without any counter. Two announces a second of
//            STREAM, without a producer and with text that is not for terminals, one that is malformed, keepalives of
//            lease 77; ends when it is asked to with the token "foreign"
#include <sys/prctl.h>

#include <csignal>
#include <cstdio>
#include <optional>
#include <string>

#include "base/clock.hpp"
#include "support/commands.hpp"
#include "support/eventually.hpp"
#include "tensorpool/client.hpp"
#include "transport/aeron/aeron_transport.hpp"
#include "unit/agents/driver/raw_client.hpp"

namespace {

using namespace tensorpool;
using agents::driver::test::RawClient;

constexpr std::int64_t pause_ns = 10'000'000;
const Endpoint control{"aeron:ipc?term-length=4m", 1000};

// Until the input ends.
template <class Work>
int serve(Work&& work) {
  test::Commands commands;
  std::string line;
  while (commands.next(line, pause_ns)) {
    if (!work()) return 0;
  }
  return 0;
}

int attach(bool produces, const std::string& aeron_dir, const std::string& base_dir,
           std::uint32_t stream) {
  ClientOptions options;
  options.aeron_dir = aeron_dir;
  options.allowed_base_dirs = {base_dir};
  options.control = control;
  options.announce = control;
  Client client = Client::connect(options).value();
  std::optional<Producer> producer;
  std::optional<Consumer> consumer;
  if (produces) {
    ProducerOptions wanted;
    wanted.stream = stream;
    producer.emplace(client.producer(wanted).wait(test::patience).value());
  } else {
    ConsumerOptions wanted;
    wanted.stream = stream;
    consumer.emplace(client.consumer(wanted).wait(test::patience).value());
  }
  test::say("ready");
  return serve([] { return true; });
}

wire::ShmPoolAnnounce announce(std::uint32_t stream, base::Nanos now) {
  wire::ShmPoolAnnounce announce;
  announce.stream_id = stream;
  announce.epoch = 5;
  announce.announce_timestamp_ns = static_cast<std::uint64_t>(now);
  announce.layout_version = 1;
  announce.header_nslots = 8;
  announce.header_slot_bytes = 256;
  announce.payload_pools = {{1, 8, 4096, "shm:file?path=/nowhere/1.pool"}};
  announce.header_region_uri = "shm:file?path=/nowhere/header.ring";
  return announce;
}

int be_foreign(const std::string& aeron_dir, std::uint32_t stream) {
  namespace driver = wire::driver;
  const auto transport = transport::aeron::make_transport();
  const base::SystemClock clock;
  transport::ConnectOptions options;
  options.directory = aeron_dir;
  RawClient raw(*transport, options, control, control, clock);
  bool told = false;
  base::Nanos next = 0;
  return serve([&] {
    raw.do_work();
    for (const auto& request : raw.all<driver::ShmDriverShutdownRequest>()) {
      if (request.token != "foreign") continue;
      return !raw.send(driver::ShmDriverShutdown{1, request.reason, request.error_message});
    }
    raw.heard.clear();
    const base::Nanos now = clock.monotonic_ns();
    if (now < next) return true;
    if (!raw.send(announce(stream, now))) return true;
    next = now + 500'000'000;
    wire::ShmPoolAnnounce malformed = announce(stream + 1, now);
    malformed.payload_pools.clear();
    (void)raw.send(malformed);
    (void)raw.send(driver::ShmLeaseKeepalive{77, stream, 4242, driver::Role::consumer, 1});
    // An end with words for a terminal.
    driver::ShmLeaseRevoked ended{
        1, 78, stream, 4243, driver::Role::producer, driver::LeaseRevokeReason::expired, "late!"};
    std::vector<std::byte> bytes(wire::encoded_size(ended));
    (void)wire::try_encode(ended, bytes);
    bytes.back() = std::byte{0x1B};
    (void)raw.send_bytes(bytes);
    if (!std::exchange(told, true)) test::say("ready");
    return true;
  });
}

}  // namespace

int main(int argc, char** argv) {
  (void)::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (argc != 5) return 2;
  const std::string role = argv[1];
  const auto stream = static_cast<std::uint32_t>(std::stoul(argv[4]));
  if (role == "foreign") return be_foreign(argv[2], stream);
  return attach(role == "produce", argv[2], argv[3], stream);
}
