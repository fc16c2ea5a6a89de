// Schema 901 from arbitrary bytes.
#include "fuzz/message_target.hpp"

namespace {

using namespace tensorpool;

using Driver =
    fuzz::Messages<wire::driver::ShmAttachRequest, wire::driver::ShmAttachResponse,
                   wire::driver::ShmDetachRequest, wire::driver::ShmDetachResponse,
                   wire::driver::ShmLeaseKeepalive, wire::driver::ShmDriverShutdown,
                   wire::driver::ShmLeaseRevoked, wire::driver::ShmDriverShutdownRequest>;

}  // namespace

// Proves: MSG-18, MSG-96
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // The correlation id is there for exactly the requests that would be answered (MSG-21).
  const auto bytes = std::as_bytes(std::span(data, size));
  const auto correlation_id = wire::peek_correlation_id(bytes);
  if (const auto request = wire::try_decode<wire::driver::ShmAttachRequest>(bytes))
    TP_ASSERT(correlation_id == request->correlation_id);
  if (const auto request = wire::try_decode<wire::driver::ShmDetachRequest>(bytes))
    TP_ASSERT(correlation_id == request->correlation_id);
  // What a driver decodes is all that everybody decodes, and the same; and never of another version.
  const auto tolerant = wire::try_decode_request<wire::driver::ShmAttachRequest>(bytes);
  if (const auto request = wire::try_decode<wire::driver::ShmAttachRequest>(bytes))
    TP_ASSERT(tolerant && *tolerant == *request);
  TP_ASSERT(!tolerant || !wire::peek_attach_of_other_version(bytes));
  const auto detach = wire::try_decode_request<wire::driver::ShmDetachRequest>(bytes);
  if (const auto request = wire::try_decode<wire::driver::ShmDetachRequest>(bytes))
    TP_ASSERT(detach && *detach == *request);
  return Driver::test(data, size);
}

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t max_size, unsigned int seed) {
  return Driver::mutate(data, size, max_size, seed);
}
