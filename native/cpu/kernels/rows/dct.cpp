#include "ops/rows/dct.h"

#include "cpu/slots.h"
#include "cpu/transpose.h"
#include "cpu/vectors.h"
#include "cpu/widened.h"
#include "math/dft.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// A panel holds so many rows side by side that each step is one of registers.
template <class T>
inline constexpr int64_t kLanes = 64 / int64_t(sizeof(T));

template <class T>
struct DctTables {
  const T* roots;  // e^(−2πi t/points)
  const math::CosineConstants<T>* ends;
  T first_scale;
};

template <class T>
static DctTables<T> tables_of(const DctPlan& plan, DctKind kind, Stream& stream) {
  auto* roots = stream.scratch<T>(2 * plan.points);
  for (int64_t t = 0; t < plan.points; ++t) {
    const math::UnitRoot root = math::unit_root(t, plan.points);
    roots[2 * t] = T(root.re), roots[2 * t + 1] = T(root.im);
  }
  auto* ends = stream.scratch<math::CosineConstants<T>>(plan.ends() + 1);
  for (int64_t k = 0; k <= plan.ends(); ++k)
    ends[k] = math::cosine_constants<T>(k, plan.length, plan.scale(kind));
  return {roots, ends, T(plan.first_scale())};
}

// to[c, r] = from[r, c].
template <class T>
static void turn_over(const T* from, int64_t from_stride, int64_t rows, int64_t columns, T* to,
                      int64_t to_stride) {
  if constexpr (sizeof(T) == 4) {
    transpose(from, from_stride, rows, columns, to, to_stride);
  } else {
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t c = 0; c < columns; ++c) to[c * to_stride + r] = from[r * from_stride + c];
  }
}

// Numbers of a panel: each has a place, and a lane a row.
template <class T>
class DctPanel {
 public:
  DctPanel(const DctPlan& plan, const DctTables<T>& tables, T* memory)
      : plan_(plan), tables_(tables), here_(memory), there_(memory + 2 * plan.points * kLanes<T>) {}
  static int64_t scratch(const DctPlan& plan) { return 4 * plan.points * kLanes<T>; }

  void dct2(const T* x, int64_t rows, T* out) {
    const bool is_even = plan_.is_even();
    load_rows(x, rows, [&](int64_t c) { return plan_.turned(c) * (is_even ? 1 : 2); });
    if (!is_even)
      for (int64_t m = 0; m < plan_.points; ++m) std::fill_n(at(2 * m + 1), kLanes<T>, T(0));
    transform();
    const int64_t n = plan_.length, m = plan_.points;
    each_lane([&](int64_t lane) {
      V z[2];
      read(0, lane, z[0]), read(1, lane, z[1]);
      const T scale = tables_.first_scale;
      write(0, lane, is_even ? scale * (z[0] + z[1]) : scale * z[0]);
      if (is_even) write(m, lane, scale * (z[0] - z[1]));
    });
    for (int64_t k = 1; k <= plan_.ends(); ++k)
      each_lane([&](int64_t lane) {
        if (is_even) {
          V z[4], x[4];
          read(2 * k, lane, z[0]), read(2 * k + 1, lane, z[1]);
          read(2 * (m - k), lane, z[2]), read(2 * (m - k) + 1, lane, z[3]);
          math::dct2_end(tables_.ends[k], z, x);
          write(k, lane, x[0]), write(n - k, lane, x[1]);
          write(m - k, lane, x[2]), write(m + k, lane, x[3]);
        } else {
          V z[2], x[2];
          read(2 * k, lane, z[0]), read(2 * k + 1, lane, z[1]);
          math::dct2_end_odd(tables_.ends[k], z, x);
          write(k, lane, x[0]), write(n - k, lane, x[1]);
        }
      });
    std::swap(here_, there_);
    store_rows(out, rows, [](int64_t c) { return c; });
  }

  // Backwards by the same transform, of numbers whose parts have changed places.
  void dct3(const T* x, int64_t rows, T* out) {
    load_rows(x, rows, [](int64_t c) { return c; });
    const bool is_even = plan_.is_even();
    const int64_t n = plan_.length, m = plan_.points;
    each_lane([&](int64_t lane) {
      V first, middle = {};
      read(0, lane, first);
      if (is_even) read(m, lane, middle);
      const T scale = tables_.first_scale;
      write(1, lane, scale * (first + middle));
      write(0, lane, is_even ? scale * (first - middle) : middle);
    });
    for (int64_t k = 1; k <= plan_.ends(); ++k)
      each_lane([&](int64_t lane) {
        if (is_even) {
          V x[4], z[4];
          read(k, lane, x[0]), read(n - k, lane, x[1]);
          read(m - k, lane, x[2]), read(m + k, lane, x[3]);
          math::dct3_start(tables_.ends[k], x, z);
          write(2 * k + 1, lane, z[0]), write(2 * k, lane, z[1]);
          write(2 * (m - k) + 1, lane, z[2]), write(2 * (m - k), lane, z[3]);
        } else {
          V x[2], z[2];
          read(k, lane, x[0]), read(n - k, lane, x[1]);
          math::dct3_start_odd(tables_.ends[k], x, z);
          write(2 * k + 1, lane, z[0]), write(2 * k, lane, z[1]);
          write(2 * (n - k) + 1, lane, z[0]), write(2 * (n - k), lane, -z[1]);
        }
      });
    std::swap(here_, there_);
    transform();
    store_rows(out, rows, [&](int64_t c) {
      const int64_t j = plan_.turned(c);
      return is_even ? j ^ 1 : 2 * j + 1;
    });
  }

 private:
  using V = Vector<T>;

  template <class F>
  static void each_lane(F&& f) {
    for (int64_t lane = 0; lane < kLanes<T>; lane += kVectorSize<T>) f(lane);
  }
  T* at(int64_t place) const { return here_ + place * kLanes<T>; }
  void read(int64_t place, int64_t lane, V& x) const {
    load<T>(here_ + place * kLanes<T> + lane, x);
  }
  void write(int64_t place, int64_t lane, const V& x) const {
    store<T>(x, there_ + place * kLanes<T> + lane);
  }

  template <class Place>
  void load_rows(const T* x, int64_t rows, Place&& place) const {
    alignas(64) T tile[8 * kLanes<T>] = {};
    for (int64_t c = 0; c < plan_.length; c += 8) {
      const int64_t width = std::min<int64_t>(8, plan_.length - c);
      turn_over(x + c, plan_.length, rows, width, tile, kLanes<T>);
      for (int64_t i = 0; i < width; ++i)
        std::copy_n(tile + i * kLanes<T>, kLanes<T>, at(place(c + i)));
    }
  }
  template <class Place>
  void store_rows(T* out, int64_t rows, Place&& place) const {
    alignas(64) T tile[8 * kLanes<T>];
    for (int64_t c = 0; c < plan_.length; c += 8) {
      const int64_t width = std::min<int64_t>(8, plan_.length - c);
      for (int64_t i = 0; i < width; ++i)
        std::copy_n(at(place(c + i)), kLanes<T>, tile + i * kLanes<T>);
      turn_over(tile, kLanes<T>, width, rows, out + c, plan_.length);
    }
  }

  // Stockham's order: each pass reads with one stride and writes with another, so that the result
  // is in its natural order (Van Loan, Computational Frameworks for the FFT, 1.7).
  void transform() {
    int64_t done = 1;
    for (int i = 0; i < plan_.count; ++i) {
      const int64_t factor = plan_.factors[i], rest = plan_.points / done / factor;
      factor == 4   ? pass<4>(done, rest)
      : factor == 2 ? pass<2>(done, rest)
      : factor == 3 ? pass<3>(done, rest)
      : factor == 5 ? pass<5>(done, rest)
                    : pass_of_prime(factor, done, rest);
      std::swap(here_, there_);
      done *= factor;
    }
  }
  template <int r>
  void pass(int64_t done, int64_t rest) const {
    for (int64_t i = 0; i < rest; ++i) {
      T w_re[r], w_im[r];
      for (int j = 1; j < r; ++j)
        w_re[j] = tables_.roots[2 * j * i * done], w_im[j] = tables_.roots[2 * j * i * done + 1];
      for (int64_t q = 0; q < done; ++q)
        each_lane([&](int64_t lane) {
          V re[r], im[r];
          for (int j = 0; j < r; ++j) {
            const int64_t from = 2 * (q + done * (i + rest * j));
            read(from, lane, re[j]), read(from + 1, lane, im[j]);
          }
          math::small_dft<r, T>(re, im);
          write(2 * (q + done * r * i), lane, re[0]),
              write(2 * (q + done * r * i) + 1, lane, im[0]);
          for (int j = 1; j < r; ++j) {
            const int64_t to = 2 * (q + done * (r * i + j));
            write(to, lane, w_re[j] * re[j] - w_im[j] * im[j]);
            write(to + 1, lane, w_re[j] * im[j] + w_im[j] * re[j]);
          }
        });
    }
  }
  void pass_of_prime(int64_t r, int64_t done, int64_t rest) const {
    const int64_t step = plan_.points / r;
    for (int64_t i = 0; i < rest; ++i)
      for (int64_t q = 0; q < done; ++q)
        for (int64_t j = 0; j < r; ++j)
          each_lane([&](int64_t lane) {
            V sum = {}, sum_im = {};
            for (int64_t k = 0, turn = 0; k < r; ++k) {
              const T w = tables_.roots[2 * turn * step], w_im = tables_.roots[2 * turn * step + 1];
              V re, im;
              const int64_t from = 2 * (q + done * (i + rest * k));
              read(from, lane, re), read(from + 1, lane, im);
              sum += w * re - w_im * im, sum_im += w * im + w_im * re;
              turn = turn + j < r ? turn + j : turn + j - r;
            }
            const int64_t turn = 2 * j * i * done, to = 2 * (q + done * (r * i + j));
            const T w = tables_.roots[turn], w_im = tables_.roots[turn + 1];
            write(to, lane, w * sum - w_im * sum_im);
            write(to + 1, lane, w * sum_im + w_im * sum);
          });
  }

  const DctPlan& plan_;
  const DctTables<T>& tables_;
  T *here_, *there_;
};

void dct(const Dct& op, Stream& stream) {
  const int64_t rows = row_count(op.x), n = row_length(op.x);
  if (rows == 0 || n == 0) return;
  visit(op.x.dtype, [&]<class T>() {
    const DctPlan plan(n);
    const DctTables<T> tables = tables_of<T>(plan, op.kind, stream);
    const SlotsOf<T> slots(stream, DctPanel<T>::scratch(plan));
    stream.parallel((rows + kLanes<T> - 1) / kLanes<T>, [&](int64_t part) {
      const int64_t first = part * kLanes<T>, count = std::min(kLanes<T>, rows - first);
      const T* x = op.x.as<T>() + first * n;
      T* out = op.out.as<T>() + first * n;
      slots.borrow([&](T* memory) {
        DctPanel<T> panel(plan, tables, memory);
        op.kind == DctKind::kDct2 ? panel.dct2(x, count, out) : panel.dct3(x, count, out);
      });
    });
  });
}
ORTHOKIT_WIDE_KERNEL(Dct, dct);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
