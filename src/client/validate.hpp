// The "Valid" columns of docs/protocol/11-configuration.md section 14 (CFG-116): nothing is started
// with a setting outside its valid values, and no default takes its place.
#pragma once

#include "tensorpool/error.hpp"
#include "tensorpool/options.hpp"

namespace tensorpool::client {

Result<void> check(const ClientOptions& options);
// `mode` is the client's.
Result<void> check(const ProducerOptions& options, Mode mode);
Result<void> check(const ConsumerOptions& options);

}  // namespace tensorpool::client
