#pragma once
#include "ops/network/shared/attention_heads.h"

namespace orthokit {

struct Attention {
  static constexpr const char *name = "attention",
                              *summary = "softmax(q kᵀ) v of many heads, without that matrix";
  static constexpr const char* about = R"(
  For each sequence and head outᵢ = Σⱼ pᵢⱼ vⱼ, pᵢⱼ = exp(sᵢⱼ − logSumᵢ), sᵢⱼ = scale qᵢ·kⱼ, over
  the keys j that query i sees (Vaswani et al. 2017, equation 1); logSumᵢ = log Σⱼ exp(sᵢⱼ).
  qkv holds at each place the queries of all heads, then keys, then values; or q holds queries and
  kv keys and values, of another number of places or of fewer heads: each of kvHeads (0: as many as
  heads) serves heads / kvHeads neighbours. scale 0 stands for 1 / √size. With mask 'causal' a query
  sees the keys up to its own place, where the last query stands at the place of the last key; the
  keys of a sequence from its element of lengths on do not count. A query that sees no key gets 0,
  and −∞ as logSum.
  Numerics: a tile of keys at a time with a running maximum (Milakov and Gimelshein 2018; Dao et al.
  2022), so that no matrix of queries and keys is ever stored; in f32, or f64 where the operands
  are, rounded once to out's dtype; sums in the order of the keys. Products of f16 and bf16 may
  round p to that type before it multiplies v. A NaN or an infinity in a key or a value that counts
  leaves no finite number in the results of queries that see it, and maybe of others of its head;
  but an infinite key whose score is −∞ has weight 0 beside finite ones.
  Traffic: one read of queries, keys and values, one write.
  )";
  static constexpr const char* examples[] = {
      "qkv=f32[2x65x96] out=f32[2x65x32] logSums=f32[2x4x65] heads=4",
      "qkv=f64[1x37x60] out=f64[1x37x20] logSums=f64[1x1x37]",
      "qkv=f32[3x130x120] lengths=i32[3] out=f32[3x130x80] logSums=f32[3x4x130] heads=4 kvHeads=1 "
      "mask=none scale=0.5",
      "q=f32[2x5x24] kv=f32[2x133x16] out=f32[2x5x24] logSums=f32[2x3x5] heads=3 kvHeads=1",
      "q=f64[1x70x34] kv=f64[1x9x68] lengths=i32[1] out=f64[1x70x34] logSums=f64[1x2x70] heads=2",
      "q=f32[1x70x64] kv=f32[1x200x128] out=f32[1x70x64] logSums=f32[1x1x70] mask=none",
      "qkv=f16[2x65x96] out=f16[2x65x32] logSums=f32[2x2x65] heads=2",
      "qkv=bf16[1x130x240] lengths=i32[1] out=bf16[1x130x80] logSums=f32[1x1x130] mask=none",
      "qkv=f32[0x5x6] out=f32[0x5x2] logSums=f32[0x1x5]",
      "q=f32[2x3x2] kv=f32[2x0x4] out=f32[2x3x2] logSums=f32[2x1x3]"};
  static constexpr const char* cases[] = {
      "qkv=f32[12x64x384] out=f32[12x64x128] logSums=f32[12x4x64] heads=4",
      "qkv=f32[8x256x1536] out=f32[8x256x512] logSums=f32[8x8x256] heads=8",
      "qkv=f32[1x1024x1536] out=f32[1x1024x512] logSums=f32[1x8x1024] heads=8",
      "qkv=f32[8x256x1536] out=f32[8x256x512] logSums=f32[8x8x256] heads=8 mask=none",
      "qkv=bf16[1x1024x1536] out=bf16[1x1024x512] logSums=f32[1x8x1024] heads=8"};
  View qkv, q, kv, lengths, out, log_sums;
  int64_t heads = 1, kv_heads = 0;
  AttentionMask mask = AttentionMask::kCausal;
  double scale = 0;

  double flops() const {
    const AttentionHeads h = heads_of(*this);
    return 4 * h.pairs() * double(h.size);
  }
  void fields(Fields& f) {
    f.in("qkv", qkv, kOptional), f.in("q", q, kOptional), f.in("kv", kv, kOptional);
    f.in("lengths", lengths, kOptional);
    f.out("out", out), f.out("logSums", log_sums);
    f.value("heads", heads), f.value("kvHeads", kv_heads), f.value("mask", mask);
    f.value("scale", scale);
  }
  void check(auto require) const {
    check_attention_operands(*this, require);
    check_attention_result(*this, out, require, "out must have the dtype of the queries",
                           "out must be [batch, places, heads size]");
    check_log_sums(*this, require);
  }
};

}  // namespace orthokit
