// Images: who hears whom, from when on, and what a subscriber that stands still does to others.
#include "rig.hpp"

namespace tensorpool::conformance {
namespace {

using transport::Fragment;
using transport::ImageEvent;

class Images : public TransportTest {
 protected:
  std::optional<ImageEvent> next_event() {
    std::optional<ImageEvent> event;
    (void)wait([&] { return (event = log_.pop()).has_value(); });
    return event;
  }

  transport::ImageLog log_;  // outlives the connections, which push into it
};
INSTANTIATE_TEST_SUITE_P(On, Images, ::testing::ValuesIn(rigs()), rig_name);

TEST_P(Images, coming_and_going_is_told_with_session_and_time) {
  transport::Connection& connection = connect();
  auto publication = publish(connection, stream_);
  const std::int32_t session = publication->session_id();
  const base::Nanos before = rig_->now();
  const auto subscription = subscribe(connection, stream_, "aeron:ipc", &log_);
  const auto came = next_event();
  ASSERT_TRUE(came);
  EXPECT_TRUE(came->available);
  EXPECT_EQ(came->session_id, session);
  EXPECT_GE(came->monotonic_ns, before);
  EXPECT_LE(came->monotonic_ns, rig_->now());
  publication.reset();
  std::optional<ImageEvent> went;
  ASSERT_TRUE(wait([&] {
    (void)subscription->poll([](const Fragment&) noexcept {}, 10);
    return (went = log_.pop()).has_value();
  }));
  EXPECT_FALSE(went->available);
  EXPECT_EQ(went->session_id, session);
  EXPECT_GE(went->monotonic_ns, came->monotonic_ns);
  EXPECT_TRUE(wait([&] {
    (void)subscription->poll([](const Fragment&) noexcept {}, 10);
    return subscription->image_count() == 0;
  }));
  EXPECT_EQ(log_.lost(), 0U);
}

TEST_P(Images, a_late_joiner_sees_all_that_follows_and_hardly_anything_older) {
  transport::Connection& connection = connect();
  const auto publication = publish(connection, stream_);
  const auto early = subscribe(connection, stream_);
  ASSERT_TRUE(linked(*publication, *early));
  constexpr std::uint32_t before = 200;  // of 1,056 bytes with their headers: three terms
  std::uint32_t read = 0;
  const auto drain = [&] {
    read += static_cast<std::uint32_t>(early->poll([](const Fragment&) noexcept {}, 10));
  };
  for (std::uint32_t i = 1; i <= before; ++i) {
    ASSERT_TRUE(send(*publication, numbered(i, 1024), drain));
  }
  ASSERT_TRUE(wait([&] {
    drain();
    return read == before;
  }));
  const auto late = subscribe(connection, stream_);
  ASSERT_TRUE(linked(*publication, *late));
  constexpr std::uint32_t after = 5;
  for (std::uint32_t i = 1; i <= after; ++i) {
    ASSERT_TRUE(send(*publication, numbered(before + i, 48), drain));
  }
  std::vector<std::uint32_t> seen;
  ASSERT_TRUE(wait([&] {
    (void)late->poll([&](const Fragment& f) { seen.push_back(number_of(f.data)); }, 10);
    return !seen.empty() && seen.back() == before + after;
  }));
  // Aeron joins at the position that it last noted for the other readers, which may lag a little.
  EXPECT_GE(seen.size(), after);
  EXPECT_LE(seen.size(), after + 31);  // half a term
  for (std::size_t i = 1; i < seen.size(); ++i) EXPECT_EQ(seen[i], seen[i - 1] + 1);
}

TEST_P(Images, what_was_sent_before_a_publication_closed_still_arrives) {
  transport::Connection& connection = connect();
  auto publication = publish(connection, stream_);
  const auto subscription = subscribe(connection, stream_);
  ASSERT_TRUE(linked(*publication, *subscription));
  for (std::uint32_t i = 0; i < 5; ++i) ASSERT_TRUE(send(*publication, numbered(i, 48)));
  publication.reset();
  std::uint32_t next = 0;
  EXPECT_TRUE(wait([&] {
    (void)subscription->poll(
        [&](const Fragment& f) noexcept { EXPECT_EQ(number_of(f.data), next++); }, 10);
    return next == 5;
  }));
}

TEST_P(Images, a_tethered_subscriber_that_stands_still_stops_its_publisher) {
  transport::Connection& connection = connect();
  const auto publication = publish(connection, stream_);
  const auto subscription = subscribe(connection, stream_, "aeron:ipc?tether=true");
  ASSERT_TRUE(linked(*publication, *subscription));
  const auto message = numbered(1, 1000);
  // Until it is really stuck: a limit that only lags moves on within this time and so many turns.
  int sent = 0;
  int refused = 0;
  base::Nanos last = rig_->now();
  ASSERT_TRUE(wait([&] {
    const transport::Position position = publication->offer(message);
    if (position > 0) {
      ++sent;
      refused = 0;
      last = rig_->now();
    } else {
      EXPECT_TRUE(position == transport::back_pressured || position == transport::admin_action);
      ++refused;
    }
    return sent == 1000 || (refused >= 100 && rig_->now() - last > 300'000'000);
  }));
  EXPECT_GT(sent, 10);
  EXPECT_LT(sent, 70);  // a term holds 63
  EXPECT_EQ(subscription->image_count(), 1);
  // Polling lets it go on.
  int received = 0;
  EXPECT_TRUE(wait([&] {
    received += subscription->poll([](const Fragment&) noexcept {}, 10);
    return received >= sent && publication->offer(message) > 0;
  }));
}

TEST_P(Images, an_untethered_subscriber_that_stands_still_stops_nobody) {
  transport::Connection& connection = connect();
  const auto publication = publish(connection, stream_);
  const auto good = subscribe(connection, stream_);
  const auto laggard = subscribe(connect(), stream_, "aeron:ipc", &log_);
  ASSERT_TRUE(linked(*publication, *good));
  ASSERT_TRUE(linked(*publication, *laggard));
  const auto came = next_event();
  ASSERT_TRUE(came && came->available);
  // Several terms, far more than the window, while one of the two never polls.
  constexpr std::uint32_t count = 400;
  std::uint32_t received = 0;
  for (std::uint32_t i = 0; i < count; ++i) {
    ASSERT_TRUE(wait([&] {
      received += static_cast<std::uint32_t>(good->poll([](const Fragment&) noexcept {}, 10));
      return publication->offer(numbered(i, 1000)) > 0;
    })) << "stuck at message "
        << i;
  }
  EXPECT_TRUE(wait([&] {
    received += static_cast<std::uint32_t>(good->poll([](const Fragment&) noexcept {}, 10));
    return received >= count;
  }));
  EXPECT_EQ(received, count);  // the good subscriber lost nothing
  const auto lost = next_event();
  ASSERT_TRUE(lost);
  EXPECT_FALSE(lost->available);
  // Back at its place, the laggard gets its image again, and what is sent from then on.
  const auto back = next_event();
  ASSERT_TRUE(back);
  EXPECT_TRUE(back->available);
  std::uint32_t newest = 0;
  ASSERT_TRUE(wait([&] {
    (void)good->poll([](const Fragment&) noexcept {}, 10);
    (void)publication->offer(numbered(77777, 8));
    (void)laggard->poll([&](const Fragment& f) noexcept { newest = number_of(f.data); }, 10);
    return newest == 77777;
  }));
}

TEST_P(Images, a_client_that_ends_takes_its_publications_with_it) {
  transport::Connection& staying = connect();
  const auto subscription = subscribe(staying, stream_);
  transport::Connection& leaving = connect();
  auto publication = publish(leaving, stream_);
  ASSERT_TRUE(linked(*publication, *subscription));
  publication.reset();
  connections_.pop_back();
  EXPECT_TRUE(wait([&] {
    (void)subscription->poll([](const Fragment&) noexcept {}, 10);
    return subscription->image_count() == 0;
  }));
}

}  // namespace
}  // namespace tensorpool::conformance
