// Connections and adds: what can be had of a media driver, and how it is lost.
#include <algorithm>

#include "rig.hpp"

namespace tensorpool::conformance {
namespace {

using transport::Add;

class Links : public TransportTest {};
INSTANTIATE_TEST_SUITE_P(On, Links, ::testing::ValuesIn(rigs()), rig_name);

TEST_P(Links, connecting_needs_a_living_media_driver_and_never_waits) {
  transport::ConnectOptions elsewhere = rig_->options();
  elsewhere.directory += "-nobody";
  EXPECT_FALSE(rig_->transport().probe(elsewhere).alive);
  const base::Nanos before = rig_->now();
  const auto connection = rig_->transport().connect(elsewhere);
  EXPECT_LT(rig_->now() - before, elsewhere.driver_timeout_ns);
  ASSERT_FALSE(connection);
  EXPECT_EQ(connection.error().code(), Code::no_media_driver);
  EXPECT_NE(connection.error().message().find(elsewhere.directory), std::string::npos);
}

TEST_P(Links, relative_directories_are_refused) {
  transport::ConnectOptions options = rig_->options();
  options.directory = "aeron";
  const auto connection = rig_->transport().connect(options);
  ASSERT_FALSE(connection);
  EXPECT_EQ(connection.error().code(), Code::invalid_argument);
}

TEST_P(Links, a_probe_tells_the_life_of_the_media_driver) {
  const transport::MediaDriverState first = rig_->transport().probe(rig_->options());
  EXPECT_TRUE(first.alive);
  EXPECT_NE(first.pid, 0);
  EXPECT_EQ(rig_->transport().directory(rig_->options()), rig_->options().directory);
  rig_->kill_driver();
  ASSERT_TRUE(wait([&] { return !rig_->transport().probe(rig_->options()).alive; }));
  rig_->start_driver();
  const transport::MediaDriverState second = rig_->transport().probe(rig_->options());
  EXPECT_TRUE(second.alive);
  EXPECT_NE(second.start_ns, first.start_ns);
}

TEST_P(Links, connections_and_publications_have_ids_of_their_own) {
  transport::Connection& a = connect();
  transport::Connection& b = connect();
  EXPECT_NE(a.client_id(), b.client_id());
  const auto first = publish(a, stream_);
  const auto second = publish(b, stream_);
  const auto subscription = subscribe(a, stream_);
  EXPECT_EQ(first->stream_id(), stream_);
  EXPECT_EQ(subscription->stream_id(), stream_);
  EXPECT_NE(first->session_id(), second->session_id());
  EXPECT_EQ(first->max_claim_bytes(), 1376U);
  EXPECT_EQ(first->max_message_bytes(), 8192U);
}

TEST_P(Links, an_add_knows_its_registration_id_and_gives_its_resource_once) {
  transport::Connection& connection = connect();
  auto add = connection.add_publication(channel_, stream_, deadline());
  ASSERT_TRUE(add);
  EXPECT_GE((*add)->registration_id(), 0);
  std::unique_ptr<transport::Publication> publication;
  ASSERT_TRUE(wait([&] {
    auto polled = (*add)->poll();
    EXPECT_TRUE(polled);
    publication = std::move(*polled);
    return publication != nullptr;
  }));
  const auto again = (*add)->poll();
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code(), Code::consumed);
}

// Proves: STR-20
TEST_P(Links, bad_addresses_are_refused) {
  transport::Connection& connection = connect();
  for (const std::int32_t stream : {0, -1}) {
    auto publication = connection.add_publication(channel_, stream, deadline());
    ASSERT_FALSE(publication);
    EXPECT_EQ(publication.error().code(), Code::invalid_argument);
    auto subscription = connection.add_subscription(channel_, stream, deadline(), nullptr);
    ASSERT_FALSE(subscription);
    EXPECT_EQ(subscription.error().code(), Code::invalid_argument);
  }
  EXPECT_FALSE(connection.add_publication("", stream_, deadline()));
  EXPECT_FALSE(connection.add_publication(std::string(5000, 'a'), stream_, deadline()));
  const auto last = finish(connection.add_publication(channel_, 2147483647, deadline()));
  EXPECT_TRUE(last);
}

TEST_P(Links, a_channel_that_the_media_driver_does_not_know_is_its_error) {
  transport::Connection& connection = connect();
  const auto publication = finish(connection.add_publication("aeron:pigeon", stream_, deadline()));
  ASSERT_FALSE(publication);
  EXPECT_EQ(publication.error().code(), Code::transport_error);
  EXPECT_NE(publication.error().message().find("aeron:pigeon"), std::string::npos);
  const auto subscription =
      finish(connection.add_subscription("aeron:pigeon", stream_, deadline(), nullptr));
  ASSERT_FALSE(subscription);
  EXPECT_EQ(subscription.error().code(), Code::transport_error);
  EXPECT_FALSE(connection.is_closed());
}

TEST_P(Links, an_add_ends_at_its_deadline) {
  transport::Connection& connection = connect();
  rig_->kill_driver();
  const base::Nanos soon = rig_->now() + 20'000'000;
  auto publication = connection.add_publication(channel_, stream_, soon);
  auto subscription = connection.add_subscription(channel_, stream_, soon, nullptr);
  auto counter = connection.add_counter({1234, {}, "never"}, soon);
  // Whichever is noticed first: a terminated client would otherwise say "not yet" for ever.
  const auto ended = [](Code code) { return code == Code::timeout || code == Code::client_lost; };
  const auto p = finish(std::move(publication));
  ASSERT_FALSE(p);
  EXPECT_TRUE(ended(p.error().code())) << p.error().message();
  const auto s = finish(std::move(subscription));
  ASSERT_FALSE(s);
  EXPECT_TRUE(ended(s.error().code())) << s.error().message();
  const auto c = finish(std::move(counter));
  ASSERT_FALSE(c);
  EXPECT_TRUE(ended(c.error().code())) << c.error().message();
}

TEST_P(Links, a_deadline_in_the_past_still_gives_an_answer) {
  transport::Connection& connection = connect();
  rig_->kill_driver();
  const auto publication = finish(connection.add_publication(channel_, stream_, rig_->now()));
  ASSERT_FALSE(publication);
  EXPECT_EQ(publication.error().code(), Code::timeout);
}

TEST_P(Links, an_abandoned_add_leaves_nothing_behind) {
  transport::Connection& connection = connect();
  const auto publication = publish(connection, stream_);
  // Dropped before, and after, the media driver has answered.
  {
    auto dropped = connection.add_subscription("aeron:ipc", stream_, deadline(), nullptr);
  }
  pass(20'000'000);
  {
    auto dropped = connection.add_subscription("aeron:ipc", stream_, deadline(), nullptr);
    pass(20'000'000);
  }
  ASSERT_TRUE(wait([&] { return !publication->is_connected(); }));
  EXPECT_EQ(publication->offer(numbered(1, 8)), transport::not_connected);
  {
    auto dropped = connection.add_counter({1234, {}, "abandoned"}, deadline());
  }
  pass(20'000'000);
  EXPECT_TRUE(wait([&] {
    const auto counters = rig_->counters();
    return std::none_of(counters.begin(), counters.end(),
                        [](const SeenCounter& c) { return c.label == "abandoned"; });
  }));
}

TEST_P(Links, a_closed_publication_and_subscription_can_be_made_again) {
  transport::Connection& connection = connect();
  for (std::uint32_t round = 0; round < 3; ++round) {
    const auto publication = publish(connection, stream_);
    const auto subscription = subscribe(connection, stream_);
    ASSERT_TRUE(linked(*publication, *subscription));
    ASSERT_TRUE(send(*publication, numbered(round, 48)));
    std::optional<std::uint32_t> got;
    ASSERT_TRUE(wait([&] {
      (void)subscription->poll([&](const transport::Fragment& f) { got = number_of(f.data); }, 10);
      return got.has_value();
    }));
    EXPECT_EQ(*got, round);
  }
}

TEST_P(Links, counters_can_be_read_from_outside) {
  transport::Connection& connection = connect();
  const std::vector<std::byte> key{std::byte{1}, std::byte{2}, std::byte{3}};
  transport::CounterSpec spec;
  spec.type_id = 1234;
  spec.key = key;
  spec.label = "frames stream=10000 role=producer";
  auto counter = finish(connection.add_counter(spec, deadline()));
  ASSERT_TRUE(counter) << counter.error().message();
  (*counter)->set(42);
  EXPECT_EQ((*counter)->get(), 42);
  EXPECT_GE((*counter)->id(), 0);
  const auto find = [&]() -> std::optional<SeenCounter> {
    for (const SeenCounter& c : rig_->counters()) {
      if (c.type_id == 1234) return c;
    }
    return std::nullopt;
  };
  const auto seen = find();
  ASSERT_TRUE(seen);
  EXPECT_EQ(seen->value, 42);
  EXPECT_EQ(seen->label, spec.label);
  EXPECT_EQ(std::vector<std::byte>(seen->key.begin(), seen->key.begin() + 3), key);
  EXPECT_EQ(seen->owner_id, connection.client_id());
  counter->reset();
  EXPECT_TRUE(wait([&] { return !find(); }));
}

TEST_P(Links, counter_specs_have_bounds) {
  transport::Connection& connection = connect();
  const std::vector<std::byte> key(transport::counter_key_bytes + 1);
  EXPECT_FALSE(connection.add_counter({1234, key, "long key"}, deadline()));
  EXPECT_FALSE(connection.add_counter({999, {}, "type of Aeron's own"}, deadline()));
  const auto counter = finish(connection.add_counter(
      {1234, std::span(key).first(transport::counter_key_bytes), std::string(1000, 'x')},
      deadline()));
  ASSERT_TRUE(counter) << counter.error().message();
  const auto all = rig_->counters();
  EXPECT_TRUE(std::any_of(all.begin(), all.end(), [](const SeenCounter& c) {
    return c.type_id == 1234 && c.label == std::string(transport::counter_label_bytes, 'x');
  }));
}

TEST_P(Links, the_death_of_the_media_driver_closes_the_connection_for_good) {
  transport::Connection& old = connect();
  const auto publication = publish(old, stream_);
  const auto subscription = subscribe(old, stream_);
  auto counter = finish(old.add_counter({1234, {}, "survivor"}, deadline()));
  ASSERT_TRUE(counter);
  ASSERT_TRUE(linked(*publication, *subscription));
  rig_->kill_driver();
  ASSERT_TRUE(wait([&] { return old.is_closed(); }));
  // Aeron's own thread marks the client closed first and its resources one by one after that.
  EXPECT_TRUE(
      wait([&] { return publication->offer(numbered(1, 8)) == transport::publication_closed; }));
  EXPECT_FALSE(publication->is_connected());
  (*counter)->set(7);  // still memory of ours, though nobody sees it any more
  const auto late = finish(old.add_publication(channel_, stream_, deadline()));
  ASSERT_FALSE(late);
  rig_->start_driver();
  EXPECT_TRUE(old.is_closed());
  transport::Connection& fresh = connect();
  const auto again = publish(fresh, stream_);
  EXPECT_FALSE(fresh.is_closed());
}

}  // namespace
}  // namespace tensorpool::conformance
