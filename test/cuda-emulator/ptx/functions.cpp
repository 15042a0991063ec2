// Roots, reciprocals, powers of two and the like. What is approximate on a device is exact here, or
// off by up to ORTHOKIT_EMULATOR_WOBBLE times its error.
#include <cmath>

#include "ptx/build.h"
#include "ptx/float.h"
#include "ptx/machine.h"

namespace cudaemu::ptx {
namespace {

struct Root {
  template <class T>
  T operator()(T v) const {
    return std::sqrt(v);
  }
};
struct Reciprocal {
  template <class T>
  T operator()(T v) const {
    return 1 / v;
  }
};
struct ReciprocalRoot {
  template <class T>
  T operator()(T v) const {
    return 1 / std::sqrt(v);
  }
};

template <class T, class F>
void exact(Warp& w, const Instruction& i, Lanes lanes) {
  const uint64_t* a = w.at(i.a.reg);
  uint64_t* d = w.result(i.d);
  each(lanes, [&](int l) {
    const T x = flushed(value_of<T>(a[l]), i.flush);
    d[l] = bits_of<T>(adjusted(i, rounded<T, F>(i.rounding, x)));
  });
}

// Computed in double; `mode` is the error on a device, in units in the last place.
template <double (*kFunction)(double)>
void approximate(Warp& w, const Instruction& i, Lanes lanes) {
  const uint64_t* a = w.at(i.a.reg);
  uint64_t* d = w.result(i.d);
  each(lanes, [&](int l) {
    const double x = flushed(value_of<float>(a[l]), i.flush);
    d[l] = bits_of(adjusted(i, cudaemu_wobble(float(kFunction(x)), i.mode)));
  });
}
double root(double v) { return std::sqrt(v); }
double reciprocal(double v) { return 1 / v; }
double reciprocal_root(double v) { return 1 / std::sqrt(v); }
double power_of_two(double v) { return std::exp2(v); }
double logarithm(double v) { return std::log2(v); }
double sine(double v) { return std::sin(v); }
double cosine(double v) { return std::cos(v); }
double hyperbolic_tangent(double v) { return std::tanh(v); }

// rcp.approx.ftz.f64 and rsqrt.approx.ftz.f64 see and give the upper half of a double.
template <double (*kFunction)(double)>
void of_upper_half(Warp& w, const Instruction& i, Lanes lanes) {
  const uint64_t* a = w.at(i.a.reg);
  uint64_t* d = w.result(i.d);
  const auto upper = [](double v) {
    const uint64_t bits = bits_of(v) & ~uint64_t(0xffffffff);
    return (bits >> 52 & 0x7ff) ? bits : bits & uint64_t(1) << 63;
  };
  each(lanes, [&](int l) {
    const double x = value_of<double>(upper(value_of<double>(a[l])));
    const double y = kFunction(x);
    d[l] = y != y ? 0x7fffffff00000000u : upper(y);
  });
}

template <class F, double (*kFunction)(double), int kError>
void build_root(Words& words, Instruction& i) {
  const bool approx = words.take("approx");
  i.rounding = take_rounding(words);
  i.flush = words.take("ftz");
  i.type = words.take_type();
  i.mode = kError;
  i.cost.special = 1;
  if (i.type == Type::kF32)
    i.run = approx ? approximate<kFunction> : exact<float, F>;
  else if (i.type == Type::kF64)
    i.run = approx && i.flush ? of_upper_half<kFunction> : exact<double, F>;
  else
    unsupported("this type");
}

template <double (*kFunction)(double), int kError>
void build_approximate(Words& words, Instruction& i) {
  words.take("approx");
  i.flush = words.take("ftz");
  if ((i.type = words.take_type()) != Type::kF32) unsupported("this type");
  i.mode = kError;
  i.cost.special = 1;
  i.run = approximate<kFunction>;
}

constexpr Builder kBuilders[] = {
    {"sqrt", build_root<Root, root, 1>},
    {"rcp", build_root<Reciprocal, reciprocal, 1>},
    {"rsqrt", build_root<ReciprocalRoot, reciprocal_root, 2>},
    {"ex2", build_approximate<power_of_two, 2>},
    {"lg2", build_approximate<logarithm, 1>},
    {"sin", build_approximate<sine, 2>},
    {"cos", build_approximate<cosine, 2>},
    {"tanh", build_approximate<hyperbolic_tangent, 16>},
};

}  // namespace

std::span<const Builder> function_builders() { return kBuilders; }

}  // namespace cudaemu::ptx
