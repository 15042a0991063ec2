#include "ptx/module.h"

#include "ptx/body.h"
#include "ptx/declaration.h"

namespace cudaemu::ptx {

std::string Kernel::place(const Instruction& i) const {
  const std::string line = "PTX line " + std::to_string(i.line);
  const auto file = files->find(i.source_file);
  if (file == files->end()) return name + ", " + line;
  return file->second + ":" + std::to_string(i.source_line) + " (" + line + ")";
}

Module::Module(std::string text) : text_(std::move(text)) { read_directives(); }

std::vector<std::string> Module::kernels() const {
  std::vector<std::string> names;
  for (const auto& entry : entries_) names.push_back(entry.first);
  return names;
}

void Module::read_directives() {
  Scanner scan(text_);
  while (!scan.done()) {
    std::string_view word = scan.word();
    while (word == ".visible" || word == ".weak" || word == ".extern" || word == ".common")
      word = scan.word();
    if (word == ".file") {
      const int number = int(scan.number());
      const std::string_view path = scan.quoted();
      files_[number] = path.substr(path.rfind('/') + 1);
      scan.skip_line();
    } else if (word == ".entry") {
      const std::string name(scan.word());
      entries_[name] = {scan.at(), scan.line()};
      scan.skip_past('{');
      while (!scan.take('}')) scan.next() == '{' ? scan.skip_braces() : scan.skip_char();
    } else if (word == ".func") {
      const Place place{scan.at(), scan.line()};
      if (scan.take('(')) scan.skip_past(')');
      const std::string name(scan.word());
      while (scan.next() != '{' && scan.next() != ';') scan.skip_char();
      if (scan.take(';')) continue;
      functions_[name] = place;
      scan.skip_braces();
    } else if (word == ".shared") {
      const Declaration d = read_declaration(scan);
      shared_[d.name] = {d.bytes, d.alignment};
      scan.expect(';');
    } else if (word == ".global" || word == ".const") {
      Declaration d = read_declaration(scan);
      auto& bytes = constants_[d.name];
      bytes = std::make_unique<std::vector<char>>(std::move(d.initial));
      constant_list_.push_back(bytes.get());
      scan.expect(';');
    } else if (word == ".section") {
      scan.word();
      scan.skip_braces();
    } else if (word == ".version" || word == ".target" || word == ".address_size") {
      scan.skip_line();
    } else if (word == ".pragma" || word == ".alias") {
      scan.skip_past(';');
    } else {
      scan.fail("'" + std::string(word) + "' is not supported");
    }
  }
}

const Place* Module::function(const std::string& name) const {
  const auto found = functions_.find(name);
  return found == functions_.end() ? nullptr : &found->second;
}
const Module::Shared* Module::shared(const std::string& name) const {
  const auto found = shared_.find(name);
  return found == shared_.end() ? nullptr : &found->second;
}
const std::vector<char>* Module::constant(const std::string& name) const {
  const auto found = constants_.find(name);
  return found == constants_.end() ? nullptr : found->second.get();
}

const Kernel& Module::kernel(const std::string& name) {
  auto& kernel = ready_[name];
  if (!kernel) {
    auto fresh = std::make_unique<Kernel>();
    fresh->name = name;
    fresh->files = &files_;
    BodyParser(*this, *fresh).read(entries_.at(name));
    kernel = std::move(fresh);
  }
  return *kernel;
}

}  // namespace cudaemu::ptx
