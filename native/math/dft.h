// Parts of discrete Fourier transforms, for one number or a register of them: constexpr, for any
// backend and for device code.
#pragma once
#include <cstdint>

namespace orthokit::math {

struct UnitRoot {
  double re, im;
};

// e^(−2πi t/n), within 2 ulp: the angle within an eighth of the circle, exact in whole numbers, by
// Taylor's series.
constexpr UnitRoot unit_root(int64_t t, int64_t n) {
  const int64_t octant = t % n * 8 / n, rest = t % n * 8 - octant * n;
  const bool is_odd = octant % 2 == 1;
  const double angle = double(is_odd ? n - rest : rest) / double(n) * 0.78539816339744830962;
  const double s = angle * angle;
  double sine = 1, cosine = 1;
  for (int k = 8; k >= 1; --k) {
    sine = 1 - s / double(2 * k * (2 * k + 1)) * sine;
    cosine = 1 - s / double(2 * k * (2 * k - 1)) * cosine;
  }
  sine *= angle;
  const bool is_swapped = (octant + 1) / 2 % 2 == 1;
  const double across = is_swapped ? sine : cosine, up = is_swapped ? cosine : sine;
  return {octant >= 2 && octant < 6 ? -across : across, octant < 4 ? -up : up};
}

// The transform of r numbers in place. V: a number of type T, or a register of them.
template <int r, class T, class V>
constexpr void small_dft(V (&re)[r], V (&im)[r]) {
  if constexpr (r == 2) {
    const V a = re[0], b = im[0];
    re[0] = a + re[1], im[0] = b + im[1];
    re[1] = a - re[1], im[1] = b - im[1];
  } else if constexpr (r == 3) {
    constexpr T kHalf = T(0.5), kSine = T(0.86602540378443864676);
    const V sum = re[1] + re[2], sum_im = im[1] + im[2];
    const V turned = kSine * (im[1] - im[2]), turned_im = kSine * (re[2] - re[1]);
    const V middle = re[0] - kHalf * sum, middle_im = im[0] - kHalf * sum_im;
    re[0] = re[0] + sum, im[0] = im[0] + sum_im;
    re[1] = middle + turned, im[1] = middle_im + turned_im;
    re[2] = middle - turned, im[2] = middle_im - turned_im;
  } else if constexpr (r == 4) {
    const V even = re[0] + re[2], even_im = im[0] + im[2];
    const V odd = re[0] - re[2], odd_im = im[0] - im[2];
    const V sum = re[1] + re[3], sum_im = im[1] + im[3];
    const V difference = re[1] - re[3], difference_im = im[1] - im[3];
    re[0] = even + sum, im[0] = even_im + sum_im;
    re[1] = odd + difference_im, im[1] = odd_im - difference;
    re[2] = even - sum, im[2] = even_im - sum_im;
    re[3] = odd - difference_im, im[3] = odd_im + difference;
  } else {
    static_assert(r == 5);
    constexpr T kCosine1 = T(0.30901699437494742410), kCosine2 = T(-0.80901699437494742410),
                kSine1 = T(0.95105651629515357212), kSine2 = T(0.58778525229247312917);
    const V a = re[1] + re[4], a_im = im[1] + im[4], b = re[2] + re[3], b_im = im[2] + im[3];
    const V c = im[1] - im[4], c_re = re[4] - re[1], d = im[2] - im[3], d_re = re[3] - re[2];
    const V one = re[0] + kCosine1 * a + kCosine2 * b,
            one_im = im[0] + kCosine1 * a_im + kCosine2 * b_im;
    const V two = re[0] + kCosine2 * a + kCosine1 * b,
            two_im = im[0] + kCosine2 * a_im + kCosine1 * b_im;
    const V first = kSine1 * c + kSine2 * d, first_im = kSine1 * c_re + kSine2 * d_re;
    const V second = kSine2 * c - kSine1 * d, second_im = kSine2 * c_re - kSine1 * d_re;
    re[0] = re[0] + a + b, im[0] = im[0] + a_im + b_im;
    re[1] = one + first, im[1] = one_im + first_im;
    re[2] = two + second, im[2] = two_im + second_im;
    re[3] = two - second, im[3] = two_im - second_im;
    re[4] = one - first, im[4] = one_im - first_im;
  }
}

// The ends of a cosine transform of n numbers by a Fourier transform of m complex ones: m = n/2 for
// even n, else n. `constants` of k: w = e^(−2πi k/n), a = scale · e^(−πi k/2n) and b, which is a
// at m − k. z are the transform at k and at m − k, x the cosine transform at k, n − k, m − k and
// m + k; of odd n, without w and b, z is at k, and x at k and n − k.
template <class T>
struct CosineConstants {
  T w_re, w_im, a_re, a_im, b_re, b_im;
};

template <class T>
constexpr CosineConstants<T> cosine_constants(int64_t k, int64_t n, double scale) {
  const UnitRoot w = unit_root(k, n), a = unit_root(k, 4 * n),
                 b = unit_root(n % 2 == 0 ? n / 2 - k : 0, 4 * n);
  return {T(w.re), T(w.im), T(scale * a.re), T(scale * a.im), T(scale * b.re), T(scale * b.im)};
}

template <class T, class V>
constexpr void dct2_end(const CosineConstants<T>& c, const V (&z)[4], V (&x)[4]) {
  const V even = z[0] + z[2], even_im = z[1] - z[3], odd = z[1] + z[3], odd_im = z[2] - z[0];
  const V turned = c.w_re * odd - c.w_im * odd_im, turned_im = c.w_re * odd_im + c.w_im * odd;
  const V first = even + turned, first_im = even_im + turned_im;
  const V second = even - turned, second_im = turned_im - even_im;
  x[0] = c.a_re * first - c.a_im * first_im;
  x[1] = -(c.a_re * first_im + c.a_im * first);
  x[2] = c.b_re * second - c.b_im * second_im;
  x[3] = -(c.b_re * second_im + c.b_im * second);
}
template <class T, class V>
constexpr void dct2_end_odd(const CosineConstants<T>& c, const V (&z)[2], V (&x)[2]) {
  x[0] = c.a_re * z[0] - c.a_im * z[1];
  x[1] = -(c.a_re * z[1] + c.a_im * z[0]);
}

template <class T, class V>
constexpr void dct3_start(const CosineConstants<T>& c, const V (&x)[4], V (&z)[4]) {
  const V first = c.a_re * x[0] - c.a_im * x[1], first_im = -(c.a_re * x[1] + c.a_im * x[0]);
  const V second = c.b_re * x[2] - c.b_im * x[3], second_im = -(c.b_re * x[3] + c.b_im * x[2]);
  const V sum = first + second, sum_im = first_im - second_im;
  const V difference = first - second, difference_im = first_im + second_im;
  const V turned = c.w_im * difference - c.w_re * difference_im,
          turned_im = c.w_re * difference + c.w_im * difference_im;
  z[0] = sum + turned, z[1] = sum_im + turned_im;
  z[2] = sum - turned, z[3] = turned_im - sum_im;
}
template <class T, class V>
constexpr void dct3_start_odd(const CosineConstants<T>& c, const V (&x)[2], V (&z)[2]) {
  z[0] = c.a_re * x[0] - c.a_im * x[1];
  z[1] = -(c.a_re * x[1] + c.a_im * x[0]);
}

}  // namespace orthokit::math
