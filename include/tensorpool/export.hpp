// What a shared build of the library shows to the linker.
#pragma once

#if defined(__GNUC__) || defined(__clang__)
#define TENSORPOOL_EXPORT [[gnu::visibility("default")]]
#else
#define TENSORPOOL_EXPORT
#endif
