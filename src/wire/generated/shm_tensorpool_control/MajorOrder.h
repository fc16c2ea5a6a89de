/* Generated SBE (Simple Binary Encoding) message codec */
#ifndef _SHM_TENSORPOOL_CONTROL_MAJORORDER_CXX_H_
#define _SHM_TENSORPOOL_CONTROL_MAJORORDER_CXX_H_

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

class MajorOrder
{
public:
    enum Value
    {
        UNKNOWN = static_cast<std::int16_t>(0),
        ROW = static_cast<std::int16_t>(1),
        COLUMN = static_cast<std::int16_t>(2),
        NULL_VALUE = static_cast<std::int16_t>(-32768)
    };

    static MajorOrder::Value get(const std::int16_t value)
    {
        switch (value)
        {
            case static_cast<std::int16_t>(0): return UNKNOWN;
            case static_cast<std::int16_t>(1): return ROW;
            case static_cast<std::int16_t>(2): return COLUMN;
            case static_cast<std::int16_t>(-32768): return NULL_VALUE;
        }

        throw std::runtime_error("unknown value for enum MajorOrder [E103]");
    }

    static const char *c_str(const MajorOrder::Value value)
    {
        switch (value)
        {
            case UNKNOWN: return "UNKNOWN";
            case ROW: return "ROW";
            case COLUMN: return "COLUMN";
            case NULL_VALUE: return "NULL_VALUE";
        }

        throw std::runtime_error("unknown value for enum MajorOrder [E103]:");
    }

    template<typename CharT, typename Traits>
    friend std::basic_ostream<CharT, Traits> & operator << (
        std::basic_ostream<CharT, Traits> &os, MajorOrder::Value m)
    {
        return os << MajorOrder::c_str(m);
    }
};

}

#endif
