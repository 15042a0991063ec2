// Every optimizer of the library, found by itself, and what the tests ask of each.
import * as library from '../../lib/index.ts';
import {
  type CommonOptions,
  type Device,
  type Dtype,
  type GroupOptions,
  Optimizer,
  type OptimizerOptions,
  OrthokitError,
  Tensor,
} from '../../lib/index.ts';
import { sizeOf } from '../support/data.ts';

export interface AnyOptions extends CommonOptions {
  [name: string]: unknown;
}
export type AnyOptimizer = Optimizer<AnyOptions>;
export type OptimizerClass = new (
  params: readonly Tensor[] | readonly GroupOptions<AnyOptions>[],
  options?: OptimizerOptions<AnyOptions>,
) => AnyOptimizer;

export const classes: [string, OptimizerClass][] = Object.entries(library as Record<string, unknown>).filter(
  (entry): entry is [string, OptimizerClass] =>
    typeof entry[1] === 'function' && entry[1].prototype instanceof Optimizer,
);

/** Classes for matrices, of which a search that finds nothing would say nothing. */
export const knownMatrixClasses = [
  'Muon',
  'NorMuon',
  'DCTAdamW',
  'Dion',
  'Dion2',
  'NorDion2',
  'Conda',
  'AuON',
  'HybridAuON',
];

/** Options under which a class has all the state that it can have. */
export const fullState: Record<string, object> = { SGD: { momentum: 0.9 }, EG: { variant: 'adamw' } };

/**
 * State of a parameter: tensors of its shape in the dtype of moments, all that there can be, elements of that dtype a row,
 * and bytes beside them.
 */
export const stateOf: Record<string, { moments: number; rows?: number; bytes: number }> = {
  SGD: { moments: 1, bytes: 4 }, // a counter in i32
  AdamW: { moments: 2, bytes: 4 },
  AdaGrad: { moments: 1, bytes: 4 },
  AdaGradNorm: { moments: 0, bytes: 8 + 4 }, // a sum in f64
  Lion: { moments: 1, bytes: 0 },
  EG: { moments: 2, bytes: 4 },
  DiffGrad: { moments: 3, bytes: 4 }, // a counter in i32
  Muon: { moments: 1, bytes: 0 },
  NorMuon: { moments: 1, rows: 1, bytes: 0 },
  Trion: { moments: 1, bytes: 0 },
  DCTAdamW: { moments: 2, bytes: 4 + 5 * 4 }, // of full rank; a counter and five indices in i32
  Dion: { moments: 1, rows: 7, bytes: 0 }, // a basis [7, 5] of a weight [5, 7]
  Dion2: { moments: 1, bytes: 0 },
  NorDion2: { moments: 1, rows: 1, bytes: 0 },
  Conda: { moments: 2, bytes: 4 + 4 * 25 }, // a counter in i32, a basis [5, 5] in f32 of a weight [5, 7]
  AuON: { moments: 1, bytes: 0 },
  HybridAuON: { moments: 1, bytes: 0 },
};

/** Shapes that a class refuses beside vectors: second moments of one element each would leave of an update its signs. */
const ofOneElement = [[1, 1], [6, 1]]; // biome-ignore format: one line
export const refusedShapes: Record<string, number[][]> = { NorMuon: ofOneElement, NorDion2: ofOneElement };

/** Words of the option `variant`, by class. */
export const variantsOf: Record<string, string[]> = {
  EG: ['sgd', 'adamw'],
  AuON: ['paper', 'head', 'rms'],
  HybridAuON: ['paper', 'head', 'rms'],
  NorMuon: ['repo', 'paper', 'dion', 'nanogpt'],
};

/** Every way to keep state: its name, the options, and the dtype of the weights. */
export const stateSettings: [name: string, options: object, weights: 'f32' | 'bf16'][] = [
  ['f32', {}, 'f32'],
  ['f64', { stateDtype: 'f64' }, 'f32'],
  ['f16', { stateDtype: 'f16' }, 'f32'],
  ['bf16', { stateDtype: 'bf16' }, 'f32'],
  ['fp32 masters', { masterWeights: 'fp32' }, 'bf16'],
  ['split16 masters', { masterWeights: 'split16' }, 'bf16'],
];

/** Deterministic values of both signs, of size around 1. */
export function values(count: number, seed: number): number[] {
  return Array.from({ length: count }, (_, i) => Math.fround(Math.sin(12.9898 * (i + 1) + 78.233 * seed) * 1.5));
}

export function tensor(
  device: Device,
  shape: readonly number[],
  seed: number,
  scale = 1,
  dtype: Dtype = 'f32',
): Tensor {
  const data = values(sizeOf(shape), seed).map((x) => x * scale);
  return Tensor.from(device, data, shape, { dtype });
}

/** True for a class that steps vectors, with its defaults. */
export function takesVectors(device: Device, Class: OptimizerClass): boolean {
  using w = Tensor.zeros(device, [3]);
  try {
    new Class([w]).dispose();
    return true;
  } catch (error) {
    if (error instanceof OrthokitError && error.code === 'ERR_SHAPE') return false;
    throw error;
  }
}

/** Shapes that every class takes, and vectors for those that do. */
export const shapesFor = (device: Device, Class: OptimizerClass): number[][] => [
  [5, 7],
  [7, 5],
  [4, 4],
  ...(takesVectors(device, Class) ? [[6], []] : []),
];

export const weightsOf = (device: Device, shapes: readonly number[][], dtype: Dtype = 'f32'): Tensor[] =>
  shapes.map((shape, i) => tensor(device, shape, 100 + i, 0.5, dtype));
export const gradsOf = (device: Device, shapes: readonly number[][], step: number, scale = 1): Tensor[] =>
  shapes.map((shape, i) => tensor(device, shape, 10 * step + i, scale));

const hex = (data: ArrayBufferView): string =>
  Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('hex');

/** The bits of tensors, to be compared. */
export async function bits(tensors: readonly Tensor[]): Promise<string[]> {
  return Promise.all(tensors.map(async (t) => hex(await t.read())));
}

/** The bits of all state by name. */
export async function stateBits(optimizer: Pick<AnyOptimizer, 'part'>): Promise<Record<string, string>> {
  const { tensors } = optimizer.part();
  const data = await bits(Object.values(tensors));
  return Object.fromEntries(Object.keys(tensors).map((name, i) => [name, data[i] ?? '']));
}

export async function numbers(t: Tensor): Promise<number[]> {
  if (t.dtype !== 'f16' && t.dtype !== 'bf16') return Array.from(await t.read());
  using wide = t.cast('f32');
  return Array.from(await wide.read());
}

/** Options that can be scheduled, each with another value than it has now. */
export function otherScalars(optimizer: AnyOptimizer): [string, unknown][] {
  const { schema, groups } = optimizer.part();
  const group = groups[0] as unknown as Record<string, unknown>;
  return Object.entries(schema).flatMap(([name, option]): [string, unknown][] => {
    const value = group[name];
    if (option.fixed) return [];
    if (typeof value === 'number') return [[name, value === 0 ? 0.01 : value * 0.5]];
    if (typeof value === 'boolean') return [[name, !value]];
    if (Array.isArray(value) && value.every((x) => typeof x === 'number')) return [[name, value.map((x) => x * 0.5)]];
    return [];
  });
}
