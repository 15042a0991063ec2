// Time of one round of work on a device.
#pragma once
#include <algorithm>
#include <chrono>
#include <ctime>
#include <functional>
#include <thread>
#include <vector>

#include "core/device.h"

namespace orthokit::bench {

// One CPU thread: the process's CPU time, which neighbours do not lengthen. Else the time on the
// wall.
class Clock {
 public:
  explicit Clock(bool cpu_time) : cpu_time_(cpu_time) {}
  double seconds() const {
    timespec t;
    clock_gettime(cpu_time_ ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &t);
    return double(t.tv_sec) + 1e-9 * double(t.tv_nsec);
  }

 private:
  bool cpu_time_;
};

// A piece of work that is repeated until a round is long against the cost of waiting for it.
class Racer {
 public:
  // On the clock of a device that has one: what the host does meanwhile does not count.
  Racer(std::function<void()> work, Device& device, const Clock& clock)
      : Racer(
            std::move(work), [d = &device] { d->synchronize(); }, clock,
            device.has_clock() ? &device : nullptr) {}
  Racer(std::function<void()> work, std::function<void()> wait, const Clock& clock,
        Device* timed_by = nullptr)
      : work_(std::move(work)), wait_(std::move(wait)), clock_(clock), timed_by_(timed_by) {
    // A processor that has slept is slow for milliseconds, and a first call is slower than others:
    // an estimate counts once its round was long, and was not the first.
    constexpr double kRound = 20e-3;
    for (int estimate = 0; estimate < 4; ++estimate) {
      const double once = round();
      const bool is_long = once * repeats_ >= kRound / 2;
      repeats_ = int(std::min(1e5, kRound / std::max(once, 1e-9))) + 1;
      if (estimate > 0 && is_long) break;
    }
  }
  double round() {
    if (timed_by_)
      return timed_by_->seconds_of([this] {
        for (int i = 0; i < repeats_; ++i) work_();
      }) / repeats_;
    const double start = clock_.seconds();
    for (int i = 0; i < repeats_; ++i) work_();
    wait_();
    return (clock_.seconds() - start) / repeats_;
  }

 private:
  std::function<void()> work_, wait_;
  const Clock& clock_;
  Device* timed_by_;
  int repeats_ = 1;
};

struct Times {
  double least, median;
  double spread;  // of the rounds: the distance of their quartiles ÷ their median
};

inline Times times_of(std::vector<double> seconds) {
  std::ranges::sort(seconds);
  const size_t n = seconds.size();
  const double median = seconds[n / 2];
  return {seconds.front(), median, (seconds[n - 1 - n / 4] - seconds[n / 4]) / median};
}

inline constexpr int kWarmUps = 2, kRounds = 9;

// All racers in turn, round after round, so that what slows the machine slows each of them.
inline std::vector<Times> race(std::vector<Racer*> racers, int rounds) {
  std::vector<std::vector<double>> seconds(racers.size());
  for (int round = 0; round < kWarmUps + rounds; ++round) {
    for (size_t i = 0; i < racers.size(); ++i) {
      const double time = racers[i]->round();
      if (round >= kWarmUps) seconds[i].push_back(time);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(3));
  }
  std::vector<Times> times;
  for (auto& s : seconds) times.push_back(times_of(std::move(s)));
  return times;
}

}  // namespace orthokit::bench
