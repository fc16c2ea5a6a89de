// The client conductor: owns everything and lends it to ports (docs/internals/concurrency.md). One
// duty cycle does a bounded amount of work and never blocks (CON-6); who calls it is the caller's
// affair (agents/runner.hpp, Client::do_work).
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <vector>

#include "agents/command_queue.hpp"
#include "agents/connector.hpp"
#include "agents/consumer_agent.hpp"
#include "agents/context.hpp"
#include "agents/counters.hpp"
#include "agents/producer_agent.hpp"
#include "agents/request.hpp"

namespace tensorpool::agents {

class Conductor {
 public:
  // `options` outlives the conductor, and so does the world.
  Conductor(const ClientOptions& options, shm::MapPolicy policy, World world);
  Conductor(const Conductor&) = delete;
  Conductor& operator=(const Conductor&) = delete;
  ~Conductor();

  // Any thread; never blocks, and wakes whoever sleeps between two cycles. False when the queue is full (CON-14).
  bool submit(std::shared_ptr<Request> request) {
    if (!commands_.push(std::move(request))) return false;
    context_.bell->ring();
    return true;
  }
  // Rung with everything that should not wait for the end of a sleep: commands, and ports that close.
  Doorbell& bell() noexcept { return *context_.bell; }
  // Any thread.
  bool connected() const noexcept { return connected_.load(std::memory_order_acquire); }
  std::int64_t longest_cycle_ns() const noexcept {
    return longest_cycle_ns_.load(std::memory_order_relaxed);
  }

  // One thread at a time (CON-2). Returns the amount of work done (CON-7). Order of CON-8: Aeron's
  // client, commands, pending adds, pollers, timers.
  int do_work();

  // Ends everything that can end now: requests become `closed`, ports are told, nothing is waited
  // for. What ports still hold goes when they are gone, at the latest in the destructor. do_work is
  // not called any more, and notices end with it (CON-33): the first thing that could not be cleaned
  // up is returned instead.
  Result<void> close();

 private:
  int connect();
  void lose_connection(std::string_view why);
  int run_commands();
  void start(std::shared_ptr<Request> request);
  int add_shared_links();
  int poll_control();
  int take_images(transport::ImageLog& log);
  int take_descriptor_images(transport::ImageLog& log);
  void on_message(std::int32_t session, std::span<const std::byte> message);
  void on_announce(std::int32_t session, std::span<const std::byte> message);
  template <class M>
  void on_driver_message(std::span<const std::byte> message);
  template <class F>
  void for_each_lease(F&& what);
  int run_agents();

  ClientOptions const& options_;
  shm::MapPolicy policy_;
  AgentContext context_;
  Connector connector_;
  CommandQueue<std::shared_ptr<Request>> commands_;
  std::vector<std::unique_ptr<ProducerAgent>> producers_;
  std::vector<std::unique_ptr<ConsumerAgent>> consumers_;
  // When each image that carries announces became available; a session not in here has joined now.
  std::map<std::int32_t, base::Nanos> joined_;
  std::atomic<bool> connected_{false};
  std::atomic<std::int64_t> longest_cycle_ns_{0};
  Lender no_port_;  // a cell without a port, for the client's own counters
  CounterSet counters_;
  AgentCounts counts_;
  bool closed_ = false;
};

}  // namespace tensorpool::agents
