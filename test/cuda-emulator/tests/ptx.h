// Small texts of PTX, run by the interpreter.
#pragma once
#include <bit>
#include <string>

#include "support.h"

ORTHOKIT_EMULATOR_CONTROL cudaError_t cudaemu_run_ptx(const char* text, const char* entry,
                                                      dim3 grid, dim3 block, size_t shared,
                                                      const void* const* arguments);

inline uint64_t bits(float v) { return std::bit_cast<uint32_t>(v); }
inline uint64_t bits(double v) { return std::bit_cast<uint64_t>(v); }

// A body between "entry(in, out)" and its end, with registers of every kind. %in and %out are the
// pointers, %tid and %at the thread and eight times it.
inline std::string program(const std::string& body, const std::string& before = "") {
  return ".version 8.0\n.target sm_80\n.address_size 64\n" + before +
         R"(.visible .entry test(.param .u64 first, .param .u64 second) {
  .reg .pred %p<10>; .reg .b16 %h<10>; .reg .b32 %r<40>; .reg .f32 %f<20>; .reg .f64 %d<10>;
  .reg .b64 %l<20>; .reg .b64 %in; .reg .b64 %out; .reg .b64 %at; .reg .b32 %tid;
  ld.param.u64 %in, [first];
  ld.param.u64 %out, [second];
  mov.u32 %tid, %tid.x;
  mul.wide.u32 %at, %tid, 8;
)" + body +
         "  ret;\n}\n";
}

// The value that each thread of a block stores at out[thread].
inline std::vector<uint64_t> run_threads(const std::string& body, unsigned threads,
                                         const std::vector<uint64_t>& in,
                                         const std::string& before = "", unsigned shared = 0) {
  const TestStream stream;
  const Buffer<uint64_t> from(in, stream);
  const Buffer<uint64_t> to(std::vector<uint64_t>(threads, 0), stream);
  CUDA(cudaStreamSynchronize(stream));
  const uint64_t *first = from, *second = to;
  const void* const arguments[] = {&first, &second};
  CUDA(cudaemu_run_ptx(program(body, before).c_str(), "test", 1, threads, shared, arguments));
  return to.read();
}

// One instruction on %r1 %r2 %r3, %f1 …, %d1 …, %h1 …, %l1 … and %p1 …, all of them the same bits
// a, b and c. `kind` is that of register 9, which holds the result.
inline uint64_t evaluate(char kind, const std::string& instruction, uint64_t a, uint64_t b = 0,
                         uint64_t c = 0) {
  std::string body;
  for (int i = 1; i <= 3; ++i) {
    const std::string n = std::to_string(i), offset = std::to_string(8 * (i - 1));
    body += "ld.global.u64 %l" + n + ", [%in+" + offset + "]; cvt.u32.u64 %r" + n + ", %l" + n +
            "; mov.b32 %f" + n + ", %r" + n + "; mov.b64 %d" + n + ", %l" + n + "; cvt.u16.u64 %h" +
            n + ", %l" + n + "; setp.ne.u64 %p" + n + ", %l" + n + ", 0;\n";
  }
  body += instruction + "\n";
  const std::string results[] = {
      "r cvt.u64.u32 %l9, %r9;",    "f mov.b32 %r9, %f9; cvt.u64.u32 %l9, %r9;",
      "d mov.b64 %l9, %d9;",        "h cvt.u64.u16 %l9, %h9;",
      "p selp.b64 %l9, 1, 0, %p9;", "l "};
  for (const auto& result : results)
    if (result[0] == kind) body += result.substr(2);
  return run_threads(body + "\nst.global.u64 [%out], %l9;\n", 1, {a, b, c})[0];
}
