// Many lease cores and one driver core in memory, from one seed: messages are late, doubled and lost, clients
// stand still, lose their media driver and are killed, the driver crashes, ends and comes back. Time is virtual.
//
// The model keeps to what the transport promises: each sender's messages arrive in order, and keepalives and
// notices are lost only with the driver or with the client's own media driver.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "base/prng.hpp"
#include "protocol/driver/driver_core.hpp"
#include "unit/protocol/driver/support.hpp"
#include "unit/protocol/lease/support.hpp"

namespace tensorpool::protocol {
namespace {

constexpr base::Nanos step_ns = 5 * ms;
constexpr base::Nanos longest_delay = 300 * ms;
constexpr base::Nanos chaos_ns = 60 * second;
// After the last fault: the driver counts a lost client's lease out (3 s), a client notices that the driver is
// gone (5 s), and backs off (3.2 s), twice over.
constexpr base::Nanos heal_ns = 25 * second;
constexpr std::uint32_t streams[] = {test_stream, driver::other_stream};

// One client: a lease core, and as much of a port as there is to it.
struct Client {
  std::unique_ptr<LeaseCore> core;
  Role role = Role::consumer;
  std::uint64_t mapped_epoch = 0;
  base::Nanos paused_until = 0;
  base::Nanos cut_until = 0;
  base::Nanos next_cut = 0;
  bool disturbed = false;        // paused or cut at the moment
  std::set<std::uint64_t> open;  // leases granted and not reported lost
  int losses = 0;
  // What is under way to it, in order for each stream of Aeron's.
  std::deque<std::pair<base::Nanos, std::function<void()>>> control;
  std::deque<std::pair<base::Nanos, std::function<void()>>> announces;
  base::Nanos last_sent = 0;  // arrives at the driver in order
};

class Joined {
 public:
  explicit Joined(std::uint64_t seed) : prng_(seed) {
    start_driver();
    for (const std::uint32_t stream : streams) {
      for (int i = 0; i < 3; ++i) add(stream, Role::producer);
      for (int i = 0; i < 2; ++i) add(stream, Role::consumer);
    }
  }

  void run() {
    const base::Nanos heal_at = now_.monotonic + chaos_ns;
    while (now_.monotonic < heal_at && !::testing::Test::HasFailure()) {
      faults();
      step();
    }
    heal();
    const base::Nanos end = now_.monotonic + heal_ns;
    while (now_.monotonic < end && !::testing::Test::HasFailure()) step();
    check_healed();
  }

  int grants = 0;
  int losses = 0;
  int restarts = 0;

 private:
  struct ToDriver {
    base::Nanos at = 0;
    std::uint64_t keepalive_of = 0;
    std::function<void()> deliver;
  };

  void add(std::uint32_t stream, Role role) {
    clients_.emplace_back();
    clients_.back().role = role;
    begin(clients_.back(), stream);
  }
  void begin(Client& client, std::uint32_t stream) {
    LeaseSettings settings = lease_settings(client.role);
    settings.stream_id = stream;
    settings.client_id = next_client_++;
    settings.client_id_is_ours = prng_.chance(500'000);
    settings.seed = prng_.next();
    client.core = std::make_unique<LeaseCore>(settings, now_);
    client.core->start(now_);
    client.core->on_links(now_, true);
    client.mapped_epoch = 0;
    client.open.clear();
    client.control.clear();
    client.announces.clear();
  }

  // --- The driver and its files.

  void start_driver() {
    driver::Settings settings = driver::test_settings();
    settings.first_lease_id = prng_.next();
    for (auto& stream : settings.streams) stream.highest_epoch_on_disk = highest_[stream.stream_id];
    driver_ = std::make_unique<driver::DriverCore>(std::move(settings), now_);
    ended_at_.clear();
    creations_.clear();
    ++incarnation_;
  }
  // What was under way to it is gone; what it sent arrives.
  void crash() {
    driver_.reset();
    to_driver_.clear();
    down_until_ = now_.monotonic + static_cast<base::Nanos>(prng_.below(8 * second));
    ++restarts;
  }

  void driver_work() {
    if (driver_ == nullptr) {
      if (now_.monotonic >= down_until_) start_driver();
      return;
    }
    while (!to_driver_.empty() && to_driver_.front().at <= now_.monotonic && driver_ != nullptr) {
      const ToDriver message = std::move(to_driver_.front());
      to_driver_.pop_front();
      message.deliver();
      apply();
    }
    while (!creations_.empty() && creations_.front().first <= now_.monotonic) {
      const driver::CreateRegions create = creations_.front().second;
      creations_.pop_front();
      shm::StreamLayout layout = create.layout;
      layout.epoch = std::max(layout.epoch, highest_[layout.stream_id] + 1);
      highest_[layout.stream_id] = layout.epoch;
      driver_->on_created(now_, create.request_id, driver::regions_of(layout), from_driver_);
      apply();
    }
    driver_->on_drained();
    while (driver_ != nullptr && driver_->deadline() <= now_.monotonic) {
      driver_->on_timer(now_, from_driver_);
      apply();
      if (driver_ != nullptr && driver_->state() == driver::State::stopped) crash();
    }
  }

  void apply() {
    for (driver::Action& action : from_driver_.take())
      std::visit([&](auto& what) { took(what); }, action);
  }
  void took(driver::CreateRegions& create) {
    const auto time =
        static_cast<base::Nanos>(prng_.below(prng_.chance(50'000) ? 2 * second : 50 * ms));
    const base::Nanos after = creations_.empty() ? 0 : creations_.back().first;
    creations_.emplace_back(std::max(after, now_.monotonic + time), create);
  }
  void took(driver::CollectEpochs& collect) {
    driver::Actions next;
    driver_->on_collected(now_, collect.request_id, 0, 0, next);
    for (driver::Action& action : next.take()) from_driver_.add(std::move(action));
    if (!from_driver_.empty()) apply();
  }
  void took(driver::SendAttachResponse& send) {
    const auto message = send.message;
    to_all(&Client::control, true, [message](LeaseCore& core, Now now, LeaseActions& actions) {
      core.on_attach_response(now, message, actions);
    });
  }
  void took(driver::SendLeaseRevoked& send) {
    const auto message = send.message;
    ended_at_[message.lease_id] = now_.monotonic;
    to_all(&Client::control, false, [message](LeaseCore& core, Now now, LeaseActions& actions) {
      core.on_revoked(now, message, actions);
    });
  }
  void took(driver::SendDriverShutdown& send) {
    const auto message = send.message;
    to_all(&Client::control, false, [message](LeaseCore& core, Now now, LeaseActions& actions) {
      core.on_shutdown(now, message, actions);
    });
  }
  void took(driver::SendAnnounce& send) {
    const auto message = send.message;
    const int session = incarnation_;
    for (Client& client : clients_) {
      if (faulty_ && prng_.chance(100'000)) continue;
      enqueue(client, client.announces, [this, &client, message, session] {
        LeaseActions actions;
        client.core->on_image(session, 0, true);
        client.core->on_announce(now_, session, message, actions);
        done(client, actions);
        hear_announce(client, message);
      });
    }
  }
  template <class Other>
  void took(Other&) {}

  using Queue = std::deque<std::pair<base::Nanos, std::function<void()>>>;
  template <class F>
  void to_all(Queue Client::* queue, bool may_be_lost, const F& what) {
    for (Client& client : clients_) {
      if (may_be_lost && faulty_ && prng_.chance(150'000)) continue;
      const int copies = faulty_ && prng_.chance(100'000) ? 2 : 1;
      for (int i = 0; i < copies; ++i) {
        enqueue(client, client.*queue, [this, &client, what] {
          LeaseActions actions;
          what(*client.core, now_, actions);
          done(client, actions);
        });
      }
    }
  }
  void enqueue(Client& client, Queue& queue, std::function<void()> what) {
    if (client.cut_until > now_.monotonic) return;
    queue.emplace_back(arrival(queue.empty() ? 0 : queue.back().first), std::move(what));
  }
  base::Nanos arrival(base::Nanos not_before) {
    const base::Nanos limit = faulty_ && prng_.chance(20'000) ? longest_delay : 20 * ms;
    const auto delay = static_cast<base::Nanos>(prng_.below(static_cast<std::uint64_t>(limit)));
    return std::max(not_before, now_.monotonic + delay);
  }

  // --- The clients.

  void send(Client& client, bool may_be_lost, std::uint64_t keepalive_of,
            const std::function<void(driver::DriverCore&, Now, driver::Actions&)>& what) {
    const int copies = faulty_ && prng_.chance(100'000) ? 2 : 1;
    for (int i = 0; i < copies; ++i) {
      if (driver_ == nullptr || (may_be_lost && faulty_ && prng_.chance(150'000))) continue;
      ToDriver message;
      message.at = client.last_sent = arrival(client.last_sent);
      message.keepalive_of = keepalive_of;
      message.deliver = [this, what] { what(*driver_, now_, from_driver_); };
      const auto behind =
          std::upper_bound(to_driver_.begin(), to_driver_.end(), message.at,
                           [](base::Nanos at, const ToDriver& other) { return at < other.at; });
      to_driver_.insert(behind, std::move(message));
    }
  }

  void done(Client& client, LeaseActions& actions) {
    while (!actions.empty()) {
      LeaseActions next;
      for (const LeaseAction& action : actions.take())
        std::visit([&](const auto& what) { did(client, what, next); }, action);
      actions = std::move(next);
    }
  }
  void did(Client& client, const SendAttach& sent, LeaseActions&) {
    const auto message = sent.message;
    send(client, true, 0,
         [message](auto& core, Now now, auto& actions) { core.on_attach(now, message, actions); });
  }
  void did(Client& client, const SendDetach& sent, LeaseActions&) {
    const auto message = sent.message;
    send(client, true, 0,
         [message](auto& core, Now now, auto& actions) { core.on_detach(now, message, actions); });
  }
  void did(Client& client, const SendKeepalive& sent, LeaseActions& next) {
    const auto message = sent.message;
    const bool busy = faulty_ && prng_.chance(50'000);
    if (!busy) {
      send(client, false, message.lease_id, [message](auto& core, Now now, auto& actions) {
        core.on_keepalive(now, message, actions);
      });
    }
    client.core->on_keepalive_sent(now_, busy ? Sent::busy : Sent::taken, next);
  }
  void did(Client& client, const LeaseGranted& granted, LeaseActions& next) {
    ++grants;
    EXPECT_TRUE(client.open.empty()) << "a lease beside a lease";
    EXPECT_TRUE(client.open.insert(granted.lease.lease_id).second);
    EXPECT_LE(now_.monotonic, granted.lease.deadline_ns);
    if (faulty_ && prng_.chance(50'000)) {
      client.core->on_map_failed(now_, granted.lease.lease_id,
                                 Error(Code::region_invalid, "map_stream", "chance"), next);
      return;
    }
    client.mapped_epoch = granted.regions.epoch;
    client.core->on_mapped(granted.lease.lease_id);
  }
  void did(Client& client, const LeaseEnded& ended, LeaseActions&) {
    ++losses;
    EXPECT_EQ(client.open.erase(ended.lease.lease_id), 1U) << "reported twice, or never granted";
    EXPECT_EQ(client.core->lease(), nullptr);
    EXPECT_FALSE(ended.text.empty() && ended.why != LeaseEnd::detached);
    client.mapped_epoch = 0;
  }
  void did(Client& client, const ProducerGone&, LeaseActions&) {
    EXPECT_EQ(client.role, Role::consumer);
    client.mapped_epoch = 0;
    client.core->on_unmapped(client.core->lease()->lease_id);
  }
  void did(Client&, const AttachFailed&, LeaseActions&) {}

  void hear_announce(Client& client, const wire::ShmPoolAnnounce& message) {
    const Lease* lease = client.core->lease();
    if (client.role != Role::consumer || lease == nullptr) return;
    if (message.stream_id != lease->stream_id || message.epoch <= client.mapped_epoch) return;
    client.mapped_epoch = message.epoch;
    client.core->on_mapped(lease->lease_id);
  }

  void client_work(Client& client) {
    client.disturbed = client.paused_until > now_.monotonic || client.cut_until > now_.monotonic;
    if (client.paused_until > now_.monotonic) return;
    if (client.cut_until != 0 && client.cut_until <= now_.monotonic) {
      client.cut_until = 0;
      client.core->on_links(now_, true);
    }
    // As an agent does it: what has arrived, then the timer.
    for (Queue* queue : {&client.control, &client.announces}) {
      while (!queue->empty() && queue->front().first <= now_.monotonic) {
        const auto what = std::move(queue->front().second);
        queue->pop_front();
        what();
      }
    }
    for (int i = 0; client.core->deadline() <= now_.monotonic; ++i) {
      ASSERT_LT(i, 10) << "a timer that is never satisfied";
      LeaseActions actions;
      client.core->on_timer(now_, actions);
      done(client, actions);
    }
  }

  // --- What happens to them.

  void faults() {
    if (driver_ != nullptr && prng_.chance(400)) crash();
    if (driver_ != nullptr && prng_.chance(150)) driver_->on_terminate(now_, from_driver_);
    for (Client& client : clients_) {
      if (prng_.chance(300)) client.paused_until = now_.monotonic + up_to(7 * second);
      if (prng_.chance(300) && may_be_cut(client)) {
        client.cut_until = now_.monotonic + 10 * ms + up_to(4 * second);
        client.next_cut = client.cut_until + second;
        client.control.clear();
        client.announces.clear();
        client.core->on_links(now_, false);
      }
      if (prng_.chance(100)) {  // killed, and started again
        const std::uint32_t stream = streams[prng_.below(2)];
        begin(client, stream);
        client.cut_until = 0;
      }
    }
    const bool anybody_cut = std::any_of(clients_.begin(), clients_.end(),
                                         [](const Client& c) { return c.cut_until != 0; });
    if (driver_ != nullptr && !anybody_cut && prng_.chance(1'000) &&
        driver_->leases().size() != 0) {
      auto lease = driver_->leases().all().begin();
      std::advance(lease, prng_.below(driver_->leases().size()));
      (void)driver_->revoke(now_, lease->first, "by hand", from_driver_);
      apply();
    }
  }
  // A notice that is lost with a client's media driver is never repeated (DRV-123), and nothing else tells a
  // consumer: not tested here. So none is on its way when a client is cut off, nor will one be, but for a
  // lease that runs out on both sides.
  bool may_be_cut(const Client& client) const {
    if (now_.monotonic < client.next_cut || client.paused_until > now_.monotonic) return false;
    const Lease* lease = client.core->lease();
    if (lease == nullptr || driver_ == nullptr) return lease == nullptr;
    return driver_->leases().all().contains(lease->lease_id) &&
           !keepalive_under_way(lease->lease_id);
  }
  base::Nanos up_to(base::Nanos most) {
    return static_cast<base::Nanos>(prng_.below(static_cast<std::uint64_t>(most)));
  }
  void heal() {
    faulty_ = false;
    down_until_ = 0;
    for (Client& client : clients_) {
      client.paused_until = 0;
      if (client.cut_until != 0) client.cut_until = now_.monotonic;
    }
  }

  void step() {
    now_.monotonic += step_ns;
    now_.realtime += step_ns;
    driver_work();
    for (Client& client : clients_) client_work(client);
    check();
  }

  // --- What always holds.

  bool believes(const Client& client) const {
    const Lease* lease = client.core->lease();
    return lease != nullptr && now_.monotonic <= lease->deadline_ns;
  }

  void check() {
    std::map<std::pair<std::uint32_t, std::uint64_t>, int> writers;  // of a stream's epoch
    for (const Client& client : clients_) {
      if (!believes(client)) continue;
      const Lease& lease = *client.core->lease();
      if (client.role == Role::producer) {
        const int count = ++writers[{lease.stream_id, lease.epoch}];
        EXPECT_EQ(count, 1) << "two producers believe in one epoch of stream " << lease.stream_id;
      }
      if (driver_ == nullptr) continue;
      const auto& held = driver_->leases().all();
      const auto found = held.find(lease.lease_id);
      if (found != held.end()) {
        if (!keepalive_under_way(lease.lease_id)) {
          EXPECT_LE(lease.deadline_ns, found->second.expiry_ns)
              << "client " << lease.client_id << " believes longer than its driver";
        }
        continue;
      }
      // The driver ended it: then a client that hears does not believe longer than the notice takes.
      const auto ended = ended_at_.find(lease.lease_id);
      if (ended == ended_at_.end() || client.disturbed) continue;
      EXPECT_LE(now_.monotonic, ended->second + 2 * longest_delay + 2 * step_ns)
          << "client " << lease.client_id << " goes on with a lease that its driver ended";
    }
  }
  bool keepalive_under_way(std::uint64_t lease_id) const {
    return std::any_of(to_driver_.begin(), to_driver_.end(),
                       [&](const ToDriver& m) { return m.keepalive_of == lease_id; });
  }

  void check_healed() {
    ASSERT_NE(driver_, nullptr);
    std::map<std::uint32_t, int> producers;
    for (const Client& client : clients_) {
      const Lease* lease = client.core->lease();
      if (client.role == Role::consumer) {
        ASSERT_NE(lease, nullptr) << "a consumer never came back: " << name(client.core->state());
        EXPECT_TRUE(client.core->state() == LeaseState::mapped);
        EXPECT_EQ(client.mapped_epoch, highest_[lease->stream_id]);
      }
      if (lease == nullptr) continue;
      EXPECT_TRUE(driver_->leases().all().contains(lease->lease_id));
      if (client.role == Role::producer) ++producers[lease->stream_id];
    }
    for (const std::uint32_t stream : streams) {
      const bool wanted = std::any_of(clients_.begin(), clients_.end(), [&](const Client& c) {
        return c.role == Role::producer && c.core->stream_id() == stream;
      });
      EXPECT_EQ(producers[stream], wanted ? 1 : 0);
    }
  }

  base::Prng prng_;
  Now now_{100 * second, 1'700'000'000 * second};
  bool faulty_ = true;
  int incarnation_ = 0;
  base::Nanos down_until_ = 0;
  std::uint32_t next_client_ = 1'000;
  std::unique_ptr<driver::DriverCore> driver_;
  driver::Actions from_driver_;
  std::map<std::uint64_t, base::Nanos> ended_at_;  // by this driver
  std::map<std::uint32_t, std::uint64_t> highest_;
  std::deque<std::pair<base::Nanos, driver::CreateRegions>> creations_;
  std::deque<ToDriver> to_driver_;  // by arrival
  std::deque<Client> clients_;      // which stay where they are
};

// Proves: DRV-7, DRV-194, DRV-195, CON-41, CON-42
TEST(LeasesJoined, NobodyBelievesLongerThanTheDriverAndAllComeBack) {
  const char* given = std::getenv("TENSORPOOL_SEED");  // for other runs than the usual ones
  const std::uint64_t first = given != nullptr ? std::strtoull(given, nullptr, 10) : 1;
  const std::uint64_t last = given != nullptr ? first : 25;
  int grants = 0;
  int losses = 0;
  int restarts = 0;
  for (std::uint64_t seed = first; seed <= last; ++seed) {
    SCOPED_TRACE("repeat with TENSORPOOL_SEED=" + std::to_string(seed));
    Joined world(seed);
    world.run();
    if (HasFailure()) return;
    grants += world.grants;
    losses += world.losses;
    restarts += world.restarts;
  }
  // The faults did something.
  EXPECT_GT(grants, given != nullptr ? 10 : 500);
  EXPECT_GT(losses, given != nullptr ? 0 : 250);
  EXPECT_GT(restarts, given != nullptr ? -1 : 25);
}

}  // namespace
}  // namespace tensorpool::protocol
