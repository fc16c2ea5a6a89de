// A publisher that sends what nobody should: on every stream, beside a good one, at a fixed rate of one
// bad message a stream for every good frame.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/prng.hpp"
#include "integration/frames.hpp"
#include "integration/support.hpp"
#include "transport/aeron/aeron_transport.hpp"
#include "unit/transport/connect_now.hpp"
#include "wire/codec.hpp"

namespace tensorpool::integration {
namespace {

// No message of the corpus names it.
constexpr std::uint32_t stream = 4'000'017;
constexpr std::uint32_t slots = 64;
constexpr std::size_t header_bytes = 8;  // blockLength, templateId, schemaId, version
constexpr std::size_t block_length_at = 0;
constexpr std::size_t template_at = 2;
constexpr std::size_t schema_at = 4;
constexpr std::size_t version_at = 6;

using Message = std::vector<std::byte>;

// Every message of the protocol, whole and half, as the fuzzers have them.
std::vector<Message> corpus() {
  std::vector<Message> all;
  for (const char* schema : {"control", "driver", "discovery", "merge", "tracelink", "bridge"}) {
    for (const auto& entry :
         std::filesystem::directory_iterator(std::string(TENSORPOOL_CORPUS) + "/" + schema)) {
      std::ifstream file(entry.path(), std::ios::binary);
      const std::string text(std::istreambuf_iterator<char>(file), {});
      if (text.empty()) continue;
      Message message(text.size());
      std::memcpy(message.data(), text.data(), text.size());
      all.push_back(std::move(message));
    }
  }
  return all;
}

void set16(Message& message, std::size_t at, std::uint64_t value) {
  const auto word = static_cast<std::uint16_t>(value);
  if (message.size() >= at + sizeof word) std::memcpy(message.data() + at, &word, sizeof word);
}

// One more way of being wrong with every number.
Message spoil(Message message, std::uint64_t way, base::Prng& random) {
  switch (way % 9) {
    case 0:  // as it is: another stream's, or another schema's than belongs here
      break;
    case 1:
      message.resize(random.below(message.size()) + 1);
      break;
    case 2:
      set16(message, schema_at, random.next());
      break;
    case 3:
      set16(message, version_at, random.next());
      break;
    case 4:
      set16(message, block_length_at, random.next());
      break;
    case 5:
      set16(message, template_at, random.next());
      break;
    case 6: {  // groups and lengths behind the block that reach far beyond the end
      std::uint16_t block = 0;
      if (message.size() >= header_bytes) std::memcpy(&block, message.data(), sizeof block);
      for (std::size_t at = header_bytes + block;
           at < message.size() && at < header_bytes + block + 8U; ++at)
        message[at] = std::byte{0xFF};
      break;
    }
    case 7:
      for (int flips = 0; flips < 8; ++flips)
        message[random.below(message.size())] ^= std::byte(1U << random.below(8));
      break;
    default:
      message.resize(random.below(8000) + 1);
      for (std::byte& byte : message) byte = std::byte(random.below(256));
      break;
  }
  return message;
}

// Speaks on all five streams, as a client of its own.
class Hostile {
 public:
  Hostile(const Folder& folder, const ClientOptions& victim)
      : transport_(transport::aeron::make_transport()) {
    transport::ConnectOptions options;
    options.directory = folder.aeron();
    connection_ = transport::connect_now(*transport_, options).value();
    for (const Endpoint* endpoint :
         {&victim.control, &victim.announce, &victim.descriptor, &victim.qos, &victim.metadata}) {
      const auto deadline = std::chrono::steady_clock::now() + patience;
      auto add = connection_
                     ->add_publication(endpoint->channel, endpoint->stream_id,
                                       deadline.time_since_epoch().count())
                     .value();
      std::unique_ptr<transport::Publication> made;
      if (!eventually([&] { return (made = add->poll().value()) != nullptr; }))
        throw std::runtime_error("no publication");
      streams_.push_back(std::move(made));
    }
  }

  // Everybody who listens there hears it, or nobody listens: then it is not sent (metadata).
  void say_everywhere(const Message& message) {
    for (const auto& publication : streams_) {
      const std::span<const std::byte> bytes(
          message.data(), std::min(message.size(), publication->max_message_bytes()));
      (void)eventually([&] {
        const transport::Position sent = publication->offer(bytes);
        sent_ += sent > 0 ? 1U : 0U;
        return sent > 0 || sent == transport::not_connected;
      });
    }
  }
  // Whether anybody hears what it says on control, announces and descriptors.
  bool heard() const {
    return streams_[0]->is_connected() && streams_[1]->is_connected() &&
           streams_[2]->is_connected();
  }
  std::uint64_t sent() const noexcept { return sent_; }

 private:
  std::unique_ptr<transport::Transport> transport_;
  std::unique_ptr<transport::Connection> connection_;
  std::vector<std::unique_ptr<transport::Publication>> streams_;
  std::uint64_t sent_ = 0;
};

class HostileTest : public ::testing::TestWithParam<Threading> {
 protected:
  HostileTest() {
    options_ = client_options(world_.folder());
    options_.threading = GetParam();
    options_.on_notice = [this](const Notice& notice) {
      notices_ += notice.kind == NoticeKind::error || notice.kind == NoticeKind::unmapped ? 1 : 0;
    };
  }
  World world_;
  ClientOptions options_;
  std::atomic<int> notices_{0};
};

// Proves: MSG-12, MSG-20
TEST_P(HostileTest, costs_a_good_stream_no_frame_and_no_byte) {
  Client sender = connect(options_);
  Client receiver = connect(options_);
  const auto work = [&] {
    (void)sender.do_work();
    (void)receiver.do_work();
  };
  auto producer =
      make_producer(sender, producer_options(world_.folder(), stream, slots, frame_strides));
  auto consumer = make_consumer(receiver, consumer_options(stream));
  ASSERT_TRUE(eventually([&] {
    work();
    return producer.state() == PortState::active && consumer.state() == PortState::active;
  }));
  Hostile hostile(world_.folder(), options_);
  ASSERT_TRUE(eventually([&] {
    work();
    return hostile.heard();
  }));
  ASSERT_TRUE(until_linked(world_.folder()));
  const std::vector<Message> messages = corpus();
  ASSERT_GT(messages.size(), 100U);
  base::Prng random(17);
  std::uint64_t wrong = 0;
  std::uint64_t told = 0;  // frames that were announced to a listener
  constexpr std::uint64_t frames = 3000;
  for (std::uint64_t i = 0; i < frames; ++i) {
    hostile.say_everywhere(spoil(messages[i % messages.size()], i / 3, random));
    const std::uint64_t seq = producer.statistics().next_seq;
    auto slot = producer.claim(spec_of(seq));
    ASSERT_TRUE(slot) << slot.error().message();
    fill(slot->bytes(), seq);
    const auto committed = slot->commit();
    ASSERT_TRUE(committed);
    told += committed->told == Told::consumers ? 1U : 0U;
    ASSERT_TRUE(eventually([&] {
      work();
      (void)consumer.poll([&](const Frame& frame) {
        const bool right = is_right(frame.info(), frame.bytes());
        if (frame.intact() && !right) ++wrong;
      });
      return consumer.statistics().delivered == told;
    })) << i;
  }
  EXPECT_GT(hostile.sent(), 2 * frames);
  const ConsumerStatistics books = consumer.statistics();
  EXPECT_EQ(wrong, 0U);
  EXPECT_EQ(told, frames);
  EXPECT_EQ(books.delivered, frames);
  EXPECT_EQ(books.lost + books.overwritten + books.skipped + books.ended + books.duplicates, 0U);
  EXPECT_EQ(books.sessions, 1U);
  EXPECT_EQ(books.resyncs, 0U);
  EXPECT_GT(books.malformed, 0U);
  EXPECT_GT(books.foreign, 0U);
  EXPECT_TRUE(books.balanced());
  EXPECT_TRUE(producer.statistics().balanced());
  EXPECT_EQ(producer.statistics().sessions, 1U);
  EXPECT_EQ(notices_, 0);
}

INSTANTIATE_TEST_SUITE_P(Clients, HostileTest,
                         ::testing::Values(Threading::threaded, Threading::invoked),
                         [](const auto& threading) {
                           return threading.param == Threading::threaded ? "threaded" : "invoked";
                         });

}  // namespace
}  // namespace tensorpool::integration
