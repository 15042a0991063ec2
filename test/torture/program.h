// Random programs: operations of all kinds on tensors of awkward shapes and values, one after the
// other, where later ones take what earlier ones left.
#pragma once
#include <functional>
#include <memory>

#include "bench/case.h"
#include "bench/dice.h"
#include "example.h"

namespace orthokit::torture {

using bench::Bytes;
using bench::Case;
using bench::Dice;

struct Source {                // what an operand holds before its step
  int step = -1, operand = 0;  // of an earlier step, as that left it
  Bytes fresh;                 // else these
};

struct Step {
  const OpEntry* entry;
  std::string flags;
  std::vector<Source> sources;  // of each operand
};

// Runs a step on its own and returns what its operands hold then.
using RunStep = std::function<std::vector<Bytes>(const Step&, Case&, const std::vector<Bytes>&)>;

struct Program {
  std::vector<Step> steps;
  std::vector<std::vector<Bytes>> results;  // of each step, of each operand
};

// 3 to 20 steps. Each runs before the next is chosen, so that numbers that have grown too large are
// not carried on.
Program random_program(uint64_t seed, Device&, const RunStep&);

// The same steps, queued without a pause; results as in `Program`.
std::vector<std::vector<Bytes>> run_queued(const Program&, Device&);

// Bell-shaped numbers, or scaled ones, or some NaN, infinities, subnormals, zeros and ties among
// them; counters, indices and second moments as their names say.
// The example without a working precision of its own: what 16 bits lose there is no rounding of the
// operands.
Example exact(const std::string& text);
Bytes random_values(Dice&, const std::string& name, const View&);

}  // namespace orthokit::torture
