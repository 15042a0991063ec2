// Linear algebra of small square matrices that methods need beside products.
import { filled } from '../../core/all-or-none.ts';
import type { Device } from '../../core/device.ts';
import { ops } from '../../core/native-ops.ts';
import { Tensor } from '../../core/tensor.ts';

// Twelve steps of Jordan's polynomial lift singular values of 1e-6 of the norm into 0.7 … 1.2, from where the cubic
// iteration squares the error at each step.
const lift = Array.from({ length: 12 }, () => [3.4445, -4.775, 2.0315]).flat();
const settle = Array.from({ length: 7 }, () => [1.5, -0.5, 0]).flat();

/** The orthogonal polar factor of a matrix, in f64. */
export function polarFactor(x: Tensor): Tensor {
  const { device, shape } = x;
  const [rows = 0, columns = 0] = shape;
  using from = x.reshape([1, rows, columns]);
  return filled(new Tensor(device, shape, 'f64'), (out) => {
    using to = out.reshape([1, rows, columns]);
    ops.newtonSchulz(device, { x: from, out: to, coefficients: [...lift, ...settle], eps: 1e-300 });
  });
}

/** alpha · op(a) · op(b), in the dtype of both. */
export function product(
  a: Tensor,
  b: Tensor,
  { transA = false, transB = false }: { transA?: boolean; transB?: boolean } = {},
): Tensor {
  const rows = a.shape[transA ? 1 : 0] ?? 0;
  const columns = b.shape[transB ? 0 : 1] ?? 0;
  const word = (isTransposed: boolean) => (isTransposed ? 'transposed' : 'none');
  return filled(Tensor.zeros(a.device, [rows, columns], { dtype: a.dtype }), (c) => {
    ops.gemm(a.device, { a, b, c, transA: word(transA), transB: word(transB) });
  });
}

/** The mean of the rows, taken away from each of them; answers the mean. */
export function center(x: Tensor): Tensor {
  const { device, dtype, shape } = x;
  return filled(Tensor.zeros(device, [shape[1] ?? 0], { dtype }), (mean) => {
    ops.columnReduce(device, { x, out: mean, reduction: 'mean' });
    using opposite = negated(mean);
    ops.addBias(device, { x, bias: opposite, out: x });
  });
}

export function negated(x: Tensor): Tensor {
  return filled(Tensor.zeros(x.device, x.shape, { dtype: x.dtype }), (out) => {
    ops.linearCombination(x.device, { out: [out], terms: [x], coefficients: [-1] });
  });
}

const blockSize = 64;
/** A pivot below this share of the largest diagonal element is rounding: the direction is left out. */
const rankTolerance = 1e-12;

/**
 * The lower factor L of a positive semidefinite matrix A = L·Lᵀ, f64, block column by block column: products on the
 * device, the rest here. Directions in which A is zero get a column of zeros.
 */
export async function choleskyFactor(device: Device, matrix: Tensor): Promise<Float64Array<ArrayBuffer>> {
  const [n = 0] = matrix.shape;
  const a = await matrix.read();
  const factor = new Float64Array(n * n);
  let largest = 0;
  for (let i = 0; i < n; i += 1) largest = Math.max(largest, a[i * n + i] ?? 0);
  const panels: { first: number; panel: Tensor }[] = [];
  try {
    for (let first = 0; first < n; first += blockSize) {
      const width = Math.min(blockSize, n - first);
      const left = new Float64Array(n * width);
      for (let i = 0; i < n; i += 1) for (let j = 0; j < width; j += 1) left[i * width + j] = a[i * n + first + j] ?? 0;
      using rest = Tensor.from(device, left, [n, width]);
      using rows = Tensor.from(
        device,
        Int32Array.from({ length: width }, (_, j) => first + j),
        [width],
      );
      for (const { panel } of panels) {
        using own = new Tensor(device, [width, panel.shape[1] ?? 0], 'f64');
        ops.gatherRows(device, { x: panel, index: rows, out: own });
        ops.gemm(device, { a: panel, b: own, c: rest, alpha: -1, beta: 1, transB: 'transposed' });
      }
      const panel = await rest.read();
      factorPanel(panel as Float64Array, n, width, first, rankTolerance * largest);
      for (let i = first; i < n; i += 1)
        for (let j = 0; j < width; j += 1) factor[i * n + first + j] = panel[i * width + j] ?? 0;
      panels.push({ first, panel: Tensor.from(device, panel, [n, width]) });
    }
    return factor;
  } finally {
    for (const { panel } of panels) panel.dispose();
  }
}

/** Factors rows from `first` on of a panel in place; those above become zero. */
function factorPanel(panel: Float64Array, n: number, width: number, first: number, least: number): void {
  panel.fill(0, 0, first * width);
  for (let j = 0; j < width; j += 1) {
    const diagonal = (first + j) * width;
    let pivot = panel[diagonal + j] ?? 0;
    for (let t = 0; t < j; t += 1) pivot -= (panel[diagonal + t] ?? 0) ** 2;
    const root = pivot > least ? Math.sqrt(pivot) : 0;
    for (let i = first; i < n; i += 1) {
      const row = i * width;
      if (i < first + j || root === 0) panel[row + j] = 0;
      else if (i === first + j) panel[row + j] = root;
      else {
        let sum = panel[row + j] ?? 0;
        for (let t = 0; t < j; t += 1) sum -= (panel[row + t] ?? 0) * (panel[diagonal + t] ?? 0);
        panel[row + j] = sum / root;
      }
    }
  }
}
