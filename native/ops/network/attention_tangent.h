#pragma once
#include "ops/network/shared/attention_heads.h"

namespace orthokit {

struct AttentionTangent {
  static constexpr const char *name = "attention_tangent",
                              *summary = "derivative of attention along its operands' tangents";
  static constexpr const char* about = R"(
  The derivative of attention's result where queries, keys and values move along q̇, k̇ and v̇, by the
  same tiles: with pᵢⱼ = exp(sᵢⱼ − logSumᵢ) for the keys that a query sees and
    wᵢⱼ = pᵢⱼ scale (q̇ᵢ·kⱼ + qᵢ·k̇ⱼ),
    outTangentᵢ = Σⱼ (wᵢⱼ vⱼ + pᵢⱼ v̇ⱼ) − outᵢ Σⱼ wᵢⱼ.
  Tangents lie as the operands do: tangentQkv beside qkv, tangentQ and tangentKv beside q and kv.
  out and logSums are what attention gave.
  Numerics: in f32, or f64 where the operands are, rounded once; sums in the order of the keys.
  Products of f16 and bf16 may round p and w to that type before these multiply. Where a query sees
  no key its tangent is 0. A NaN or an infinity, also one that p or its products come to where
  logSums is not what attention gave, leaves no finite number in what it is part of, and maybe in
  other results of its head.
  Traffic: one read of each operand, one write; keys and values stay in caches while queries pass.
  )";
  static constexpr const char* examples[] = {
      "qkv=f32[2x65x96] tangentQkv=f32[2x65x96] out=f32[2x65x32] logSums=f32[2x4x65] "
      "outTangent=f32[2x65x32] heads=4",
      "qkv=f64[1x37x60] tangentQkv=f64[1x37x60] out=f64[1x37x20] logSums=f64[1x1x37] "
      "outTangent=f64[1x37x20]",
      "qkv=f32[3x130x120] tangentQkv=f32[3x130x120] lengths=i32[3] out=f32[3x130x80] "
      "logSums=f32[3x4x130] outTangent=f32[3x130x80] heads=4 kvHeads=1 mask=none scale=0.5",
      "q=f64[1x70x34] kv=f64[1x9x68] tangentQ=f64[1x70x34] tangentKv=f64[1x9x68] lengths=i32[1] "
      "out=f64[1x70x34] logSums=f64[1x2x70] outTangent=f64[1x70x34] heads=2",
      "qkv=f16[2x65x96] tangentQkv=f16[2x65x96] out=f16[2x65x32] logSums=f32[2x2x65] "
      "outTangent=f16[2x65x32] heads=2",
      "qkv=bf16[1x130x240] tangentQkv=bf16[1x130x240] lengths=i32[1] out=bf16[1x130x80] "
      "logSums=f32[1x1x130] outTangent=bf16[1x130x80] mask=none",
      "qkv=f32[0x5x6] tangentQkv=f32[0x5x6] out=f32[0x5x2] logSums=f32[0x1x5] "
      "outTangent=f32[0x5x2]"};
  static constexpr const char* cases[] = {
      "qkv=f32[8x256x1536] tangentQkv=f32[8x256x1536] out=f32[8x256x512] logSums=f32[8x8x256] "
      "outTangent=f32[8x256x512] heads=8"};
  View qkv, q, kv, tangent_qkv, tangent_q, tangent_kv, lengths, out, log_sums, out_tangent;
  int64_t heads = 1, kv_heads = 0;
  AttentionMask mask = AttentionMask::kCausal;
  double scale = 0;

  double flops() const {
    const AttentionHeads h = heads_of(*this);
    return 10 * h.pairs() * double(h.size);
  }
  void fields(Fields& f) {
    f.in("qkv", qkv, kOptional), f.in("q", q, kOptional), f.in("kv", kv, kOptional);
    f.in("tangentQkv", tangent_qkv, kOptional);
    f.in("tangentQ", tangent_q, kOptional), f.in("tangentKv", tangent_kv, kOptional);
    f.in("lengths", lengths, kOptional), f.in("out", out), f.in("logSums", log_sums);
    f.out("outTangent", out_tangent);
    f.value("heads", heads), f.value("kvHeads", kv_heads), f.value("mask", mask);
    f.value("scale", scale);
  }
  void check(auto require) const {
    check_attention_operands(*this, require);
    if (qkv) {
      require(bool(tangent_qkv), ErrorCode::kArgument, "tangentQkv is missing");
      require(!tangent_q, ErrorCode::kArgument, "tangentQ must be left out where qkv is given",
              tangent_q);
      require(!tangent_kv, ErrorCode::kArgument, "tangentKv must be left out where qkv is given",
              tangent_kv);
      check_like(require, tangent_qkv, qkv, "tangentQkv must have qkv's dtype",
                 "tangentQkv must have qkv's shape", "qkv");
    } else {
      require(!tangent_qkv, ErrorCode::kArgument, "tangentQkv must be left out where q is given",
              tangent_qkv);
      require(tangent_q && tangent_kv, ErrorCode::kArgument,
              "tangentQ is missing, or tangentKv is");
      check_like(require, tangent_q, q, "tangentQ must have q's dtype",
                 "tangentQ must have q's shape", "q");
      check_like(require, tangent_kv, kv, "tangentKv must have kv's dtype",
                 "tangentKv must have kv's shape", "kv");
    }
    check_attention_result(*this, out, require, "out must have the dtype of the queries",
                           "out must be [batch, places, heads size]");
    check_attention_result(*this, out_tangent, require,
                           "outTangent must have the dtype of the queries",
                           "outTangent must be [batch, places, heads size]");
    check_log_sums(*this, require);
  }
};

}  // namespace orthokit
