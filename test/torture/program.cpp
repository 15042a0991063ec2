#include "program.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "bench/values.h"
#include "ops/elementwise/copy.h"
#include "ops/quantized/kmeans_rows.h"

namespace orthokit::torture {
namespace {

// 0, 1, primes, powers of two and their neighbours; larger ones where there is one axis.
constexpr int64_t kSizes[] = {0, 1, 1, 2, 3, 5, 7, 13, 31, 32, 33, 61, 63, 64, 65, 127, 129};
constexpr int64_t kLargeSizes[] = {257, 509, 1023, 1025, 4097, 16384, 16385};
constexpr int64_t kMostElements = 120'000;
constexpr double kMostFlops = 3e7;
constexpr int kTries = 12;
// Among fewer elements, and in gradients, are no subnormals: no dtype holds the inverse of the norm of
// these alone.
constexpr size_t kFew = 8;
constexpr Dtype kFloating[] = {Dtype::kF32, Dtype::kF64, Dtype::kF16, Dtype::kBf16};

// Operands of transport and sparse coding: masses, scales, sparse matrices, Gram matrices. What their
// kernels give for others is nothing that a reference could say.
bool is_of_domain(const std::string& name) {
  static const std::set<std::string> names{"cost",         "kernel",       "rowMass",
                                           "columnMass",   "rowScale",     "starts",
                                           "columnScale",  "rowPotential", "columnPotential",
                                           "rowSums",      "columns",      "nextRowScale",
                                           "rowRhs",       "columnRhs",    "step",
                                           "gram",         "factor",       "lu",
                                           "pivots",       "matrix",       "nextColumnScale",
                                           "correlations", "energies",     "residualEnergies",
                                           "counts",       "indices",      "state",
                                           "potential",    "ownPotential", "averages",
                                           "coefficients", "residuals",    "signals",
                                           "atoms",        "scales",       "products"};
  return names.contains(name);
}

// Elements of these have a meaning that another tensor's numbers do not have.
bool is_own(const std::string& name) {
  static const std::set<std::string> names{"index",   "labels",  "steps", "roots",
                                           "squares", "masters", "guard", "sigmaSquares"};
  return names.contains(name) || is_of_domain(name);
}

bool is_precision(const std::string& name) { return name == "dtype" || name == "nsDtype"; }

std::string varied(Dice& dice, const OpInfo& op) {
  Example example = exact(dice.of(op.examples));
  std::map<int64_t, int64_t> sizes;
  const bool large = dice.chance(0.2);
  for (auto size : example.sizes()) {
    const bool fixed = size <= 4;  // counts of a list, columns of the statistics
    if (dice.chance(fixed ? 0.05 : 0.9))
      sizes[size] = large && dice.chance(0.5) ? dice.of(kLargeSizes) : dice.of(kSizes);
  }
  example.replace_sizes(sizes);
  if (dice.chance(0.4)) {
    const Dtype from = dice.of(kFloating), to = dice.of(kFloating);
    example.replace_dtype(from, to);
  }
  for (auto& [name, words] : choices_of(op)) {
    if (!dice.chance(0.3) || is_precision(name)) continue;
    const std::string word = words[size_t(dice.below(int64_t(words.size())))];
    if (word == "throw") continue;  // fails by intent
    const auto at = std::ranges::find(example.fields, name, &Field::name);
    if (at == example.fields.end())
      example.fields.push_back({name, {Item{word}}});
    else
      at->items = {Item{word}};
  }
  return example.elements() > kMostElements ? "" : example.flags();
}

// Of longer rows k-means is a local minimum near the least one, and the reference is the least.
bool has_one_result(const OpEntry& entry, const Case& c) {
  constexpr int64_t kExact = 512;
  if (std::string_view(entry.info->name) != "kmeans_rows") return true;
  return row_length(static_cast<const KmeansRows*>(c.op())->x) <= kExact;
}

// A variation that the op takes, else its example as it stands.
std::unique_ptr<Case> random_case(Dice& dice, const OpEntry& entry, Device& device,
                                  std::string& flags) {
  for (int i = 0; i < kTries; ++i) {
    flags = varied(dice, *entry.info);
    if (flags.empty()) continue;
    std::unique_ptr<Case> c;
    const bool refused = caught(
        [&] {
          c = bench::make_case(entry, device, flags);
          entry.info->check(c->op());
        },
        [](ErrorCode, const char*, int32_t) {});
    if (!refused && c->flops() <= kMostFlops && has_one_result(entry, *c)) return c;
  }
  flags = exact(dice.of(entry.info->examples)).flags();
  return bench::make_case(entry, device, flags);
}

bool is_moderate(const Bytes& data, Dtype dtype) {
  const double most = dtype == Dtype::kF16 ? 100 : 1e6;
  return std::ranges::all_of(bench::decode(data, dtype),
                             [&](double x) { return !std::isfinite(x) || std::abs(x) <= most; });
}

bool is_like(const View& a, const View& b) { return a.dtype == b.dtype && same_shape(a, b); }

}  // namespace

Example exact(const std::string& text) {
  Example example(text);
  std::erase_if(example.fields, [](const Field& field) { return is_precision(field.name); });
  return example;
}

Bytes random_values(Dice& dice, const std::string& name, const View& view) {
  if (is_of_domain(name))
    return bench::encode(bench::seeded_values(name, dice.below(1000), kIn, view), view.dtype);
  std::vector<double> values(size_t(view.size()));
  const bool whole = !is_floating(view),
             positive = name == "roots" || name == "squares" || name == "sigmaSquares";
  const int64_t flavour = dice.below(12);
  const double scale = flavour == 0 ? std::ldexp(1.0, int(dice.between(-12, 12))) : 1;
  for (double& x : values)
    x = whole          ? double(dice.between(view.dtype == Dtype::kU8 ? 0 : -1, 12))
        : flavour == 1 ? double(dice.between(-2, 2))
                       : scale * dice.bell();
  if (name == "guard") std::ranges::fill(values, dice.chance(0.5) ? 0.0 : 1.0);
  if (name == "steps") std::ranges::fill(values, double(dice.below(3)));
  const double infinity = std::numeric_limits<double>::infinity();
  const double subnormal = view.dtype == Dtype::kF64   ? 0x1.8p-1060
                           : view.dtype == Dtype::kF16 ? 0x1.8p-20
                                                       : 0x1.8p-130;
  const double special[] = {std::numeric_limits<double>::quiet_NaN(),
                            infinity,
                            -infinity,
                            0.0,
                            -0.0,
                            subnormal,
                            -subnormal};
  if (!whole && name != "guard" && flavour >= 2 && flavour <= 5 && !values.empty())
    for (int64_t i = dice.between(1, 3); i-- > 0;) {
      const int64_t first = flavour == 2 ? 0 : 3,
                    last = values.size() < kFew || name == "grads" ? 4 : 6;
      dice.of(values) = special[dice.between(first, last)];
    }
  if (positive)
    for (double& x : values) x = std::abs(x);
  return bench::encode(values, view.dtype);
}

Program random_program(uint64_t seed, Device& device, const RunStep& run) {
  Dice dice(seed);
  Program program;
  struct Left {
    View view;
    int step, operand;
  };
  std::vector<Left> pool;
  const int64_t count = dice.between(3, 20);
  for (int number = 0; number < count; ++number) {
    Step step;
    step.entry = dice.of(registry().ops).get();
    const auto c = random_case(dice, *step.entry, device, step.flags);
    const auto& operands = c->operands();
    std::vector<Bytes> before;
    for (auto& o : operands) {
      Source source;
      std::vector<Left> fitting;
      const bool is_read = (o.role & kIn) && !is_own(o.name) && dice.chance(0.7);
      for (auto& left : pool)
        if (is_read && is_like(left.view, o.tensor)) fitting.push_back(left);
      if (!fitting.empty()) {
        const Left& left = dice.of(fitting);
        source.step = left.step, source.operand = left.operand;
        before.push_back(program.results[size_t(left.step)][size_t(left.operand)]);
      } else {
        source.fresh = random_values(dice, o.name, o.tensor);
        before.push_back(source.fresh);
      }
      step.sources.push_back(std::move(source));
    }
    program.results.push_back(run(step, *c, before));
    program.steps.push_back(std::move(step));
    for (size_t o = 0; o < operands.size(); ++o) {
      const View& view = operands[o].tensor;
      if ((operands[o].role & kOut) && is_floating(view) && !is_own(operands[o].name) &&
          is_moderate(program.results.back()[o], view.dtype))
        pool.push_back({view, number, int(o)});
    }
  }
  return program;
}

std::vector<std::vector<Bytes>> run_queued(const Program& program, Device& device) {
  std::vector<std::unique_ptr<Case>> cases;
  std::vector<std::vector<Bytes>> results;
  for (auto& step : program.steps) {
    const auto& c = cases.emplace_back(bench::make_case(*step.entry, device, step.flags));
    for (size_t o = 0; o < step.sources.size(); ++o) {
      const auto& source = step.sources[o];
      View to = c->operands()[o].tensor;
      if (source.step < 0) {
        device.write(c->operands()[o].tensor, source.fresh.data());
      } else {
        View from = cases[size_t(source.step)]->operands()[size_t(source.operand)].tensor;
        device.run(Copy{.out = {&to, 1}, .x = {&from, 1}});
      }
    }
    c->run();
  }
  for (auto& c : cases) {
    auto& result = results.emplace_back();
    for (auto& o : c->operands())
      device.read(o.tensor, result.emplace_back(o.tensor.bytes()).data(), [](auto) {});
  }
  device.synchronize();
  return results;
}

}  // namespace orthokit::torture
