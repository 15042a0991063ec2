// How tests steer the emulator. The plug-in and the addon know nothing of it.
#pragma once
#include <cstddef>

#define ORTHOKIT_EMULATOR_CONTROL extern "C" __attribute__((visibility("default")))

// A command or a question; the answer, or -1 for one that it does not understand.
//   order=forward|reverse|random   streams=eager|deferred|random   seed=N   wobble=N
//   devices=N   driver=N   memory=BYTES (before the first allocation)   cc=N   sms=N
//   fail=FUNCTION:N:CODE    the N-th call from now answers CODE; FUNCTION may be *
//   count=0|1               whether the interpreter counts
//   succeed                 cancels ordered failures, and forgets the counts of calls
//   clear                   that, and resets devices and findings
//   findings?   allocations?   pinned?   checked?   interpreted?   calls?FUNCTION   count?FIELD
ORTHOKIT_EMULATOR_CONTROL int cudaemu_control(const char* command);
// The latest finding in words, cut to `bytes`; empty if there is none.
ORTHOKIT_EMULATOR_CONTROL void cudaemu_last_finding(char* text, size_t bytes);
