#include "ptx/declaration.h"

#include <algorithm>
#include <cstring>

namespace cudaemu::ptx {
namespace {

void read_initial(Scanner& scan, Declaration& d, size_t element) {
  d.initial.assign(d.bytes, 0);
  if (!scan.take('=')) return;
  const bool many = scan.take('{');
  for (size_t at = 0; !scan.take('}'); at += element) {
    const uint64_t value = scan.number();
    if (at + element > d.bytes) scan.fail("too many values for " + d.name);
    std::memcpy(&d.initial[at], &value, element);
    if (!many) return;
    scan.take(',');
  }
}

}  // namespace

Declaration read_declaration(Scanner& scan) {
  Declaration d;
  size_t element = 1;
  for (;;) {
    const std::string_view word = scan.word();
    if (word == ".align") {
      d.alignment = std::max(d.alignment, size_t(scan.number()));
    } else if (word == ".ptr" || word == ".global" || word == ".shared" || word == ".const") {
      continue;  // what a pointer leads to
    } else if (word.starts_with('.')) {
      const Type type = type_named(word.substr(1));
      if (type == Type::kNone) scan.fail("the type " + std::string(word) + " is not supported");
      element = bytes_of(type);
      d.alignment = std::max(d.alignment, element);
    } else if (word.empty()) {
      scan.fail("a name is missing");
    } else {
      d.name = word;
      break;
    }
  }
  d.bytes = element;
  while (scan.take('[')) {
    d.bytes = scan.next() == ']' ? 0 : d.bytes * size_t(scan.number());
    scan.expect(']');
  }
  read_initial(scan, d, element);
  return d;
}

}  // namespace cudaemu::ptx
