import * as check from '../core/check.ts';
import type { Device } from '../core/device.ts';
import { refusal, shown } from '../core/errors.ts';
import { ops } from '../core/native-ops.ts';
import type { LinearOperator } from '../core/operator.ts';
import { Owned } from '../core/owned.ts';
import { type Resolved, readOptions, type Schema, word } from '../core/schema.ts';
import { Tensor } from '../core/tensor.ts';
import * as vectors from '../core/vectors.ts';

/** Options of {@link poissonOperator}. */
export interface PoissonOptions {
  /** The dtype of its vectors. Default: `f64`. */
  dtype?: 'f32' | 'f64' | undefined;
}

const schema: Schema<Resolved<PoissonOptions>> = { dtype: word(['f32', 'f64'], 'f64') };

/**
 * The five-point Laplacian of a grid with values of 0 around it, times −h²: 4 at each point and −1 at its neighbours.
 * Symmetric and positive definite; vectors hold the grid row by row.
 *
 * @param sizes Rows and columns of the grid, nx and ny: whole, from 1 on.
 * @example
 * const operator = poissonOperator(device, [64, 64], {});
 *
 * @throws ERR_ARGUMENT for what is no device, and another dtype; ERR_SHAPE for other sizes; ERR_DISPOSED; ERR_MEMORY. A
 * product throws for vectors that are not `[nx · ny]` of its dtype and device
 */
export function poissonOperator(
  device: Device,
  sizes: readonly [number, number],
  options: PoissonOptions = {},
): LinearOperator {
  const where = 'poissonOperator';
  check.device(where, 'device', device);
  if (!Array.isArray(sizes) || sizes.length !== 2 || !sizes.every((size) => Number.isSafeInteger(size) && size > 0))
    throw refusal(where, 'sizes', 'be two whole numbers from 1 on', Array.isArray(sizes) ? `[${sizes}]` : shown(sizes), 'ERR_SHAPE'); // biome-ignore format: one line
  const { dtype } = readOptions(where, options, schema);
  const [nx, ny] = sizes as [number, number];
  const size = nx * ny;
  const mask = (edge: number): Tensor => {
    const values = Array.from({ length: ny }, (_, j) => Number(j !== edge));
    return Tensor.from(device, values, [ny], { dtype });
  };
  /** Without the points that have no neighbour to their right, and to their left. */
  const [right, left] = [mask(ny - 1), mask(0)];
  const apply = (x: Tensor, out: Tensor): void => {
    for (const [name, one] of Object.entries({ x, out }))
      check.tensor(`${where}.apply`, name, one, { shape: [size], dtypes: [dtype], device });
    using owned = new Owned<Tensor>();
    const part = (of: Tensor, from: number, to: number): Tensor => owned.add(of.rows(from, to));
    vectors.scale(device, 4, x, out);
    if (nx > 1) {
      vectors.axpy(device, -1, part(x, 0, size - ny), part(out, ny, size));
      vectors.axpy(device, -1, part(x, ny, size), part(out, 0, size - ny));
    }
    if (ny === 1) return;
    const grid = owned.add(x.reshape([nx, ny]));
    const masked = owned.add(new Tensor(device, [nx, ny], dtype));
    const flat = owned.add(masked.reshape([size]));
    ops.scaleAxis(device, { x: grid, scale: right, out: masked });
    vectors.axpy(device, -1, part(flat, 0, size - 1), part(out, 1, size));
    ops.scaleAxis(device, { x: grid, scale: left, out: masked });
    vectors.axpy(device, -1, part(flat, 1, size), part(out, 0, size - 1));
  };
  return { device, dtype, shape: [size, size], apply, adjoint: apply };
}
