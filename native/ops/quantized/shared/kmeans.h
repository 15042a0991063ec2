// k-means of numbers on a line, for each instruction set by itself: `Isa` is a type of its own.
#pragma once
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "math/philox.h"

namespace orthokit {

template <class Isa>
class KmeansOfRow {
 public:
  // Values, or ranges of the sorted row, among which the best split is found exactly: more where
  // there are few clusters, so that sorting a row takes about as long.
  static constexpr int64_t points_for(int64_t clusters) {
    return std::max({int64_t(4096) / clusters, int64_t(256), 8 * clusters});
  }

  // keys and room: n each. The row's number draws, by the seed.
  void run(const float* x, int64_t n, uint32_t* keys, uint32_t* room, uint64_t seed, uint64_t row,
           int64_t clusters, float* out) {
    uint32_t largest = 0;  // bits of a size; those of infinity and NaN are above all others
    for (int64_t j = 0; j < n; ++j)
      largest = std::max(largest, std::bit_cast<uint32_t>(x[j]) & 0x7fffffffu);
    if (largest >= 0x7f800000u)
      return void(std::fill_n(out, clusters, std::numeric_limits<float>::quiet_NaN()));
    sort(x, n, keys, room);
    sum(n);
    int64_t values = 1;
    for (int64_t j = 1; j < n; ++j) values += sorted_[j] != sorted_[j - 1];
    const int64_t points = points_for(clusters);
    ends_.clear();
    const bool is_exact = values <= std::max(points, kAlwaysExact);
    if (is_exact) {
      for (int64_t j = 1; j <= n; ++j)
        if (j == n || sorted_[j] != sorted_[j - 1]) ends_.push_back(j);
    } else {
      cut(n, points, seed, row);
    }
    if (values <= clusters) {
      int64_t begin = 0;
      float last = 0;
      for (int64_t k = 0; k < clusters; ++k) {
        if (k < int64_t(ends_.size())) last = sorted_[begin], begin = ends_[k];
        out[k] = last;
      }
      return;
    }
    split(clusters);
    if (!is_exact) improve(n, clusters);
    for (int64_t k = 0; k < clusters; ++k) out[k] = float(mean(borders_[k], borders_[k + 1]));
  }

 private:
  // Ascending, by digits of their bits.
  void sort(const float* x, int64_t n, uint32_t* keys, uint32_t* room) {
    sorted_ = reinterpret_cast<float*>(keys);
    if (n <= kFew || n > kMost) {
      std::copy_n(x, n, sorted_);
      std::sort(sorted_, sorted_ + n);
      return;
    }
    counts_.assign(3 * kDigits, 0);
    for (int64_t j = 0; j < n; ++j) {
      const uint32_t bits = std::bit_cast<uint32_t>(x[j]);
      // Of negative numbers the larger has the smaller bits.
      const uint32_t key = bits ^ (uint32_t(int32_t(bits) >> 31) | 0x80000000u);
      room[j] = key;
      for (int pass = 0; pass < 3; ++pass) ++counts_[pass * kDigits + digit(key, pass)];
    }
    uint32_t *from = room, *to = keys;
    for (int pass = 0; pass < 3; ++pass, std::swap(from, to)) {
      uint32_t* next = counts_.data() + pass * kDigits;
      uint32_t place = 0;
      for (int64_t d = 0; d < kDigits; ++d) {
        const uint32_t count = next[d];
        next[d] = place, place += count;
      }
      for (int64_t j = 0; j < n; ++j) to[next[digit(from[j], pass)]++] = from[j];
    }
    for (int64_t j = 0; j < n; ++j) {
      const uint32_t bits = keys[j] ^ (uint32_t(int32_t(~keys[j]) >> 31) | 0x80000000u);
      sorted_[j] = std::bit_cast<float>(bits);
    }
  }
  static uint32_t digit(uint32_t key, int pass) { return key >> (kBits * pass) & (kDigits - 1); }

  // Σ of numbers less `centre`: of whole blocks of lanes, which are joined in a fixed order, and of
  // a few, one by one.
  static double sum_of_blocks(const float* x, int64_t blocks, double centre) {
    double lanes[kLanes] = {};
    for (int64_t j = 0; j < blocks * kLanes; j += kLanes)
      for (int k = 0; k < kLanes; ++k) lanes[k] += double(x[j + k]) - centre;
    for (int half = kLanes / 2; half > 0; half /= 2)
      for (int k = 0; k < half; ++k) lanes[k] += lanes[k + half];
    return lanes[0];
  }
  double sum_of_few(int64_t begin, int64_t end) const {
    double sum = 0;
    for (int64_t j = begin; j < end; ++j) sum += double(sorted_[j]) - centre_;
    return sum;
  }

  // Sums of deviations from the mean, before every so many numbers.
  void sum(int64_t n) {
    const int64_t blocks = n / kLanes;
    centre_ = 0;
    centre_ = (sum_of_blocks(sorted_, blocks, 0) + sum_of_few(blocks * kLanes, n)) / double(n);
    sums_.resize(size_t(blocks + 1));
    sums_[0] = 0;
    for (int64_t i = 0; i < blocks; ++i)
      sums_[i + 1] = sums_[i] + sum_of_blocks(sorted_ + i * kLanes, 1, centre_);
  }
  double sum_before(int64_t end) const {
    const int64_t blocks = end / kLanes;
    return sums_[blocks] + sum_of_few(blocks * kLanes, end);
  }
  // The mean of the numbers begin … end − 1, whose deviations have this sum.
  double mean(int64_t begin, int64_t end, double sum) const {
    // A sum of equal numbers is rounded, their mean is not.
    if (sorted_[begin] == sorted_[end - 1]) return double(sorted_[begin]);
    return std::clamp(centre_ + sum / double(end - begin), double(sorted_[begin]),
                      double(sorted_[end - 1]));
  }
  double mean(int64_t begin, int64_t end) const {
    return mean(begin, end, sum_before(end) - sum_before(begin));
  }

  // The first place whose number is above the border, found from a place that is near it.
  int64_t first_above(double border, int64_t near, int64_t n) const {
    // The greatest float that is not above: numbers compare with it as with the border.
    auto most = float(border);
    if (double(most) > border) most = std::nextafter(most, -std::numeric_limits<float>::infinity());
    int64_t low = near, high = near, step = kLanes;
    while (low > 0 && sorted_[low - 1] > most)
      high = low - 1, low = std::max<int64_t>(0, low - step), step *= 2;
    while (high < n && sorted_[high] <= most)
      low = high + 1, high = std::min(n, high + step), step *= 2;
    while (high - low > kLanes) {
      const int64_t middle = low + (high - low) / 2;
      if (sorted_[middle] <= most)
        low = middle + 1;
      else
        high = middle;
    }
    int64_t count = 0;
    if (low + kLanes <= n)
      for (int k = 0; k < kLanes; ++k) count += sorted_[low + k] <= most;
    else
      for (int64_t j = low; j < n; ++j) count += sorted_[j] <= most;
    return low + count;
  }

  // Half of the ends have as many numbers between them, of which the seed draws the first; the rest
  // lie as far apart from each other, as clusters are wide where numbers are few.
  void cut(int64_t n, int64_t points, uint64_t seed, uint64_t row) {
    const math::PhiloxBlock drawn = math::philox(seed, row, 0);
    const double shift = math::unit_double(drawn.words[0], drawn.words[1]);
    const int64_t half = points / 2;
    const double low = double(sorted_[0]), width = (double(sorted_[n - 1]) - low) / double(half);
    for (int64_t i = 0; i < half; ++i)
      ends_.push_back(int64_t((double(i) + shift) * double(n) / double(half)));
    int64_t from = 0;
    for (int64_t i = 1; i < half; ++i) {
      from = first_above(low + double(i) * width, from, n);
      ends_.push_back(from);
    }
    ends_.push_back(n);
    std::inplace_merge(ends_.begin(), ends_.begin() + half, ends_.end());
    ends_.erase(std::unique(ends_.begin(), ends_.end()), ends_.end());
    if (ends_.front() == 0) ends_.erase(ends_.begin());
  }

  // The ends of the clusters among those of the points: the squares that remain are least where
  // Σ (sum of a cluster)² / its count is largest.
  void split(int64_t clusters) {
    const auto points = int64_t(ends_.size());
    count_.assign(size_t(points + 1), 0);
    total_.assign(size_t(points + 1), 0);
    for (int64_t i = 1, begin = 0; i <= points; ++i) {
      const int64_t end = ends_[i - 1];
      count_[i] = double(end);
      total_[i] = end - begin < kLanes ? total_[i - 1] + sum_of_few(begin, end) : sum_before(end);
      begin = end;
    }
    // Of points of one number each, inverses of all counts, the largest first: 1 / (i − j) stands j
    // behind place size − i.
    inverses_.clear();
    if (ends_.back() == points)
      for (int64_t count = points; count >= 1; --count) inverses_.push_back(1 / double(count));
    before_.assign(size_t(points + 1), 0);
    best_.assign(size_t(points + 1), 0);
    for (int64_t i = 1; i <= points; ++i) before_[i] = total_[i] * total_[i] / count_[i];
    choice_.assign(size_t(clusters * (points + 1)), 0);
    for (int64_t k = 2; k <= clusters; ++k) {
      uint16_t* choice = choice_.data() + (k - 1) * (points + 1);
      if (k == clusters)
        find(points, k - 1, points - 1, choice);
      else
        layer(k, points - (clusters - k), k - 1, points - 1, choice);
      std::swap(before_, best_);
    }
    borders_.assign(size_t(clusters + 1), 0);
    for (int64_t k = clusters, i = points; k >= 1; --k) {
      borders_[k] = ends_[i - 1];
      i = choice_[(k - 1) * (points + 1) + i];
    }
  }

  // best[i] for i = least … most with k clusters, whose last one begins between low and high: by
  // halves, as its begin does not go back where i grows.
  void layer(int64_t least, int64_t most, int64_t low, int64_t high, uint16_t* choice) {
    while (least <= most) {
      const int64_t middle = least + (most - least) / 2;
      const int64_t found = find(middle, low, std::min(high, middle - 1), choice);
      layer(least, middle - 1, low, found, choice);
      least = middle + 1, low = found;
    }
  }
  int64_t find(int64_t i, int64_t low, int64_t high, uint16_t* choice) {
    const double total = total_[i], count = count_[i];
    const double *totals = total_.data(), *counts = count_.data(), *before = before_.data();
    if (inverses_.empty())
      return take_best(i, low, high, choice, [=](int64_t j) {
        const double rest = total - totals[j];
        return before[j] + rest * rest / (count - counts[j]);
      });
    const double* inverses = inverses_.data() + (int64_t(inverses_.size()) - i);
    return take_best(i, low, high, choice, [=](int64_t j) {
      const double rest = total - totals[j];
      return before[j] + rest * rest * inverses[j];
    });
  }
  template <class Value>
  int64_t take_best(int64_t i, int64_t low, int64_t high, uint16_t* choice, const Value& value) {
    double most = -1;
    int64_t place = low, j = low;
    if (high - low >= 2 * kLanes) {
      double best[kLanes], places[kLanes];
      std::fill_n(best, kLanes, -1.0), std::fill_n(places, kLanes, double(low));
      for (; j + kLanes <= high + 1; j += kLanes)
        for (int k = 0; k < kLanes; ++k) {
          const double own = value(j + k);
          const bool more = own > best[k];
          best[k] = more ? own : best[k], places[k] = more ? double(j + k) : places[k];
        }
      for (int k = 0; k < kLanes; ++k)
        if (best[k] > most || (best[k] == most && int64_t(places[k]) < place))
          most = best[k], place = int64_t(places[k]);
    }
    for (; j <= high; ++j) {
      const double own = value(j);
      if (own > most) most = own, place = j;
    }
    best_[i] = most, choice[i] = uint16_t(place);
    return place;
  }

  // Lloyd's iterations. A cluster that one would leave empty keeps its first number.
  void improve(int64_t n, int64_t clusters) {
    std::vector<int64_t> moved = borders_;
    for (int round = 0; round < kRounds; ++round) {
      double before = sum_before(borders_[1]), left = mean(0, borders_[1], before);
      for (int64_t k = 1; k < clusters; ++k) {
        const double behind = sum_before(borders_[k + 1]),
                     right = mean(borders_[k], borders_[k + 1], behind - before);
        const int64_t found = first_above(left / 2 + right / 2, borders_[k], n);
        moved[k] = std::clamp(found, moved[k - 1] + 1, n - (clusters - k));
        before = behind, left = right;
      }
      if (moved == borders_) return;
      borders_ = moved;
    }
  }

  static constexpr int kBits = 11, kRounds = 200, kLanes = 16;
  static constexpr int64_t kDigits = int64_t(1) << kBits, kFew = 512, kAlwaysExact = 512;
  // Numbers that are sorted by digits, whose places are counted in 32 bits.
  static constexpr int64_t kMost = std::numeric_limits<uint32_t>::max();
  float* sorted_ = nullptr;
  double centre_ = 0;
  std::vector<uint32_t> counts_;
  std::vector<int64_t> ends_, borders_;
  std::vector<double> sums_, count_, total_, inverses_, before_, best_;
  std::vector<uint16_t> choice_;
};

}  // namespace orthokit
