import { OrthokitError } from '../core/errors.ts';
import { ops } from '../core/native-ops.ts';
import { flag, fraction, type Schema, word } from '../core/schema.ts';
import type { Tensor } from '../core/tensor.ts';
import { type CommonOptions, commonSchema } from './common-options.ts';
import { Optimizer, type OptimizerOptions, type Work } from './optimizer.ts';
import type { Params } from './params.ts';
import { counter, moment, type Slot } from './state.ts';

/** How momentum m takes a gradient g: `ema` m ← β·m + (1 − β)·g, `heavy-ball` m ← β·m + g. */
export type MomentumForm = 'ema' | 'heavy-ball';

/** Options of {@link SGD}; all may be left out. */
export interface SGDOptions extends CommonOptions {
  /** Factor of the momentum, in [0, 1). Default 0: no momentum and no state, which must be so from the start. */
  momentum: number;
  /** heavy-ball takes 1 − dampening of the gradient, from the second step on. Default 0. */
  dampening: number;
  /** Steps with the look-ahead of the momentum. Default false. */
  nesterov: boolean;
  /** `heavy-ball` m ← μ·m + g, or `ema` m ← μ·m + (1 − μ)·g. Default `heavy-ball`. */
  readonly momentumForm: MomentumForm;
}

const schema: Schema<SGDOptions> = {
  ...commonSchema(1e-3, 0, 'l2'),
  momentum: fraction(0),
  dampening: fraction(0),
  nesterov: flag(false),
  momentumForm: word(['ema', 'heavy-ball'], 'heavy-ball', true),
};

/** Only heavy-ball momentum takes a dampening; ema would ignore it. */
export function checkDampening(
  where: string,
  { dampening, momentumForm }: { dampening: number; momentumForm: MomentumForm },
): void {
  if (dampening !== 0 && momentumForm === 'ema')
    throw new OrthokitError('ERR_ARGUMENT', `${where}: dampening must be 0 for momentumForm ema, got ${dampening}`);
}

/**
 * Stochastic gradient descent with momentum, as `torch.optim.SGD` defines it. Defaults: lr 1e-3, momentum 0,
 * weightDecayMode `l2`. State: one moment a parameter, if momentum is not 0.
 *
 * @example
 * const optimizer = new SGD([w], { lr: 0.1, momentum: 0.9 });
 * optimizer.step([grad]);
 * @throws ERR_ARGUMENT for options out of range, unknown names, and params that are no tensors, twice there, or without any;
 * ERR_DTYPE for integers; ERR_DEVICE for two devices; ERR_DISPOSED; ERR_MEMORY
 */
export class SGD extends Optimizer<SGDOptions, 'momenta' | 'steps'> {
  constructor(params: Params<SGDOptions>, options: OptimizerOptions<SGDOptions> = {}) {
    super('SGD', params, options, schema);
  }

  protected override slots(weight: Tensor, options: SGDOptions): Record<'momenta' | 'steps', Slot> {
    const none = {} as Record<'momenta' | 'steps', Slot>;
    return options.momentum === 0 ? none : { momenta: moment(weight, options), steps: counter() };
  }

  protected override checkOptions(where: string, options: SGDOptions, slots?: ReadonlySet<string>): void {
    const { nesterov, momentum, dampening } = options;
    if (nesterov && (momentum === 0 || dampening !== 0))
      throw new OrthokitError(
        'ERR_ARGUMENT',
        `${where}: nesterov must have momentum and no dampening, got momentum ${momentum} and dampening ${dampening}`,
      );
    checkDampening(where, options);
    if (momentum !== 0 && slots?.size === 0)
      throw new OrthokitError(
        'ERR_ARGUMENT',
        `${where}: momentum must not be 0 when the optimizer is made, to be set later, got ${momentum}`,
      );
  }

  protected override update({ device, step, state }: Work<'momenta' | 'steps'>, options: SGDOptions): void {
    const { momentum, dampening, momentumForm } = options;
    const nesterov = options.nesterov ? 'on' : 'off';
    if (!state.momenta) ops.sgd(device, step);
    else ops.sgd(device, { ...step, ...state, momentum, dampening, nesterov, momentumForm });
  }
}
