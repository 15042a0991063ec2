// Memory that is refused when a test says so: requests of the C++ library, and the backend's blocks.
#pragma once
#include <cstddef>
#include <cstdint>

namespace orthokit::faults {

void fail_in(int requests);  // this thread's n-th operator new from now on throws; 0: none

int64_t live_blocks();  // that this thread took, less those it gave back

// While it lives, larger blocks are refused: for want of memory, or as a backend's failure of these
// words.
class LargestBlock {
 public:
  explicit LargestBlock(size_t bytes, const char* words = nullptr);
  ~LargestBlock();
  LargestBlock(const LargestBlock&) = delete;
};

}  // namespace orthokit::faults
