// A crop that is resized, turned around and rolled: along each axis by itself, two pixels for one.
#pragma once
#include "core/op.h"

namespace orthokit {

enum class Flip : int32_t { kNone, kHorizontal };
inline Words words(Flip) {
  static constexpr const char* list[] = {"none", "horizontal"};
  return list;
}

// Origins of pixels along one axis: `count` of them, of `length` ones from `begin` on.
struct AugmentedAxis {
  struct Tap {
    int64_t low, high;  // in the image
    double share;       // of the higher one
  };
  int64_t begin, length, count, shift;
  bool is_flipped;

  // The pixel of the resized crop that ends up at a place.
  constexpr int64_t resized(int64_t place) const {
    const int64_t i = place < shift ? place - shift + count : place - shift;
    return is_flipped ? count - 1 - i : i;
  }
  constexpr int64_t place_of(int64_t resized) const {
    const int64_t i = (is_flipped ? count - 1 - resized : resized) + shift;
    return i < count ? i : i - count;
  }
  // Half-pixel centers; beyond them the pixels at the edges.
  constexpr Tap tap(int64_t resized) const {
    const double at = (double(resized) + 0.5) * double(length) / double(count) - 0.5;
    const double inside = at < 0 ? 0 : at;
    const auto whole = int64_t(inside);
    const int64_t low = whole < length - 1 ? whole : length - 1;
    const int64_t high = low + 1 < length ? low + 1 : low;
    return {begin + low, begin + high, inside - double(low)};
  }
  constexpr double share_of(const Tap& tap, int64_t pixel) const {
    return (tap.low == pixel ? 1 - tap.share : 0) + (tap.high == pixel ? tap.share : 0);
  }
  // All pixels of the resized crop that take from a pixel of the image lie in [first, last).
  constexpr int64_t first(int64_t pixel) const {
    const double at = (double(pixel - begin) - 0.5) * (double(count) / double(length)) - 1.5;
    return outside(pixel) || at < 0 ? 0 : int64_t(at);
  }
  constexpr int64_t last(int64_t pixel) const {
    const double at = (double(pixel - begin) + 1.5) * (double(count) / double(length)) + 1.5;
    return outside(pixel) ? 0 : at < double(count) ? int64_t(at) : count;
  }
  constexpr bool outside(int64_t pixel) const { return pixel < begin || pixel >= begin + length; }
};

// The crop as top, left, height and width; none: the whole image.
inline AugmentedAxis rows_of_crop(const List<double>& crop, int64_t height, int64_t count,
                                  int64_t roll) {
  const bool is_whole = crop.count == 0;
  return {is_whole ? 0 : int64_t(crop[0]), is_whole ? height : int64_t(crop[2]), count, roll,
          false};
}
inline AugmentedAxis columns_of_crop(const List<double>& crop, int64_t width, int64_t count,
                                     int64_t roll, Flip flip) {
  const bool is_whole = crop.count == 0;
  return {is_whole ? 0 : int64_t(crop[1]), is_whole ? width : int64_t(crop[3]), count, roll,
          flip == Flip::kHorizontal};
}

inline void check_augmentation(auto require, const List<double>& crop, const View& image,
                               const View& result, double roll_down, double roll_right) {
  require(crop.count == 0 || crop.count == 4, ErrorCode::kArgument,
          "crop must be top, left, height and width, or none", double(crop.count));
  for (int i = 0; i < crop.count; ++i) {
    const auto side = double(image.shape[1 + i % 2]);
    const bool is_size = i >= 2;
    const bool good = double(int64_t(crop[i])) == crop[i] && crop[i] >= (is_size ? 1 : 0) &&
                      crop[i] + (is_size ? crop[i - 2] : 1) <= side;
    require(good, ErrorCode::kArgument, "crop must lie in the image, by whole numbers", crop[i]);
  }
  require(roll_down >= 0 && roll_down < double(result.shape[1]), ErrorCode::kArgument,
          "rollDown must be from 0 to below the rows", roll_down);
  require(roll_right >= 0 && roll_right < double(result.shape[2]), ErrorCode::kArgument,
          "rollRight must be from 0 to below the columns", roll_right);
}

}  // namespace orthokit
