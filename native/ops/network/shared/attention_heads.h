// How the heads of attention lie in its operands.
#pragma once
#include <algorithm>
#include <cmath>

#include "core/op.h"

namespace orthokit {

// Which keys a query sees: those up to its own place, or all.
enum class AttentionMask : int32_t { kCausal, kNone };
inline Words words(AttentionMask) {
  static constexpr const char* list[] = {"causal", "none"};
  return list;
}

inline constexpr int64_t kMostHeadSize = 256;

// One place of a tensor holds, side by side: the heads' queries, then their keys, then their values
// (packed); or queries alone and, in another tensor, keys and values.
struct AttentionHeads {
  int64_t batch = 0, queries = 0, keys = 0;  // places of a sequence
  int64_t heads = 1, kv_heads = 1, size = 0;
  bool packed = false, causal = true;
  double scale = 1;

  int64_t group() const { return heads / kv_heads; }
  int64_t width() const { return heads * size; }  // of the queries and of the result
  int64_t query_stride() const { return packed ? (heads + 2 * kv_heads) * size : width(); }
  int64_t key_stride() const { return packed ? query_stride() : 2 * kv_heads * size; }
  // The element at which a head begins in the tensor that holds it.
  int64_t query_at(int64_t b, int64_t head) const {
    return b * queries * query_stride() + head * size;
  }
  int64_t key_at(int64_t b, int64_t kv_head) const {
    return b * keys * key_stride() + (packed ? width() : 0) + kv_head * size;
  }
  int64_t value_at(int64_t b, int64_t kv_head) const { return key_at(b, kv_head + kv_heads); }
  int64_t out_at(int64_t b, int64_t head) const { return b * queries * width() + head * size; }
  int64_t sums_at(int64_t b, int64_t head) const { return (b * heads + head) * queries; }
  // The last query stands at the place of the last key: query i sees the keys up to i + offset.
  int64_t offset() const { return keys - queries; }
  // Of `counted` keys, the first so many.
  int64_t seen(int64_t query, int64_t counted) const {
    return causal ? std::clamp<int64_t>(query + offset() + 1, 0, counted) : counted;
  }
  double pairs() const {  // of a query and a key that it sees, where all keys count
    double sum = 0;
    for (int64_t i = 0; i < queries; ++i) sum += double(seen(i, keys));
    return sum * double(batch * heads);
  }
};

constexpr int64_t counted_keys(int32_t length, int64_t keys) {
  return std::clamp<int64_t>(length, 0, keys);
}

// Of an op whose operands have been checked.
template <class Op>
AttentionHeads heads_of_places(const Op& op, const View& places, bool packed) {
  AttentionHeads h;
  h.heads = op.heads, h.kv_heads = op.kv_heads > 0 ? op.kv_heads : op.heads, h.packed = packed;
  h.batch = places.shape[0], h.queries = h.keys = places.shape[1];
  h.size = places.shape[2] / (packed ? h.heads + 2 * h.kv_heads : h.heads);
  h.scale = op.scale != 0 ? op.scale : 1 / std::sqrt(double(h.size));
  return h;
}
template <class Op>
AttentionHeads heads_of(const Op& op) {
  AttentionHeads h = heads_of_places(op, op.qkv ? op.qkv : op.q, bool(op.qkv));
  if (!op.qkv) h.keys = op.kv.shape[1];
  h.causal = op.mask == AttentionMask::kCausal;
  return h;
}
template <class Op>
Dtype attention_dtype(const Op& op) {
  return (op.qkv ? op.qkv : op.q).dtype;
}

template <class Op>
void check_heads(const Op& op, auto require) {
  require(op.heads >= 1, ErrorCode::kArgument, "heads must be at least 1", double(op.heads));
  require(op.kv_heads >= 0, ErrorCode::kArgument, "kvHeads must be at least 0",
          double(op.kv_heads));
  const int64_t kv_heads = op.kv_heads > 0 ? op.kv_heads : op.heads;
  require(op.heads % kv_heads == 0, ErrorCode::kArgument, "kvHeads must divide heads",
          double(op.kv_heads));
  require(std::isfinite(op.scale), ErrorCode::kArgument, "scale must be finite", op.scale);
}

// Queries, keys and values side by side.
template <class Op>
void check_packed(const Op& op, auto require) {
  require(is_floating(op.qkv), ErrorCode::kDtype, "qkv must be floating", op.qkv);
  const int64_t parts = op.heads + 2 * (op.kv_heads > 0 ? op.kv_heads : op.heads);
  require(op.qkv.rank == 3 && op.qkv.shape[2] % parts == 0 && op.qkv.shape[2] > 0,
          ErrorCode::kShape, "qkv must be [batch, places, (heads + 2 kvHeads) size]", op.qkv);
  require(op.qkv.shape[2] / parts <= kMostHeadSize, ErrorCode::kShape,
          "qkv must have heads of at most 256 elements", op.qkv);
}

template <class Op>
void check_lengths(const Op& op, auto require, int64_t batch) {
  if (!op.lengths) return;
  require(op.lengths.dtype == Dtype::kI32, ErrorCode::kDtype, "lengths must be i32", op.lengths);
  require(op.lengths.rank == 1 && op.lengths.shape[0] == batch, ErrorCode::kShape,
          "lengths must have one element a sequence", op.lengths);
}

template <class Op>
void check_attention_operands(const Op& op, auto require) {
  check_heads(op, require);
  if (op.qkv) {
    require(!op.q, ErrorCode::kArgument, "q must be left out where qkv is given", op.q);
    require(!op.kv, ErrorCode::kArgument, "kv must be left out where qkv is given", op.kv);
    check_packed(op, require);
  } else {
    const int64_t kv_heads = op.kv_heads > 0 ? op.kv_heads : op.heads;
    require(op.q && op.kv, ErrorCode::kArgument, "qkv is missing, or q and kv are");
    require(is_floating(op.q), ErrorCode::kDtype, "q must be floating", op.q);
    require(op.kv.dtype == op.q.dtype, ErrorCode::kDtype, "kv must have q's dtype", op.kv);
    require(op.q.rank == 3 && op.q.shape[2] % op.heads == 0 && op.q.shape[2] > 0, ErrorCode::kShape,
            "q must be [batch, places, heads size]", op.q);
    require(op.q.shape[2] / op.heads <= kMostHeadSize, ErrorCode::kShape,
            "q must have heads of at most 256 elements", op.q);
    require(op.kv.rank == 3 && op.kv.shape[0] == op.q.shape[0] &&
                op.kv.shape[2] == 2 * kv_heads * (op.q.shape[2] / op.heads),
            ErrorCode::kShape, "kv must be [batch, places, 2 kvHeads size]", op.kv, "q", op.q);
  }
  check_lengths(op, require, (op.qkv ? op.qkv : op.q).shape[0]);
}

// The gradient or the tangent of an operand.
void check_like(auto require, const View& v, const View& of, const char* dtype, const char* shape,
                const char* name) {
  require(v.dtype == of.dtype, ErrorCode::kDtype, dtype, v);
  require(same_shape(v, of), ErrorCode::kShape, shape, v, name, of);
}

// The result of attention, or what belongs to it.
template <class Op>
void check_attention_result(const Op& op, const View& v, auto require, const char* dtype,
                            const char* shape) {
  const AttentionHeads h = heads_of(op);
  require(v.dtype == attention_dtype(op), ErrorCode::kDtype, dtype, v);
  require(
      v.rank == 3 && v.shape[0] == h.batch && v.shape[1] == h.queries && v.shape[2] == h.width(),
      ErrorCode::kShape, shape, v);
}
template <class Op>
void check_log_sums(const Op& op, auto require) {
  const AttentionHeads h = heads_of(op);
  const Dtype dtype = attention_dtype(op) == Dtype::kF64 ? Dtype::kF64 : Dtype::kF32;
  require(op.log_sums.dtype == dtype, ErrorCode::kDtype,
          "logSums must be f64 where the operands are, else f32", op.log_sums);
  require(op.log_sums.rank == 3 && op.log_sums.shape[0] == h.batch &&
              op.log_sums.shape[1] == h.heads && op.log_sums.shape[2] == h.queries,
          ErrorCode::kShape, "logSums must be [batch, heads, places]", op.log_sums);
}

}  // namespace orthokit
