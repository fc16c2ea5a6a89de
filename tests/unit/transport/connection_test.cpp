// What is Aeron's own about the connection: its error handler, and the concrete hot classes.
#include "transport/aeron/connection.hpp"

#include <gtest/gtest.h>

#include "support.hpp"
#include "transport/aeron/hot.hpp"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#include <sanitizer/lsan_interface.h>
#define TP_TEST_HAS_LSAN 1
#endif
#endif

namespace tensorpool::transport::aeron {
namespace {

// Aeron itself loses memory in here.
struct Lossy {
#ifdef TP_TEST_HAS_LSAN
  Lossy() { __lsan_disable(); }
  ~Lossy() { __lsan_enable(); }
#else
  Lossy() {}
#endif
  Lossy(const Lossy&) = delete;
  Lossy& operator=(const Lossy&) = delete;
};

class ConnectionTest : public ::testing::Test {
 protected:
  void SetUp() override { connect(60'000'000'000); }
  void connect(base::Nanos driver_timeout_ns) {
    connection_.reset();
    driver_.reset();
    auto launched = EmbeddedMediaDriver::launch(small_driver(folder_ / "aeron"));
    ASSERT_TRUE(launched) << launched.error().message();
    driver_ = std::move(*launched);
    ConnectOptions options;
    options.directory = folder_ / "aeron";
    options.invoked = true;
    options.driver_timeout_ns = driver_timeout_ns;
    auto connection = connect_now(*make_transport(), options);
    ASSERT_TRUE(connection) << connection.error().message();
    connection_ = std::move(*connection);
  }
  template <class Condition>
  [[nodiscard]] bool wait(Condition&& condition, bool drive = true) {
    const base::Nanos deadline = base::SystemClock::monotonic() + 60'000'000'000;
    while (!condition()) {
      if (base::SystemClock::monotonic() > deadline) return false;
      (void)connection_->do_work();
      if (drive) (void)driver_->do_work();
    }
    return true;
  }
  template <class T>
  std::unique_ptr<T> finish(Result<std::unique_ptr<Add<T>>> add) {
    std::unique_ptr<T> resource;
    EXPECT_TRUE(add);
    EXPECT_TRUE(wait([&] {
      auto polled = (*add)->poll();
      EXPECT_TRUE(polled) << polled.error().message();
      if (polled) resource = std::move(*polled);
      return !polled || resource != nullptr;
    }));
    return resource;
  }
  base::Nanos soon() const { return base::SystemClock::monotonic() + 60'000'000'000; }

  Folder folder_;
  std::unique_ptr<EmbeddedMediaDriver> driver_;
  std::unique_ptr<transport::Connection> connection_;
};

// Aeron's own handler would print and end this process.
TEST_F(ConnectionTest, errors_are_kept_and_never_end_the_process) {
  connect(2'000'000'000);  // so that it is soon given up
  const auto& connection = static_cast<const Connection&>(*connection_);
  EXPECT_EQ(connection.last_error(), "");
  ASSERT_TRUE(wait([&] { return connection.is_closed(); }, false));
  EXPECT_NE(connection.last_error(), "");
  EXPECT_LE(connection.last_error().size(), 1100U);
}

// A media driver that does nothing while many ask: its buffer of commands is full in the end. Aeron's client frees
// such an add twice; ours is lost, says so, and another takes its place.
TEST_F(ConnectionTest, no_room_for_a_command_costs_the_connection_and_nothing_else) {
  const auto counter = finish(connection_->add_counter({1500, {}, "before"}, soon()));
  const auto publication = finish(connection_->add_publication("aeron:ipc", 7, soon()));
  ASSERT_TRUE(counter != nullptr && publication != nullptr);
  const std::string label(counter_label_bytes, 'x');
  std::vector<std::unique_ptr<Add<Counter>>> adds;
  Code why = Code::ok;
  while (why == Code::ok && adds.size() < 100'000) {
    const Lossy text_of_the_last_one;
    auto add = connection_->add_counter({1500, {}, label}, soon());
    if (add) {
      adds.push_back(std::move(*add));
    } else {
      why = add.error().code();
      EXPECT_NE(add.error().message().find("takes no commands"), std::string::npos)
          << add.error().message();
    }
  }
  EXPECT_EQ(why, Code::client_lost);
  EXPECT_GT(adds.size(), 100U);
  EXPECT_TRUE(connection_->is_closed());
  EXPECT_EQ(connection_->do_work(), 0);
  EXPECT_EQ(connection_->add_publication("aeron:ipc", 7, soon()).error().code(), Code::client_lost);
  EXPECT_EQ(connection_->add_subscription("aeron:ipc", 7, soon(), nullptr).error().code(),
            Code::client_lost);
  EXPECT_EQ(adds.front()->poll().error().code(), Code::client_lost);
  counter->set(5);  // what it had stays where it is
  EXPECT_EQ(counter->get(), 5);
  EXPECT_FALSE(publication->is_connected());
}

// Others may name what they like on a shared stream: an exclusive publication has a log of its own.
TEST_F(ConnectionTest, publications_of_one_stream_may_have_terms_of_different_lengths) {
  const auto one = finish(connection_->add_publication("aeron:ipc?term-length=128k", 1100, soon()));
  const auto other =
      finish(connection_->add_publication("aeron:ipc?term-length=64k", 1100, soon()));
  const auto none = finish(connection_->add_publication("aeron:ipc", 1100, soon()));
  ASSERT_TRUE(one != nullptr && other != nullptr && none != nullptr);
  EXPECT_EQ(one->max_message_bytes(), 2 * other->max_message_bytes());
  const auto reader =
      finish(connection_->add_subscription("aeron:ipc?term-length=1m", 1100, soon(), nullptr));
  ASSERT_TRUE(wait([&] { return reader->image_count() == 3; }));
}

// Proves: STR-16
TEST_F(ConnectionTest, counters_live_in_the_media_drivers_own_files) {
  const auto counter = finish(connection_->add_counter({1500, {}, "one of ours"}, soon()));
  ASSERT_NE(counter, nullptr);
  counter->set(-5);
  const auto listed = list_counters(folder_ / "aeron");
  ASSERT_TRUE(listed);
  int found = 0;
  for (const CounterView& view : *listed) {
    if (view.id != counter->id()) continue;
    ++found;
    EXPECT_EQ(view.value, -5);
    EXPECT_EQ(view.type_id, 1500);
    EXPECT_EQ(view.label, "one of ours");
    EXPECT_EQ(view.owner_id, connection_->client_id());
    EXPECT_GT(view.registration_id, 0);
  }
  EXPECT_EQ(found, 1);
}

TEST_F(ConnectionTest, ports_poll_the_concrete_class_with_any_callable) {
  auto sender = finish(connection_->add_publication("aeron:ipc", 7, soon()));
  auto receiver = finish(connection_->add_subscription("aeron:ipc", 7, soon(), nullptr));
  ASSERT_TRUE(sender && receiver);
  auto& publication = dynamic_cast<Publication&>(*sender);
  auto& subscription = dynamic_cast<Subscription&>(*receiver);
  ASSERT_TRUE(wait([&] { return publication.is_connected() && subscription.image_count() == 1; }));
  Claim claim;
  ASSERT_GT(publication.try_claim(8, claim), 0);
  claim.data[0] = std::byte{9};
  publication.commit(claim);
  int count = 0;
  ASSERT_TRUE(wait([&] {
    return subscription.poll(
               [&](const Fragment& fragment) noexcept {
                 ++count;
                 EXPECT_TRUE(fragment.whole());
                 EXPECT_EQ(fragment.data.size(), 8U);
                 EXPECT_EQ(fragment.data[0], std::byte{9});
                 EXPECT_EQ(fragment.session_id, publication.session_id());
               },
               10) == 1;
  }));
  EXPECT_EQ(count, 1);
}

// Ports read the flags and the session from Aeron's frame header in front of a fragment; the interface asks
// Aeron. Both say the same of whole messages and of each part of one.
TEST_F(ConnectionTest, what_ports_read_of_a_frame_is_what_aeron_says_of_it) {
  auto sender = finish(connection_->add_publication("aeron:ipc", 12, soon()));
  auto one = finish(connection_->add_subscription("aeron:ipc", 12, soon(), nullptr));
  auto other = finish(connection_->add_subscription("aeron:ipc", 12, soon(), nullptr));
  ASSERT_TRUE(sender && one && other);
  auto& direct = dynamic_cast<Subscription&>(*one);
  ASSERT_TRUE(wait([&] { return direct.image_count() == 1 && other->image_count() == 1; }));
  for (const std::size_t size : {std::size_t{48}, 2 * sender->max_claim_bytes() + 100}) {
    const std::vector<std::byte> message(size, std::byte{3});
    ASSERT_TRUE(wait([&] { return sender->offer(message) > 0; }));
  }
  struct Seen {
    bool begin, end;
    std::int32_t session;
    std::size_t size;
    bool operator==(const Seen&) const = default;
  };
  std::vector<Seen> by_port;
  std::vector<Seen> by_aeron;
  const auto into = [](std::vector<Seen>& list) {
    return [&list](const Fragment& f) {
      list.push_back({f.begin, f.end, f.session_id, f.data.size()});
    };
  };
  ASSERT_TRUE(wait([&] {
    (void)direct.poll(into(by_port), 10);
    auto handler = into(by_aeron);
    (void)other->poll(FragmentHandler(handler), 10);
    return by_port.size() >= 4 && by_aeron.size() >= 4;
  }));
  EXPECT_EQ(by_port, by_aeron);
  EXPECT_TRUE(by_port[0].begin && by_port[0].end);
  EXPECT_TRUE(by_port[1].begin && !by_port[1].end);
  EXPECT_TRUE(!by_port[2].begin && !by_port[2].end);
  EXPECT_TRUE(!by_port[3].begin && by_port[3].end);
  EXPECT_EQ(by_port[0].session, sender->session_id());
}

// What is looked at is not the log, which a publisher overwrites while this process stands still.
TEST_F(ConnectionTest, messages_are_handed_over_as_copies) {
  auto receiver = finish(connection_->add_subscription("aeron:ipc", 11, soon(), nullptr));
  auto sender = finish(connection_->add_publication("aeron:ipc", 11, soon()));
  ASSERT_TRUE(sender && receiver);
  const std::vector<std::byte> message(100, std::byte{7});
  ASSERT_TRUE(wait([&] { return sender->offer(message) > 0; }));
  ASSERT_TRUE(wait([&] { return sender->offer(message) > 0; }));
  std::vector<const std::byte*> places;
  ASSERT_TRUE(wait([&] {
    (void)receiver->poll_assembled(
        [&](const Fragment& all) {
          EXPECT_EQ(all.data.size(), message.size());
          places.push_back(all.data.data());
        },
        10);
    return places.size() == 2;
  }));
  EXPECT_EQ(places[0], places[1]) << "one place for both, that is, not where they lie in the log";
}

// Whoever comes, says something long and goes, again and again, leaves nothing in this process.
TEST_F(ConnectionTest, buffers_of_sessions_that_are_gone_are_let_go_of) {
  auto receiver = finish(connection_->add_subscription("aeron:ipc", 9, soon(), nullptr));
  ASSERT_NE(receiver, nullptr);
  auto& subscription = dynamic_cast<Subscription&>(*receiver);
  auto stays = finish(connection_->add_publication("aeron:ipc", 9, soon()));
  const std::vector<std::byte> message(6000, std::byte{7});  // of some fragments
  int heard = 0;
  const auto say = [&](transport::Publication& from) {
    const int before = heard;
    ASSERT_TRUE(wait([&] { return from.offer(message) > 0; }));
    ASSERT_TRUE(wait([&] {
      (void)subscription.poll_assembled(
          [&](const Fragment& all) {
            EXPECT_EQ(all.data.size(), message.size());
            ++heard;
          },
          10);
      return heard == before + 1;
    }));
  };
  say(*stays);
  for (int i = 0; i < 8; ++i) {
    auto comes = finish(connection_->add_publication("aeron:ipc", 9, soon()));
    ASSERT_NE(comes, nullptr);
    say(*comes);
    say(*stays);
    comes.reset();
    ASSERT_TRUE(wait([&] {
      (void)subscription.poll_assembled([](const Fragment&) {}, 10);
      return subscription.image_count() == 1;
    }));
    EXPECT_LE(subscription.assembling(), 2U);
  }
  EXPECT_EQ(heard, 17);
}

// What decides the tail (docs/internals/aeron-facts.md): every subscription is untethered. The media
// driver writes it into the channel of the subscriber's position counter.
TEST_F(ConnectionTest, subscriptions_are_untethered) {
  auto receiver = finish(connection_->add_subscription("aeron:ipc", 8, soon(), nullptr));
  auto sender = finish(connection_->add_publication("aeron:ipc", 8, soon()));
  ASSERT_TRUE(sender && receiver);
  ASSERT_TRUE(wait([&] { return receiver->image_count() == 1; }));
  const auto listed = list_counters(folder_ / "aeron");
  ASSERT_TRUE(listed);
  bool seen = false;
  for (const CounterView& view : *listed) {
    if (view.label.rfind("sub-pos", 0) != 0) continue;
    seen = true;
    EXPECT_NE(view.label.find("tether=false"), std::string::npos) << view.label;
  }
  EXPECT_TRUE(seen);
}

}  // namespace
}  // namespace tensorpool::transport::aeron
