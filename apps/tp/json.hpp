// JSON as the programs write it, for files that look into it; to hand it on, output.hpp is enough and far cheaper.
#pragma once

#include <nlohmann/json.hpp>

#include "tp/output.hpp"
