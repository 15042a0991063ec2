// Single instructions of PTX against values known from the PTX ISA or worked out by hand.
#include <cmath>

#include "ptx.h"

namespace {

uint64_t of(char kind, const char* instruction, uint64_t a, uint64_t b = 0, uint64_t c = 0) {
  return evaluate(kind, instruction, a, b, c);
}
constexpr uint64_t kAll32 = 0xffffffff;
uint64_t s32(int v) { return uint32_t(v); }

}  // namespace

TEST_CASE("PTX: floating-point arithmetic") {
  const Clean clean;
  CHECK_EQ(of('f', "add.f32 %f9, %f1, %f2;", bits(1.5f), bits(2.25f)), bits(3.75f));
  CHECK_EQ(of('f', "sub.rn.f32 %f9, %f1, %f2;", bits(1.5f), bits(2.25f)), bits(-0.75f));
  CHECK_EQ(of('d', "mul.rn.f64 %d9, %d1, %d2;", bits(3.0), bits(-0.5)), bits(-1.5));
  CHECK_EQ(of('f', "div.rn.f32 %f9, %f1, %f2;", bits(1.f), bits(3.f)), 0x3eaaaaab);
  // 1 + 2^-25, in each rounding.
  const uint64_t one = bits(1.f), bit = bits(std::ldexp(1.f, -25));
  CHECK_EQ(of('f', "add.rn.f32 %f9, %f1, %f2;", one, bit), 0x3f800000);
  CHECK_EQ(of('f', "add.rz.f32 %f9, %f1, %f2;", one, bit), 0x3f800000);
  CHECK_EQ(of('f', "add.rm.f32 %f9, %f1, %f2;", one, bit), 0x3f800000);
  CHECK_EQ(of('f', "add.rp.f32 %f9, %f1, %f2;", one, bit), 0x3f800001);
  // (1 + 2^-12)^2 - 1 keeps its last bit only where it is rounded once.
  const float x = 1 + std::ldexp(1.f, -12);
  CHECK_EQ(of('f', "fma.rn.f32 %f9, %f1, %f2, %f3;", bits(x), bits(x), bits(-1.f)),
           bits(std::ldexp(1.f, -11) + std::ldexp(1.f, -24)));
  CHECK_EQ(of('f', "add.ftz.f32 %f9, %f1, %f2;", 0x00000005, 0x80000000), 0);
  CHECK_EQ(of('f', "add.f32 %f9, %f1, %f2;", 0x00000005, 0x80000000), 5);
  CHECK_EQ(of('f', "mul.sat.f32 %f9, %f1, %f2;", bits(3.f), bits(2.f)), bits(1.f));
  CHECK_EQ(of('f', "min.f32 %f9, %f1, %f2;", 0x7fc00000, bits(2.f)), bits(2.f));
  CHECK_EQ(of('f', "min.f32 %f9, %f1, %f2;", bits(0.f), bits(-0.f)), bits(-0.f));
  CHECK_EQ(of('d', "max.f64 %d9, %d1, %d2;", bits(-1.0), bits(std::nan(""))), bits(-1.0));
  CHECK_EQ(of('f', "neg.f32 %f9, %f1;", bits(2.f)), bits(-2.f));
  CHECK_EQ(of('d', "abs.f64 %d9, %d1;", bits(-2.0)), bits(2.0));
  CHECK_EQ(of('d', "copysign.f64 %d9, %d1, %d2;", bits(-1.0), bits(3.0)), bits(-3.0));
}

TEST_CASE("PTX: functions") {
  const Clean clean;
  CHECK_EQ(of('f', "ex2.approx.f32 %f9, %f1;", bits(10.f)), bits(1024.f));
  CHECK_EQ(of('f', "lg2.approx.f32 %f9, %f1;", bits(8.f)), bits(3.f));
  CHECK_EQ(of('f', "rsqrt.approx.f32 %f9, %f1;", bits(0.25f)), bits(2.f));
  CHECK_EQ(of('f', "sqrt.rn.f32 %f9, %f1;", bits(2.f)), 0x3fb504f3);
  CHECK_EQ(of('d', "rcp.rn.f64 %d9, %d1;", bits(3.0)), 0x3fd5555555555555);
  // It gives the upper half.
  CHECK_EQ(of('d', "rcp.approx.ftz.f64 %d9, %d1;", bits(3.0)), 0x3fd5555500000000);
}

TEST_CASE("PTX: integer arithmetic") {
  const Clean clean;
  CHECK_EQ(of('r', "mul.hi.u32 %r9, %r1, %r2;", kAll32, kAll32), 0xfffffffe);
  CHECK_EQ(of('r', "mul.hi.s32 %r9, %r1, %r2;", s32(-1), s32(1)), kAll32);
  CHECK_EQ(of('l', "mul.wide.s32 %l9, %r1, %r2;", s32(-3), s32(5)), uint64_t(-15));
  CHECK_EQ(of('l', "mul.wide.u32 %l9, %r1, %r2;", kAll32, 2), 0x1fffffffe);
  CHECK_EQ(of('r', "mad.lo.s32 %r9, %r1, %r2, %r3;", s32(-3), 5, 20), 5);
  CHECK_EQ(of('r', "div.s32 %r9, %r1, %r2;", s32(-7), 2), s32(-3));
  CHECK_EQ(of('r', "rem.s32 %r9, %r1, %r2;", s32(-7), 2), s32(-1));
  CHECK_EQ(of('l', "min.s64 %l9, %l1, %l2;", uint64_t(-1), 1), uint64_t(-1));
  CHECK_EQ(of('l', "min.u64 %l9, %l1, %l2;", uint64_t(-1), 1), 1);
  CHECK_EQ(of('r', "add.sat.s32 %r9, %r1, %r2;", 0x7fffffff, 1), 0x7fffffff);
  // Sums over two words.
  CHECK_EQ(of('r', "add.cc.u32 %r4, %r1, %r2; addc.u32 %r9, %r1, 0;", kAll32, 1), 0);
  CHECK_EQ(of('r', "add.cc.u32 %r4, %r1, %r2; addc.u32 %r9, 5, 0;", kAll32, 1), 6);
  CHECK_EQ(of('r', "sub.cc.u32 %r4, %r1, %r2; subc.u32 %r9, 5, 0;", 0, 1), 4);
  CHECK_EQ(of('r', "mad.lo.cc.u32 %r4, %r1, %r1, %r1; madc.hi.u32 %r9, %r1, %r1, 0;", kAll32),
           kAll32);
}

TEST_CASE("PTX: bits") {
  const Clean clean;
  CHECK_EQ(of('r', "shl.b32 %r9, %r1, %r2;", 1, 32), 0);
  CHECK_EQ(of('r', "shr.s32 %r9, %r1, %r2;", s32(-8), 40), kAll32);
  CHECK_EQ(of('r', "shr.u32 %r9, %r1, %r2;", s32(-8), 28), 15);
  CHECK_EQ(of('r', "shf.l.wrap.b32 %r9, %r1, %r2, %r3;", 0x80000000, 1, 33), 3);
  CHECK_EQ(of('r', "shf.r.clamp.b32 %r9, %r1, %r2, %r3;", 1, 0xabcd, 32), 0xabcd);
  CHECK_EQ(of('r', "bfe.s32 %r9, %r1, 4, 4;", 0xf0), kAll32);
  CHECK_EQ(of('r', "bfe.u32 %r9, %r1, 4, 4;", 0xf0), 15);
  CHECK_EQ(of('r', "bfi.b32 %r9, %r1, %r2, 8, 8;", 0xab, kAll32), 0xffffabff);
  CHECK_EQ(of('r', "bfind.u32 %r9, %r1;", 0x100), 8);
  CHECK_EQ(of('r', "bfind.s32 %r9, %r1;", s32(-1)), kAll32);
  CHECK_EQ(of('r', "prmt.b32 %r9, %r1, %r2, 0x7530;", 0x33221100, 0x77665544), 0x77553300);
  CHECK_EQ(of('r', "prmt.b32 %r9, %r1, %r2, 0x000b;", 0x80221100, 0), 0x000000ff);
  CHECK_EQ(of('r', "lop3.b32 %r9, %r1, %r2, %r3, 0x96;", 0xf0, 0xcc, 0xaa), 0xf0 ^ 0xcc ^ 0xaa);
  CHECK_EQ(of('r', "brev.b32 %r9, %r1;", 1), 0x80000000);
  CHECK_EQ(of('r', "popc.b64 %r9, %l1;", uint64_t(-1)), 64);
  CHECK_EQ(of('r', "clz.b32 %r9, %r1;", 1), 31);
  CHECK_EQ(of('r', "mov.b64 {%r8, %r9}, %l1;", 0x1234567800000001), 0x12345678);
  CHECK_EQ(of('l', "mov.b64 %l9, {%r1, %r2};", 1, 2), 0x200000001);
  CHECK_EQ(of('r', "not.b32 %r9, %r1;", 0), kAll32);
}

TEST_CASE("PTX: comparisons") {
  const Clean clean;
  const uint64_t nan = 0x7fc00000, one = bits(1.f);
  CHECK_EQ(of('p', "setp.lt.f32 %p9, %f1, %f2;", nan, one), 0);
  CHECK_EQ(of('p', "setp.ltu.f32 %p9, %f1, %f2;", nan, one), 1);
  CHECK_EQ(of('p', "setp.ne.f32 %p9, %f1, %f2;", nan, one), 0);
  CHECK_EQ(of('p', "setp.neu.f32 %p9, %f1, %f2;", nan, one), 1);
  CHECK_EQ(of('p', "setp.num.f32 %p9, %f1, %f2;", nan, one), 0);
  CHECK_EQ(of('p', "setp.lt.s32 %p9, %r1, %r2;", s32(-1), 1), 1);
  CHECK_EQ(of('p', "setp.lo.u32 %p9, %r1, %r2;", s32(-1), 1), 0);
  CHECK_EQ(of('p', "setp.eq.and.s32 %p9, %r1, %r2, !%p3;", 4, 4, 1), 0);
  CHECK_EQ(of('p', "setp.eq.s32 %p8|%p9, %r1, %r2;", 4, 4), 0);
  CHECK_EQ(of('r', "selp.b32 %r9, %r1, %r2, %p3;", 4, 5, 0), 5);
  CHECK_EQ(of('r', "set.gt.u32.f32 %r9, %f1, %f2;", bits(2.f), one), kAll32);
  CHECK_EQ(of('p', "testp.subnormal.f32 %p9, %f1;", 1), 1);
}

TEST_CASE("PTX: conversions") {
  const Clean clean;
  CHECK_EQ(of('r', "cvt.rzi.s32.f32 %r9, %f1;", bits(-1.7f)), s32(-1));
  CHECK_EQ(of('r', "cvt.rni.s32.f32 %r9, %f1;", bits(2.5f)), 2);
  CHECK_EQ(of('r', "cvt.rpi.u32.f64 %r9, %d1;", bits(2.1)), 3);
  CHECK_EQ(of('r', "cvt.rzi.s32.f32 %r9, %f1;", bits(1e20f)), 0x7fffffff);
  CHECK_EQ(of('r', "cvt.sat.u8.s32 %r9, %r1;", s32(-5)), 0);
  CHECK_EQ(of('r', "cvt.s32.s8 %r9, %r1;", 0x80), s32(-128));
  CHECK_EQ(of('l', "cvt.s64.s32 %l9, %r1;", s32(-2)), uint64_t(-2));
  CHECK_EQ(of('f', "cvt.rn.f32.s32 %f9, %r1;", (1 << 24) + 1), bits(16777216.f));
  CHECK_EQ(of('f', "cvt.rp.f32.s32 %f9, %r1;", (1 << 24) + 1), bits(16777218.f));
  CHECK_EQ(of('f', "cvt.rn.f32.f64 %f9, %d1;", bits(1.0 / 3)), 0x3eaaaaab);
  CHECK_EQ(of('h', "cvt.rn.f16.f32 %h9, %f1;", bits(65519.f)), 0x7bff);
  CHECK_EQ(of('h', "cvt.rn.f16.f32 %h9, %f1;", bits(65520.f)), 0x7c00);
  CHECK_EQ(of('h', "cvt.rn.bf16.f32 %h9, %f1;", 0x3f808000), 0x3f80);  // a tie, to even
  CHECK_EQ(of('h', "cvt.rn.bf16.f32 %h9, %f1;", 0x3f818000), 0x3f82);
  CHECK_EQ(of('f', "cvt.f32.f16 %f9, %h1;", 0x3555), 0x3eaaa000);
  CHECK_EQ(of('r', "cvt.rn.bf16x2.f32 %r9, %f1, %f2;", bits(1.f), bits(2.f)), 0x3f804000);
  CHECK_EQ(of('r', "fma.rn.f16x2 %r9, %r1, %r2, %r3;", 0x40003c00, 0x40003c00, 0x3c003c00),
           0x45004000);  // 2 * 2 + 1 and 1 * 1 + 1
}
