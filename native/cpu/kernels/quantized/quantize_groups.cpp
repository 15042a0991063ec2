#include "ops/quantized/quantize_groups.h"

#include "cpu/chunks.h"
#include "cpu/convert.h"
#include "cpu/slots.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// max |x| of a part of a group and what there is already; NaN where one is not finite.
template <class T>
static T larger(const T* x, int64_t n, T most) {
  T doubt = 0;
  for (int64_t i = 0; i < n; ++i) {
    const T size = std::abs(x[i]);
    most = size > most ? size : most;
    doubt += x[i] * T(0);  // NaN of NaN and infinity
  }
  return doubt == 0 ? most : std::numeric_limits<T>::quiet_NaN();
}

// Codes of n numbers; scale is positive.
template <class T>
static void codes_of(const T* x, int64_t n, float scale, double levels, uint8_t* out) {
  for (int64_t i = 0; i < n; ++i) {
    const double code = std::nearbyint(double(x[i]) / double(scale));
    out[i] = uint8_t(int32_t(std::min(std::max(code, -levels), levels)));
  }
}

// The codes of a row, a byte each, in blocks.
static void pack_row(const math::PackedRow& row, const uint8_t* codes, uint8_t* out) {
  const uint64_t mask = (1u << row.bits) - 1;
  for (int64_t at = 0, block = 0; at < row.columns; at += math::kBlockCodes, ++block) {
    const int n = int(std::min<int64_t>(math::kBlockCodes, row.columns - at));
    uint64_t lanes[math::kCodeLanes] = {};
    for (int k = 0; k < n; k += math::kCodeLanes) {
      const int width = std::min(math::kCodeLanes, n - k), shift = k / math::kCodeLanes * row.bits;
      for (int lane = 0; lane < width; ++lane)
        lanes[lane] |= (codes[at + k + lane] & mask) << shift;
    }
    for (int lane = 0; lane < math::kCodeLanes; ++lane)
      math::write_lane(out, row.bytes_of_lane(block), lane, lanes[lane]);
    out += row.block_bytes();
  }
}

template <class T>
static void quantize_row(const QuantizeGroups& op, const Grouped& size, int64_t i, uint8_t* codes) {
  const double levels = largest_code(op.bits);
  T buffer[kBlock];
  const auto for_blocks = [&](int64_t begin, auto&& body) {
    for (int64_t done = 0; done < size.group; done += kBlock) {
      const int64_t n = std::min(kBlock, size.group - done);
      body(load(op.x, i * size.row.columns + begin + done, n, buffer), n, done);
    }
  };
  for (int64_t g = 0; g < size.groups; ++g) {
    T most = 0;
    const int64_t begin = g * size.group;
    for_blocks(begin, [&](const T* x, int64_t n, int64_t) {
      const T found = larger(x, n, most);
      most = most == most ? found : most;
    });
    float scale = float(double(most) / levels);
    if (!std::isfinite(scale)) scale = std::numeric_limits<float>::quiet_NaN();
    op.scales.as<float>()[i * size.groups + g] = scale;
    if (scale > 0)
      for_blocks(begin, [&](const T* x, int64_t n, int64_t done) {
        codes_of(x, n, scale, levels, codes + begin + done);
      });
    else
      std::fill_n(codes + begin, size.group, uint8_t(0));
  }
}

void quantize_groups(const QuantizeGroups& op, Stream& stream) {
  const int64_t rows = op.x.shape[0], columns = op.x.shape[1];
  const Grouped size = grouped(rows, columns, op.scales, op.bits);
  const SlotsOf<uint8_t> slots(stream, columns);
  for_rows(stream, rows, columns, [&](int64_t begin, int64_t end) {
    slots.borrow([&](uint8_t* codes) {
      for (int64_t i = begin; i < end; ++i) {
        op.x.dtype == Dtype::kF64 ? quantize_row<double>(op, size, i, codes)
                                  : quantize_row<float>(op, size, i, codes);
        pack_row(size.row, codes, op.codes.as<uint8_t>() + i * size.row.bytes());
      }
    });
  });
}
ORTHOKIT_KERNEL(QuantizeGroups, quantize_groups);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
