// Points about their common mean.
#pragma once
#include "cuda/kernel.h"

namespace orthokit::cuda {

struct CentredPoints {
  const double *coordinates,  // [points, dimension]
      *squares;               // |x|² of each
};
struct CentredClouds {
  CentredPoints x, y;
};
// As scratch memory. A point has the same bits when x and y change places.
CentredClouds centred(Stream& stream, const View& x, const View& y);

}  // namespace orthokit::cuda
