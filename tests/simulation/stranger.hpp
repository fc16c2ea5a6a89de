// A process that is no client of the library: it repeats what others said, says it with other ids, asks for things of
// its own, and floods the control stream. What it may not do is speak with the voice of the driver about leases
// that live, for no receiver could tell.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "agents/generation.hpp"
#include "simulation/process.hpp"
#include "wire/messages.hpp"

namespace tensorpool::simulation {

class DriverSide;
struct LeaseEntry;

class Stranger {
 public:
  Stranger(DriverSide& side, std::shared_ptr<Host> host);
  Stranger(const Stranger&) = delete;
  Stranger& operator=(const Stranger&) = delete;
  ~Stranger();

  void act();
  bool is_client(std::int64_t id) const noexcept { return id == client_; }

 private:
  bool connect();
  void repeat();
  void repeat_with_other_ids();
  void wrong_answer();
  void attach();
  void hello();
  void ask_to_shut_down();
  void garbage();
  void flood();
  const LeaseEntry* some_lease(bool living);
  void send(std::span<const std::byte> bytes);
  template <class M>
  void say(const M& message);

  DriverSide& side_;
  World& world_;
  std::shared_ptr<Host> host_;
  std::unique_ptr<transport::Transport> transport_;
  std::unique_ptr<transport::Connection> connection_;
  agents::LinkAdd<transport::Publication> out_;
  std::int64_t client_ = 0;
  std::int64_t correlation_ = 1;
};

}  // namespace tensorpool::simulation
