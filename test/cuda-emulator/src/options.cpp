#include "options.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

namespace cudaemu {
namespace {

[[noreturn]] void refuse(const std::string& name, const char* value) {
  std::fprintf(stderr, "cudaemu: %s does not know the value '%s'\n", name.c_str(), value);
  std::_Exit(2);
}

template <class T>
void read_number(const char* suffix, T& into) {
  const std::string name = std::string("ORTHOKIT_EMULATOR_") + suffix;
  const char* text = std::getenv(name.c_str());
  if (!text || !*text) return;
  char* end = nullptr;
  const unsigned long long value = std::strtoull(text, &end, 0);
  if (*end) refuse(name, text);
  into = T(value);
}

void read_path(const char* suffix, const char*& into) {
  const char* text = std::getenv((std::string("ORTHOKIT_EMULATOR_") + suffix).c_str());
  if (text) into = text;
}

void read_word(const char* suffix, bool (*set)(const char*)) {
  const std::string name = std::string("ORTHOKIT_EMULATOR_") + suffix;
  const char* text = std::getenv(name.c_str());
  if (text && *text && !set(text)) refuse(name, text);
}

Options current_options;

}  // namespace

bool set_thread_order(const char* word) {
  ThreadOrder& order = current_options.threads;
  if (!std::strcmp(word, "forward"))
    order = ThreadOrder::kForward;
  else if (!std::strcmp(word, "reverse"))
    order = ThreadOrder::kReverse;
  else if (!std::strcmp(word, "random"))
    order = ThreadOrder::kRandom;
  else
    return false;
  return true;
}

bool set_stream_order(const char* word) {
  StreamOrder& order = current_options.streams;
  if (!std::strcmp(word, "eager"))
    order = StreamOrder::kEager;
  else if (!std::strcmp(word, "deferred"))
    order = StreamOrder::kDeferred;
  else if (!std::strcmp(word, "random"))
    order = StreamOrder::kRandom;
  else
    return false;
  return true;
}

size_t most_shared() {
  switch (options().capability) {
    case 75:
      return 64 << 10;
    case 80:
    case 87:
      return 163 << 10;
    case 86:
    case 89:
    case 120:
    case 121:
      return 99 << 10;
    default:
      return 227 << 10;
  }
}

Options& options() {
  static const bool read = [] {
    Options& o = current_options;
    read_word("ORDER", set_thread_order);
    read_word("STREAMS", set_stream_order);
    read_number("SEED", o.seed);
    read_number("WOBBLE", o.wobble);
    read_number("PROTECT", o.protect);
    read_number("DEVICES", o.devices);
    if (o.devices > kMostDevices) refuse("ORTHOKIT_EMULATOR_DEVICES", "more than 4");
    read_number("DRIVER", o.driver);
    read_number("MEMORY", o.memory);
    read_number("CC", o.capability);
    read_number("SMS", o.multiprocessors);
    read_number("STACK", o.stack);
    read_path("PTX", o.ptx);
    read_path("COUNTERS", o.ptx_counters);
    return true;
  }();
  (void)read;
  return current_options;
}

}  // namespace cudaemu
