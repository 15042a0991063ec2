// Lines of an earlier run of --verify: what it said of a case whose results have the same bits
// holds for them, too, and no reference is run again.
#pragma once
#include <map>
#include <string>

namespace orthokit::bench {

class JudgedLines {
 public:
  JudgedLines() = default;
  explicit JudgedLines(const std::string& path);
  // The line that begins like this, where it says that these bits passed; "": there is none.
  std::string find(const std::string& begin, const std::string& bits) const;

 private:
  std::multimap<std::string, std::string> lines_;  // by what stands before the verdict
};

}  // namespace orthokit::bench
