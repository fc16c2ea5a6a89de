// Where the regions of a producer come from: made by itself (direct mode, own_regions.hpp) or by the driver
// that granted a lease on them (leased_regions.hpp). All else of a producer is the same.
#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include "agents/context.hpp"
#include "agents/lease_agent.hpp"
#include "agents/lent_regions.hpp"
#include "tensorpool/error.hpp"
#include "wire/messages.hpp"

namespace tensorpool::agents {

// The producer. Called inside the source's functions.
class RegionUser {
 public:
  // Regions to write, in a session of their own. `description` is their announce but for producer and time;
  // `where` is for people.
  virtual void on_regions(AgentContext& context, std::unique_ptr<LentRegions> regions,
                          wire::ShmPoolAnnounce description, std::string_view where) = 0;
  // They are not used any more, from now on. Others may follow.
  virtual void on_regions_lost(AgentContext& context) = 0;
  // There are none and there never will be any.
  virtual void on_no_regions(AgentContext& context, Error why) = 0;
  // There are none yet, and this is why.
  virtual void on_regions_late(const Error& why) = 0;

 protected:
  ~RegionUser() = default;
};

class RegionSource {
 public:
  RegionSource() = default;
  RegionSource(const RegionSource&) = delete;
  RegionSource& operator=(const RegionSource&) = delete;
  virtual ~RegionSource() = default;

  // Regions are wanted from now on.
  virtual void begin(AgentContext& context) = 0;
  // One bounded step.
  virtual int do_work(AgentContext& context) = 0;
  // The producer is at its end. An error says what could not be cleaned up.
  virtual Result<void> end(AgentContext& context) = 0;
  // Nothing is left to wait for after end().
  virtual bool ended() const noexcept = 0;
  // What the port says while there are no regions; nothing while it is only a matter of time.
  virtual std::optional<Standing> standing() const noexcept = 0;
  // Null in direct mode.
  virtual LeaseAgent* lease() noexcept = 0;
};

}  // namespace tensorpool::agents
