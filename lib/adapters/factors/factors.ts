// The factors of an adapter of low rank: what is demanded of them, and their form with orthonormal rows.
import * as check from '../../core/check.ts';
import type { Device } from '../../core/device.ts';
import { refusal } from '../../core/errors.ts';
import { ops } from '../../core/native-ops.ts';
import { Owned } from '../../core/owned.ts';
import { Tensor } from '../../core/tensor.ts';
import * as vectors from '../../core/vectors.ts';
import { sidesOf } from '../../linalg/compute.ts';
import { qrOf, svdOf } from '../../linalg/factorizations.ts';

/** The factors of an adapter: b·a is added to a weight `[out, in]`. */
export interface LoraFactors {
  /** `[rank, in]`. */
  readonly a: Tensor;
  /** `[out, rank]`. */
  readonly b: Tensor;
}

/** The result of {@link refactorLora}. */
export interface RefactoredLora extends LoraFactors {
  /** Singular values of b·a, `rank` of them, descending; those that b·a has not are 0. */
  readonly singularValues: Float64Array;
}

/** A tensor as messages name it: the public function, and the path to its field. */
interface Place {
  readonly where: string;
  /** The path, and a dot, of what has `a` and `b`. */
  readonly within?: string;
}

/**
 * @throws ERR_ARGUMENT for no tensors; ERR_SHAPE for factors that do not fit, are empty, or have a rank above the
 * smaller side; ERR_DTYPE unless both are f32 or both f64; ERR_DEVICE, ERR_DISPOSED
 */
export function checkFactors({ where, within = '' }: Place, { a, b }: LoraFactors, on?: Device): void {
  const device = on ? { device: on } : {};
  check.tensor(where, `${within}a`, a, { rank: 2, dtypes: check.arithmetic, filled: true, ...device });
  const [rank, inputs] = a.shape as [number, number];
  const shape = [undefined, rank];
  check.tensor(where, `${within}b`, b, { dtypes: [a.dtype as 'f32'], shape, filled: true, device: a.device });
  const most = Math.min(inputs, b.shape[0]!);
  if (rank > most)
    throw refusal(where, `${within}a`, `have at most ${most} rows, the smaller side of b·a`, rank, 'ERR_SHAPE');
}

/** @throws ERR_ARGUMENT for a tensor that has left the range of its dtype */
export async function checkFinite(where: string, results: readonly (readonly [string, Tensor])[]): Promise<void> {
  const { device, dtype } = results[0]![1];
  using squares = new Tensor(device, [results.length], 'f64');
  const pairs = results.map(([, x]) => [x, x] as const);
  vectors.dots(device, pairs, squares);
  const wrong = (await squares.read()).findIndex((square) => !Number.isFinite(square));
  if (wrong >= 0) throw refusal(where, results[wrong]![0], `stay in the range of ${dtype}`, 'numbers beyond it');
}

/**
 * Factors with the same product whose a has orthonormal rows, and b orthogonal columns, the longest first: with the
 * thin Aᵀ = Qa·Ra, B = Qb·Rb, and the singular values of Rb·Raᵀ = U·diag(s)·Vᵀ of rank × rank, a = Vᵀ·Qaᵀ and
 * b = Qb·U·diag(s). All in f64, rounded once. The inputs count as they are at the call.
 */
export async function refactored({ where, within = '' }: Place, { a, b }: LoraFactors): Promise<RefactoredLora> {
  const { device, dtype } = a;
  using owned = new Owned<Tensor>();
  const made = (shape: readonly number[]) => owned.add(new Tensor(device, shape, 'f64'));
  const wide = owned.add(a.cast('f64'));
  const turned = made([a.shape[1]!, a.shape[0]!]);
  ops.transpose(device, { x: wide, out: turned });
  const tall = owned.add(b.cast('f64'));
  const factored = (name: string, x: Tensor) => qrOf({ where, name: `${within}${name}` }, x, sidesOf(where, name, x));
  const [ofA, ofB] = await Promise.allSettled([factored('a', turned), factored('b', tall)]);
  for (const each of [ofA, ofB])
    if (each.status === 'fulfilled') for (const x of [each.value.q, each.value.r]) owned.add(x);
  if (ofA.status === 'rejected') throw ofA.reason;
  if (ofB.status === 'rejected') throw ofB.reason;
  const [{ q: basisOfA, r: ra }, { q: basisOfB, r: rb }] = [ofA.value, ofB.value];
  const rank = a.shape[0]!;
  const core = made([rank, rank]);
  ops.gemm(device, { a: rb, b: ra, c: core, transB: 'transposed' });
  const { u, s, v } = await svdOf({ where, name: `the product of ${within}b and ${within}a` }, core, sidesOf(where, 'core', core)); // biome-ignore format: one line
  for (const x of [u, s, v]) owned.add(x);
  ops.scaleAxis(device, { x: u, scale: s, out: u });
  const [newA, newB] = [made(a.shape), made(b.shape)];
  ops.gemm(device, { a: v, b: basisOfA, c: newA, transA: 'transposed', transB: 'transposed' });
  ops.gemm(device, { a: basisOfB, b: u, c: newB });
  const [first, second] = [owned.add(newA.cast(dtype)), owned.add(newB.cast(dtype))];
  const singularValues = await s.read();
  await checkFinite(where, [[`the product of ${within}b and ${within}a`, second]]);
  return { a: owned.release(first), b: owned.release(second), singularValues };
}
