// Numbers between the ends of a bucket, by codes of 8 or 4 bits.
#pragma once

namespace orthokit::math {

// Halves of both ends and of the distance of two codes, so that no difference overflows.
struct Bucket {
  double low, step;
};
constexpr Bucket bucket_of(double low, double high, int levels) {
  return {low / 2, (high / 2 - low / 2) / levels};
}
// The nearest code; 0 where both ends are one.
constexpr int code_of(const Bucket& bucket, double x, int levels) {
  if (!(bucket.step > 0)) return 0;
  const double code = (x / 2 - bucket.low) / bucket.step + 0.5;
  return code >= levels ? levels : int(code);
}
constexpr double value_of(const Bucket& bucket, int code) {
  return 2 * (bucket.low + code * bucket.step);
}

}  // namespace orthokit::math
