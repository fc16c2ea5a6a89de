// Everything about regions in one include: creating, mapping, removing.
#pragma once

#include "shm/create.hpp"
#include "shm/map.hpp"
#include "shm/mapping.hpp"
