// The duty cycle of a driver agent with 1000 leases on 256 streams: real messages, and one thread that is driver
// and clients in turn.
#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <span>
#include <variant>

#include "agents/driver/driver_agent.hpp"
#include "base/posix_file_system.hpp"
#include "driver_bench.hpp"
#include "histogram.hpp"
#include "transport/aeron/aeron_transport.hpp"
#include "transport/channel.hpp"
#include "wire/codec.hpp"

namespace tensorpool::bench {
namespace {

using agents::driver::DriverAgent;
using wire::driver::Role;
using wire::driver::ShmLeaseKeepalive;

constexpr std::uint32_t streams = 256;
constexpr std::uint32_t leases = 1'000;
constexpr std::uint32_t asked_at_once = 64;
constexpr std::int64_t second = 1'000'000'000;
constexpr const char* part = "cycle";

// Written by the worker, read by the bench.
struct CycleBoard {
  Percentiles busy;  // of cycles that did something, ns
  double longest_ns = 0;
  double busy_share = 0;  // of the time
  double keepalives = 0;  // heard a second
  double expired = 0;
};

// All clients of the driver as one: nothing but messages.
class Clients {
 public:
  Clients(const std::string& aeron_dir, const Endpoint& control)
      : transport_(transport::aeron::make_transport()) {
    transport::ConnectOptions options;
    options.directory = aeron_dir;
    auto connection = transport_->connect(options);
    while (!connection && connection.error().code() == Code::connecting)
      connection = transport_->connect(options);
    if (!connection) throw Failure(connection.error().message());
    connection_ = std::move(*connection);
    const std::int64_t deadline = now_ns() + 60 * second;
    in_ = complete(
        connection_->add_subscription(control.channel, control.stream_id, deadline, nullptr));
    out_ = complete(connection_->add_publication(transport::control_channel(control.channel),
                                                 control.stream_id, deadline));
  }

  bool ready() const { return in_->image_count() > 1 && out_->is_connected(); }

  template <class M>
  bool send(const M& message) {
    bytes_.resize(wire::encoded_size(message));
    if (!wire::try_encode(message, bytes_)) throw Failure("a message cannot be encoded");
    return out_->offer(bytes_) > 0;
  }
  // Asks for the next lease, when not too many questions are open.
  void ask() {
    if (asked_ == leases || asked_ - held_.size() >= asked_at_once) return;
    wire::driver::ShmAttachRequest request;
    const std::uint32_t id = asked_ + 1;
    request.correlation_id = id;
    request.client_id = id;
    request.stream_id = driver_stream + asked_ % streams;
    request.role = id <= streams ? Role::producer : Role::consumer;
    if (send(request)) ++asked_;
  }
  void hear() {
    (void)in_->poll_assembled(
        [this](const transport::Fragment& fragment) {
          const auto header = wire::peek(fragment.data);
          if (!header || header->template_id != wire::driver::ShmAttachResponse::template_id ||
              header->schema_id != wire::driver::ShmAttachResponse::schema_id)
            return;
          const auto answer = wire::try_decode<wire::driver::ShmAttachResponse>(fragment.data);
          if (!answer || !answer->lease_id) {
            refused_ = answer ? answer->error_message : "an answer that is none";
            return;
          }
          const auto id = static_cast<std::uint32_t>(answer->correlation_id);
          held_.push_back({*answer->lease_id, answer->stream_id.value_or(0), id,
                           id <= streams ? Role::producer : Role::consumer, 1});
        },
        10);
    if (!refused_.empty()) throw Failure("an attach was refused: " + refused_);
  }
  std::size_t held() const { return held_.size(); }
  // Every lease once a second, evenly spread.
  void keep_alive(std::int64_t now) {
    if (next_ns_ == 0) next_ns_ = now;
    while (next_ns_ <= now) {
      if (!send(held_[next_])) return;
      next_ = (next_ + 1) % held_.size();
      next_ns_ += second / static_cast<std::int64_t>(held_.size());
    }
  }

 private:
  template <class T>
  static std::unique_ptr<T> complete(Result<std::unique_ptr<transport::Add<T>>> add) {
    if (!add) throw Failure(add.error().message());
    for (;;) {
      auto made = (*add)->poll();
      if (!made) throw Failure(made.error().message());
      if (*made != nullptr) return std::move(*made);
    }
  }

  std::unique_ptr<transport::Transport> transport_;
  std::unique_ptr<transport::Connection> connection_;
  std::unique_ptr<transport::Subscription> in_;
  std::unique_ptr<transport::Publication> out_;
  std::vector<std::byte> bytes_;
  std::vector<ShmLeaseKeepalive> held_;
  std::string refused_;
  std::uint32_t asked_ = 0;
  std::size_t next_ = 0;
  std::int64_t next_ns_ = 0;
};

agents::driver::DriverOptions agent_options(const Stage& stage, const std::string& base_dir) {
  agents::driver::DriverOptions options;
  options.core.profiles = {{"p", 8, {{1, 4'096}}}};
  for (std::uint32_t i = 0; i < streams; ++i)
    options.core.streams.push_back({driver_stream + i, "p"});
  options.regions.base_dir = base_dir;
  options.aeron_dir = stage.aeron_dir();
  return options;
}

// One cycle, timed when `histogram` is there. Returns how long it took.
std::int64_t cycle(DriverAgent& agent, Histogram* histogram) {
  const std::int64_t start = now_ns();
  const int work = agent.do_work();
  const std::int64_t took = now_ns() - start;
  if (histogram == nullptr || work == 0) return 0;
  histogram->record(took);
  return took;
}

void attach_all(DriverAgent& agent, Clients& clients) {
  const std::int64_t end = now_ns() + 120 * second;
  while (!clients.ready() || !agent.status().connected) {
    (void)cycle(agent, nullptr);
    if (now_ns() > end) throw Failure("the driver agent was not ready in time");
  }
  while (clients.held() < leases) {
    clients.ask();
    (void)cycle(agent, nullptr);
    clients.hear();
    if (clients.held() > 0 && clients.held() == leases) break;
    if (now_ns() > end)
      throw Failure(
          fmt::format("only {} of {} leases were granted in time", clients.held(), leases));
  }
}

void work(const Stage& stage, const DriverBenchOptions& options, CycleBoard& board) {
  const std::string base_dir = stage.directory() + "/cycle";
  std::filesystem::create_directories(base_dir);
  const auto transport = transport::aeron::make_transport();
  base::PosixFileSystem file_system;
  const base::SystemClock clock;
  const auto wanted = agent_options(stage, base_dir);
  auto agent = DriverAgent::make(wanted, {*transport, file_system, clock});
  if (!agent) throw Failure(agent.error().message());
  Clients clients(stage.aeron_dir(), wanted.control);
  attach_all(**agent, clients);

  Histogram histogram;
  const std::int64_t warm_up_ns = options.quick ? second / 10 : 2 * second;
  const std::int64_t duration_ns = options.quick ? second / 2 : 5 * second;
  const std::int64_t start = now_ns() + warm_up_ns;
  const auto keepalives = [&] {
    return (*agent)->core().counters().of(protocol::driver::Count::keepalives);
  };
  std::uint64_t heard = 0;
  std::int64_t busy_ns = 0;
  bool timed = false;
  for (std::int64_t now = now_ns(); now < start + duration_ns; now = now_ns()) {
    if (!timed && now >= start) {
      timed = true;
      heard = keepalives();
    }
    clients.keep_alive(now);
    busy_ns += cycle(**agent, timed ? &histogram : nullptr);
    clients.hear();
  }
  board.busy = histogram.percentiles(1);
  board.longest_ns = board.busy.max;
  board.busy_share = static_cast<double>(busy_ns) / static_cast<double>(duration_ns);
  board.keepalives =
      static_cast<double>(keepalives() - heard) * 1e9 / static_cast<double>(duration_ns);
  board.expired =
      static_cast<double>((*agent)->core().counters().of(protocol::driver::Count::expired));
  agent->reset();
  std::filesystem::remove_all(base_dir);
}

}  // namespace

void measure_cycle(DriverRows& rows, const Stage& stage, const DriverBenchOptions& options) {
  const Shared<CycleBoard> board;
  stage.run({[&] { work(stage, options, *board); }});
  add(rows, part, "duty cycle that does something, p50", "us", board->busy.p50 / 1e3);
  add(rows, part, "duty cycle that does something, p99", "us", board->busy.p99 / 1e3);
  add(rows, part, "longest duty cycle", "us", board->longest_ns / 1e3);
  add(rows, part, "time in such cycles", "% of a core", board->busy_share * 100);
  add(rows, part, "keepalives heard a second", "", board->keepalives);
  add(rows, part, "leases lost", "", board->expired);
}

}  // namespace tensorpool::bench
