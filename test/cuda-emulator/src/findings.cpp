#include "findings.h"

#include <cstdarg>
#include <cstdio>
#include <mutex>
#include <set>

#include "errors.h"
#include "places.h"
#include "scheduler.h"

namespace cudaemu {
namespace {

constexpr int kPrinted = 20;

struct Log {
  std::mutex mutex;
  int count = 0;
  std::string last;
  std::set<const void*> seen;
};
// Never destroyed: threads of the host may still run kernels while the process ends.
Log& log() {
  static Log& log = *new Log;
  return log;
}

thread_local const void* running_kernel = nullptr;

void record(cudaError_t code, const std::string& message) {
  fail_grid();
  stick(code);
  std::string text = running_kernel ? function_name(running_kernel) : "host";
  if (current) {
    const Index b = current->block_index, t = current->thread_index;
    char where[128];
    std::snprintf(where, sizeof where, ": block (%u,%u,%u) thread (%u,%u,%u)", b.x, b.y, b.z, t.x,
                  t.y, t.z);
    text += where;
  }
  text += ": " + message;
  const std::lock_guard lock(log().mutex);
  if (log().count++ < kPrinted) std::fprintf(stderr, "cudaemu: %s\n", text.c_str());
  log().last = std::move(text);
}

std::string formatted(const char* format, va_list arguments) {
  char text[1024];
  std::vsnprintf(text, sizeof text, format, arguments);
  return text;
}

}  // namespace

void finding(cudaError_t code, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  record(code, formatted(format, arguments));
  va_end(arguments);
}

void fatal_finding(cudaError_t code, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  record(code, formatted(format, arguments));
  va_end(arguments);
  abandon_block();
}

void finding_at(const void* code_address, cudaError_t code, const std::string& message) {
  {
    const std::lock_guard lock(log().mutex);
    if (!log().seen.insert(code_address).second) {
      ++log().count;
      fail_grid();
      return;
    }
  }
  record(code, message + ", at " + place_name(code_address));
}

void stop_process(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  std::fprintf(stderr, "cudaemu: %s\n", formatted(format, arguments).c_str());
  va_end(arguments);
  std::abort();
}

int finding_count() {
  const std::lock_guard lock(log().mutex);
  return log().count;
}

std::string last_finding() {
  const std::lock_guard lock(log().mutex);
  return log().last;
}

void clear_findings() {
  const std::lock_guard lock(log().mutex);
  log().count = 0;
  log().last.clear();
  log().seen.clear();
}

RunningKernel::RunningKernel(const void* kernel) { running_kernel = kernel; }
RunningKernel::~RunningKernel() { running_kernel = nullptr; }

}  // namespace cudaemu
