#include "core/fields.h"

#include <doctest/doctest.h>

#include "ops.h"

using namespace orthokit;
using orthokit::test::Operands;

namespace {

constexpr int kDevice = 4;
alignas(256) std::byte bytes[16 * 256];

View view(int64_t place, int device = kDevice) {
  View v{.data = bytes + 256 * place, .rank = 1, .dtype = Dtype::kF32, .device = device};
  v.shape[0] = 3;
  return v;
}

Operands good() {
  Operands op;
  op.in = view(0), op.out = view(1);
  return op;
}

std::string refusal(const Operands& op, ErrorCode* code = nullptr) {
  try {
    check_tensors(info<Operands>(), &op, kDevice);
  } catch (const Error& e) {
    if (code) *code = e.code;
    return e.message;
  }
  return "";
}

}  // namespace

TEST_CASE("tensors must be there and on the device") {
  ErrorCode code{};
  Operands op = good();
  CHECK(refusal(op) == "");
  op.in = {};
  CHECK(refusal(op, &code) == "in is missing");
  CHECK(code == ErrorCode::kArgument);
  op = good();
  op.optional = view(2, kDevice + 1);
  CHECK(refusal(op, &code) == "optional is on another device");
  CHECK(code == ErrorCode::kDevice);
  op = good();
  View list[] = {view(2), View{}};
  op.many = {list, 2};
  CHECK(refusal(op) == "many is missing");
  op = good();
  op.factor = Factor(2, view(3, kDevice + 1));
  CHECK(refusal(op) == "factor is on another device");
  Factor factors[] = {Factor(1), Factor(1, view(3, kDevice + 1))};
  op = good();
  op.factors = {factors, 2};
  CHECK(refusal(op) == "factors is on another device");
}

TEST_CASE("an output shares its bytes with nothing") {
  Operands op = good();
  op.out = op.in;
  CHECK(refusal(op) == "out must not share a tensor with in");
  op = good();
  op.optional = op.out;
  CHECK(refusal(op) == "out must not share a tensor with optional");
  op = good();
  op.factor = Factor(1, op.out);
  CHECK(refusal(op) == "out must not share a tensor with factor");
  op = good();
  View twice[] = {view(2), view(2)};
  op.targets = {twice, 2};
  CHECK(refusal(op) == "targets holds a tensor that is already an output");
  op = good();
  View also[] = {op.out};
  op.targets = {also, 1};
  CHECK(refusal(op) == "targets holds a tensor that is already an output");
}

TEST_CASE("inputs may share") {
  Operands op = good();
  View same[] = {op.in, op.in};
  op.many = {same, 2};
  op.optional = op.in;
  op.factor = Factor(1, op.in);
  CHECK(refusal(op) == "");
}

TEST_CASE("a field that may alias does so at the same position only") {
  Operands op = good();
  View targets[] = {view(2), view(3)}, same[] = {view(2), view(3), view(2), view(3)},
       crossed[] = {view(3), view(2)};
  op.targets = {targets, 2};
  op.many = {same, 4};  // two terms
  CHECK(refusal(op) == "");
  op.many = {crossed, 2};
  CHECK(refusal(op) == "targets must not share a tensor with many");
  op.many = {};
  op.factor = Factor(1, view(3));
  CHECK(refusal(op) == "targets must not share a tensor with factor");
}

TEST_CASE("clashes are found among many tensors") {
  std::vector<std::byte> storage(256 * 3000);
  std::vector<View> targets, sources;
  for (int i = 0; i < 1000; ++i) {
    targets.push_back(view(0)), targets.back().data = storage.data() + 256 * i;
    sources.push_back(view(0)), sources.back().data = storage.data() + 256 * (1000 + i);
  }
  Operands op = good();
  op.targets = {targets.data(), 1000}, op.many = {sources.data(), 1000};
  CHECK(refusal(op) == "");
  sources[999].data = targets[17].data;
  CHECK(refusal(op) == "targets must not share a tensor with many");
}

TEST_CASE("parts of a block clash where they share bytes") {
  const auto part = [](int64_t from, int64_t to) {  // of the floats of a block
    View v = view(8);
    v.data = static_cast<float*>(v.data) + from, v.shape[0] = to - from, v.reserved = 1;
    return v;
  };
  View whole = view(8);
  whole.shape[0] = 12;
  Operands op = good();
  op.in = part(0, 3), op.out = part(3, 7);
  CHECK(refusal(op) == "");
  for (const View& in : {part(6, 9), part(0, 4), part(4, 5), part(3, 7), whole}) {
    op.in = in;
    CHECK(refusal(op) == "out must not share a tensor with in");
  }
  op.in = part(5, 5);
  CHECK(refusal(op) == "");
  View outputs[] = {part(10, 12), part(7, 10)}, inputs[] = {part(10, 12), part(7, 10)};
  op.in = part(0, 3), op.targets = {outputs, 2}, op.many = {inputs, 2};
  CHECK(refusal(op) == "");
  outputs[1] = part(6, 10);
  CHECK(refusal(op) == "targets holds a tensor that is already an output");
  outputs[1] = part(7, 10), inputs[1] = part(7, 9);
  CHECK(refusal(op) == "targets must not share a tensor with many");
  inputs[1] = part(9, 11);
  CHECK(refusal(op) == "targets must not share a tensor with many");
}

TEST_CASE("a packed op owns its lists") {
  Operands op = good();
  std::vector<View> many{view(2), view(3)};
  std::vector<double> numbers{1.5, -2};
  std::vector<Factor> factors{Factor(3), Factor(4, view(5))};
  op.many = {many.data(), 2}, op.numbers = {numbers.data(), 2}, op.factors = {factors.data(), 2};
  op.integer = 11;
  const Packed packed = pack(info<Operands>(), &op);
  CHECK(packed.bytes ==
        sizeof(Operands) + 2 * sizeof(View) + 2 * sizeof(double) + 2 * sizeof(Factor));
  many[0].data = nullptr, numbers[1] = 0, factors[1].value = 0, op.integer = 0;
  const auto& copy = *reinterpret_cast<const Operands*>(packed.data.get());
  CHECK(copy.integer == 11);
  CHECK(copy.in.data == bytes);
  REQUIRE(copy.many.count == 2);
  CHECK(copy.many[0].data == view(2).data);
  CHECK(copy.many[1].data == view(3).data);
  CHECK(copy.numbers[0] == 1.5);
  CHECK(copy.numbers[1] == -2);
  CHECK(copy.factors[1].value == 4);
  CHECK(copy.factors[1].by.data == view(5).data);
  CHECK(copy.targets.count == 0);
  for (const void* list :
       {static_cast<const void*>(copy.many.items), static_cast<const void*>(copy.numbers.items)}) {
    CHECK(list >= packed.data.get() + sizeof(Operands));
    CHECK(list < packed.data.get() + packed.bytes);
  }
}

TEST_CASE("the layout's hash tells ops apart") {
  CHECK(layout_of(info<Operands>()) == layout_of(info<Operands>()));
  CHECK(layout_of(info<Operands>()) != layout_of(info<orthokit::test::Hook>()));
  CHECK(layout_of(info<orthokit::test::ParallelFailure>()) !=
        layout_of(info<orthokit::test::Composed>()));
}
