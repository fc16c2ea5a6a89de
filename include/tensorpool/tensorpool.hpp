// Everything a program needs.
#pragma once

#include "tensorpool/client.hpp"
#include "tensorpool/consumer.hpp"
#ifndef TENSORPOOL_WITHOUT_DRIVER
#include "tensorpool/driver.hpp"
#endif
#include "tensorpool/error.hpp"
#include "tensorpool/frame.hpp"
#include "tensorpool/media_driver.hpp"
#include "tensorpool/options.hpp"
#include "tensorpool/producer.hpp"
#include "tensorpool/types.hpp"
