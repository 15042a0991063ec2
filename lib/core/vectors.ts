// Arithmetic on vectors that stay on their device. A vector is one tensor or a list of them, such as the parameters of
// a model; a scalar is an f64 tensor of one element. Everything is queued, and nothing is waited for.
import { filled } from './all-or-none.ts';
import type { Device } from './device.ts';
import type { Dtype } from './dtypes.ts';
import type { Factor } from './factor.ts';
import { ownCall } from './own-call.ts';
import type { Owned } from './owned.ts';
import { isTensor, Tensor } from './tensor.ts';

const copyAll = ownCall('copy');
const divideAll = ownCall('divide');
const dotsOf = ownCall('dots');
const linearCombination = ownCall('linearCombination');
const map = ownCall('map');
const multiplyAll = ownCall('multiply');
const norms = ownCall('norms');
const rowReduce = ownCall('rowReduce');
const stepAlong = ownCall('stepAlong');

export type Vector<D extends Dtype = Dtype> = Tensor<D> | readonly Tensor<D>[];

const listOf = <D extends Dtype>(x: Vector<D>): readonly Tensor<D>[] => (isTensor(x) ? [x as Tensor<D>] : x);

function append(x: Vector, to: Tensor[]): void {
  if (isTensor(x)) to.push(x);
  else for (const one of x as readonly Tensor[]) to.push(one);
}

/** A scalar whose element is not set. */
export const scalar = (device: Device): Tensor<'f64'> => new Tensor(device, [1], 'f64');

/** An index of rows, i32: what `of` says for each place. */
export const index = (device: Device, count: number, of: (place: number) => number): Tensor<'i32'> =>
  Tensor.from(
    device,
    Int32Array.from({ length: count }, (_, place) => of(place)),
    [count],
  );

/** A vector of the shapes and dtypes of another one, whose elements are not set. */
export function like<D extends Dtype>(x: Vector<D>, owned: Owned): readonly Tensor<D>[] {
  return listOf(x).map(({ device, shape, dtype }) => owned.add(new Tensor(device, shape, dtype)));
}

/** outₖ = Σ xᵢ yᵢ over all elements of the k-th pair, in f64. */
export function dots(queue: Device, pairs: readonly (readonly [Vector, Vector])[], out: Tensor): void {
  const x: Tensor[] = [];
  const y: Tensor[] = [];
  for (const [first, second] of pairs) {
    append(first, x);
    append(second, y);
  }
  if (x.length === pairs.length) {
    dotsOf(queue, { x, y, out });
    return;
  }
  using shares = new Tensor(out.device, [pairs.length, x.length / pairs.length], 'f64');
  dotsOf(queue, { x, y, out: shares });
  rowReduce(queue, { x: shares, out, reduction: 'sum' });
}

/** out = Σ xᵢ yᵢ over all elements, in f64. */
export function dot(queue: Device, x: Vector, y: Vector, out: Tensor): void {
  dots(queue, [[x, y]], out);
}

/** The sum of the squares of each row of a matrix. */
export const rowSquares = (queue: Device, x: Tensor): Tensor<'f64'> =>
  filled(new Tensor(x.device, x.shape.slice(0, 1), 'f64'), (out) => {
    rowReduce(queue, { x, out, reduction: 'sum_of_squares' });
  });

/** out = ‖x‖₂, infinite where a square is beyond f64. */
export function norm(queue: Device, x: Vector, out: Tensor): void {
  dot(queue, x, x, out);
  map(queue, { x: [out], out: [out], function: 'sqrt' });
}

/** out = ‖x‖₂ of numbers of any size; `shares` has room for the length of each tensor. */
export function length(queue: Device, x: readonly Tensor[], shares: Tensor, out: Tensor): void {
  if (x.length === 1) {
    norms(queue, { x, out });
    return;
  }
  norms(queue, { x, out: shares });
  norms(queue, { x: [shares], out });
}

/** Terms that one operation adds. */
const mostTerms = 8;

type Term = readonly [Factor, Vector];

/** Terms as fields of an operation. */
function fieldsOf(some: readonly Term[]): { terms: Tensor[]; coefficients: Factor[] } {
  const terms: Tensor[] = [];
  const coefficients: Factor[] = [];
  for (const [factor, x] of some) {
    append(x, terms);
    coefficients.push(factor);
  }
  return { terms, coefficients };
}

/** out = Σ of some of the terms, few enough for one operation. */
function add(queue: Device, out: readonly Tensor[], some: readonly Term[]): void {
  const { terms, coefficients } = fieldsOf(some);
  linearCombination(queue, { out, terms, coefficients });
}

/** out = Σ of the terms, of one factor and one vector each; out may be one of the first eight. */
export function combine(queue: Device, out: Vector, ...terms: readonly Term[]): void {
  const outs = listOf(out);
  add(queue, outs, terms.length > mostTerms ? terms.slice(0, mostTerms) : terms);
  for (let from = mostTerms; from < terms.length; from += mostTerms - 1)
    add(queue, outs, [[1, out], ...terms.slice(from, from + mostTerms - 1)]);
}

/** Lengths that {@link along} measures on its way: f64 of one element, but for `terms` of as many of the last terms. */
export interface Measured {
  /** |u| */
  readonly sum?: Tensor | undefined;
  /** |out| */
  readonly out?: Tensor | undefined;
  /** Lengths of the last terms, as they were before. */
  readonly terms?: Tensor | undefined;
}

/** A move of {@link along}: from `base` by u, which `sum` takes, times a factor that `by` says. */
export interface Along {
  readonly base: Vector;
  readonly sum: Vector;
  readonly amount: number;
  readonly by: 'plain' | 'unit' | 'within';
}

/**
 * out = u, the sum of the terms, or base + s u, where s is `amount`, `amount` / |u|, or the least of 1 and that: one
 * operation. The outputs may be among the terms, of which there are eight at most.
 */
export function along(queue: Device, out: Vector, some: readonly Term[], measured: Measured, move?: Along): void {
  const { terms, coefficients } = fieldsOf(some);
  stepAlong(queue, {
    out: listOf(out),
    base: move && listOf(move.base),
    sum: move && listOf(move.sum),
    terms,
    coefficients,
    length: measured.sum,
    outLength: measured.out,
    termLengths: measured.terms,
    amount: move?.amount,
    by: move?.by,
  });
}

/** y += factor · x */
export function axpy(queue: Device, factor: Factor, x: Vector, y: Vector): void {
  combine(queue, y, [1, y], [factor, x]);
}

/** out = factor · x */
export function scale(queue: Device, factor: Factor, x: Vector, out: Vector = x): void {
  combine(queue, out, [factor, x]);
}

export function copy(queue: Device, x: Vector, out: Vector): void {
  copyAll(queue, { x: listOf(x), out: listOf(out) });
}

/** out = x ⊙ y, element by element. */
export function multiply(queue: Device, x: Vector, y: Vector, out: Vector): void {
  multiplyAll(queue, { x: listOf(x), y: listOf(y), out: listOf(out) });
}

/** out = x / y, element by element: the quotient of two scalars, too. */
export function divide(queue: Device, x: Vector, y: Vector, out: Vector): void {
  divideAll(queue, { x: listOf(x), y: listOf(y), out: listOf(out) });
}
