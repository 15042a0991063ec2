#include "ops/quantized/refine_codes.h"

#include <map>

#include "bench/reference/quantized/shared/coded.h"

namespace orthokit::bench {

static void refine_codes(const RefineCodes& op) {
  const int64_t rows = op.grad.shape[0], n = op.grad.shape[1], entries = op.codebooks.shape[1];
  const bool all = op.reach == CodeReach::kAll;
  const PlainCodes codes(op.codes, n, op.bits);
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < n; ++j) {
      const int64_t book = book_of(op.row_books, i), code = codes.read(i, j);
      if (book >= op.codebooks.shape[0] || code >= entries) continue;
      const double grad = values(op.grad)[i * n + j], own = number_of(op.codebooks, book, code);
      // The place of the logit of each code that can be reached.
      std::map<int64_t, int64_t> places;
      if (all)
        for (int64_t k = 0; k < entries; ++k) places[k] = k;
      else
        for (int64_t k = code - 1; k <= code + 1; ++k)
          if (k >= 0 && k < entries) places[k] = k - code + 1;
      const auto pulled = [&](int64_t k) {
        const double distance = number_of(op.codebooks, book, k) - own;
        if (op.pull == CodePull::kDefault) return grad * distance;
        return distance == 0 ? 0 : grad * (distance > 0 ? 1 : -1) / std::abs(distance);
      };
      double mean = 0;
      for (const auto& [k, place] : places)
        mean += pulled(k) * pulled(k) / double(all ? entries : 3);
      double& square = values(op.squares)[i * n + j];
      square = op.beta2 * square + (1 - op.beta2) * mean;
      int64_t best = -1;
      double most = 0;
      std::map<int64_t, std::pair<double, double>> moved;
      for (const auto& [k, place] : places) {
        const int64_t at = (place * rows + i) * n + j;
        const double m = op.beta1 * values(op.momentum)[at] + (1 - op.beta1) * pulled(k);
        const double logit =
            values(op.logits)[at] -
            op.lr * (m / op.correction1) / (std::sqrt(square / op.correction2) + 1e-12);
        moved[k] = {logit, m};
        if (best < 0 || logit > most) best = k, most = logit;
      }
      for (int64_t place = 0; place < op.logits.shape[0]; ++place) {
        const int64_t k = all ? place : best - 1 + place, at = (place * rows + i) * n + j;
        // A place beyond an end keeps what it has, unless the others move.
        if (!all && best == code && !moved.contains(k)) continue;
        const auto [logit, m] = moved.contains(k) ? moved[k]
                                : all ? std::pair(values(op.logits)[at], values(op.momentum)[at])
                                      : std::pair(0.0, 0.0);
        values(op.logits)[at] = logit, values(op.momentum)[at] = m;
      }
      if (best == code) continue;
      for (int64_t bit = 0; bit < op.bits; ++bit) {
        const auto [byte, shift] = codes.place(j, bit);
        double& whole = values(op.codes)[i * codes.width + byte];
        whole += double(((best >> bit & 1) - (code >> bit & 1)) * (int64_t(1) << shift));
      }
    }
}
ORTHOKIT_REFERENCE(RefineCodes, refine_codes, 64);

}  // namespace orthokit::bench
