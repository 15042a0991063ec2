#include "bench/judged.h"

#include <fstream>

#include "core/error.h"

namespace orthokit::bench {
namespace {

constexpr std::string_view kBeforeVerdict = ",\"against\":";

}  // namespace

JudgedLines::JudgedLines(const std::string& path) {
  std::ifstream file(path);
  if (!file) throw Error(ErrorCode::kArgument, "--against: " + path + " cannot be read");
  for (std::string line; std::getline(file, line);)
    if (const auto end = line.find(kBeforeVerdict); end != line.npos)
      lines_.emplace(line.substr(0, end), line);
}

std::string JudgedLines::find(const std::string& begin, const std::string& bits) const {
  const auto [first, last] = lines_.equal_range(begin);
  for (auto line = first; line != last; ++line)
    if (line->second.ends_with(",\"bits\":\"" + bits + "\",\"passed\":true}")) return line->second;
  return "";
}

}  // namespace orthokit::bench
