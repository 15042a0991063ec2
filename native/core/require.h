// How a check says what it demands.
#pragma once
#include <string>

#include "core/error.h"

namespace orthokit {

std::string text(const View&);
// The end of a message about a tensor that must fit others: ", got f32[2] for x f32[3, 4] and y
// f32[5]".
template <class... Others>
std::string fitting(const View& got, const char* name, const View& other, const Others&... others) {
  std::string result = ", got " + text(got) + " for " + name + " " + text(other);
  const auto more = [&](auto&& self, const char* next, const View& v, const auto&... rest) -> void {
    result += std::string(" and ") + next + " " + text(v);
    if constexpr (sizeof...(rest) > 0) self(self, rest...);
  };
  if constexpr (sizeof...(others) > 0) more(more, others...);
  return result;
}
[[noreturn]] void refuse(ErrorCode, const char* what, double got);
[[noreturn]] void refuse(ErrorCode, const char* what, const View& got);
[[noreturn]] void refuse_size(const char* what, const View& got, int64_t size);

// Throws the first demand that is not met; the caller puts the op's name in front. A check takes it
// as an argument, so that the harness can pass one that notes the demands (bench/demands.h), from
// which the documentation is written.
struct Require {
  void operator()(bool good, ErrorCode code, const char* what) const {
    if (!good) throw Error(code, what);
  }
  void operator()(bool good, ErrorCode code, const char* what, double got) const {
    if (!good) refuse(code, what, got);
  }
  void operator()(bool good, ErrorCode code, const char* what, const View& got) const {
    if (!good) refuse(code, what, got);
  }
  template <class... Others>
  void operator()(bool good, ErrorCode code, const char* what, const View& got, const char* name,
                  const View& other, const Others&... others) const {
    if (!good) throw Error(code, what + fitting(got, name, other, others...));
  }
  // For a number of elements that another operand has settled; `what` may name it itself: "f64[4]".
  void size(bool good, const char* what, const View& got, int64_t size) const {
    if (!good) refuse_size(what, got, size);
  }
  // `what` says dtype and size: "guard must be f64[1]".
  void array(const char* what, const View& v, Dtype dtype, int64_t count) const {
    (*this)(v.dtype == dtype, ErrorCode::kDtype, what, v);
    size(v.size() == count, what, v, count);
  }
};

}  // namespace orthokit
