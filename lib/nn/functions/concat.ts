import { refusal, shown } from '../../core/errors.ts';
import { Tensor } from '../../core/tensor.ts';
import {
  type Arg,
  checkArg,
  defineOwn,
  linearMap,
  type Part,
  ruleOf,
  type TapeFrame,
  type Value,
} from '../tape/define.ts';

const product = (sizes: readonly number[]): number => sizes.reduce((a, b) => a * b, 1);
const divisor = (a: number, b: number): number => (b === 0 ? a : divisor(b, a % b));

/** A range of an axis, as rows of a matrix so wide that it begins and ends with one; `part` is the range alone. */
function rowsOf(f: TapeFrame, shape: readonly number[], axis: number, [from, end]: readonly [number, number]) {
  const step = divisor(shape[axis]!, divisor(from, end)) || 1;
  const width = step * product(shape.slice(axis + 1));
  const [all, first, each] = [shape[axis]! / step, from / step, (end - from) / step];
  const count = width === 0 ? 0 : each * product(shape.slice(0, axis));
  const index = f.constant(`${count} ${all} ${first} ${each}`, (on) => {
    const rows = Int32Array.from({ length: count }, (_, i) => Math.floor(i / each) * all + first + (i % each));
    return Tensor.from(on, rows, [count]);
  });
  const flat = (x: Tensor) => f.view(x, [width === 0 ? 0 : x.size / width, width]);
  const put = (part: Tensor, x: Tensor, mode: 'set' | 'add' = 'set') =>
    f.ops.scatterRows({ out: flat(x), index, x: flat(part), mode });
  return {
    take: (x: Tensor, part: Tensor) => f.ops.gatherRows({ x: flat(x), index, out: flat(part) }),
    put,
    /** x = part in its place, and 0 elsewhere, + beta · x. */
    spread: (part: Tensor, x: Tensor, beta: 0 | 1) => {
      if (beta === 0) f.ops.fill({ x: [x], value: 0 });
      put(part, x, beta === 0 ? 'set' : 'add');
    },
  };
}

/** An axis by its place from the first on. */
function placed(where: string, { shape }: Arg, axis: number): number {
  const rank = shape.length;
  if (Number.isInteger(axis) && axis >= -rank && axis < rank) return axis < 0 ? axis + rank : axis;
  throw refusal(where, 'axis', `be one of the ${rank} axes of [${shape}]`, shown(axis));
}

/**
 * The elements of x from place `from` to before place `to` of an axis, which counts from 0, or from −1 for the last.
 *
 * @example
 * const [q, k, v] = [0, 1, 2].map((i) => nn.slice(qkv, -1, i * width, (i + 1) * width));
 *
 * @throws ERR_ARGUMENT for an axis that x has not; ERR_SHAPE for places that it has not
 */
export const slice: (x: Arg, axis: number, from: number, to: number) => Value = defineOwn(
  'slice',
  (f, x: Arg, given: number, from: number, end: number) => {
    const axis = placed('slice', x, given);
    const size = x.shape[axis]!;
    const range = [from, end] as const;
    if (!range.every(Number.isInteger) || from < 0 || end < from || end > size)
      throw refusal('slice', 'from and to', `be a range in 0 … ${size}`, range.map(shown).join(' and '), 'ERR_SHAPE');
    const rows = rowsOf(f, x.shape, axis, range);
    const out = f.buffer(x.shape.with(axis, end - from), x.dtype);
    return linearMap(f, out, x, rows.take, { back: rows.spread, adds: 'back' });
  },
  ['x'],
);

const joined = defineOwn('concat', (f, given: number, ...xs: readonly Arg[]) => {
  const [first] = xs as readonly [Arg];
  const axis = placed('concat', first, given);
  let end = 0;
  const ranges = xs.map(({ shape }, i): [number, number] => {
    if (shape.length !== first.shape.length || String(shape.with(axis, 0)) !== String(first.shape.with(axis, 0)))
      throw refusal('concat', `xs[${i}]`, `fit [${first.shape}] but for axis ${axis}`, `[${shape}]`, 'ERR_SHAPE');
    end += shape[axis]!;
    return [end - shape[axis]!, end];
  });
  const shape = first.shape.with(axis, end);
  const rows = ranges.map((range) => rowsOf(f, shape, axis, range));
  const out = f.buffer(shape, first.dtype);
  for (const [i, x] of xs.entries()) rows[i]!.put(f.tensor(x), out);
  return ruleOf(f, out, ...rows.map(({ take, spread }, i): Part => ({ x: xs[i], back: take, along: spread })));
});

/**
 * Results one after the other along an axis, which counts from 0, or from −1 for the last; all other sizes are the
 * same.
 * @throws ERR_ARGUMENT for an axis that they have not, and for no list of them; ERR_SHAPE, ERR_DTYPE
 */
export function concat(xs: readonly Arg[], axis: number): Value {
  if (!Array.isArray(xs) || xs.length === 0)
    throw refusal('nn.concat', 'xs', 'be a list of tensors and values', Array.isArray(xs) ? 'none' : shown(xs));
  for (const [i, x] of xs.entries()) checkArg('nn.concat', `xs[${i}]`, x);
  return joined(axis, ...(xs as readonly Arg[]));
}
