// From an attach to the first frame, and from the death of a producer to the first frame of the next one.
#include <fmt/format.h>
#include <time.h>

#include <cstdio>
#include <optional>
#include <random>

#include "driver_bench.hpp"
#include "statistics.hpp"

namespace tensorpool::bench {
namespace {

constexpr std::int64_t ms = 1'000'000;
constexpr std::int64_t publish_every_ns = ms;
constexpr std::int64_t look_every_ns = 50'000;
constexpr std::uint32_t frame_bytes = 64;

void sleep_ns(std::int64_t ns) {
  const timespec time{ns / 1'000'000'000, ns % 1'000'000'000};
  (void)::clock_nanosleep(CLOCK_MONOTONIC, 0, &time, nullptr);
}

void publish(Producer& producer) {
  auto slot = producer.claim(DType::u8, {frame_bytes});
  if (slot) (void)slot->commit();
}

ProducerOptions producer_options() {
  ProducerOptions options;
  options.stream = driver_stream;
  return options;
}
ConsumerOptions consumer_options() {
  ConsumerOptions options;
  options.stream = driver_stream;
  return options;
}

// Waits for `done`, which does work of its own.
template <class Done>
void until(const char* what, Done&& done) {
  const std::int64_t end = now_ns() + std::chrono::nanoseconds(driver_patience).count();
  while (!done()) {
    if (interrupted()) throw Interrupted();
    if (now_ns() > end)
      throw Failure(fmt::format("{}: not within {}", what, driver_patience.count()));
    sleep_ns(look_every_ns);
  }
}

// What a request comes to; nothing as long as it is under way.
template <class T>
bool settled(Pending<T>& pending, std::optional<T>& to) {
  auto outcome = pending.poll();
  if (!outcome) return false;
  if (!*outcome) throw Failure(outcome->error().message());
  to.emplace(std::move(**outcome));
  return true;
}

// The epoch of the next frame, once there is one.
std::optional<std::uint64_t> next_epoch(Consumer& consumer) {
  std::optional<std::uint64_t> epoch;
  (void)consumer.poll([&](const Frame& frame) { epoch = frame.info().epoch; });
  return epoch;
}

double seconds_since(std::int64_t start) { return static_cast<double>(now_ns() - start) / 1e9; }

std::vector<std::string> producer_command(const DriverBenchOptions& options,
                                          const DriverPlaces& places) {
  return {options.own_program, "driver",        "--produce",
          places.aeron_dir,    places.base_dir, std::to_string(places.keepalive_ms)};
}

// Seconds from the request of a consumer to its first frame; `connected` false: from connecting on.
double consumer_to_first_frame(Client* connected, const DriverPlaces& places) {
  const std::int64_t start = now_ns();
  std::optional<Client> own;
  if (connected == nullptr) own.emplace(driver_client(places));
  Client& client = connected != nullptr ? *connected : *own;
  std::optional<Consumer> consumer;
  auto pending = client.consumer(consumer_options());
  until("an attach of a consumer", [&] { return settled(pending, consumer); });
  until("the first frame", [&] { return next_epoch(*consumer).has_value(); });
  return seconds_since(start);
}

// Seconds from the request of a producer to its first frame at a consumer that was there before.
double producer_to_first_frame(Client& client, Consumer& consumer) {
  const std::int64_t start = now_ns();
  std::optional<Producer> producer;
  auto pending = client.producer(producer_options());
  until("an attach of a producer", [&] { return settled(pending, producer); });
  until("its first frame", [&] {
    publish(*producer);
    return next_epoch(consumer).has_value();
  });
  return seconds_since(start);
}

double median(std::vector<double> values) { return spread(std::move(values)).median; }

struct Failover {
  double attached_s = 0;
  double frame_s = 0;
};

Failover fail_over(const DriverBenchOptions& options, const DriverPlaces& places, Client& standby,
                   Consumer& consumer, std::int64_t phase_ns) {
  Child producer(producer_command(options, places));
  (void)producer.line();
  std::uint64_t old_epoch = 0;
  until("frames of the first producer", [&] {
    old_epoch = next_epoch(consumer).value_or(0);
    return old_epoch != 0;
  });
  std::optional<Producer> next;
  auto pending = standby.producer(producer_options());
  const std::int64_t kill_at = now_ns() + phase_ns;
  until("the moment", [&] {
    (void)next_epoch(consumer);
    if (settled(pending, next)) throw Failure("the standby got the stream of a living producer");
    return now_ns() >= kill_at;
  });
  const std::int64_t start = now_ns();
  producer.kill();
  Failover took;
  until("an attach of the standby", [&] {
    (void)next_epoch(consumer);
    return settled(pending, next);
  });
  took.attached_s = seconds_since(start);
  std::int64_t next_frame = 0;
  until("a frame of the standby", [&] {
    if (const std::int64_t now = now_ns(); now >= next_frame) {
      next_frame = now + publish_every_ns;
      publish(*next);
    }
    return next_epoch(consumer).value_or(0) > old_epoch;
  });
  took.frame_s = seconds_since(start);
  return took;
}

}  // namespace

int publish_until_killed(const DriverPlaces& places) {
  Client client = driver_client(places);
  std::optional<Producer> producer;
  auto pending = client.producer(producer_options());
  until("an attach", [&] { return settled(pending, producer); });
  std::puts("publishes");
  (void)std::fflush(stdout);
  for (;;) {
    publish(*producer);
    sleep_ns(publish_every_ns);
  }
}

void measure_attach(DriverRows& rows, const Stage& stage, const DriverBenchOptions& options) {
  constexpr const char* part = "attach";
  const DriverProcess driver(options.driver_program, stage.directory() + "/attach", 1000);
  const DriverPlaces& places = driver.places();
  const int attaches = options.quick ? 2 : 20;
  std::vector<double> connected;
  std::vector<double> fresh;
  std::vector<double> producers;
  {
    Client client = driver_client(places);
    Child producer(producer_command(options, places));
    (void)producer.line();
    (void)consumer_to_first_frame(&client, places);  // warms up
    for (int i = 0; i < attaches; ++i) {
      connected.push_back(consumer_to_first_frame(&client, places) * 1e3);
      fresh.push_back(consumer_to_first_frame(nullptr, places) * 1e3);
    }
  }
  {
    // The lease of the killed one has to expire first.
    Client client = driver_client(places);
    Client other = driver_client(places);
    std::optional<Consumer> consumer;
    auto pending = other.consumer(consumer_options());
    until("an attach of a consumer", [&] { return settled(pending, consumer); });
    (void)producer_to_first_frame(client, *consumer);
    for (int i = 0; i < attaches; ++i) {
      until("the last frames", [&] { return !next_epoch(*consumer).has_value(); });
      producers.push_back(producer_to_first_frame(client, *consumer) * 1e3);
    }
  }
  add(rows, part, "consumer of a running stream, to its first frame", "ms", median(connected));
  add(rows, part, "  the same with connecting to the media driver", "ms", median(fresh));
  add(rows, part, "producer, to its first frame at a waiting consumer", "ms", median(producers));
}

void measure_failover(DriverRows& rows, const Stage& stage, const DriverBenchOptions& options) {
  constexpr const char* part = "failover";
  std::mt19937 random(1);  // the phase of the death within a keepalive interval
  const std::vector<std::uint32_t> intervals =
      options.quick ? std::vector<std::uint32_t>{200} : std::vector<std::uint32_t>{200, 1000};
  for (const std::uint32_t interval_ms : intervals) {
    const std::string folder = fmt::format("{}/failover-{}", stage.directory(), interval_ms);
    const DriverProcess driver(options.driver_program, folder, interval_ms);
    Client reader = driver_client(driver.places());
    Client standby = driver_client(driver.places());
    std::optional<Consumer> consumer;
    auto pending = reader.consumer(consumer_options());
    until("an attach of a consumer", [&] { return settled(pending, consumer); });
    std::uniform_int_distribution<std::int64_t> phase(0, interval_ms * ms);
    const int deaths = options.quick ? 1 : 3;
    std::vector<double> attached;
    std::vector<double> frames;
    for (int i = 0; i < deaths; ++i) {
      const Failover took =
          fail_over(options, driver.places(), standby, *consumer, interval_ms * ms + phase(random));
      attached.push_back(took.attached_s * 1e3 / interval_ms);
      frames.push_back(took.frame_s * 1e3 / interval_ms);
    }
    const std::string with = fmt::format(", keepalives every {} ms", interval_ms);
    add(rows, part, "standby attached" + with, "intervals", median(attached));
    add(rows, part, "first frame of the standby" + with, "intervals", median(frames));
  }
}

}  // namespace tensorpool::bench
