// Operations of threads together in PTX, memory, calls, and counts.
#include <numeric>

#include "ptx.h"

namespace {

std::vector<uint64_t> numbers(size_t n) {
  std::vector<uint64_t> values(n);
  std::iota(values.begin(), values.end(), uint64_t(0));
  return values;
}
const char* const kStore =
    "cvt.u64.u32 %l9, %r9; add.s64 %l8, %out, %at; st.global.u64 [%l8], %l9;\n";

std::vector<uint64_t> lanes(const std::string& body, unsigned threads = 32,
                            const std::string& before = "") {
  return run_threads(body + kStore, threads, numbers(threads), before);
}
template <class F>
std::vector<uint64_t> expected(F f, unsigned threads = 32) {
  std::vector<uint64_t> values;
  for (unsigned lane = 0; lane < threads; ++lane) values.push_back(uint32_t(f(lane)));
  return values;
}
std::string failure(const std::string& body, unsigned threads = 32) {
  cudaemu_control("clear");
  const TestStream stream;
  const Buffer<uint64_t> buffer(numbers(64), stream);
  CUDA(cudaStreamSynchronize(stream));
  const uint64_t* p = buffer;
  const void* const arguments[] = {&p, &p};
  CHECK_NE(cudaemu_run_ptx(program(body).c_str(), "test", 1, threads, 0, arguments), cudaSuccess);
  char text[512];
  cudaemu_last_finding(text, sizeof text);
  cudaemu_control("clear");
  return text;
}
bool has(const std::string& text, const char* part) { return text.find(part) != text.npos; }

}  // namespace

TEST_CASE("PTX: shuffles, votes, reductions of a warp") {
  const Clean clean;
  CHECK_EQ(lanes("shfl.sync.up.b32 %r9, %tid, 3, 0, -1;"),
           expected([](unsigned l) { return l < 3 ? l : l - 3; }));
  CHECK_EQ(lanes("shfl.sync.down.b32 %r9, %tid, 3, 0x181f, -1;"),  // within eighths
           expected([](unsigned l) { return l % 8 < 5 ? l + 3 : l; }));
  CHECK_EQ(lanes("shfl.sync.bfly.b32 %r9|%p1, %tid, 5, 31, -1;"),
           expected([](unsigned l) { return l ^ 5; }));
  CHECK_EQ(lanes("shfl.sync.idx.b32 %r9, %tid, 2, 0x1c1f, -1;"),
           expected([](unsigned l) { return l / 4 * 4 + 2; }));
  CHECK_EQ(lanes("setp.lt.u32 %p1, %tid, 4; vote.sync.ballot.b32 %r9, %p1, -1;"),
           expected([](unsigned) { return 15; }));
  CHECK_EQ(
      lanes("setp.lt.u32 %p1, %tid, 4; vote.sync.any.pred %p2, !%p1, -1; selp.u32 %r9, 1, 0, %p2;"),
      expected([](unsigned) { return 1; }));
  CHECK_EQ(lanes("redux.sync.add.s32 %r9, %tid, -1;"), expected([](unsigned) { return 496; }));
  CHECK_EQ(lanes("shr.u32 %r1, %tid, 4; match.any.sync.b32 %r9, %r1, -1;"),
           expected([](unsigned l) { return l < 16 ? 0xffffu : 0xffff0000u; }));
  // Halves with masks of their own.
  CHECK_EQ(lanes("setp.lt.u32 %p1, %tid, 16; selp.b32 %r1, 0xffff, 0xffff0000, %p1;"
                 "redux.sync.max.u32 %r9, %tid, %r1;"),
           expected([](unsigned l) { return l < 16 ? 15 : 31; }));
}

TEST_CASE("PTX: lanes part and meet") {
  const Clean clean;
  const char* odd_even = R"(
  and.b32 %r1, %tid, 1;
  setp.eq.u32 %p1, %r1, 0;
  @%p1 bra $even;
  add.u32 %r9, %tid, 100;
  bra $both;
$even:
  add.u32 %r9, %tid, 200;
$both:
  shfl.sync.bfly.b32 %r9, %r9, 1, 31, -1;
)";
  CHECK_EQ(lanes(odd_even), expected([](unsigned l) { return l % 2 ? l + 199 : l + 101; }));
  const char* loop = R"(
  mov.u32 %r9, 0;
$again:
  add.u32 %r9, %r9, 2;
  setp.lt.u32 %p1, %r9, %tid;
  @%p1 bra $again;
)";
  CHECK_EQ(lanes(loop), expected([](unsigned l) { return l == 0 ? 2 : (l + 1) / 2 * 2; }));
  const char* table = R"(
  and.b32 %r1, %tid, 1;
$targets: .branchtargets $a, $b;
  brx.idx %r1, $targets;
$a:
  mov.u32 %r9, 7;
  bra $end;
$b:
  mov.u32 %r9, 8;
$end:
)";
  CHECK_EQ(lanes(table), expected([](unsigned l) { return 7 + l % 2; }));
}

TEST_CASE("PTX: barriers and shared memory") {
  const Clean clean;
  const char* reversed = R"(
  .shared .align 4 .b8 words[256];
  mov.u32 %r1, words;
  shl.b32 %r2, %tid, 2;
  add.u32 %r3, %r1, %r2;
  st.shared.u32 [%r3], %tid;
  bar.sync 0;
  sub.u32 %r4, %r1, %r2;
  ld.shared.u32 %r9, [%r4+252];
)";
  CHECK_EQ(lanes(reversed, 64), expected([](unsigned t) { return 63 - t; }, 64));
  CHECK_EQ(lanes("setp.lt.u32 %p1, %tid, 40; bar.red.popc.u32 %r9, 0, %p1;", 64),
           expected([](unsigned) { return 40; }, 64));
  CHECK_EQ(
      lanes("setp.lt.u32 %p1, %tid, 40; bar.red.and.pred %p2, 0, %p1; selp.u32 %r9, 1, 0, %p2;",
            64),
      expected([](unsigned) { return 0; }, 64));
}

TEST_CASE("PTX: calls, local memory, constants") {
  const Clean clean;
  const char* function = R"(
.global .align 4 .b8 table[8] = {1, 0, 0, 0, 2, 1, 0, 0};
.func (.param .b32 result) twice(.param .b32 value) {
  .reg .b32 %r<3>; .reg .pred %p;
  ld.param.u32 %r1, [value];
  setp.gt.u32 %p, %r1, 10;
  @%p bra $large;
  add.u32 %r2, %r1, %r1;
  st.param.b32 [result], %r2;
  ret;
$large:
  st.param.b32 [result], 0;
  ret;
}
)";
  const char* body = R"(
  { .param .b32 given; .param .b32 got;
    st.param.b32 [given], %tid;
    call.uni (got), twice, (given);
    ld.param.b32 %r9, [got]; }
  .local .align 8 .b8 own[16];
  mov.u64 %l1, own;
  st.local.u32 [%l1+4], %r9;
  cvta.local.u64 %l2, %l1;
  ld.u32 %r8, [%l2+4];
  ld.global.u32 %r7, [table+4];
  add.u32 %r9, %r8, %r7;
)";
  CHECK_EQ(lanes(body, 32, function),
           expected([](unsigned l) { return 258 + (l > 10 ? 0 : 2 * l); }));
}

TEST_CASE("PTX: what is wrong is found, by line") {
  CHECK(has(failure("ld.global.u64 %l1, [%in+512];"), "outside any live object"));
  CHECK(has(failure("ld.global.u64 %l1, [%in+4];"), "misaligned"));
  CHECK(has(failure("bar.sync 1, 32; frobnicate.b32 %r1;"), "frobnicate"));
  CHECK(has(failure("add.s32.odd %r1, %r2, %r3;"), ".odd"));
  CHECK(has(failure("setp.lt.u32 %p1, %tid, 8; @%p1 ret; bar.sync 0;"), "skipped"));
  CHECK(has(failure("setp.lt.u32 %p1, %tid, 8; @%p1 shfl.sync.idx.b32 %r1, %r1, 0, 31, -1;"),
            "never reach"));
  CHECK(has(failure("trap;"), "PTX line 11"));
}

TEST_CASE("PTX: what is counted") {
  const Clean clean;
  cudaemu_control("count=1");
  const auto count = [](const char* field) {
    return cudaemu_control((std::string("count?") + field).c_str());
  };
  lanes("mov.u32 %r9, 1;");  // 32 lanes store 8 bytes side by side
  CHECK_EQ(count("moved"), 256);
  CHECK_EQ(count("asked"), 256);
  CHECK_EQ(count("least"), 256);
  lanes(
      "shl.b32 %r1, %tid, 3; cvt.u64.u32 %l1, %r1; add.s64 %l1, %l1, %in; ld.global.u32 %r9, "
      "[%l1];");
  CHECK_EQ(count("moved"), 512);
  CHECK_EQ(count("asked"), 128 + 256);  // every second word
  const std::string shared =
      ".shared .align 4 .b8 words[4096]; mov.u32 %r1, words; mad.lo.u32 %r2, %tid, ";
  lanes(shared + "4, %r1; st.shared.u32 [%r2], %tid; mov.u32 %r9, 0;");
  CHECK_EQ(count("sharedPasses"), 1);
  lanes(shared + "128, %r1; st.shared.u32 [%r2], %tid; mov.u32 %r9, 0;");
  CHECK_EQ(count("sharedPasses"), 32);
  CHECK_EQ(count("sharedLeast"), 1);
  lanes(shared + "16, %r1; st.shared.v4.u32 [%r2], {%tid, %tid, %tid, %tid}; mov.u32 %r9, 0;");
  CHECK_EQ(count("sharedPasses"), 4);
  CHECK_EQ(count("sharedLeast"), 4);
  lanes(
      "cvt.rn.f32.u32 %f1, %tid; fma.rn.f32 %f2, %f1, %f1, %f1; add.f32 %f2, %f2, %f1; mov.u32 "
      "%r9, 0;");
  CHECK_EQ(count("f32"), 32 * 3);
  cudaemu_control("count=0");
}
