// Tensors of all ranks, moved by the engine and added.
#include <numeric>

#include "core/group.h"
#include "core/half.h"
#include "core/op.h"

namespace orthokit {
namespace {

std::vector<int64_t> even_parts(int64_t count, int ranks) {
  std::vector<int64_t> parts(size_t(ranks), count / ranks);
  for (int i = 0; i < count % ranks; ++i) ++parts[size_t(i)];
  return parts;
}

double value_of(float x) { return x; }
double value_of(double x) { return x; }
double value_of(Half x) { return to_float(x); }
double value_of(Bfloat16 x) { return to_float(x); }
void store(double x, float& to) { to = float(x); }
void store(double x, double& to) { to = x; }
void store(double x, Half& to) { to = to_half(to_float_odd(x)); }
void store(double x, Bfloat16& to) { to = to_bfloat16(to_float_odd(x)); }

template <class Visit>
void with_type(Dtype dtype, Visit&& visit) {
  switch (dtype) {
    case Dtype::kF32:
      return visit(float());
    case Dtype::kF64:
      return visit(double());
    case Dtype::kF16:
      return visit(Half());
    case Dtype::kBf16:
      return visit(Bfloat16());
    default:
      throw Error(ErrorCode::kDtype, "sums are of f32, f64, f16 or bf16");
  }
}

double total_of(const std::vector<double>& weights) {
  double total = 0;
  for (double weight : weights) total += weight;
  return total;
}

// out_i = Σ_r weight_r·x_ri, r rising, in f64; rounded once. A rank of weight 0 has no part in it.
template <class T>
void add_in_order(const T* x, int64_t count, const std::vector<double>& weights, bool mean,
                  T* out) {
  const double total = mean ? total_of(weights) : 1;
  for (int64_t i = 0; i < count; ++i) {
    double sum = 0;
    for (size_t r = 0; r < weights.size(); ++r)
      if (weights[r] != 0) sum += weights[r] * value_of(x[int64_t(r) * count + i]);
    store(total == 0 ? 0 : sum / total, out[i]);
  }
}

}  // namespace

void Group::move(Exchange exchange, const char* name) {
  wait({start(exchange)}, [&](const std::vector<int>&) {
    return called(own_) + ": " + name + " of the engine, to which all ranks came, has not ended";
  });
  ++traffic_.moves;
}

void Group::sum(void* data, int64_t count, Dtype dtype, const std::vector<double>& weights,
                bool mean, bool ordered) {
  if (ordered) {
    const auto counts = even_parts(count, world_.size);
    sum_part(data, dtype, counts, weights, mean);
    return gather(data, dtype, counts);
  }
  const double total = mean ? total_of(weights) : 1;
  const double factor = total == 0 ? 0 : weights[size_t(world_.rank)] / total;
  const bool is_half = bytes_of(dtype) == 2;
  float* wide = nullptr;
  if (is_half) {
    scratch_.resize(size_t(count) * sizeof(float));
    wide = reinterpret_cast<float*>(scratch_.data());
  }
  with_type(dtype, [&]<class T>(T) {
    T* x = static_cast<T*>(data);
    for (int64_t i = 0; i < count; ++i) {
      const double scaled = factor == 0 ? 0 : factor * value_of(x[i]);
      if (is_half)
        wide[i] = float(scaled);
      else
        store(scaled, x[i]);
    }
  });
  add(is_half ? wide : data, count, is_half ? Dtype::kF32 : dtype);
  if (is_half)
    with_type(dtype, [&]<class T>(T) {
      for (int64_t i = 0; i < count; ++i) store(wide[i], static_cast<T*>(data)[i]);
    });
}

void Group::add(void* data, int64_t count, Dtype dtype, int32_t device) {
  move({Motion::kSum, dtype, data, count, nullptr, nullptr, 0, 0, device}, "the sum");
  // No all-reduce can do with less, and long ones take no more (Patarasuk and Yuan, 2009).
  traffic_.received +=
      int64_t(2.0 * (world_.size - 1) / world_.size * double(count) * double(bytes_of(dtype)));
}

void Group::exchange(void* data, void* into, Dtype dtype, const std::vector<int64_t>& counts,
                     int32_t device) {
  const int64_t all = std::reduce(counts.begin(), counts.end());
  move({Motion::kExchange, dtype, data, all, into, counts.data(), 0, 0, device}, "the exchange");
  traffic_.received +=
      int64_t(world_.size - 1) * counts[size_t(world_.rank)] * int64_t(bytes_of(dtype));
}

void Group::sum_part(void* data, Dtype dtype, const std::vector<int64_t>& counts,
                     const std::vector<double>& weights, bool mean) {
  const size_t rank = size_t(world_.rank), size = bytes_of(dtype);
  const int64_t own = counts[rank];
  int64_t before = 0;
  for (size_t r = 0; r < rank; ++r) before += counts[r];
  scratch_.resize(size_t(own) * counts.size() * size);
  exchange(data, scratch_.data(), dtype, counts);
  with_type(dtype, [&]<class T>(T) {
    add_in_order(reinterpret_cast<const T*>(scratch_.data()), own, weights, mean,
                 static_cast<T*>(data) + before);
  });
}

void Group::gather(void* data, Dtype dtype, const std::vector<int64_t>& counts, int32_t device) {
  const int64_t all = std::reduce(counts.begin(), counts.end());
  move({Motion::kGather, dtype, data, all, nullptr, counts.data(), 0, 0, device}, "the gather");
  traffic_.received += (all - counts[size_t(world_.rank)]) * int64_t(bytes_of(dtype));
}

void Group::broadcast(void* data, int64_t count, Dtype dtype, int root, int32_t device) {
  move({Motion::kBroadcast, dtype, data, count, nullptr, nullptr, root, 0, device},
       "the broadcast");
  if (root != world_.rank) traffic_.received += count * int64_t(bytes_of(dtype));
}

}  // namespace orthokit
