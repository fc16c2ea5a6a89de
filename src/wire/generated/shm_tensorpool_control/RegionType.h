/* Generated SBE (Simple Binary Encoding) message codec */
#ifndef _SHM_TENSORPOOL_CONTROL_REGIONTYPE_CXX_H_
#define _SHM_TENSORPOOL_CONTROL_REGIONTYPE_CXX_H_

#if !defined(__STDC_LIMIT_MACROS)
#  define __STDC_LIMIT_MACROS 1
#endif

#include <cstdint>
#include <iomanip>
#include <limits>
#include <ostream>
#include <stdexcept>
#include <sstream>
#include <string>

#define SBE_NULLVALUE_INT8 (std::numeric_limits<std::int8_t>::min)()
#define SBE_NULLVALUE_INT16 (std::numeric_limits<std::int16_t>::min)()
#define SBE_NULLVALUE_INT32 (std::numeric_limits<std::int32_t>::min)()
#define SBE_NULLVALUE_INT64 (std::numeric_limits<std::int64_t>::min)()
#define SBE_NULLVALUE_UINT8 (std::numeric_limits<std::uint8_t>::max)()
#define SBE_NULLVALUE_UINT16 (std::numeric_limits<std::uint16_t>::max)()
#define SBE_NULLVALUE_UINT32 (std::numeric_limits<std::uint32_t>::max)()
#define SBE_NULLVALUE_UINT64 (std::numeric_limits<std::uint64_t>::max)()

namespace shm_tensorpool_control {

class RegionType
{
public:
    enum Value
    {
        HEADER_RING = static_cast<std::int16_t>(1),
        PAYLOAD_POOL = static_cast<std::int16_t>(2),
        NULL_VALUE = static_cast<std::int16_t>(-32768)
    };

    static RegionType::Value get(const std::int16_t value)
    {
        switch (value)
        {
            case static_cast<std::int16_t>(1): return HEADER_RING;
            case static_cast<std::int16_t>(2): return PAYLOAD_POOL;
            case static_cast<std::int16_t>(-32768): return NULL_VALUE;
        }

        throw std::runtime_error("unknown value for enum RegionType [E103]");
    }

    static const char *c_str(const RegionType::Value value)
    {
        switch (value)
        {
            case HEADER_RING: return "HEADER_RING";
            case PAYLOAD_POOL: return "PAYLOAD_POOL";
            case NULL_VALUE: return "NULL_VALUE";
        }

        throw std::runtime_error("unknown value for enum RegionType [E103]:");
    }

    template<typename CharT, typename Traits>
    friend std::basic_ostream<CharT, Traits> & operator << (
        std::basic_ostream<CharT, Traits> &os, RegionType::Value m)
    {
        return os << RegionType::c_str(m);
    }
};

}

#endif
