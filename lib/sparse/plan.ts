import type { DeviceKind } from '../device.ts';
import { OrthokitError } from '../errors.ts';
import type { Dictionary } from './dictionary.ts';

/** How a pursuit is run. */
export interface Plan {
  readonly algorithm: 'gram' | 'gemm';
  readonly batchSize: number;
}

/**
 * What a core, or a GPU, does in a second: products of matrices in flops, and bytes of Gram rows. Measured with
 * `orthokit_bench` (docs/guide/sparse-coding.md); only their ratio decides.
 */
const rates = {
  cpu: { flops: { f32: 9e10, f64: 4e10 }, bytes: 4e10 },
  cuda: { flops: { f32: 4e13, f64: 2e13 }, bytes: 2e12 },
} as const;

/** A batch takes about so many seconds, so that progress and an abort find their turn. */
const secondsOfBatch = 0.25;
const mostCorrelationBytes = 64 * 2 ** 20;
/** Products of fewer signals do not pay for reading the atoms. */
const leastProducts = 48;

/** Which form is expected to be faster, within the memory limit, and how many signals go through the queue at once. */
export function planOf(dictionary: Dictionary, signals: number, k: number, algorithm: 'auto' | 'gram' | 'gemm'): Plan {
  const { device, dtype, size, length, gramBytes, hasGram, memoryLimit } = dictionary;
  const { flops, bytes } = rates[device.kind];
  const width = dtype === 'f64' ? 8 : 4;
  const products = (2 * size * length) / flops[dtype];
  const seconds = { gram: products + (width * size * k * k) / 2 / bytes, gemm: k * products };
  const fits = hasGram || gramBytes <= memoryLimit;
  if (algorithm === 'gram' && !fits)
    throw new OrthokitError(
      'ERR_MEMORY',
      `omp: memoryLimit must hold the Gram matrix, ${gramBytes} bytes, got ${memoryLimit}`,
    );
  const first = hasGram ? 0 : (size / 2) * products;
  const chosen =
    algorithm !== 'auto'
      ? algorithm
      : fits && first + signals * seconds.gram <= signals * seconds.gemm
        ? 'gram'
        : 'gemm';

  const perSignal = width * (size + 2 * length + 3 * k) + (chosen === 'gemm' ? 8 * (k + (k * (k + 1)) / 2) : 0);
  const free = Math.min(mostCorrelationBytes, Math.max(0, memoryLimit - (chosen === 'gram' ? gramBytes : 0)));
  const most = Math.floor(free / perSignal);
  const wanted = Math.floor(secondsOfBatch / seconds[chosen]);
  return {
    algorithm: chosen,
    batchSize: Math.max(1, Math.min(most, chosen === 'gemm' ? Math.max(leastProducts, wanted) : wanted)),
  };
}

/** The same where the Gram matrix and the correlations are there already. */
export function batchSizeOf(kind: DeviceKind, dtype: 'f32' | 'f64', size: number, k: number): number {
  const width = dtype === 'f64' ? 8 : 4;
  const wanted = (secondsOfBatch * rates[kind].bytes) / ((width * size * k * k) / 2);
  return Math.max(1, Math.floor(Math.min(wanted, mostCorrelationBytes / (width * size))));
}
