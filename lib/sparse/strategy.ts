import type { DeviceKind } from '../core/device.ts';
import { refusal } from '../core/errors.ts';
import type { Dictionary } from './dictionary.ts';
import { rates, sizes } from './rates.ts';

/**
 * The way in which a pursuit is run: by the whole Gram matrix, by those of its rows that there is room for, or by
 * products.
 */
export interface Strategy {
  readonly form: 'gram' | 'rows' | 'gemm';
  readonly batchSize: number;
}

/** Seconds that the parts of a pursuit take of one core, or of a GPU; only their ratios decide. */
interface Seconds {
  /** A signal by the Gram matrix: 2 n d + n k² operations. */
  gram(n: number, d: number, k: number): number;
  /** A signal by products: 2 n d k. */
  gemm(n: number, d: number, k: number): number;
  /** The Gram matrix: n² d. */
  product(n: number, d: number): number;
  /** The products of a signal, or of an atom, with all atoms: 2 n d. */
  correlations(n: number, d: number): number;
  /** A sum of k rows of n elements: 2 n k. */
  combination(n: number, k: number): number;
}

/** The place of the measured size that is nearest by ratio. */
function nearest(measured: readonly number[], size: number): number {
  let best = 0;
  const distance = (i: number) => Math.abs(Math.log(measured[i]! / size));
  for (let i = 1; i < measured.length; ++i) if (distance(i) < distance(best)) best = i;
  return best;
}

function measured(dtype: 'f32' | 'f64'): Seconds {
  const table = rates[dtype];
  const of = {
    n: (n: number) => nearest(sizes.n, n),
    d: (d: number) => nearest(sizes.d, d),
    k: (k: number) => nearest(sizes.k, k),
  };
  return {
    gram: (n, d, k) => (2 * n * d + n * k * k) / table.gram[of.n(n)]![of.d(d)]![of.k(k)]!,
    gemm: (n, d, k) => (2 * n * d * k) / table.gemm[of.n(n)]![of.d(d)]![of.k(k)]!,
    product: (n, d) => (n * n * d) / table.product[of.n(n)]![of.d(d)]!,
    correlations: (n, d) => (2 * n * d) / table.correlations[of.d(d)]!,
    combination: (n, k) => (2 * n * k) / table.combination[of.k(k)]!,
  };
}

/** Times by published numbers: `flops` of products, and `bytes` of rows, a second. */
function published(flops: number, bytes: number, width: number): Seconds {
  return {
    gram: (n, d, k) => (2 * n * d) / flops + (width * n * k * k) / 2 / bytes,
    gemm: (n, d, k) => (2 * n * d * k) / flops,
    product: (n, d) => (n * n * d) / flops,
    correlations: (n, d) => (2 * n * d) / flops,
    combination: (n, k) => (width * n * k) / bytes,
  };
}

const secondsOf: Record<DeviceKind, Record<'f32' | 'f64', Seconds>> = {
  cpu: { f32: measured('f32'), f64: measured('f64') },
  // An H100, cut to what kernels reach.
  cuda: { f32: published(4e13, 2e12, 4), f64: published(2e13, 2e12, 8) },
};

/** A batch takes about so many seconds, so that progress and an abort find their turn. */
const secondsOfBatch = 0.25;
const mostCorrelationBytes = 64 * 2 ** 20;
/** Products of fewer signals do not pay for reading the atoms. */
const leastProducts = 48;

/**
 * Chooses the form that is expected to be faster, within the memory limit, and the number of signals that go through
 * the queue at once.
 */
export function strategyOf(
  dictionary: Dictionary,
  signals: number,
  k: number,
  algorithm: 'auto' | 'gram' | 'gemm',
): Strategy {
  const { device, dtype, size: n, length: d, gramBytes, hasGram, memoryLimit, mostRows } = dictionary;
  const seconds = secondsOf[device.kind][dtype];
  const width = dtype === 'f64' ? 8 : 4;
  const isWhole = hasGram || gramBytes <= memoryLimit;
  if (algorithm === 'gram' && !isWhole && mostRows < k) {
    const must = `have room for ${k} Gram rows of ${width * n} bytes beside signals`;
    throw refusal('omp', 'memoryLimit', must, memoryLimit, 'ERR_MEMORY');
  }
  const each = seconds.gemm(n, d, k);
  const time = {
    gram: isWhole ? seconds.gram(n, d, k) : Infinity,
    rows:
      !isWhole && mostRows >= k
        ? each +
          (1 + missing(signals * k, n, mostRows) / signals - k) * seconds.correlations(n, d) +
          (k / 2) * seconds.combination(n, k)
        : Infinity,
    gemm: algorithm === 'gram' ? Infinity : each,
  };
  const first = hasGram ? 0 : seconds.product(n, d);
  const total = { gram: first + signals * time.gram, rows: signals * time.rows, gemm: signals * time.gemm };
  const [byGram, other] = isWhole ? (['gram', total.gram] as const) : (['rows', total.rows] as const);
  const form = algorithm === 'gemm' || other > total.gemm ? 'gemm' : byGram;

  const perSignal = width * (n + 2 * d + 3 * k);
  const ofSteps = 8 * (k + (k * (k + 1)) / 2);
  const limits = {
    gram: [memoryLimit - gramBytes, perSignal],
    // Also the correlations of the first step, and the rows of the Gram matrix that are computed.
    rows: [memoryLimit - mostRows * width * n, perSignal + width * (4 * n + d) + ofSteps],
    gemm: [memoryLimit, perSignal + ofSteps],
  } as const;
  const [bytes, of] = limits[form];
  const most = Math.floor(Math.min(mostCorrelationBytes, Math.max(0, bytes)) / of);
  const wanted = Math.max(Math.floor(secondsOfBatch / time[form]), form === 'gram' ? 1 : leastProducts);
  return { form, batchSize: Math.max(1, Math.min(most, wanted, form === 'rows' ? Math.floor(mostRows / k) : wanted)) };
}

/**
 * The number of times that a row is not there, of `uses` of n rows that are equally likely, with room for some: as many
 * as there are different ones, and where there is no room for those as often as another takes its place.
 */
function missing(uses: number, n: number, room: number): number {
  return Math.max(n * (1 - Math.exp(-uses / n)), uses * (1 - room / n));
}

/** The same where the Gram matrix and the correlations are there already. */
export function batchSizeOf(kind: DeviceKind, dtype: 'f32' | 'f64', size: number, k: number): number {
  const width = dtype === 'f64' ? 8 : 4;
  const wanted = secondsOfBatch / secondsOf[kind][dtype].gram(size, 1, k);
  return Math.max(1, Math.floor(Math.min(wanted, mostCorrelationBytes / (width * size))));
}
