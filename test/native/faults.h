// Memory that is refused when a test says so: requests of the C++ library, and the backend's blocks.
#pragma once
#include <cstddef>
#include <cstdint>

namespace orthokit::faults {

void fail_in(int requests);  // this thread's n-th operator new from now on throws; 0: none

struct Blocks {
  size_t largest = SIZE_MAX;  // bytes; larger ones are refused
  int64_t live = 0;
  int64_t refused = 0;
};
Blocks blocks();
void refuse_larger_than(size_t bytes);

}  // namespace orthokit::faults
