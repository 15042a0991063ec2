#include "ops/quantized/codebook_gemm.h"

#include "bench/reference/quantized/shared/coded.h"
#include "bench/reference/shared/inner_product.h"

namespace orthokit::bench {

static void codebook_gemm(const CodebookGemm& op) {
  const int64_t batch = op.x.shape[0], inner = op.x.shape[1], outputs = op.out.shape[1];
  const PlainCodes codes(op.codes, op.columns(), op.bits);
  for (int64_t b = 0; b < batch; ++b)
    for (int64_t o = 0; o < outputs; ++o) {
      double& out = values(op.out)[b * outputs + o];
      double sum = (op.beta == 0 ? 0 : op.beta * out) + (op.bias ? values(op.bias)[o] : 0);
      for (int64_t k = 0; k < inner; ++k) {
        const int64_t row = op.is_transposed() ? k : o, column = op.is_transposed() ? o : k;
        sum += values(op.x)[b * inner + k] *
               number_of(op.codebooks, book_of(op.row_books, row), codes.read(row, column));
      }
      out = sum;
    }
}
ORTHOKIT_REFERENCE(CodebookGemm, codebook_gemm, product_growth(op.x.shape[1]));

}  // namespace orthokit::bench
