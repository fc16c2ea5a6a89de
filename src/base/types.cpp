#include "tensorpool/types.hpp"

namespace tensorpool {
namespace {

struct Names {
  DType dtype;
  std::string_view ours;
  std::string_view numpy;
};

constexpr Names names[] = {
    {DType::u8, "u8", "uint8"},          {DType::i8, "i8", "int8"},
    {DType::u16, "u16", "uint16"},       {DType::i16, "i16", "int16"},
    {DType::u32, "u32", "uint32"},       {DType::i32, "i32", "int32"},
    {DType::u64, "u64", "uint64"},       {DType::i64, "i64", "int64"},
    {DType::f32, "f32", "float32"},      {DType::f64, "f64", "float64"},
    {DType::boolean, "boolean", "bool"}, {DType::bytes, "bytes", "V1"},
    {DType::bit, "bit", "bit"},
};

}  // namespace

std::string_view name(DType dtype) noexcept {
  for (const Names& entry : names) {
    if (entry.dtype == dtype) return entry.ours;
  }
  return "unknown";
}

std::string_view name(LeaseEnd why) noexcept {
  switch (why) {
    case LeaseEnd::none:
      return "none";
    case LeaseEnd::detached:
      return "detached";
    case LeaseEnd::expired:
      return "expired";
    case LeaseEnd::revoked:
      return "revoked";
    case LeaseEnd::deadline:
      return "deadline";
    case LeaseEnd::keepalive_failed:
      return "keepalive_failed";
    case LeaseEnd::driver_lost:
      return "driver_lost";
    case LeaseEnd::superseded:
      return "superseded";
    case LeaseEnd::unmappable:
      return "unmappable";
    case LeaseEnd::no_new_epoch:
      return "no_new_epoch";
    case LeaseEnd::shutdown:
      return "shutdown";
  }
  return "unknown";
}

DType dtype_from_name(std::string_view text) noexcept {
  for (const Names& entry : names) {
    if (entry.ours == text || entry.numpy == text) return entry.dtype;
  }
  return DType::unknown;
}

}  // namespace tensorpool
