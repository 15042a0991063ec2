#pragma once
#include "ops/quantized/shared/codebooks.h"
#include "ops/shared/rows.h"

namespace orthokit {

enum class CodePull : int32_t { kProximal, kDefault };
inline Words words(CodePull) {
  static constexpr const char* list[] = {"proximal", "default"};
  return list;
}
enum class CodeReach : int32_t { kNeighbours, kAll };
inline Words words(CodeReach) {
  static constexpr const char* list[] = {"neighbours", "all"};
  return list;
}

struct RefineCodes {
  static constexpr const char *name = "refine_codes",
                              *summary = "a step of Adam on logits of codes";
  static constexpr const char* about = R"(
  Each element of a matrix has logits, and the code of the largest one; at first 1 for its code and 0
  for others. With its gradient g, its number c and another number cₖ of its codebook,
    gₖ = g · (cₖ − c) for pull default, g · sign(cₖ − c) / |cₖ − c| for proximal, 0 where cₖ = c,
    momentumₖ = β₁ momentumₖ + (1 − β₁) gₖ,  square = β₂ square + (1 − β₂) · mean over k of gₖ²,
    logitₖ −= lr · (momentumₖ / correction1) / (√(square / correction2) + 1e-12),
  then codes = the place of the largest logit, the first of equal ones. With reach all there are as
  many logits as numbers; with neighbours three: of the code before, the code, the one behind, of
  which those at an end are not there. Where the code moves, they move along, and the new one is 0.
  logits and momentum are [logits, rows, columns]. Elements whose codebook or number is not there
  stay as they are.
  Source: JLCM (joint learning of codebooks and mappings), whose gradient falls with the distance of
  codewords; the function of the distance is our reading.
  Numerics: in f64, stored in f32.
  Traffic: one read and write of logits, momentum, square and codes, one read of grad.
  )";
  static constexpr const char* examples[] = {
      "grad=f32[5x300] codebooks=f32[2x16] rowBooks=u8[5x2] logits=f32[3x5x300] "
      "momentum=f32[3x5x300] squares=f32[5x300] codes=u8[5x160] bits=4 correction1=0.1",
      "grad=f32[3x130] codebooks=f32[2x8] rowBooks=u8[3x2] logits=f32[8x3x130] "
      "momentum=f32[8x3x130] squares=f32[3x130] codes=u8[3x64] bits=3 reach=all pull=default"};
  static constexpr const char* cases[] = {
      "grad=f32[4096x1024] codebooks=f32[2x16] rowBooks=u8[4096x2] logits=f32[3x4096x1024] "
      "momentum=f32[3x4096x1024] squares=f32[4096x1024] codes=u8[4096x512] bits=4"};
  View grad, codebooks, row_books, logits, momentum, squares, codes;
  int64_t bits = 4;
  CodePull pull = CodePull::kProximal;
  CodeReach reach = CodeReach::kNeighbours;
  double lr = 0.01, beta1 = 0.9, beta2 = 0.999, correction1 = 1, correction2 = 1;

  double flops() const { return 12 * double(logits.size()); }
  void fields(Fields& f) {
    f.in("grad", grad), f.in("codebooks", codebooks), f.in("rowBooks", row_books);
    f.inout("logits", logits), f.inout("momentum", momentum), f.inout("squares", squares);
    f.inout("codes", codes), f.value("bits", bits), f.value("pull", pull), f.value("reach", reach);
    f.value("lr", lr), f.value("beta1", beta1), f.value("beta2", beta2);
    f.value("correction1", correction1), f.value("correction2", correction2);
  }
  void check(auto require) const {
    require(grad.dtype == Dtype::kF32, ErrorCode::kDtype, "grad must be f32", grad);
    require(grad.rank == 2, ErrorCode::kShape, "grad must be a matrix", grad);
    check_coded(require, codes, codebooks, row_books, grad.shape[1], bits);
    require(codes.shape[0] == grad.shape[0], ErrorCode::kShape, "codes must have the rows of grad",
            codes, "grad", grad);
    require(squares.dtype == Dtype::kF32, ErrorCode::kDtype, "squares must be f32", squares);
    require(same_shape(squares, grad), ErrorCode::kShape, "squares must have the shape of grad",
            squares, "grad", grad);
    const int64_t count = reach == CodeReach::kAll ? codebooks.shape[1] : 3;
    for (const View& v : {logits, momentum}) {
      require(v.dtype == Dtype::kF32, ErrorCode::kDtype, "logits and momentum must be f32", v);
      require(v.rank == 3 && v.shape[0] == count && v.shape[1] == grad.shape[0] &&
                  v.shape[2] == grad.shape[1],
              ErrorCode::kShape,
              "logits and momentum must have a matrix like grad a number of a codebook, or three",
              v, "grad", grad);
    }
    require(lr >= 0, ErrorCode::kArgument, "lr must not be negative", lr);
    require(beta1 >= 0 && beta1 < 1, ErrorCode::kArgument, "beta1 must be in [0, 1)", beta1);
    require(beta2 >= 0 && beta2 < 1, ErrorCode::kArgument, "beta2 must be in [0, 1)", beta2);
    require(correction1 > 0, ErrorCode::kArgument, "correction1 must be positive", correction1);
    require(correction2 > 0, ErrorCode::kArgument, "correction2 must be positive", correction2);
  }
};

// The element at `at` of all matrices, for any backend; gives its code.
struct CodeStep {
  float *logits, *momentum, *squares;
  int64_t stride;  // elements of a matrix
  int count;       // logits of an element
  bool is_proximal, has_all;
  double lr, beta1, beta2, correction1, correction2;

  constexpr double pull(double grad, double distance) const {
    if (!is_proximal) return grad * distance;
    if (distance == 0) return 0;
    return grad / distance;  // sign(d) / |d|
  }
  template <class Root>
  constexpr int64_t run(const float* book, int64_t entries, int64_t code, double grad, int64_t at,
                        Root root) const {
    const int64_t first = has_all ? 0 : code - 1;
    const auto is_there = [&](int k) { return first + k >= 0 && first + k < entries; };
    const auto pull_of = [&](int k) {
      return is_there(k) ? pull(grad, double(book[first + k]) - double(book[code])) : 0;
    };
    double sum = 0;
    for (int k = 0; k < count; ++k) sum += pull_of(k) * pull_of(k);
    const double square = beta2 * double(squares[at]) + (1 - beta2) * (sum / count);
    squares[at] = float(square);
    const double rate = lr / correction1 / (root(square / correction2) + 1e-12);
    int best = has_all ? 0 : 1;
    double most = 0;
    for (int k = 0, found = 0; k < count; ++k) {
      if (!is_there(k)) continue;
      float &m = momentum[k * stride + at], &logit = logits[k * stride + at];
      const double moved = beta1 * double(m) + (1 - beta1) * pull_of(k);
      const double now = double(logit) - rate * moved;
      m = float(moved), logit = float(now);
      if (!found || now > most) best = k, most = now;
      found = 1;
    }
    if (!has_all && best != 1) shift(at, best == 0 ? 2 : 0);
    return first + best;
  }
  // The three logits about the next code, whose new neighbour takes the place of the first of them
  // that is left behind.
  constexpr void shift(int64_t at, int left) const {
    const int step = left == 2 ? -1 : 1;
    for (int k = left; k != 2 - left; k += step) {
      logits[k * stride + at] = logits[(k + step) * stride + at];
      momentum[k * stride + at] = momentum[(k + step) * stride + at];
    }
    logits[(2 - left) * stride + at] = 0, momentum[(2 - left) * stride + at] = 0;
  }
};

inline CodeStep code_step(const RefineCodes& op) {
  return {op.logits.as<float>(),
          op.momentum.as<float>(),
          op.squares.as<float>(),
          op.grad.size(),
          int(op.logits.shape[0]),
          op.pull == CodePull::kProximal,
          op.reach == CodeReach::kAll,
          op.lr,
          op.beta1,
          op.beta2,
          op.correction1,
          op.correction2};
}

}  // namespace orthokit
