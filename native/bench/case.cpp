#include "bench/case.h"

#include <algorithm>

namespace orthokit::bench {

Case::Case(const OpEntry& entry, Device& device, const std::string& flags, int64_t offset)
    : entry_(entry),
      device_(device),
      reader_(device, flags, offset),
      op_(new std::byte[entry.info->bytes]) {
  info().construct(op_.get());
  info().fields(op_.get(), reader_);
  reader_.done();
}

std::vector<Bytes> Case::read() {
  std::vector<Bytes> all;
  for (auto& o : operands()) {
    auto& data = all.emplace_back(o.tensor.bytes());
    device_.read(o.tensor, data.data(), [](auto) {});
  }
  device_.synchronize();
  return all;
}

std::string Case::written_around() {
  for (auto& o : operands()) {
    Bytes block(o.block.bytes());
    device_.read(o.block, block.data(), [](auto) {});
    device_.synchronize();
    const auto around = std::ptrdiff_t(block.size() - o.tensor.bytes()) / 2;
    const auto is_used = [](std::byte b) { return b != kUnused; };
    if (std::any_of(block.begin(), block.begin() + around, is_used) ||
        std::any_of(block.end() - around, block.end(), is_used))
      return o.name;
  }
  return "";
}

Case::Mix Case::mix() const {
  Mix mix;
  for (auto& o : operands()) {
    const int role = o.role & kInOut;
    (role == kIn ? mix.read : role == kOut ? mix.write : mix.update) += double(o.tensor.bytes());
  }
  return mix;
}

double Case::traffic() const {
  if (info().traffic) return info().traffic(op());
  const Mix m = mix();
  return m.read + m.write + 2 * m.update;
}

std::unique_ptr<Case> make_case(const OpEntry& entry, Device& device, const std::string& flags,
                                int64_t offset) {
  try {
    return std::make_unique<Case>(entry, device, flags, offset);
  } catch (const Error& e) {
    throw Error(e.code, std::string(entry.info->name) + ": " + e.message, e.native);
  }
}

}  // namespace orthokit::bench
