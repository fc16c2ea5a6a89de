#include "rig.hpp"

namespace tensorpool::conformance {

std::vector<RigFactory> rigs() {
  return {{"aeron_threaded", [] { return make_aeron_rig(false); }}};
}

}  // namespace tensorpool::conformance
