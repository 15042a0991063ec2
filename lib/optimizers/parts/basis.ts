import { filled } from '../../core/all-or-none.ts';
import type { Device } from '../../core/device.ts';
import { refusal } from '../../core/errors.ts';
import { ops } from '../../core/native-ops.ts';
import { isListOf } from '../../core/options.ts';
import { type Option, whole } from '../../core/schema.ts';
import { Tensor } from '../../core/tensor.ts';
import type { CommonOptions } from '../base/common-options.ts';
import type { Part } from '../base/part.ts';
import type { Slot } from '../base/state.ts';
import { sidesOf } from './matrix.ts';
import { moment } from './state.ts';

/** Start of the power iteration of a low-rank optimizer; see {@link DionOptions.initialBasis}. */
export type InitialBasis = number | readonly (readonly number[])[];

interface Based extends Pick<CommonOptions, 'stateDtype'> {
  readonly rank: number;
  readonly initialBasis: InitialBasis;
  readonly heads: number | undefined;
}

const isRow = (x: unknown): x is readonly number[] => isListOf(x, (value): value is number => Number.isFinite(value));
const initialBasis: Option<InitialBasis> = {
  default: 0,
  wrong: (x) =>
    (Number.isSafeInteger(x) && (x as number) >= 0) || (isListOf(x, isRow) && x.length > 0)
      ? undefined
      : 'must be a seed, whole and not negative, or rows of numbers',
};

/** Matrices of a weight, and the shape of the basis of each. */
function basisOf(weight: Tensor, { rank, heads }: Pick<Based, 'rank' | 'heads'>) {
  const { batch, rows, columns } = sidesOf(weight, heads);
  return { batch, columns, taken: Math.min(rank, rows, columns) };
}

const slot = (weight: Tensor, options: Based): Slot => {
  const { batch, columns, taken } = basisOf(weight, options);
  const { dtype } = moment(weight, options as unknown as CommonOptions);
  const { initialBasis: given } = options;
  const shape = weight.shape.length === 3 || options.heads ? [batch, columns, taken] : [columns, taken];
  const start = (device: Device): Tensor => {
    const place = [1, columns * taken];
    // In f32, whatever they are kept in: the same start.
    using drawn =
      typeof given === 'number'
        ? Tensor.randn(device, place, { seed: given })
        : Tensor.from(device, given.flat(), place, { dtype });
    using one = drawn.cast(dtype);
    using index = Tensor.zeros(device, [batch], { dtype: 'i32' });
    return filled(new Tensor(device, shape, dtype), (all) => {
      using out = all.reshape([batch, columns * taken]);
      ops.gatherRows(device, { x: one, index, out });
    });
  };
  return { shape, dtype, start };
};

/** A basis of the rows of each matrix, of a given rank, which a step turns by one power iteration. */
export const basis: Part<Based, 'bases'> = {
  schema: { rank: whole(768, 1, 65536, true), initialBasis },
  checkWeight: (where, weight, options) => {
    const { initialBasis: given } = options;
    if (typeof given === 'number') return;
    const { columns, taken } = basisOf(weight, options);
    if (given.length !== columns || given.some((row) => row.length !== taken))
      throw refusal(
        where,
        'initialBasis',
        `have ${columns} rows of ${taken} numbers for a weight of shape [${weight.shape}]`,
        `${given.length} rows of ${given[0]!.length}`,
        'ERR_SHAPE',
      );
  },
  slots: (weight, options) => ({ bases: slot(weight, options) }),
};
