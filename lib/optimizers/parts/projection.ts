import { notNegative, whole, word } from '../../core/schema.ts';
import type { Tensor } from '../../core/tensor.ts';
import type { CommonOptions } from '../base/common-options.ts';
import type { Part } from '../base/part.ts';
import type { Slot } from '../base/state.ts';
import { sidesOf } from './matrix.ts';
import { passed } from './passed.ts';
import { moment } from './state.ts';

/** The side of a matrix that a basis of singular vectors is of; see {@link CondaOptions.side}. */
export type ProjectionSide = 'std' | 'reverse_std' | 'left' | 'right';

interface Projected extends Pick<CommonOptions, 'stateDtype'> {
  readonly gap: number;
  readonly scale: number;
  readonly side: ProjectionSide;
  readonly heads: number | undefined;
}
type ProjectionFields = Pick<Projected, 'gap' | 'scale' | 'side'>;

/** Shapes of the basis of a weight's matrices and of what is projected on it. */
function projectionOf(weight: Tensor, { side, heads }: Pick<Projected, 'side' | 'heads'>) {
  const { batch, rows, columns } = sidesOf(weight, heads);
  const vectors = Math.min(rows, columns);
  const isLeft = side === 'left' || (side !== 'right' && rows < columns === (side === 'std'));
  const shapeOf = (...sides: number[]): number[] =>
    weight.shape.length === 3 || heads !== undefined ? [batch, ...sides] : sides;
  const [length, others] = isLeft ? [rows, columns] : [columns, rows];
  return {
    basis: shapeOf(length, vectors),
    // Every vector is there: as many elements as the weight has.
    projected: length === vectors ? weight.shape : isLeft ? shapeOf(vectors, others) : shapeOf(others, vectors),
  };
}

/** Second moments in a basis of singular vectors, by their roots, and the basis, which is renewed in its turn. */
export const projection: Part<Projected, 'roots' | 'bases', ProjectionFields> = {
  ...(passed({
    gap: whole(2000, 1, 2 ** 31 - 1),
    scale: notNegative(0.25),
    side: word<ProjectionSide>(['std', 'reverse_std', 'left', 'right'], 'std', true),
  }) as Part<Projected, never, ProjectionFields>),
  slots: (weight, options) => {
    const { basis, projected } = projectionOf(weight, options);
    const roots: Slot = { ...moment(weight, options as unknown as CommonOptions), shape: projected };
    // Not of stateDtype: rounded to 16 bits its vectors are no longer at right angles.
    const bases: Slot = { shape: basis, dtype: weight.dtype === 'f64' ? 'f64' : 'f32', start: 0 };
    return { roots, bases };
  },
};
