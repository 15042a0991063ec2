import * as check from '../../core/check.ts';
import type { Device } from '../../core/device.ts';
import { byColumns, byRows, checkPlaces, checkRange, type EntryPlaces, type Lines } from '../../core/entries.ts';
import { refusal } from '../../core/errors.ts';
import { ops } from '../../core/native-ops.ts';
import { Owned } from '../../core/owned.ts';
import { Tensor } from '../../core/tensor.ts';
import { atOnce } from '../../core/turns.ts';
import type { MeasurementOperator } from './operator.ts';

/** Measurements of entries, with the memory of their lists on the device. */
export interface EntryMeasurement extends MeasurementOperator {
  /** True once {@link EntryMeasurement.dispose} has been called. */
  readonly disposed: boolean;
  /** Gives the memory of the lists back. */
  dispose(): void;
  /** Disposes: `using measurement = entryMeasurement(places, device)`. */
  [Symbol.dispose](): void;
}

/** Elements of a matrix that a list of places may name. */
const mostElements = 2 ** 31 - 1;

/**
 * Measurements of entries of a matrix: yᵢ = X[rows[i], cols[i]], of factors without the matrix. Lists of them, by rows
 * and by columns, are kept on the device, 28 bytes a measurement; the places may change afterwards. The lists are
 * sorted
 * before the call returns, in time in proportion to the places, and the event loop waits for it.
 *
 * @param places At least one, none twice
 * @param dtype The dtype of the matrix. Default: f64
 * @example
 * using measurement = entryMeasurement({ rows, cols, shape: [100, 100] }, device);
 *
 * @throws ERR_ARGUMENT, ERR_SHAPE for places outside the matrix or that stand twice; ERR_DTYPE; ERR_MEMORY
 */
export function entryMeasurement(places: EntryPlaces, device: Device, dtype: 'f32' | 'f64' = 'f64'): EntryMeasurement {
  const where = 'entryMeasurement';
  checkPlaces(where, 'places', places);
  check.device(where, 'device', device);
  if (!check.arithmetic.includes(dtype)) throw refusal(where, 'dtype', 'be f32 or f64', String(dtype), 'ERR_DTYPE');
  const { rows, cols, shape } = places;
  const [m, n] = shape;
  atOnce(checkRange(where, 'places', places));
  const all = Int32Array.from({ length: rows.length }, (_, i) => i);
  const byRow = atOnce(byRows(where, 'places', places, all));
  const byColumn = atOnce(byColumns(byRow, n));
  let disposed = false;
  using owned = new Owned<Tensor>();
  const up = (data: Int32Array): Tensor => owned.add(Tensor.from(device, data, [data.length]));
  const lines = ({ starts, across, carried }: Lines<Int32Array>) => ({
    starts: up(starts),
    order: up(carried),
    columns: up(across),
  });
  const [inRows, inColumns] = [lines(byRow), lines(byColumn)];
  const [ownRows, ownColumns] = [up(rows), up(cols)];
  const isSmall = m * n <= mostElements;
  const flat = isSmall ? up(rows.map((row, i) => row * n + cols[i]!)) : undefined;
  const kept = owned.move();
  const flatIndex = (): Tensor => {
    if (flat) return flat;
    throw refusal(where, 'shape', `have at most ${mostElements} elements for products with the whole matrix`, m * n);
  };
  const dispose = (): void => {
    disposed = true;
    kept.dispose();
  };
  return {
    device,
    dtype,
    shape: [rows.length, m * n],
    sides: [m, n],
    get disposed() {
      return disposed;
    },
    apply: (x, out) => ops.gatherRows(device, { x, index: flatIndex(), out }),
    adjoint: (y, out) => ops.scatterRows(device, { x: y, index: flatIndex(), out, beta: 0 }),
    factors: {
      apply: (left, right, out) =>
        ops.entryProducts(device, { rows: ownRows, columns: ownColumns, x: left, y: right, out }),
      adjoint: (values, left, right, outLeft, outRight) => {
        ops.combineEntries(device, { ...inRows, values, x: right, out: outLeft });
        ops.combineEntries(device, { ...inColumns, values, x: left, out: outRight });
      },
    },
    dispose,
    [Symbol.dispose]: dispose,
  };
}
