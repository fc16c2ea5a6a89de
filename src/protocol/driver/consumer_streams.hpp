// Descriptor and control streams for single consumers: which hello gets which ids, and when they return
// (docs/protocol/04-driver.md A9.2, 03-streams.md 5.3).
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "protocol/driver/id_pool.hpp"
#include "protocol/driver/leases.hpp"
#include "wire/messages.hpp"

namespace tensorpool::protocol::driver {

class ConsumerStreams {
 public:
  ConsumerStreams(std::vector<IdRange> descriptor, std::vector<IdRange> control)
      : descriptor_(std::move(descriptor)), control_(std::move(control)) {}

  // The answer to a hello of the consumer that holds `lease`; its assignments are kept in the lease.
  // Nothing for a hello that asks for no stream and had none.
  std::optional<wire::ConsumerConfig> answer(const wire::ConsumerHello& hello, Lease& lease);
  // The lease ended (DRV-172).
  void release(Lease& lease);

  std::uint64_t declined() const noexcept { return declined_; }
  std::size_t used() const noexcept { return descriptor_.used() + control_.used(); }

 private:
  void assign(bool requested, bool valid, IdPool& pool, std::uint32_t& assigned);

  IdPool descriptor_;
  IdPool control_;
  std::uint64_t declined_ = 0;
};

}  // namespace tensorpool::protocol::driver
