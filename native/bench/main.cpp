// orthokit_bench: lists, verifies and times every operation. No code per op: words are fields.
#include <cstdio>
#include <cstring>

#include "bench/commands.h"
#include "bench/flags.h"
#include "core/fields.h"
#include "core/plugin.h"

using namespace orthokit;
using namespace orthokit::bench;

namespace {

constexpr const char* kUsage =
    "usage: orthokit_bench --list | --describe | --demands\n"
    "       orthokit_bench --verify [--device cpu|cuda] [--cases file] [--offset n] "
    "[--against file]\n"
    "       orthokit_bench --symmetric-choices [--small] --device cuda\n"
    "       orthokit_bench --all [--small] [--device cpu|cuda] [--threads n] [--rounds n]\n"
    "       orthokit_bench <op> [--small] [--device cpu|cuda] [--threads n] [--rounds n] "
    "[field=value …]\n";

struct Usage : Error {
  explicit Usage(const std::string& what) : Error(ErrorCode::kArgument, what + "\n" + kUsage) {}
};

struct Line {
  std::string command, flags;
  Options options;
};

Line line_from(const std::vector<std::string>& words) {
  Line line;
  for (size_t i = 0; i < words.size(); ++i) {
    const auto& word = words[i];
    const auto value = [&]() -> const std::string& {
      if (i + 1 == words.size()) throw Usage(word + " needs a value");
      return words[++i];
    };
    const bool is_command = word == "--list" || word == "--describe" || word == "--demands" ||
                            word == "--verify" || word == "--all" || word == "--symmetric-choices";
    if (word == "--device") {
      line.options.device = value();
    } else if (word == "--threads") {
      const int64_t n = integer_from(word, value());
      if (n < 1 || n > 1024) throw Usage("--threads must be 1 to 1024, got " + std::to_string(n));
      line.options.threads = int(n);
    } else if (word == "--rounds") {
      const int64_t n = integer_from(word, value());
      if (n < 1 || n > 1000) throw Usage("--rounds must be 1 to 1000, got " + std::to_string(n));
      line.options.rounds = int(n);
    } else if (word == "--offset") {
      const int64_t n = integer_from(word, value());
      if (n < 0 || n > 1024) throw Usage("--offset must be 0 to 1024, got " + std::to_string(n));
      line.options.offset = n;
    } else if (word == "--cases") {
      line.options.cases = value();
    } else if (word == "--against") {
      line.options.against = value();
    } else if (word == "--small") {
      line.options.small = true;
    } else if (!is_command && word.starts_with("--")) {
      throw Usage("there is no option " + word);
    } else if (line.command.empty()) {
      line.command = word;
    } else if (is_command || line.command.starts_with("--")) {
      throw Usage(line.command + " does not go with " + word);
    } else {
      line.flags += (line.flags.empty() ? "" : " ") + word;
    }
  }
  if (line.command.empty()) throw Usage("there is nothing to do");
  if (line.options.threads > 0 && line.command == "--verify")
    throw Usage("--verify chooses the threads itself");
  if (line.options.rounds != kRounds && line.command == "--verify")
    throw Usage("--verify times nothing");
  if (!line.options.cases.empty() && line.command != "--verify")
    throw Usage("--cases goes with --verify");
  if (!line.options.against.empty() && line.command != "--verify")
    throw Usage("--against goes with --verify");
  if (line.options.offset > 0 && line.command != "--verify")
    throw Usage("--offset goes with --verify");
  if (line.options.small && (line.command == "--verify" || !line.flags.empty()))
    throw Usage("--small chooses cases, and there is no choice here");
  return line;
}

int list() {
  for (auto& entry : registry().ops)
    std::printf("%s  %s\n", entry->info->name, entry->info->summary);
  return 0;
}

int run(const Line& line) {
  if (line.command == "--list") return list();
  if (line.command == "--describe") return std::printf("%s\n", describe_ops().c_str()), 0;
  if (line.command == "--demands") return demands();
  if (line.command == "--verify") return verify(line.options);
  if (line.command == "--symmetric-choices") return symmetric_choices(line.options);
  if (line.command == "--all") return measure_all(line.options);
  const OpEntry* entry = registry().find(line.command);
  if (!entry) throw Error(ErrorCode::kArgument, "there is no op " + line.command + ", see --list");
  return measure(*entry, line.flags, line.options);
}

bool is_usage(ErrorCode code) {
  return code == ErrorCode::kArgument || code == ErrorCode::kShape || code == ErrorCode::kDtype;
}

}  // namespace

int main(int count, char** arguments) {
  const std::string self = arguments[0];
  set_plugin_folder(self.substr(0, self.find_last_of('/') + 1) + ".");
  int result = 0;
  caught(
      [&] {
        result = run(line_from({arguments + 1, arguments + count}));
      },
      [&](ErrorCode code, const char* what, int32_t) {
        const bool ends = std::strchr(what, '\n') != nullptr;
        std::fprintf(stderr, "orthokit_bench: %s%s", what, ends ? "" : "\n");
        result = is_usage(code) ? 2 : 1;
      });
  return result;
}
