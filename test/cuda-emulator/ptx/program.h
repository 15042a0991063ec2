// A kernel in PTX, ready to run: each instruction knows the function that carries it out.
#pragma once
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "ptx/types.h"

namespace cudaemu::ptx {

// The interpreter does not know or does not do what the text asks for.
struct Unsupported : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class Warp;
struct Instruction;
using Lanes = uint32_t;  // a bit for each lane
using Run = void (*)(Warp&, const Instruction&, Lanes);

struct Operand {
  int reg = -1;        // the register; of an address, its base
  int64_t offset = 0;  // of an address
  int second = -1;     // b of a|b
  bool negated = false;
  std::vector<int> list;  // registers of {…}; -1 where nothing is wanted
};

// Done by the loop over instructions itself, because it changes where lanes go on.
enum class Control : uint8_t { kNone, kBranch, kTable, kReturn, kBarrier, kWarp, kTrap };

enum class Rounding : uint8_t { kNearest, kZero, kDown, kUp };

// The cost of an instruction to a lane or, of matrix instructions, a warp.
struct Cost {
  uint16_t f32 = 0, f64 = 0, matrix = 0;
  uint8_t special = 0, shuffles = 0;
};

struct Instruction {
  Run run = nullptr;
  Control control = Control::kNone;
  Type type = Type::kNone, from = Type::kNone;
  Space space = Space::kGeneric;
  Rounding rounding = Rounding::kNearest;
  bool flush = false, saturate = false;  // subnormal numbers to zero; results to [0, 1]
  uint8_t count = 1;                     // elements of a vector
  int mode = 0;                          // which of the forms that share a function
  bool predicate_negated = false;
  int predicate = -1;
  int mask_at = -1;   // of a warp's operation: the operand that names its lanes; -1: all of them
  int target = -1;    // of a branch
  int result_at = 0;  // the slot that the first operand goes to: 0 results, 1 none
  const std::vector<int>* table = nullptr;
  Cost cost;
  Operand d, a, b, c, e;
  int line = 0;  // of the PTX
  int source_file = 0, source_line = 0;
};

struct Parameter {
  std::string name;
  size_t offset, bytes;
};

enum class Special : uint8_t {
  kThreadX,
  kThreadY,
  kThreadZ,
  kThreadsX,
  kThreadsY,
  kThreadsZ,
  kBlockX,
  kBlockY,
  kBlockZ,
  kBlocksX,
  kBlocksY,
  kBlocksZ,
  kLane,
  kWarp,
  kLanesBelow,
  kLanesUpTo,
  kLanesEqual,
  kLanesAbove,
  kLanesFrom,
  kDynamicBytes
};

struct Kernel {
  std::string name;
  std::vector<Parameter> parameters;
  size_t parameter_bytes = 0;
  std::vector<Instruction> code;
  int registers = 0;
  std::map<uint64_t, int> constants;       // the register that holds each
  std::map<Special, int> specials;         // likewise
  std::map<uint64_t, int> dynamic_shared;  // addresses from the start of dynamic shared memory
  size_t shared_bytes = 0, local_bytes = 0;
  std::map<std::string, std::unique_ptr<std::vector<int>>> tables;
  const std::map<int, std::string>* files = nullptr;

  size_t dynamic_offset() const { return (shared_bytes + 15) / 16 * 16; }
  std::string place(const Instruction&) const;  // "sgd.cu:12 (PTX line 345)"
};

}  // namespace cudaemu::ptx
