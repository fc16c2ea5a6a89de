// Messages: claims, offers, fragments, order.
#include <map>
#include <stdexcept>

#include "rig.hpp"

namespace tensorpool::conformance {
namespace {

using transport::Fragment;

class Messages : public TransportTest {
 protected:
  // One publication and one subscription that see each other.
  void SetUp() override {
    TransportTest::SetUp();
    transport::Connection& connection = connect();
    publication_ = publish(connection, stream_);
    subscription_ = subscribe(connection, stream_);
    ASSERT_TRUE(linked(*publication_, *subscription_));
  }
  void TearDown() override {
    publication_.reset();
    subscription_.reset();
    TransportTest::TearDown();
  }
  // Whole messages, until `count` of them are there.
  std::vector<std::vector<std::byte>> receive(std::size_t count) {
    std::vector<std::vector<std::byte>> received;
    (void)wait([&] {
      (void)subscription_->poll_assembled(
          [&](const Fragment& message) {
            EXPECT_TRUE(message.whole());
            EXPECT_EQ(message.session_id, publication_->session_id());
            received.emplace_back(message.data.begin(), message.data.end());
          },
          10);
      return received.size() >= count;
    });
    return received;
  }

  std::unique_ptr<transport::Publication> publication_;
  std::unique_ptr<transport::Subscription> subscription_;
};
INSTANTIATE_TEST_SUITE_P(On, Messages, ::testing::ValuesIn(rigs()), rig_name);

// Proves: STR-14
TEST_P(Messages, nobody_there_is_a_normal_state_that_ends_with_a_subscriber) {
  transport::Connection& connection = *connections_.front();
  const auto alone = publish(connection, stream_ + 1);
  transport::Claim claim;
  EXPECT_EQ(alone->offer(numbered(1, 8)), transport::not_connected);
  EXPECT_EQ(alone->try_claim(8, claim), transport::not_connected);
  EXPECT_FALSE(alone->is_connected());
  auto listener = subscribe(connection, stream_ + 1);
  ASSERT_TRUE(linked(*alone, *listener));
  EXPECT_GT(alone->offer(numbered(2, 8)), 0);
  listener.reset();
  ASSERT_TRUE(wait([&] { return !alone->is_connected(); }));
  // A media driver takes back what it had granted a moment after it said so.
  ASSERT_TRUE(wait([&] { return alone->offer(numbered(3, 8)) == transport::not_connected; }));
  listener = subscribe(connection, stream_ + 1);
  ASSERT_TRUE(linked(*alone, *listener));
  EXPECT_TRUE(send(*alone, numbered(4, 8)));
}

TEST_P(Messages, a_committed_claim_arrives_and_an_aborted_one_does_not) {
  for (std::uint32_t i = 0; i < 3; ++i) {
    transport::Claim claim;
    const auto message = numbered(i, 48);
    ASSERT_GT(publication_->try_claim(48, claim), 0);
    ASSERT_EQ(claim.size, 48U);
    std::copy(message.begin(), message.end(), claim.data);
    if (i == 1) {
      publication_->abort(claim);
    } else {
      publication_->commit(claim);
    }
  }
  const auto received = receive(2);
  ASSERT_EQ(received.size(), 2U);
  EXPECT_EQ(received[0], numbered(0, 48));
  EXPECT_EQ(received[1], numbered(2, 48));
}

TEST_P(Messages, readers_wait_behind_an_open_claim) {
  transport::Claim claim;
  const auto first = numbered(1, 16);
  ASSERT_GT(publication_->try_claim(16, claim), 0);
  ASSERT_GT(publication_->offer(numbered(2, 16)), 0);
  int early = 0;
  for (int i = 0; i < 100; ++i) {
    early += subscription_->poll([](const Fragment&) {}, 10);
    turn();
  }
  EXPECT_EQ(early, 0);
  std::copy(first.begin(), first.end(), claim.data);
  publication_->commit(claim);
  const auto received = receive(2);
  ASSERT_EQ(received.size(), 2U);
  EXPECT_EQ(received[0], first);
  EXPECT_EQ(received[1], numbered(2, 16));
}

TEST_P(Messages, claims_have_a_largest_size) {
  transport::Claim claim;
  EXPECT_EQ(publication_->try_claim(publication_->max_claim_bytes() + 1, claim),
            transport::publication_error);
  ASSERT_GT(publication_->try_claim(publication_->max_claim_bytes(), claim), 0);
  EXPECT_EQ(claim.size, publication_->max_claim_bytes());
  publication_->commit(claim);
}

// Proves: STR-12, STR-13
TEST_P(Messages, messages_of_every_size_arrive_whole) {
  const std::size_t piece = publication_->max_claim_bytes();
  std::uint32_t number = 0;
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{1}, std::size_t{48}, piece - 1, piece, piece + 1, 2 * piece,
        2 * piece + 5, publication_->max_message_bytes()}) {
    const auto message = numbered(++number, size);
    ASSERT_TRUE(send(*publication_, message));
    const auto received = receive(1);
    ASSERT_EQ(received.size(), 1U) << size;
    EXPECT_EQ(received[0], message) << size;
  }
}

TEST_P(Messages, a_longer_message_comes_as_fragments_that_say_where_they_belong) {
  const auto message = numbered(9, 2 * publication_->max_claim_bytes() + 100);
  ASSERT_TRUE(send(*publication_, message));
  std::vector<std::pair<bool, bool>> flags;
  std::vector<std::byte> joined;
  ASSERT_TRUE(wait([&] {
    (void)subscription_->poll(
        [&](const Fragment& fragment) {
          flags.emplace_back(fragment.begin, fragment.end);
          EXPECT_FALSE(fragment.whole());
          joined.insert(joined.end(), fragment.data.begin(), fragment.data.end());
        },
        10);
    return flags.size() >= 3;
  }));
  const std::vector<std::pair<bool, bool>> expected{{true, false}, {false, false}, {false, true}};
  EXPECT_EQ(flags, expected);
  EXPECT_EQ(joined, message);
}

TEST_P(Messages, an_overlong_offer_is_an_error_whoever_listens) {
  const auto message = numbered(1, publication_->max_message_bytes() + 1);
  EXPECT_EQ(publication_->offer(message), transport::publication_error);
  const auto alone = publish(*connections_.front(), stream_ + 1);
  EXPECT_EQ(alone->offer(message), transport::publication_error);
}

TEST_P(Messages, order_holds_across_terms) {
  // Terms are 64 KiB: a few rotations, with claims as ports make them.
  constexpr std::uint32_t count = 3000;
  std::uint32_t next = 0;
  int rotations = 0;
  const auto drain = [&] {
    (void)subscription_->poll(
        [&](const Fragment& f) noexcept { EXPECT_EQ(number_of(f.data), next++); }, 10);
  };
  for (std::uint32_t i = 0; i < count; ++i) {
    ASSERT_TRUE(wait([&] {
      transport::Claim claim;
      const transport::Position position = publication_->try_claim(48, claim);
      if (position > 0) {
        const auto message = numbered(i, 48);
        std::copy(message.begin(), message.end(), claim.data);
        publication_->commit(claim);
        return true;
      }
      rotations += position == transport::admin_action ? 1 : 0;
      drain();
      return false;
    }));
  }
  EXPECT_TRUE(wait([&] {
    drain();
    return next == count;
  }));
  EXPECT_GE(rotations, 2);
}

TEST_P(Messages, a_poll_hands_over_at_most_its_limit) {
  for (std::uint32_t i = 0; i < 8; ++i) ASSERT_TRUE(send(*publication_, numbered(i, 8)));
  std::uint32_t handed = 0;
  ASSERT_TRUE(wait([&] {
    std::uint32_t now = 0;
    const int said = subscription_->poll([&](const Fragment&) noexcept { ++now; }, 3);
    EXPECT_EQ(static_cast<std::uint32_t>(said), now);
    EXPECT_LE(now, 3U);
    handed += now;
    return handed == 8;
  }));
}

TEST_P(Messages, several_publishers_keep_their_own_order) {
  transport::Connection& other = connect();
  const auto second = publish(other, stream_);
  ASSERT_TRUE(linked(*second, *subscription_, 2));
  std::map<std::int32_t, std::uint32_t> next;
  const auto drain = [&] {
    (void)subscription_->poll_assembled(
        [&](const Fragment& m) { EXPECT_EQ(number_of(m.data), next[m.session_id]++); }, 10);
  };
  for (std::uint32_t i = 0; i < 50; ++i) {
    ASSERT_TRUE(send(*publication_, numbered(i, 40), drain));
    ASSERT_TRUE(send(*second, numbered(i, 2000), drain));
  }
  EXPECT_TRUE(wait([&] {
    drain();
    return next[publication_->session_id()] == 50 && next[second->session_id()] == 50;
  }));
  EXPECT_EQ(next.size(), 2U);
}

TEST_P(Messages, streams_do_not_mix) {
  const auto elsewhere = publish(*connections_.front(), stream_ + 1);
  const auto listener = subscribe(*connections_.front(), stream_ + 1);
  ASSERT_TRUE(linked(*elsewhere, *listener));
  ASSERT_TRUE(send(*elsewhere, numbered(1, 8)));
  ASSERT_TRUE(send(*publication_, numbered(2, 8)));
  const auto received = receive(1);
  ASSERT_EQ(received.size(), 1U);
  EXPECT_EQ(number_of(received[0]), 2U);
}

TEST_P(Messages, every_subscriber_gets_every_message) {
  const auto second = subscribe(connect(), stream_);
  ASSERT_TRUE(linked(*publication_, *second));
  ASSERT_TRUE(send(*publication_, numbered(5, 100)));
  const auto received = receive(1);
  ASSERT_EQ(received.size(), 1U);
  int copies = 0;
  ASSERT_TRUE(wait([&] {
    copies +=
        second->poll([](const Fragment& f) noexcept { EXPECT_EQ(number_of(f.data), 5U); }, 10);
    return copies > 0;
  }));
}

TEST_P(Messages, an_exception_of_a_handler_arrives_at_the_caller_and_does_no_harm) {
  ASSERT_TRUE(send(*publication_, numbered(1, 8)));
  bool thrown = false;
  ASSERT_TRUE(wait([&] {
    try {
      (void)subscription_->poll_assembled(
          [](const Fragment&) { throw std::runtime_error("application"); }, 1);
    } catch (const std::runtime_error&) {
      thrown = true;
    }
    return thrown;
  }));
  ASSERT_TRUE(send(*publication_, numbered(2, 5000)));
  const auto received = receive(1);
  ASSERT_EQ(received.size(), 1U);
  EXPECT_EQ(received[0], numbered(2, 5000));
}

}  // namespace
}  // namespace tensorpool::conformance
