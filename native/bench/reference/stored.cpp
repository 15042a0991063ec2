#include <bit>
#include <cstring>

#include "bench/reference/operands.h"
#include "bench/reference/reference.h"
#include "bench/values.h"

namespace orthokit::bench {
namespace {

// f32 numbers as bf16 weights, which are their high bits, and masters, which are the low ones.
void split_halves(const std::vector<double>& values, const View& weights, const View& masters) {
  for (size_t i = 0; i < values.size(); ++i) {
    const auto bits = std::bit_cast<uint32_t>(float(values[i]));
    weights.as<uint16_t>()[i] = uint16_t(bits >> 16);
    masters.as<uint16_t>()[i] = uint16_t(bits & 0xffffu);
  }
}

}  // namespace

void run_on_stored(const OpInfo& info, const void* op) {
  Packed packed = pack(info, op);
  const auto operands = operands_of(info, packed.data.get());
  std::vector<StoredOperand> stored;
  for (auto& o : operands)
    stored.push_back(
        {o.name, o.index, o.view->dtype, {o.view->as<const std::byte>(), bytes_in(*o.view)}});
  std::vector<std::vector<double>> before;
  std::vector<double> units;
  for (auto& value : joined_values(stored))
    before.push_back(std::move(value.elements)), units.push_back(value.unit);

  CopyOfOp copy(info, op, std::move(before));
  find_reference(info)->run(copy.op());

  const auto is_low_half = [&](size_t i) {
    return is_floating(*operands[i].view) && units[i] == 0;
  };
  for (size_t i = 0; i < operands.size(); ++i) {
    const View& view = *operands[i].view;
    if (!(operands[i].role & kOut) || is_low_half(i)) continue;
    if (units[i] != unit_of(view.dtype)) {
      size_t low = 0;
      while (!is_low_half(low) || operands[low].index != operands[i].index) ++low;
      split_halves(copy.values()[i], view, *operands[low].view);
    } else if (const auto data = encode(copy.values()[i], view.dtype); !data.empty()) {
      std::memcpy(view.data, data.data(), data.size());
    }
  }
}

}  // namespace orthokit::bench
