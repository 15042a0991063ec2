// Pinned memory between the host and the device. What goes to the device waits in segments that are
// used again when the copies out of them are done; what comes back goes through two buffers.
#pragma once
#include <vector>

#include "cuda/check.h"

namespace orthokit::cuda {

class Staging {
 public:
  explicit Staging(cudaStream_t stream) : stream_(stream) {}
  ~Staging();
  Staging(const Staging&) = delete;

  // `from` may go when this returns. Waits only while 64 MB are under way, or less where pinned
  // memory is short.
  void upload(void* to, const void* from, size_t bytes);
  // Waits for the data.
  void download(void* to, const void* from, size_t bytes);

 private:
  struct Segment {
    std::byte* data = nullptr;
    cudaEvent_t done = nullptr;  // all copies of the segment that were queued
  };
  static Segment make_segment();
  static void free_segment(Segment&) noexcept;
  std::byte* take(size_t bytes);  // at most a segment
  void next_segment();
  bool insert_segment();  // behind the current one; false where pinned memory is short
  // Number of buffers that bring `bytes` back: two, so that one fills while the other is read;
  // one where they fit, or where pinned memory is short.
  size_t returning(size_t bytes);

  cudaStream_t stream_;
  std::vector<Segment> segments_;  // a ring; the one at current_ is being filled
  size_t current_ = 0, used_ = 0;
  Segment returning_[2];
};

}  // namespace orthokit::cuda
