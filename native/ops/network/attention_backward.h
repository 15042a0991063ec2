#pragma once
#include "ops/network/shared/attention_heads.h"

namespace orthokit {

struct AttentionBackward {
  static constexpr const char *name = "attention_backward",
                              *summary = "gradients of attention: of queries, keys and values";
  static constexpr const char* about = R"(
  The gradients of attention from that of its result, by the same tiles: with pᵢⱼ = exp(sᵢⱼ −
  logSumᵢ) for the keys that a query sees and dᵢ = gradᵢ·outᵢ,
    tᵢⱼ = pᵢⱼ (gradᵢ·vⱼ − dᵢ),  gradQᵢ = scale Σⱼ tᵢⱼ kⱼ,  gradKⱼ = scale Σᵢ tᵢⱼ qᵢ,
    gradVⱼ = Σᵢ pᵢⱼ gradᵢ
  (Dao et al. 2022, algorithm 4), the latter two over the queries of all heads that kⱼ serves. out
  and logSums are what attention gave. beta 1 adds to what the gradients hold, beta 0 does not read
  them. Gradients lie as the operands do: gradQkv beside qkv; beside q and kv, gradQ and gradKv for
  those who ask.
  Numerics: in f32, or f64 where the operands are, rounded once; sums in the order of the keys, or
  of the heads and their queries. Products of f16 and bf16 may round p and t to that type before
  these multiply. Where a query sees no key its gradient is 0, whatever grad is; so are those of a
  key that nobody sees or that does not count. A NaN or an infinity, also one
  that p or its products come to where logSums is not what attention gave, leaves no finite number
  in the gradients that it is part of, and maybe in others of its head.
  Traffic: one read of each operand, one write; keys and values stay in caches while queries pass.
  )";
  static constexpr const char* examples[] = {
      "grad=f32[2x65x32] qkv=f32[2x65x96] out=f32[2x65x32] logSums=f32[2x4x65] "
      "gradQkv=f32[2x65x96] heads=4",
      "grad=f64[1x37x20] qkv=f64[1x37x60] out=f64[1x37x20] logSums=f64[1x1x37] "
      "gradQkv=f64[1x37x60] beta=1",
      "grad=f32[3x130x80] qkv=f32[3x130x120] lengths=i32[3] out=f32[3x130x80] "
      "logSums=f32[3x4x130] gradQkv=f32[3x130x120] heads=4 kvHeads=1 mask=none scale=0.5",
      "grad=f32[2x5x24] q=f32[2x5x24] kv=f32[2x133x16] out=f32[2x5x24] logSums=f32[2x3x5] "
      "gradQ=f32[2x5x24] gradKv=f32[2x133x16] heads=3 kvHeads=1 beta=1",
      "grad=f64[1x70x34] q=f64[1x70x34] kv=f64[1x9x68] lengths=i32[1] out=f64[1x70x34] "
      "logSums=f64[1x2x70] gradKv=f64[1x9x68] heads=2",
      "grad=f32[1x70x64] q=f32[1x70x64] kv=f32[1x200x128] out=f32[1x70x64] logSums=f32[1x1x70] "
      "gradQ=f32[1x70x64] mask=none",
      "grad=f16[2x65x32] qkv=f16[2x65x96] out=f16[2x65x32] logSums=f32[2x2x65] "
      "gradQkv=f16[2x65x96] heads=2 beta=1",
      "grad=bf16[1x130x80] qkv=bf16[1x130x240] lengths=i32[1] out=bf16[1x130x80] "
      "logSums=f32[1x1x130] gradQkv=bf16[1x130x240] mask=none",
      "grad=f32[0x5x2] qkv=f32[0x5x6] out=f32[0x5x2] logSums=f32[0x1x5] gradQkv=f32[0x5x6]",
      "grad=f32[2x3x2] q=f32[2x3x2] kv=f32[2x0x4] out=f32[2x3x2] logSums=f32[2x1x3] "
      "gradQ=f32[2x3x2] gradKv=f32[2x0x4]"};
  static constexpr const char* cases[] = {
      "grad=f32[12x64x128] qkv=f32[12x64x384] out=f32[12x64x128] logSums=f32[12x4x64] "
      "gradQkv=f32[12x64x384] heads=4",
      "grad=f32[8x256x512] qkv=f32[8x256x1536] out=f32[8x256x512] logSums=f32[8x8x256] "
      "gradQkv=f32[8x256x1536] heads=8",
      "grad=f32[1x1024x512] qkv=f32[1x1024x1536] out=f32[1x1024x512] logSums=f32[1x8x1024] "
      "gradQkv=f32[1x1024x1536] heads=8",
      "grad=f32[8x256x512] qkv=f32[8x256x1536] out=f32[8x256x512] logSums=f32[8x8x256] "
      "gradQkv=f32[8x256x1536] heads=8 mask=none",
      "grad=bf16[1x1024x512] qkv=bf16[1x1024x1536] out=bf16[1x1024x512] logSums=f32[1x8x1024] "
      "gradQkv=bf16[1x1024x1536] heads=8"};
  View grad, qkv, q, kv, lengths, out, log_sums, grad_qkv, grad_q, grad_kv;
  int64_t heads = 1, kv_heads = 0;
  AttentionMask mask = AttentionMask::kCausal;
  double scale = 0, beta = 0;

  double flops() const {
    const AttentionHeads h = heads_of(*this);
    return 10 * h.pairs() * double(h.size);
  }
  double bytes() const {
    double read = 0, written = 0;
    for (auto& v : {grad, qkv, q, kv, lengths, out, log_sums}) read += double(bytes_in(v));
    for (auto& v : {grad_qkv, grad_q, grad_kv}) written += double(bytes_in(v));
    return read + (beta == 0 ? 1 : 2) * written;
  }
  void fields(Fields& f) {
    f.in("grad", grad);
    f.in("qkv", qkv, kOptional), f.in("q", q, kOptional), f.in("kv", kv, kOptional);
    f.in("lengths", lengths, kOptional), f.in("out", out), f.in("logSums", log_sums);
    f.inout("gradQkv", grad_qkv, kOptional);
    f.inout("gradQ", grad_q, kOptional), f.inout("gradKv", grad_kv, kOptional);
    f.value("heads", heads), f.value("kvHeads", kv_heads), f.value("mask", mask);
    f.value("scale", scale), f.value("beta", beta);
  }
  void check(auto require) const {
    check_attention_operands(*this, require);
    check_attention_result(*this, grad, require, "grad must have the dtype of the queries",
                           "grad must be [batch, places, heads size]");
    check_attention_result(*this, out, require, "out must have the dtype of the queries",
                           "out must be [batch, places, heads size]");
    check_log_sums(*this, require);
    if (qkv) {
      require(bool(grad_qkv), ErrorCode::kArgument, "gradQkv is missing");
      require(!grad_q, ErrorCode::kArgument, "gradQ must be left out where qkv is given", grad_q);
      require(!grad_kv, ErrorCode::kArgument, "gradKv must be left out where qkv is given",
              grad_kv);
      check_like(require, grad_qkv, qkv, "gradQkv must have qkv's dtype",
                 "gradQkv must have qkv's shape", "qkv");
    } else {
      require(!grad_qkv, ErrorCode::kArgument, "gradQkv must be left out where q is given",
              grad_qkv);
      require(grad_q || grad_kv, ErrorCode::kArgument, "gradQ is missing, or gradKv is");
      if (grad_q)
        check_like(require, grad_q, q, "gradQ must have q's dtype", "gradQ must have q's shape",
                   "q");
      if (grad_kv)
        check_like(require, grad_kv, kv, "gradKv must have kv's dtype",
                   "gradKv must have kv's shape", "kv");
    }
    require(beta == 0 || beta == 1, ErrorCode::kArgument, "beta must be 0 or 1", beta);
  }
};

}  // namespace orthokit
