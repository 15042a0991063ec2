#include "cuda/lists.cuh"

namespace orthokit::cuda {

// One block of bytes: the pieces' numbers, then the operands of all lists.
Lists::Lists(Stream& stream, std::initializer_list<List<View>> lists)
    : tensors_(lists.begin()->count) {
  // In whole operands, so that each of these lies in one sector.
  const size_t head =
      (size_t(tensors_ + 1) * sizeof(int64_t) / sizeof(Operand) + 1) * sizeof(Operand);
  int64_t operands = 0;
  for (auto& list : lists) {
    begin_.push_back(operands);
    operands += list.count;
  }
  std::vector<std::byte> bytes(head + size_t(operands) * sizeof(Operand));
  auto* first = reinterpret_cast<int64_t*>(bytes.data());
  auto* operand = reinterpret_cast<Operand*>(bytes.data() + head);
  for (int64_t t = 0; t < tensors_; ++t) {
    first[t] = pieces_;
    pieces_ += (lists.begin()->items[t].size() + kPiece - 1) / kPiece;
  }
  first[tensors_] = pieces_;
  for (auto& list : lists)
    for (auto& view : list) {  // not as a whole: the bytes between its fields stay zeros
      operand->data = view.data, operand->size = view.size(),
      operand->dtype = {int64_t(view.dtype)};
      ++operand;
    }
  const auto* copy = static_cast<const std::byte*>(stream.table_bytes(bytes.data(), bytes.size()));
  first_ = reinterpret_cast<const int64_t*>(copy);
  operands_ = reinterpret_cast<const Operand*>(copy + head);
}

}  // namespace orthokit::cuda
