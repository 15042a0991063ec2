// Gradients of samples: how a function writes them, and what is refused of it.
import { type OrthokitError, refusal, shown } from '../../core/errors.ts';
import { isTensor, type Tensor } from '../../core/tensor.ts';
import type { Arg, Result } from './value.ts';

/** out = the gradient of each sample, `[samples, …]`. */
export type PerSample = (out: Tensor, samples: number) => void;

/** The number of samples of the first tensor argument. */
export function samplesOf(args: readonly unknown[]): number {
  const first = args.find(isTensor) as Tensor | undefined;
  if (first && first.shape.length > 0 && first.size > 0) return first.shape[0]!;
  const got = first ? `[${first.shape}]` : shown(args[0]);
  throw refusal('nn.valueAndGrad', 'an argument', 'be a tensor with samples', got);
}

const unsupported = (option: string, must: string, got: string): OrthokitError =>
  refusal('nn.valueAndGrad', option, must, got, 'ERR_UNSUPPORTED');

export const refusedSamples = ({ leaf }: Result): OrthokitError =>
  unsupported('perSample', `meet functions that have it, and that of ${leaf?.path} has not`, 'perSample');

/** Products of a sum of two gradients are not those of the two. */
export const refusedAgain = ({ leaf }: Result): OrthokitError =>
  unsupported("perSample 'products'", 'meet each parameter once', `${leaf?.path} again`);

/** @throws ERR_SHAPE unless the first axis holds as many rows of each sample */
export function checkSamples({ shape }: Arg, samples: number): void {
  if ((shape[0] ?? 1) % samples !== 0)
    throw refusal('perSample', 'rows', `be as many for each of ${samples} samples`, shape[0] ?? 1, 'ERR_SHAPE');
}
