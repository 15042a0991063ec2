// Seeded choices: the same on every machine.
#pragma once
#include <cstdint>
#include <vector>

namespace orthokit::bench {

class Dice {
 public:
  // Mixed: a seed's numbers must not be those of the seed before, one further on.
  explicit Dice(uint64_t seed) : state_(mixed(seed + kStep)) {}
  uint64_t bits() { return mixed(state_ += kStep); }  // SplitMix64
  int64_t below(int64_t n) { return int64_t(bits() % uint64_t(n)); }
  int64_t between(int64_t low, int64_t high) { return low + below(high - low + 1); }
  double part() { return double(bits() >> 11) * 0x1p-53; }  // of 1
  bool chance(double p) { return part() < p; }
  double bell() {  // the sum of four uniform numbers, variance 1
    double sum = -2;
    for (int i = 0; i < 4; ++i) sum += part();
    return 1.7320508075688772 * sum;
  }
  template <class List>
  auto& of(List& list) {
    return list[size_t(below(int64_t(std::size(list))))];
  }

 private:
  static constexpr uint64_t kStep = 0x9e3779b97f4a7c15u;
  static constexpr uint64_t mixed(uint64_t z) {
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
  }
  uint64_t state_;
};

}  // namespace orthokit::bench
