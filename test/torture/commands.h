// The commands of main().
#pragma once
#include <cstdint>
#include <map>
#include <string>

namespace orthokit::torture {

// JSON lines: one a failure, then one of counts.
class Report {
 public:
  void count(const std::string& what, int64_t n = 1) { counts_[what] += n; }
  void fail(uint64_t seed, const std::string& op, const std::string& flags,
            const std::string& reason);
  bool is_full() const { return failures_ >= 400; }
  int finish() const;  // the exit code

 private:
  std::map<std::string, int64_t> counts_;
  int failures_ = 0;
};

// Goals of docs/design/reliability.md: R7, R8, R9.
void check_programs(const std::string& on, uint64_t seed, int64_t count, Report&);
void check_same_bits(const std::string& on, uint64_t seed, int64_t count, Report&);
void check_claims(Report&);
void check_convictions(Report&);

}  // namespace orthokit::torture
