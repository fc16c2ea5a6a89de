// How the public handles reach the ports behind them.
#pragma once

#include <memory>

#include "agents/consumer_port.hpp"
#include "agents/producer_port.hpp"
#include "agents/sleeper.hpp"
#include "client/client_core.hpp"
#include "client/environment.hpp"
#include "client/event_fd.hpp"
#include "tensorpool/client.hpp"

namespace tensorpool::client {

using ProducerPort = agents::ProducerPort<PortEnv>;
using ConsumerPort = agents::ConsumerPort<PortEnv>;

// A port and the client it belongs to (for the waiting forms, which drive an invoked client).
struct ProducerObject {
  ProducerObject(const agents::ProducerPortOptions& options, std::shared_ptr<agents::Cell> cell,
                 std::shared_ptr<ClientCore> client)
      : core(client.get()), port(options, std::move(cell), std::move(client)) {}
  ClientCore* core;  // kept alive by the port
  ProducerPort port;
};

struct ConsumerObject {
  ConsumerObject(const agents::ConsumerPortOptions& options, const WaitOptions& wait_options,
                 std::shared_ptr<agents::Cell> cell, std::shared_ptr<ClientCore> client)
      : core(client.get()),
        port(options, std::move(cell), std::move(client)),
        wait(wait_options),
        sleeper({port.cell().asleep, port.cell().kick}) {}
  ClientCore* core;
  ConsumerPort port;
  const WaitOptions wait;
  agents::Sleeper sleeper;
  agents::SleepSlices slices;
  std::unique_ptr<EventFd> event_fd;  // once it was asked for
  // What the application's last question about the pulled view said.
  ConsumerPort::Visit asked = ConsumerPort::Visit::unproved;
  // In a call right now: the handle may be destroyed inside a handler.
  int calls = 0;
};

template <class Object>
[[gnu::noinline, gnu::cold]] void destroy(Object* object) noexcept {
  delete object;
}
// Deletes the object once its handle is gone and nothing pins it any more.
template <class Object>
void reap(Object* object) noexcept {
  if (object->port.finished()) [[unlikely]]
    destroy(object);
}

}  // namespace tensorpool::client

namespace tensorpool::detail {

// Makes public handles from internal objects.
class ProducerHandle {
 public:
  static Producer make(client::ProducerObject* object) noexcept { return Producer(object); }
  // What the port gave out. The Wiring is there: the claim pins it.
  static agents::ClaimedSlot claim_of(const Slot& slot) noexcept {
    auto* const wiring = static_cast<agents::Wiring*>(slot.wiring_);
    return {wiring, wiring->session, slot.seq_, slot.data_, slot.size_, slot.pool_id_};
  }
};
class ConsumerHandle {
 public:
  static Consumer make(client::ConsumerObject* object) noexcept { return Consumer(object); }
  static FrameView view(client::ConsumerObject* object, const agents::OpenFrame& open) noexcept {
    return FrameView(object, open.info, open.payload);
  }
};

// Makes a Frame of an opened slot and reads its proof.
struct FrameAccess {
  static Frame make(const agents::OpenFrame& open) noexcept {
    return Frame(open.info, open.payload,
                 static_cast<const std::byte*>(static_cast<const void*>(open.slot.words)),
                 open.committed);
  }
  static client::ConsumerPort::Visit proof(const Frame& frame) noexcept {
    using Visit = client::ConsumerPort::Visit;
    if (frame.proof_ == Frame::Proof::unasked) [[likely]]
      return Visit::unproved;
    return frame.proof_ == Frame::Proof::intact ? Visit::intact : Visit::overwritten;
  }
};

}  // namespace tensorpool::detail
