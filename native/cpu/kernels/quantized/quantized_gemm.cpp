#include "ops/quantized/quantized_gemm.h"

#include <limits>

#include "cpu/kernels/quantized/shared/few_rounded_rows.h"
#include "cpu/kernels/quantized/shared/many_rows.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// Rows of a from which on tiles of numbers serve more than once what it takes to unpack them.
#ifdef __AVX512F__
constexpr int64_t kTiledRows = 25;
#else
constexpr int64_t kTiledRows = 17;
#endif

// The same of rows that are multiplied as integers, which take a part of the time of numbers:
// passes of 4 bits are faster than tiles for many more rows, with AVX-512 those of 8 bits, too.
// Codes beside whole blocks go row by row.
template <int bits>
int64_t tiled_byte_rows(int64_t columns) {
  if (columns % math::kBlockCodes != 0) return kTiledRows;
  if (bits == 4) return 129;
#ifdef __AVX512F__
  if (bits == 8) return 129;
  if (bits == 2) return 65;
#endif
  return kTiledRows;
}

// The numbers of a that are multiplied, and what integers are made of where they are rounded.
struct Left {
  const float* numbers;
  RoundedInputs rounded;
};

// a · wᵀ by passes over the codes, a few rows of a at a time.
static void by_passes(const QuantizedGemm& op, const GroupedRows& w, const Left& a,
                      Stream& stream) {
  const int64_t columns = op.columns(), rows = op.rows(), inputs = op.a.shape[0];
  constexpr int64_t kPart = int64_t(1) << 18, kWhole = 8;  // elements of a part; rows by eights
  const int64_t part =
      std::max<int64_t>(1, kPart / std::max<int64_t>(1, columns) / kWhole) * kWhole;
  const float* bias = op.bias.as<float>();
  stream.parallel((rows + part - 1) / part, [&](int64_t p) {
    const int64_t begin = p * part, end = std::min(rows, begin + part);
    for (int64_t first = 0; first < inputs; first += kFewRows) {
      float* c = op.c.as<float>() + first * rows;
      with_inputs(std::min<int64_t>(kFewRows, inputs - first), [&]<int few>() {
        const auto write = [&](int64_t row, const float* sums) {
          for (int i = 0; i < few; ++i) {
            float& to = c[i * rows + row];
            const float old = op.beta == 0 ? 0 : float(op.beta) * to;
            to = sums[i] + old + (bias ? bias[row] : 0);
          }
        };
        with_bits(op.bits, [&]<int bits>() {
          with_group(w.size.group, [&]<int codes>() {
            const FewRows numbers{w, a.numbers + first * columns};
            if constexpr (kBytesPay<codes>)
              if (a.rounded.bytes)
                return FewRoundedRows<bits, codes>{numbers, a.rounded, first}.template run<few>(
                    begin, end, write);
            numbers.run<bits, codes, few>(begin, end, write);
          });
        });
      });
    }
  });
}

void quantized_gemm(const QuantizedGemm& op, Stream& stream) {
  if (op.c.size() == 0) return;
  const GroupedRows w(op.matrix(), op.codes, op.scales);
  Left a{op.a.as<float>(), {}};
  bool is_few = op.is_forward() && op.a.shape[0] < kTiledRows;
  if (op.is_rounded() && op.a.size() > 0) {
    const int64_t inputs = op.a.shape[0];
    with_bits(op.bits, [&]<int bits>() {
      with_group(w.size.group, [&]<int codes>() {
        const bool by_bytes =
            kBytesPay<codes> && multiplies_bytes() && inputs < tiled_byte_rows<bits>(op.columns());
        a.rounded = RoundedInputs(w.size, inputs, a.numbers, by_bytes, stream);
        if constexpr (kBytesPay<codes>)
          if (by_bytes) a.rounded.template arrange<bits, codes>(w.size, inputs, stream);
        is_few |= by_bytes;
      });
    });
    a.numbers = a.rounded.numbers;
  }
  if (is_few) return by_passes(op, w, a, stream);
  const ManyRows product{
      w, op.a.shape[0], a.numbers, {float(op.beta), op.bias.as<float>(), op.c.as<float>()}, stream};
  with_bits(op.bits, [&]<int bits>() {
    op.is_forward() ? product.run_forward<bits>() : product.run_backward<bits>();
  });
}
ORTHOKIT_KERNEL(QuantizedGemm, quantized_gemm);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
