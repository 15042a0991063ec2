// Operations that only the tests have.
#pragma once
#include <functional>

#include "core/composer.h"

namespace orthokit::test {

inline std::function<void()> hook;           // runs inside a Hook
inline std::function<void(Composer&)> body;  // runs inside a Composed
inline std::function<void(int64_t)> part;    // runs as each part of a Parts

struct Hook {
  static constexpr const char *name = "test_hook",
                              *summary = "a kernel that runs a function of the test";
  static constexpr const char* about = "";
  static constexpr const char* examples[] = {"x=f32[1]"};
  View x;
  void fields(Fields& f) { f.inout("x", x, kOptional); }
  void check(auto) const {}
};

struct Composed {
  static constexpr const char *name = "test_composed",
                              *summary = "a composition that runs a function of the test";
  static constexpr const char* about = "";
  static constexpr const char* examples[] = {""};
  int64_t unused = 0;
  void fields(Fields& f) { f.value("unused", unused); }
  void check(auto) const {}
};

struct ParallelFailure {
  static constexpr const char *name = "test_parallel_failure",
                              *summary = "a kernel of which one part throws";
  static constexpr const char* about = "";
  static constexpr const char* examples[] = {"at=3"};
  int64_t at = -1, count = 100;
  void fields(Fields& f) { f.value("at", at), f.value("count", count); }
  void check(auto) const {}
};

struct Parts {
  static constexpr const char *name = "test_parts",
                              *summary = "a kernel whose parts run a function of the test";
  static constexpr const char* about = "";
  static constexpr const char* examples[] = {"count=3"};
  int64_t count = 1;
  void fields(Fields& f) { f.value("count", count); }
  void check(auto) const {}
};

struct Operands {
  static constexpr const char *name = "test_operands", *summary = "fields of every kind";
  static constexpr const char* about = "";
  static constexpr const char* examples[] = {""};
  View in, out, optional;
  List<View> many, targets;
  Factor factor;
  List<Factor> factors;
  List<double> numbers;
  int64_t integer = 7;
  void fields(Fields& f) {
    f.in("in", in), f.out("out", out), f.in("optional", optional, kOptional);
    f.in("many", many), f.out("targets", targets, kMayAlias);
    f.value("factor", factor), f.value("factors", factors), f.value("numbers", numbers),
        f.value("integer", integer);
  }
  void check(auto) const {}
};

}  // namespace orthokit::test
