import { refusal } from '../../core/errors.ts';
import { fraction, notNegative, optional, word } from '../../core/schema.ts';
import type { Tensor } from '../../core/tensor.ts';
import type { CommonOptions } from '../base/common-options.ts';
import type { Part } from '../base/part.ts';
import type { Slot } from '../base/state.ts';
import { type Coefficients, iterationOf, type OrthogonalMethod } from '../coefficients.ts';
import { sidesOf } from './matrix.ts';
import type { MomentumForm } from './momentum.ts';
import type { ShapeScale } from './shape-scale.ts';
import { moment } from './state.ts';

/** One of the algorithms that go by the name; see {@link NorMuonOptions.variant}. */
export type NorMuonVariant = 'repo' | 'paper' | 'dion' | 'nanogpt';

interface Moments {
  readonly variant: NorMuonVariant;
  readonly axis: 'row' | 'long';
  readonly beta2: number;
  readonly eps: number | undefined;
  readonly nsEps: number | undefined;
}
/** Options of other parts that the variants have defaults and demands of. */
interface Variant extends Moments, Pick<CommonOptions, 'lr' | 'stateDtype'> {
  readonly nesterov: boolean;
  readonly momentumForm: MomentumForm;
  readonly shapeScale: ShapeScale;
  readonly heads: number | undefined;
  readonly coefficients: Coefficients;
  readonly nsSteps: number | undefined;
  readonly nsMethod: OrthogonalMethod;
}
interface MomentFields extends Pick<Moments, 'variant' | 'axis' | 'beta2'> {
  readonly eps: number;
  readonly rowEps: number;
}

const defaults: Readonly<Record<NorMuonVariant, Partial<Variant>>> = {
  repo: {},
  paper: { lr: 2e-3, nesterov: false, shapeScale: 'none' },
  dion: { lr: 0.01, nesterov: false, momentumForm: 'heavy-ball', shapeScale: 'spectral' },
  nanogpt: { lr: 0.023, beta2: 0.9, axis: 'long' },
};

/** Matrices of a weight, how many second moments each has, and of how many elements each is. */
function momentsOf(weight: Tensor, { axis, heads }: Pick<Variant, 'axis' | 'heads'>) {
  const { batch, rows, columns } = sidesOf(weight, heads);
  const ofColumns = axis === 'long' && rows < columns;
  return { batch, length: ofColumns ? columns : rows, elements: ofColumns ? rows : columns };
}

const slot = (weight: Tensor, options: Pick<Variant, 'axis' | 'heads' | 'stateDtype'>): Slot => {
  const { batch, length } = momentsOf(weight, options);
  return { ...moment(weight, options as unknown as CommonOptions), shape: [batch * length] };
};

type Taken = Pick<
  Variant,
  'beta2' | 'eps' | 'nsEps' | 'stateDtype' | 'heads' | 'coefficients' | 'nsSteps' | 'nsMethod'
>;

function checkMoments(where: string, weight: Tensor, options: Pick<Variant, 'axis' | 'heads'>): void {
  if (momentsOf(weight, options).elements === 1)
    throw refusal(
      where,
      'params',
      `have more than one element in what a second moment is of, by axis ${options.axis}`,
      `shape [${weight.shape}]`,
      'ERR_SHAPE',
    );
}

/** Those rows of the update that were taken are divided by the roots of their second moments; those of others stay. */
export const takenRowMoments: Part<Taken, 'secondMoments', Pick<MomentFields, 'beta2' | 'eps' | 'rowEps'>> = {
  schema: { beta2: fraction(0.95), eps: optional(notNegative(1e-8)), nsEps: optional(notNegative(1e-7)) },
  checkWeight: (where, weight, options) => checkMoments(where, weight, { ...options, axis: 'row' }),
  slots: (weight, options) => ({ secondMoments: slot(weight, { ...options, axis: 'row' }) }),
  fields: ({ beta2, eps = 1e-8, nsEps, coefficients, nsSteps, nsMethod }) => ({
    ...{ beta2, rowEps: eps },
    eps: iterationOf(coefficients, nsSteps, nsEps, nsMethod).eps,
  }),
};

/** Rows of the orthogonal update are divided by the roots of their second moments. */
export const rowMoments: Part<Variant, 'secondMoments', MomentFields> = {
  schema: {
    variant: word(['repo', 'paper', 'dion', 'nanogpt'], 'repo', true),
    axis: word(['row', 'long'], 'row', true),
    beta2: fraction(0.95),
    eps: optional(notNegative(1e-8)),
    nsEps: optional(notNegative(1e-7)),
  },
  defaults: ({ variant = 'repo' }) => defaults[variant] ?? {},
  checkOptions: (where, { variant, shapeScale }) => {
    if (variant === 'paper' && shapeScale !== 'none')
      throw refusal(where, 'shapeScale', 'be none for variant paper, which has a scale of its own', shapeScale);
  },
  checkWeight: checkMoments,
  slots: (weight, options) => ({ secondMoments: slot(weight, options) }),
  fields: ({
    variant,
    axis,
    beta2,
    eps = variant === 'nanogpt' ? 1e-10 : 1e-8,
    nsEps,
    coefficients,
    nsSteps,
    nsMethod,
  }) => ({
    ...{ variant, axis, beta2, rowEps: eps },
    eps: iterationOf(coefficients, nsSteps, nsEps, nsMethod).eps,
  }),
};
