// Seeded choices: the same on every machine.
#pragma once
#include <cstdint>
#include <vector>

namespace orthokit::bench {

class Dice {
 public:
  explicit Dice(uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15u + 1) {}
  uint64_t bits() {  // SplitMix64
    uint64_t z = state_ += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
  }
  int64_t below(int64_t n) { return int64_t(bits() % uint64_t(n)); }
  int64_t between(int64_t low, int64_t high) { return low + below(high - low + 1); }
  bool chance(double p) { return double(bits() >> 11) * 0x1p-53 < p; }
  double bell() {  // the sum of four uniform numbers, variance 1
    double sum = -2;
    for (int i = 0; i < 4; ++i) sum += double(bits() >> 11) * 0x1p-53;
    return 1.7320508075688772 * sum;
  }
  template <class List>
  auto& of(List& list) {
    return list[size_t(below(int64_t(std::size(list))))];
  }

 private:
  uint64_t state_;
};

}  // namespace orthokit::bench
