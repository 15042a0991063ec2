import { Tensor } from '../../core/tensor.ts';
import * as vectors from '../../core/vectors.ts';
import { affineTerms } from '../folders/spans.ts';
import { sumOf } from '../options.ts';
import type { Method } from './method.ts';

/** base + Σ factorᵢ · (modelᵢ − base), as one sum: Σ factorᵢ · modelᵢ + (1 − Σ factorᵢ) · base. */
function linear(formula: string, factors: readonly number[]): Method {
  return {
    formula,
    scratchBytes: () => 0,
    workBytes: () => 0,
    prepare: async (task) => ({
      merge(tensor, { count }, spans, owned) {
        const out = owned.add(new Tensor(task.device, [count], spans[0]!.dtype));
        vectors.combine(task.queue, out, ...affineTerms(tensor, spans, factors));
        return out;
      },
    }),
  };
}

export const nameOf = (i: number): string => `models[${i}]`;
/** A number as a factor in a formula; a factor of 1 is left out. */
export const times = (factor: number, term: string): string => (factor === 1 ? term : `${factor}·${term}`);
/** Terms with signs between them. */
export const sum = (terms: readonly string[]): string => terms.join(' + ').replaceAll(' + -', ' − ');

/** The weighted mean. */
export function average(weights: readonly number[], scale: number): Method {
  const total = sumOf(weights);
  const terms = sum(weights.map((weight, i) => times(weight, nameOf(i))));
  const mean = `(${terms}) / ${total}`;
  const formula = scale === 1 ? mean : `base + ${times(scale, `(${mean} − base)`)}`;
  return linear(
    formula,
    weights.map((weight) => (scale * weight) / total),
  );
}

/** Task arithmetic: Ilharco et al. 2023, equation 1. */
export function arithmetic(weights: readonly number[], scale: number): Method {
  const terms = sum(weights.map((weight, i) => times(weight, `(${nameOf(i)} − base)`)));
  return linear(
    `base + ${times(scale, `(${terms})`)}`,
    weights.map((weight) => scale * weight),
  );
}
