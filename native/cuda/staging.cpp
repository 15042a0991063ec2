#include "cuda/staging.h"

#include <algorithm>
#include <cstring>
#include <optional>

namespace orthokit::cuda {
namespace {
constexpr size_t kSegment = size_t(2) << 20;  // bytes
constexpr size_t kMostSegments = 32;

// Nothing, where memory is short.
template <class Make>
auto if_there_is_memory(Make&& make) -> std::optional<decltype(make())> {
  try {
    return make();
  } catch (const Error& e) {
    if (e.code != ErrorCode::kMemory) throw;
    return std::nullopt;
  }
}
}  // namespace

Staging::Segment Staging::make_segment() {
  Segment segment;
  void* data = nullptr;
  check(cudaHostAlloc(&data, kSegment, cudaHostAllocDefault), "cudaHostAlloc of 2 MB");
  segment.data = static_cast<std::byte*>(data);
  try {
    // Whoever waits for it sleeps: other work needs the core.
    check(cudaEventCreateWithFlags(&segment.done, cudaEventDisableTiming | cudaEventBlockingSync),
          "cudaEventCreate");
  } catch (...) {
    free_segment(segment);
    throw;
  }
  return segment;
}

void Staging::free_segment(Segment& segment) noexcept {
  if (segment.done) cudaEventDestroy(segment.done);
  if (segment.data) cudaFreeHost(segment.data);
  segment = {};
}

Staging::~Staging() {
  for (auto& segment : segments_) free_segment(segment);
  for (auto& segment : returning_) free_segment(segment);
}

bool Staging::insert_segment() {
  segments_.reserve(segments_.size() + 1);
  const auto segment = if_there_is_memory(make_segment);
  if (segment) segments_.insert(segments_.begin() + ptrdiff_t(current_) + 1, *segment);
  return segment.has_value();
}

void Staging::next_segment() {
  check(cudaEventRecord(segments_[current_].done, stream_), "cudaEventRecord");
  const size_t oldest = (current_ + 1) % segments_.size();
  const cudaError_t status = cudaEventQuery(segments_[oldest].done);
  size_t next = oldest;
  if (status == cudaErrorNotReady) {
    cudaGetLastError();  // not an error, and yet remembered as one
    if (segments_.size() < kMostSegments && insert_segment())
      next = current_ + 1;
    else
      check(cudaEventSynchronize(segments_[oldest].done), "cudaEventSynchronize");
  } else {
    check(status, "cudaEventQuery");
  }
  current_ = next;
  used_ = 0;
}

size_t Staging::returning(size_t bytes) {
  if (!returning_[0].data) returning_[0] = make_segment();
  if (bytes <= kSegment) return 1;
  if (!returning_[1].data)
    if (const auto segment = if_there_is_memory(make_segment)) returning_[1] = *segment;
  return returning_[1].data ? 2 : 1;
}

std::byte* Staging::take(size_t bytes) {
  bytes = (bytes + 255) / 256 * 256;
  if (segments_.empty()) segments_.push_back(make_segment());
  if (used_ + bytes > kSegment) next_segment();
  std::byte* data = segments_[current_].data + used_;
  used_ += bytes;
  return data;
}

void Staging::upload(void* to, const void* from, size_t bytes) {
  for (size_t at = 0; at < bytes; at += kSegment) {
    const size_t n = std::min(kSegment, bytes - at);
    std::byte* staged = take(n);
    std::memcpy(staged, static_cast<const std::byte*>(from) + at, n);
    check(cudaMemcpyAsync(static_cast<std::byte*>(to) + at, staged, n, cudaMemcpyHostToDevice,
                          stream_),
          "cudaMemcpyAsync to the device");
  }
}

void Staging::download(void* to, const void* from, size_t bytes) {
  const size_t segments = returning(bytes);
  const auto arrive = [&](size_t at) {
    Segment& segment = returning_[at / kSegment % segments];
    check(cudaEventSynchronize(segment.done), "cudaEventSynchronize");
    std::memcpy(static_cast<std::byte*>(to) + at, segment.data, std::min(kSegment, bytes - at));
  };
  size_t arrived = 0;
  for (size_t at = 0; at < bytes; at += kSegment) {
    Segment& segment = returning_[at / kSegment % segments];
    if (at >= segments * kSegment) arrive(arrived), arrived += kSegment;
    check(cudaMemcpyAsync(segment.data, static_cast<const std::byte*>(from) + at,
                          std::min(kSegment, bytes - at), cudaMemcpyDeviceToHost, stream_),
          "cudaMemcpyAsync to the host");
    check(cudaEventRecord(segment.done, stream_), "cudaEventRecord");
  }
  for (; arrived < bytes; arrived += kSegment) arrive(arrived);
}

}  // namespace orthokit::cuda
