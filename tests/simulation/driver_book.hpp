// What drivers did and said and what everybody else said to them, held against what driver mode promises. It listens
// to the drivers' own reports, to the messages of the simulated network, and to the names of the simulated disk, and
// compares them with the drivers' tables between two duty cycles.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "protocol/driver/actions.hpp"
#include "protocol/driver/leases.hpp"
#include "sim/memory_file_system.hpp"
#include "sim/network.hpp"
#include "wire/codec.hpp"

namespace tensorpool::simulation {

class DriverProcess;
class DriverSide;
class World;
struct Part;

// A lease from its grant on; kept for ever, since no id may come twice.
struct LeaseEntry {
  protocol::driver::LeaseKey key;
  std::uint32_t driver = 0;  // the process that granted it
  std::uint64_t epoch = 0;   // of the stream, when it was granted
  std::optional<std::uint32_t> node_id;
  base::Nanos expiry_ns = 0;
  bool heard = false;         // a keepalive, in the driver's current cycle
  bool detach_heard = false;  // a valid request
  bool ended = false;
  bool must_tell = false;  // ended with a notice to come
  bool told = false;       // the notice was sent
};

// Client at the media driver, stream, and whether it produces.
using LeaseOwner = std::tuple<std::int64_t, std::uint32_t, bool>;

class DriverBook {
 public:
  explicit DriverBook(DriverSide& side);

  // Another boot.
  void new_host(bool keeps_files);
  // The life of drivers.
  void on_made(DriverProcess& driver);
  void on_refused(const DriverProcess& driver);
  void on_over(const DriverProcess& driver);
  void on_report(DriverProcess& driver, const protocol::driver::Report& report);
  void look(DriverProcess& driver);
  // The network and the disk.
  void on_message(const sim::MessageEvent& event);
  void on_change(sim::MemoryDisk::Change change, const std::string& path, std::uint64_t process);

  const LeaseEntry* lease(std::uint64_t lease_id) const;
  // For which this port sent its last keepalive.
  const LeaseEntry* kept_alive_by(std::int64_t client, const Part& part) const;
  // Of the driver that drives now, not yet ended.
  std::size_t living() const;
  // Ended, and nobody was told so far though the driver still drives.
  const LeaseEntry* untold() const;

  // For those who repeat what others said: the last messages of the control stream, and all leases in the order of
  // their grants.
  const std::deque<std::vector<std::byte>>& messages() const noexcept { return messages_; }
  const std::vector<std::uint64_t>& lease_ids() const noexcept { return order_; }

 private:
  void granted(DriverProcess& driver, const protocol::driver::Report& report);
  void ended(DriverProcess& driver, const protocol::driver::Report& report);
  void regions_created(const DriverProcess& driver, const protocol::driver::Report& report);
  void check_reason(DriverProcess& driver, const LeaseEntry& lease, const std::string& reason);

  void driver_says(DriverProcess& driver, std::span<const std::byte> bytes);
  bool over(DriverProcess& driver);
  void says(DriverProcess& driver, const wire::driver::ShmAttachResponse& message);
  void says(DriverProcess& driver, const wire::driver::ShmLeaseRevoked& message);
  void says(DriverProcess& driver, const wire::ShmPoolAnnounce& message);
  void driver_hears(DriverProcess& driver, std::span<const std::byte> bytes);
  void client_says(std::int64_t client, std::span<const std::byte> bytes);
  void client_hears(std::int64_t client, std::span<const std::byte> bytes);
  LeaseEntry* match(const protocol::driver::LeaseKey& key);
  void removed(const DriverProcess& driver, const std::string& path);
  void forget_floor(const DriverProcess& driver, std::uint32_t stream_id, std::uint64_t going);

  DriverSide& side_;
  World& world_;
  std::map<std::uint64_t, LeaseEntry> leases_;
  std::vector<std::uint64_t> order_;
  std::uint32_t driving_ = 0;  // incarnation; 0: nobody

  // Of this boot, or of all that had these files.
  std::map<std::uint32_t, std::uint64_t> made_;               // stream → highest epoch created
  std::set<std::pair<std::uint32_t, std::uint64_t>> epochs_;  // all of them
  std::map<std::uint32_t, std::uint64_t> announced_;          // stream → highest epoch announced
  std::map<std::uint32_t, std::uint64_t>
      over_;  // stream → highest epoch whose producer's end was told
  struct Released {
    std::uint32_t client_id = 0;
    base::Nanos at_ns = 0;
  };
  std::map<std::uint32_t, Released> released_;             // node ids of the driver that drives
  std::map<LeaseOwner, std::uint64_t> kept_alive_;         // by whom → lease
  std::set<std::pair<std::int64_t, std::uint64_t>> told_;  // (client at the media driver, lease)
  std::deque<std::vector<std::byte>> messages_;
};

}  // namespace tensorpool::simulation
