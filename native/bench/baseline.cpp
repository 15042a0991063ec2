#include "bench/baseline.h"

#include <dlfcn.h>

#include <cstring>

#include "bench/reference/operands.h"
#include "bench/reference/reference.h"
#include "bench/values.h"
#include "ops/elementwise/copy.h"
#include "ops/elementwise/fill.h"
#include "ops/elementwise/linear_combination.h"
#include "ops/optimizers/hybrid_auon.h"
#include "ops/optimizers/muon.h"
#include "ops/products/gemm.h"
#include "ops/products/newton_schulz.h"
#include "ops/products/symmetric_product.h"
#include "ops/reductions/norms.h"

namespace orthokit::bench {
namespace {

constexpr double kIntense = 12;              // flops per byte above which a copy is no measure
constexpr double kMostReferenceFlops = 1e8;  // plain loops take 0.1 s for these

// A product by the BLAS of this machine, through its C interface: row-major, not transposed or
// transposed.
template <class T>
using BlasGemm = void (*)(int order, int ta, int tb, int m, int n, int k, T alpha, const T* a,
                          int lda, const T* b, int ldb, T beta, T* c, int ldc);
constexpr int kRowMajor = 101, kPlain = 111, kTurned = 112;

// Null where no OpenBLAS is installed.
template <class T>
BlasGemm<T> blas_gemm() {
  static void* const library = [] {
    void* const found = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
    using SetThreads = void (*)(int);
    if (const auto set = found ? SetThreads(dlsym(found, "openblas_set_num_threads")) : nullptr)
      set(1);
    return found;
  }();
  const char* name = sizeof(T) == 4 ? "cblas_sgemm" : "cblas_dgemm";
  return library ? BlasGemm<T>(dlsym(library, name)) : nullptr;
}

class Maker {
 public:
  Maker(Case& c, Device& device, const Clock& clock) : c_(c), device_(device), clock_(clock) {}

  Baseline make() {
    const bool on_cpu = device_.kind() == Kind::kCpu;
    if (auto* op = as<Gemm>()) {
      if (!on_cpu) return fill();
      if (blas_gemm<float>()) return gemm(*op);
    }
    if (auto* op = as<SymmetricProduct>()) return plain_product(*op);
    if (auto* op = as<NewtonSchulz>()) {
      View x = op->x;
      return unfused({&x, 1}, op->coefficients, op->eps, op->scale);
    }
    if (auto* op = as<Muon>()) return unfused(op->base);
    if (auto* op = as<HybridAuon>()) return unfused(op->base);
    if (as<Copy>()) return on_cpu ? memory_copy() : fill();
    const Reference* reference = find_reference(c_.info());
    if (on_cpu && reference && c_.flops() >= kIntense * c_.traffic() &&
        c_.flops() <= kMostReferenceFlops)
      return loops(*reference);
    return copy();
  }

 private:
  template <class Op>
  const Op* as() const {
    const bool same = std::string_view(c_.info().name) == Op::name;
    return same ? static_cast<const Op*>(c_.op()) : nullptr;
  }
  Baseline on_host(std::string name, std::function<void()> work) {
    return {std::move(name), std::make_unique<Racer>(
                                 std::move(work), [] {}, clock_)};
  }
  Baseline on_device(std::string name, std::function<void()> work) {
    return {std::move(name), std::make_unique<Racer>(std::move(work), device_, clock_)};
  }
  // Written, as pages that nobody has written would be read from cache.
  Tensor ones(const Shape& shape, Dtype dtype) {
    const Tensor t = device_.empty(shape, dtype);
    device_.run(Fill{.x = {t}, .value = 1});
    return t;
  }

  Baseline gemm(const Gemm& op) {
    return op.c.dtype == Dtype::kF64 ? gemm_of<double>(op) : gemm_of<float>(op);
  }
  template <class T>
  Baseline gemm_of(const Gemm& op) {
    const auto filled = [](const View& v) {
      return std::make_shared<std::vector<T>>(size_t(v.size()) + 1, T(1));
    };
    return on_host("OpenBLAS, one thread", [op, a = filled(op.a), b = filled(op.b),
                                            c = filled(op.c)] {
      const Matrices s = matrices(op.c), left = matrices(op.a), right = matrices(op.b);
      const auto word = [](Transpose t) { return t == Transpose::kNone ? kPlain : kTurned; };
      const auto stride = [](int64_t x) { return int(std::max<int64_t>(1, x)); };
      const int64_t k = op.inner();
      for (int64_t i = 0; i < s.batch; ++i)
        blas_gemm<T>()(kRowMajor, word(op.trans_a), word(op.trans_b), int(s.rows), int(s.columns),
                       int(k), T(op.alpha), a->data() + i * s.rows * k, stride(left.columns),
                       b->data() + i * k * s.columns, stride(right.columns), T(op.beta),
                       c->data() + i * s.rows * s.columns, stride(s.columns));
    });
  }

  Baseline plain_product(const SymmetricProduct& op) {
    const bool by_rows = op.trans == Transpose::kNone;
    return on_device("plain product", [d = &device_, a = op.a, beta = op.beta, by_rows,
                                       c = ones(shape_of(op.c), op.c.dtype)] {
      d->run(Gemm{.a = a,
                  .b = a,
                  .c = c,
                  .beta = beta,
                  .trans_a = by_rows ? Transpose::kNone : Transpose::kTransposed,
                  .trans_b = by_rows ? Transpose::kTransposed : Transpose::kNone});
    });
  }

  Baseline unfused(const OrthogonalStep& op) {
    const Orthogonalization& of = op.orthogonalization;
    return unfused(op.step.weights, of.coefficients, of.eps, of.norm_scale);
  }
  Baseline unfused(const List<View>& list, const List<double>& coefficients, double eps,
                   double scale) {
    std::vector<std::function<void()>> works;
    const std::vector<double> numbers(coefficients.begin(), coefficients.end());
    for (auto& v : list)
      if (v.rank > 1) works.push_back(newton_schulz_of(v, numbers, eps, scale));
    return on_device("unfused Newton-Schulz", [works] {
      for (auto& work : works) work();
    });
  }
  std::function<void()> newton_schulz_of(const View& like, const std::vector<double>& numbers,
                                         double eps, double scale) {
    const Matrices s = matrices(like);
    const int64_t n = std::min(s.rows, s.columns);
    const Dtype dtype = like.dtype == Dtype::kF64 ? Dtype::kF64 : Dtype::kF32;
    const Shape shape{s.batch, s.rows, s.columns}, square{s.batch, n, n};
    const bool wide = s.rows <= s.columns;
    return [d = &device_, wide, numbers, eps, scale, x = ones(shape, dtype), y = ones(shape, dtype),
            product = ones(shape, dtype), gram = ones(square, dtype), quartic = ones(square, dtype),
            norm = device_.empty({1}, Dtype::kF64)] {
      d->run(
          Norms{.x = {x}, .out = norm, .eps = eps, .scale = scale, .result = NormResult::kInverse});
      d->run(LinearCombination{.out = {y}, .terms = {x}, .coefficients = {Factor(1, norm)}});
      for (size_t i = 0; i < numbers.size(); i += 3) {
        d->run(Gemm{.a = y,
                    .b = y,
                    .c = gram,
                    .trans_a = wide ? Transpose::kNone : Transpose::kTransposed,
                    .trans_b = wide ? Transpose::kTransposed : Transpose::kNone});
        d->run(Gemm{.a = gram, .b = gram, .c = quartic});
        d->run(LinearCombination{.out = {quartic},
                                 .terms = {gram, quartic},
                                 .coefficients = {Factor(numbers[i + 1]), Factor(numbers[i + 2])}});
        d->run(Gemm{.a = wide ? quartic : y, .b = wide ? y : quartic, .c = product});
        d->run(LinearCombination{
            .out = {y}, .terms = {y, product}, .coefficients = {Factor(numbers[i]), Factor(1)}});
      }
    };
  }

  Shape half_the_bytes() const { return {int64_t(c_.traffic() / 2 / sizeof(float)) + 1}; }
  Baseline memory_copy() {
    const Tensor from = ones(half_the_bytes(), Dtype::kF32),
                 to = ones(half_the_bytes(), Dtype::kF32);
    device_.synchronize();
    return on_host("memcpy, one thread", [from, to] {
      std::memcpy(to.view().as<float>(), from.view().as<float>(), from.bytes());
    });
  }
  Baseline fill() {
    const Tensor t = ones({int64_t(c_.traffic() / sizeof(float)) + 1}, Dtype::kF32);
    return on_device("fill of as many bytes",
                     [d = &device_, t] { d->run(Fill{.x = {t}, .value = 2}); });
  }
  Baseline copy() {
    return on_device(
        "copy of as many bytes",
        [d = &device_, from = ones(half_the_bytes(), Dtype::kF32),
         to = ones(half_the_bytes(), Dtype::kF32)] { d->run(Copy{.out = {to}, .x = {from}}); });
  }
  Baseline loops(const Reference& reference) {
    std::vector<std::vector<double>> values;
    const auto data = c_.read();
    for (size_t i = 0; i < data.size(); ++i)
      values.push_back(decode(data[i], c_.operands()[i].tensor.view().dtype));
    return on_host("reference", [run = reference.run, copy = std::make_shared<CopyOfOp>(
                                                          c_.info(), c_.op(), std::move(values))] {
      run(copy->op());
    });
  }

  Case& c_;
  Device& device_;
  const Clock& clock_;
};

}  // namespace

Baseline make_baseline(Case& c, Device& device, const Clock& clock) {
  return Maker(c, device, clock).make();
}

}  // namespace orthokit::bench
