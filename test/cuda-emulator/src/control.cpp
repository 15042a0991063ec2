#include "control.h"

#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>

#include "api.h"
#include "device_memory.h"
#include "launches.h"
#include "options.h"
#include "ptx/interpreter.h"
#include "shadow.h"

using namespace cudaemu;

namespace {

int ask(const std::string& question, const std::string& what) {
  if (question == "findings") return finding_count();
  if (question == "allocations") return live_allocations();
  if (question == "pinned") return live_pinned();
  if (question == "graphs") return live_graphs();
  if (question == "checked") return checking();
  if (question == "interpreted") return ptx::chosen();
  if (question == "count") return int(ptx::last_count(what));
  if (question == "calls") return call_count(what.c_str());
  return -1;
}

bool set_number(const std::string& name, const char* text) {
  char* end = nullptr;
  const unsigned long long value = std::strtoull(text, &end, 0);
  if (!*text || *end) return false;
  Options& o = options();
  if (name == "seed") {
    o.seed = value;
    reseed_streams();
  } else if (name == "wobble") {
    o.wobble = int(value);
  } else if (name == "devices" && value <= kMostDevices) {
    o.devices = int(value);
  } else if (name == "driver") {
    o.driver = int(value);
  } else if (name == "memory") {
    o.memory = value;
  } else if (name == "cc") {
    o.capability = int(value);
  } else if (name == "count") {
    o.counts = value;
  } else if (name == "sms") {
    o.multiprocessors = int(value);
  } else {
    return false;
  }
  return true;
}

bool set(const std::string& name, const char* value) {
  if (name == "order") return set_thread_order(value);
  if (name == "fail") return order_failure(value);
  if (name == "streams") {
    drain_all();
    return set_stream_order(value);
  }
  return set_number(name, value);
}

}  // namespace

int cudaemu_control(const char* command) {
  const Lock lock;
  const std::string text(command);
  if (text == "succeed") {
    cancel_failures();
    return 0;
  }
  if (text == "clear") {
    cudaDeviceReset();
    clear_findings();
    cancel_failures();
    return 0;
  }
  if (const size_t mark = text.find('?'); mark != std::string::npos)
    return ask(text.substr(0, mark), text.substr(mark + 1));
  const size_t sign = text.find('=');
  if (sign == std::string::npos) return -1;
  return set(text.substr(0, sign), command + sign + 1) ? 0 : -1;
}

void cudaemu_last_finding(char* text, size_t bytes) {
  std::snprintf(text, bytes, "%s", last_finding().c_str());
}
