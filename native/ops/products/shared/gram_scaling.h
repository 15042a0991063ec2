// Scaling of matrices by their Gram matrix, so that singular values come to 1 or below.
#pragma once
#include "ops/products/shared/scaling.h"

namespace orthokit {

class Composer;

// Of a batch y of matrices of norm 1, f32 or f64, with the Gram matrices g of the short side: y
// over scale ‖g‖^½, or its rows there over scale (Σⱼ|gᵢⱼ|)^½. gram gets those of the result.
void scale_by_gram(NsScaling scaling, double scale, const View& y, const View& gram, Composer& c);

}  // namespace orthokit
