// Our side of the latency bench: one pool stream there, one back, each with a descriptor stream of
// its own, so that nobody polls his own descriptors.
#include "ping_pong.hpp"
#include "streams.hpp"

namespace tensorpool::bench {
namespace {

struct Direction {
  std::uint32_t stream;
  std::int32_t descriptor_stream;
};
constexpr Direction there{101, 1101};
constexpr Direction back{102, 1102};
constexpr std::uint32_t slots = 8;

class TensorpoolLink {
 public:
  TensorpoolLink(const Stage& stage, const Direction& out, const Direction& in, std::uint64_t size)
      : out_(make_client(stage.directory(), stage.aeron_dir(), out.descriptor_stream)),
        in_(make_client(stage.directory(), stage.aeron_dir(), in.descriptor_stream)),
        producer_(make_producer(out_, stage.directory(), out.stream, slots, size)),
        consumer_(make_consumer(in_, in.stream)),
        spec_(bytes_spec(size)) {}

  bool send() noexcept {
    auto slot = producer_.claim(spec_);
    if (!slot) return false;
    const auto committed = slot->commit();
    return committed && committed->told == Told::consumers;
  }
  bool receive() noexcept {
    return consumer_.poll([](const Frame&) {}).delivered > 0;
  }
  void do_work() {
    (void)out_.do_work();
    (void)in_.do_work();
  }

 private:
  Client out_;
  Client in_;
  Producer producer_;
  Consumer consumer_;
  TensorSpec spec_;
};

}  // namespace

void ping_tensorpool(const Stage& stage, std::uint64_t size, PingBoard& board,
                     const PingOptions& options) {
  TensorpoolLink link(stage, there, back, size);
  ping(link, board, options);
}

void echo_tensorpool(const Stage& stage, std::uint64_t size, PingBoard& board,
                     const PingOptions& options) {
  TensorpoolLink link(stage, back, there, size);
  echo(link, board, options);
}

}  // namespace tensorpool::bench
