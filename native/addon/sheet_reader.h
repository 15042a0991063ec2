// Reads any op from the sheet: each value is a kind and what belongs to it. Nothing is complained
// of here, such as a value of a wrong kind or a tensor that is gone: the reader of values does it.
#pragma once
#include <cmath>
#include <memory>

#include "addon/handles.h"

namespace orthokit {

class SheetReader final : public Fields {
 public:
  // `end`: of the numbers of the call, from the sheet's beginning.
  SheetReader(const Addon& addon, const double* at, const double* end)
      : addon_(addon), at_(at), end_(end) {}
  // True if all was there, as the fields want it, and nothing else was.
  bool done() const { return good_ && at_ == end_; }

 private:
  // As lib/core/sheet.ts writes them: then a number, the place of a tensor, that of a word, or how
  // many values follow.
  enum Kind { kAbsent, kNumber, kTensor, kWord, kList };

  bool is(Kind kind) const { return good_ && at_ != end_ && *at_ == double(kind); }
  bool absent() {
    if (!is(kAbsent)) return !good_;
    ++at_;
    return true;
  }
  // The number that belongs to a value of the kind; 0 if it is none.
  double take(Kind kind) {
    good_ = is(kind) && end_ - at_ >= 2;
    if (!good_) return 0;
    at_ += 2;
    return at_[-1];
  }
  View view() {
    const double place = take(kTensor);
    const Tensor* found = good_ ? TensorHandle::usable_at(addon_, place) : nullptr;
    good_ = found != nullptr;
    return found ? found->view() : View();
  }
  Factor factor_of() {
    if (is(kNumber)) return take(kNumber);
    if (is(kTensor)) return Factor(1, view());
    good_ = take(kList) == 2 && good_;
    const double value = take(kNumber);
    return Factor(value, view());
  }
  template <class T, class Read>
  List<T> list(Read&& read) {
    if (absent()) return {};
    const double length = take(kList);
    good_ = good_ && length >= 0 && length <= double(end_ - at_) && length == std::floor(length);
    if (!good_) return {};
    const auto count = size_t(length);
    const size_t bytes = count * sizeof(T);
    std::byte* room = room_ + used_;
    if (used_ + bytes <= sizeof room_)
      used_ += bytes;
    else
      room = more_.emplace_back(std::make_unique_for_overwrite<std::byte[]>(bytes)).get();
    List<T> result(reinterpret_cast<T*>(room), int64_t(count));
    for (size_t i = 0; i < count; ++i) new (result.items + i) T(read());
    return result;
  }

  void tensor(const char*, int, View& x) override {
    if (!absent()) x = view();
  }
  void tensors(const char*, int role, List<View>& x) override {
    if (is(kAbsent) && !(role & kOptional)) good_ = false;
    x = list<View>([&] { return view(); });
  }
  void number(const char*, double& x) override {
    if (!absent()) x = take(kNumber);
  }
  void integer(const char*, int64_t& x) override {
    if (absent()) return;
    const double number = take(kNumber);
    good_ = good_ && number == std::floor(number) && std::abs(number) <= 0x1p53;
    if (good_) x = int64_t(number);
  }
  void numbers(const char*, List<double>& x) override {
    x = list<double>([&] { return take(kNumber); });
  }
  void factor(const char*, Factor& x) override {
    if (!absent()) x = factor_of();
  }
  void factors(const char*, List<Factor>& x) override {
    x = list<Factor>([&] { return factor_of(); });
  }
  void choice(const char*, int32_t& x, Words words) override {
    if (absent()) return;
    const double place = take(kWord);
    const std::string* word = good_ ? addon_.sheet.word(place) : nullptr;
    good_ = word != nullptr;
    if (!good_) return;
    for (size_t i = 0; i < words.size(); ++i)
      if (*word == words[i]) {
        x = int32_t(i);
        return;
      }
    good_ = false;
  }

  const Addon& addon_;
  const double *at_, *end_;
  bool good_ = true;
  // Lists live here until the op has run, or has been copied into the queue.
  alignas(16) std::byte room_[2048];
  size_t used_ = 0;
  std::vector<std::unique_ptr<std::byte[]>> more_;
};

}  // namespace orthokit
