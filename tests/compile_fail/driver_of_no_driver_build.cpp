// A build without the driver says so, and everything else stays.
// Refused: built without its driver
#define TENSORPOOL_WITHOUT_DRIVER
#include <tensorpool/tensorpool.hpp>
#ifdef MISUSE
#include <tensorpool/driver.hpp>
#endif

bool use() { return tensorpool::MediaDriver::alive(); }
