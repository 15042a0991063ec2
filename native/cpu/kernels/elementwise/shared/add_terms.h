// Sums of a few arrays, each times a factor of its own.
#pragma once
#include "cpu/ask_for.h"
#include "cpu/for_vectors.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// Products and sums are rounded one by one, as vectors and elements are alike here. kTerms: how
// many there are, or 0 for `terms`.
template <class T, int kTerms>
void add_terms_of(int64_t terms, const T* const* x, const T* factors, T* out, int64_t size,
                  bool streams) {
  for_vectors<T>(
      size, [&](int64_t j, auto n) __attribute__((always_inline)) {
        Vector<T> sum, term;
        ask_ahead(x[0] + j);
        load_part(x[0] + j, n, T(0), sum);
        sum = factors[0] * sum;
        for (int64_t k = 1; k < (kTerms > 0 ? kTerms : terms); ++k) {
          ask_ahead(x[k] + j);
          load_part(x[k] + j, n, T(0), term);
          sum += factors[k] * term;
        }
        if constexpr (!std::is_same_v<decltype(n), int>)
          if (streams) return stream_vector<T>(sum, out + j);
        store_part(sum, n, out + j);
      });
}

// out = Σ factors · x, past the caches where `streams` says so; out may be one of x. Out of line:
// kernels share the code.
template <class T>
[[gnu::noinline]] void add_terms(int64_t terms, const T* const* x, const T* factors, T* out,
                                 int64_t size, bool streams) {
  const auto add = terms == 2 ? add_terms_of<T, 2> : add_terms_of<T, 0>;
  add(terms, x, factors, out, size, streams);
}

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
