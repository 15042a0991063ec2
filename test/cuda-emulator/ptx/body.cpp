#include "ptx/body.h"

#include <algorithm>
#include <charconv>

#include "ptx/build.h"
#include "ptx/declaration.h"

namespace cudaemu::ptx {
namespace {

constexpr int kMostCalls = 8;  // within each other

uint64_t aligned(uint64_t offset, uint64_t alignment) {
  return (offset + alignment - 1) / alignment * alignment;
}

}  // namespace

void BodyParser::read(const Place& entry) {
  scan_ = Scanner(module_.text(), entry.at, entry.line);
  scopes_.assign(1, {});
  if (scan_.take('(')) read_parameters();
  skip_to_body();
  read_body();
  Instruction last;
  last.line = scan_.line();
  build_instruction("ret", last);
  kernel_.code.push_back(std::move(last));
  join_labels();
}

void BodyParser::read_parameters() {
  while (!scan_.take(')')) {
    scan_.word();  // .param
    const Declaration d = read_declaration(scan_);
    kernel_.parameter_bytes = aligned(kernel_.parameter_bytes, d.alignment);
    kernel_.parameters.push_back({d.name, kernel_.parameter_bytes, d.bytes});
    scopes_.back().variables[d.name] = {Space::kParameter, kernel_.parameter_bytes};
    kernel_.parameter_bytes += d.bytes;
    scan_.take(',');
  }
}

// Past .maxntid and the like.
void BodyParser::skip_to_body() {
  while (scan_.next() != '{') scan_.skip_char();
  scan_.expect('{');
}

void BodyParser::read_body() {
  scopes_.emplace_back();
  for (int depth = 1; depth > 0;) {
    if (scan_.done()) scan_.fail("a body does not end");
    if (scan_.take('{')) {
      scopes_.emplace_back();
      ++depth;
      continue;
    }
    if (scan_.take('}')) {
      scopes_.pop_back();
      --depth;
      continue;
    }
    if (scan_.take(';')) continue;
    int predicate = -1;
    bool negated = false;
    if (scan_.take('@')) {
      negated = scan_.take('!');
      predicate = register_of(scan_.word());
    }
    std::string word(scan_.word());
    if (word == ".reg") {
      read_registers();
    } else if (word == ".shared" || word == ".local" || word == ".param") {
      read_variable(word == ".shared"  ? Space::kShared
                    : word == ".local" ? Space::kLocal
                                       : Space::kArgument);
    } else if (word == ".loc") {
      read_location();
    } else if (word == ".pragma") {
      scan_.skip_past(';');
    } else if (scan_.next() == ':' && scan_.text()[scan_.at() + 1] != ':') {
      scan_.expect(':');
      labels_[label(word)] = int(kernel_.code.size());
      if (scan_.next() == '.' && scan_.text().substr(scan_.at()).starts_with(".branchtargets"))
        read_table(label(word));
    } else {
      while (scan_.take(':')) {  // L1::no_allocate
        scan_.expect(':');
        word += "::" + std::string(scan_.word());
      }
      read_instruction(std::move(word), predicate, negated);
    }
  }
}

void BodyParser::read_registers() {
  scan_.word();  // the type: every register has 64 bits
  do {
    const std::string name(scan_.word());
    int count = 0;
    if (scan_.take('<')) {
      count = int(scan_.number());
      scan_.expect('>');
    }
    scopes_.back().registers[name] = {kernel_.registers, count};
    kernel_.registers += std::max(count, 1);
  } while (scan_.take(','));
  scan_.expect(';');
}

void BodyParser::read_variable(Space space) {
  const Declaration d = read_declaration(scan_);
  size_t& total = space == Space::kShared ? kernel_.shared_bytes : kernel_.local_bytes;
  total = aligned(total, d.alignment);
  scopes_.back().variables[d.name] = {space, total};
  total += d.bytes;
  scan_.expect(';');
}

void BodyParser::read_location() {
  source_file_ = int(scan_.number());
  source_line_ = int(scan_.number());
  scan_.skip_line();
}

void BodyParser::read_table(const std::string& name) {
  scan_.word();
  labels_.erase(name);
  do tables_[name].push_back(label(scan_.word()));
  while (scan_.take(','));
  scan_.expect(';');
}

std::string BodyParser::label(std::string_view name) const {
  return std::to_string(call_) + ":" + std::string(name);
}

int BodyParser::register_of(std::string_view name) const {
  const size_t digits = name.find_last_not_of("0123456789") + 1;
  for (size_t i = scopes_.size(); i-- > function_scope_;) {
    const auto& registers = scopes_[i].registers;
    if (const auto single = registers.find(name);
        single != registers.end() && single->second.count == 0)
      return single->second.first;
    const auto row = registers.find(name.substr(0, digits));
    if (row == registers.end() || digits == name.size()) continue;
    int number = 0;
    std::from_chars(name.data() + digits, name.data() + name.size(), number);
    if (number < row->second.count) return row->second.first + number;
  }
  return -1;
}

int BodyParser::constant(uint64_t value) {
  const auto [entry, fresh] = kernel_.constants.try_emplace(value, kernel_.registers);
  kernel_.registers += fresh;
  return entry->second;
}

int BodyParser::special(std::string_view name) {
  static constexpr std::pair<std::string_view, Special> kNames[] = {
      {"%tid.x", Special::kThreadX},
      {"%tid.y", Special::kThreadY},
      {"%tid.z", Special::kThreadZ},
      {"%ntid.x", Special::kThreadsX},
      {"%ntid.y", Special::kThreadsY},
      {"%ntid.z", Special::kThreadsZ},
      {"%ctaid.x", Special::kBlockX},
      {"%ctaid.y", Special::kBlockY},
      {"%ctaid.z", Special::kBlockZ},
      {"%nctaid.x", Special::kBlocksX},
      {"%nctaid.y", Special::kBlocksY},
      {"%nctaid.z", Special::kBlocksZ},
      {"%laneid", Special::kLane},
      {"%warpid", Special::kWarp},
      {"%lanemask_lt", Special::kLanesBelow},
      {"%lanemask_le", Special::kLanesUpTo},
      {"%lanemask_eq", Special::kLanesEqual},
      {"%lanemask_gt", Special::kLanesAbove},
      {"%lanemask_ge", Special::kLanesFrom},
      {"%dynamic_smem_size", Special::kDynamicBytes}};
  for (const auto& [known, which] : kNames) {
    if (known != name) continue;
    const auto [entry, fresh] = kernel_.specials.try_emplace(which, kernel_.registers);
    kernel_.registers += fresh;
    return entry->second;
  }
  return -1;
}

// A variable's address: the register that holds it, or its offset in its space; false: unknown.
bool BodyParser::find_symbol(const std::string& name, Symbol& symbol) {
  for (size_t i = scopes_.size(); i-- > function_scope_;) {
    const auto found = scopes_[i].variables.find(name);
    if (found == scopes_[i].variables.end()) continue;
    symbol = {found->second.space, found->second.offset, -1};
    return true;
  }
  if (const Module::Shared* shared = module_.shared(name)) {
    if (shared->bytes == 0) {
      const auto [entry, fresh] = kernel_.dynamic_shared.try_emplace(0, kernel_.registers);
      kernel_.registers += fresh;
      symbol = {Space::kShared, 0, entry->second};
      return true;
    }
    kernel_.shared_bytes = aligned(kernel_.shared_bytes, shared->alignment);
    scopes_.front().variables[name] = {Space::kShared, kernel_.shared_bytes};
    symbol = {Space::kShared, kernel_.shared_bytes, -1};
    kernel_.shared_bytes += shared->bytes;
    return true;
  }
  if (const std::vector<char>* table = module_.constant(name)) {
    symbol = {Space::kGlobal, reinterpret_cast<uint64_t>(table->data()), -1};
    return true;
  }
  return false;
}

Operand BodyParser::read_address() {
  Operand o;
  scan_.expect('[');
  address_space_ = Space::kGeneric;
  if (scan_.at_number()) {
    o.offset = int64_t(scan_.number());
  } else {
    const std::string name(scan_.word());
    Symbol symbol;
    if ((o.reg = register_of(name)) < 0) {
      if (!find_symbol(name, symbol)) scan_.fail("there is no " + name);
      o.reg = symbol.reg;
      o.offset = int64_t(symbol.offset);
      address_space_ = symbol.space;
    }
  }
  while (scan_.take('+')) o.offset += int64_t(scan_.number());
  scan_.expect(']');
  return o;
}

int BodyParser::read_element() {
  if (scan_.at_number()) return constant(scan_.number());
  const std::string_view name = scan_.word();
  if (name == "_") return -1;
  const int reg = register_of(name);
  if (reg < 0) scan_.fail("there is no register " + std::string(name));
  return reg;
}

Operand BodyParser::read_list() {
  Operand o;
  scan_.expect('{');
  do o.list.push_back(read_element());
  while (scan_.take(','));
  scan_.expect('}');
  return o;
}

Operand BodyParser::read_operand() {
  Operand o;
  const char c = scan_.next();
  if (c == '[') return read_address();
  if (c == '{') return read_list();
  o.negated = scan_.take('!');
  if (scan_.at_number()) {
    o.reg = constant(scan_.number());
    return o;
  }
  const std::string name(scan_.word());
  if (name.empty()) scan_.fail("an operand is missing");
  if (name == "_") return o;
  if (name == "WARP_SZ") {
    o.reg = constant(32);
  } else if ((o.reg = register_of(name)) >= 0) {
    if (scan_.take('|')) o.second = read_element();
  } else if ((o.reg = special(name)) < 0) {
    Symbol symbol;
    if (find_symbol(name, symbol))
      o.reg = symbol.reg < 0 ? constant(symbol.offset) : symbol.reg;
    else
      label_ = label(name);
  }
  return o;
}

void BodyParser::read_instruction(std::string name, int predicate, bool negated) {
  Instruction i;
  i.predicate = predicate;
  i.predicate_negated = negated;
  i.line = scan_.line();
  i.source_file = source_file_;
  i.source_line = source_line_;
  if (name == "call" || name.starts_with("call.")) {
    if (predicate >= 0) scan_.fail("a call on a condition is not supported");
    return read_call();
  }
  if (call_ > 0 && name.starts_with("ret")) {
    name = "bra";
    label_ = label("return");
  } else {
    label_.clear();
  }
  try {
    build_instruction(name, i);
  } catch (const Unsupported& reason) {
    scan_.fail(reason.what());
  }
  Operand* slots[] = {&i.d, &i.a, &i.b, &i.c, &i.e};
  size_t slot = size_t(i.result_at);
  Space argument = Space::kGeneric;
  while (!scan_.take(';')) {
    if (slot == std::size(slots)) scan_.fail("too many operands of " + name);
    const bool is_address = scan_.next() == '[';
    *slots[slot++] = read_operand();
    if (is_address && address_space_ == Space::kArgument) argument = address_space_;
    scan_.take(',');
  }
  if (i.space == Space::kParameter && argument == Space::kArgument) i.space = argument;
  if (!label_.empty()) {
    if (i.control != Control::kBranch && i.control != Control::kTable)
      scan_.fail("there is no " + label_.substr(label_.find(':') + 1));
    jumps_.emplace_back(kernel_.code.size(), label_);
  }
  kernel_.code.push_back(std::move(i));
}

// call (results), function, (arguments);
void BodyParser::read_call() {
  const auto names = [&] {
    std::vector<std::string> all;
    if (!scan_.take('(')) return all;
    while (!scan_.take(')')) {
      all.emplace_back(scan_.word());
      scan_.take(',');
    }
    return all;
  };
  std::vector<std::string> given = names();
  scan_.take(',');
  const std::string name(scan_.word());
  scan_.take(',');
  for (auto& argument : names()) given.push_back(argument);
  scan_.expect(';');
  const Place* place = module_.function(name);
  if (!place) scan_.fail("a call of " + name + " is not supported");
  if (++depth_ > kMostCalls) scan_.fail("calls within calls are too many");

  Scope formal;
  const Scanner after = scan_;
  const int caller = call_, file = source_file_, line = source_line_;
  scan_ = Scanner(module_.text(), place->at, place->line);
  size_t next = 0;
  const auto bind = [&] {
    if (!scan_.take('(')) return;
    while (!scan_.take(')')) {
      scan_.word();  // .param
      const Declaration d = read_declaration(scan_);
      Symbol symbol;
      if (next == given.size() || !find_symbol(given[next++], symbol))
        scan_.fail("an argument of " + name + " is missing");
      formal.variables[d.name] = {symbol.space, symbol.offset};
      scan_.take(',');
    }
  };
  bind();
  scan_.word();  // the name
  bind();
  skip_to_body();
  const size_t outer = function_scope_;
  function_scope_ = scopes_.size();
  scopes_.push_back(std::move(formal));
  call_ = ++calls_;
  read_body();
  labels_[label("return")] = int(kernel_.code.size());
  scopes_.pop_back();
  function_scope_ = outer;
  call_ = caller;
  source_file_ = file;
  source_line_ = line;
  scan_ = after;
  --depth_;
}

void BodyParser::join_labels() {
  const auto position = [&](const std::string& name) {
    const auto found = labels_.find(name);
    if (found == labels_.end()) scan_.fail("there is no label " + name);
    return found->second;
  };
  for (const auto& [name, entries] : tables_) {
    auto& table = kernel_.tables[name];
    table = std::make_unique<std::vector<int>>();
    for (const auto& entry : entries) table->push_back(position(entry));
  }
  for (const auto& [at, name] : jumps_) {
    Instruction& i = kernel_.code[at];
    if (i.control == Control::kTable)
      i.table = kernel_.tables.at(name).get();
    else
      i.target = position(name);
  }
}

}  // namespace cudaemu::ptx
