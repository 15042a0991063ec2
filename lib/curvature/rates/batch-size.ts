import { oneOf, refusal, shown } from '../../core/errors.ts';
import { notNegative, positive, type Resolved, readOptions, required, type Schema, word } from '../../core/schema.ts';

/** The difference of batches: by noise that is added to the Hessian, or as Gauss–Newton matrices of other samples. */
export type BatchNoise = 'additive' | 'gauss-newton';

/** Options of {@link batchExtremal}. */
export interface BatchExtremalOptions {
  /** Parameters over samples of a batch: not negative. It has no default. */
  dOverB: number;
  /**
   * The noise: for `additive` the standard deviation of an element of one sample's Hessian, for `gauss-newton` the
   * variance of the gradients, which is the level of the other eigenvalues: not negative. It has no default.
   */
  noise: number;
  /** The difference of batches. Default: `additive`. */
  model?: BatchNoise | undefined;
}

const schema: Schema<Resolved<BatchExtremalOptions>> = {
  dOverB: required(notNegative(0)),
  noise: required(notNegative(0)),
  model: word(['additive', 'gauss-newton'], 'additive'),
};

/**
 * The largest eigenvalue of the Hessian of a batch where that of all data has one of `lambda` apart from the others:
 * random matrices say by how much the noise of the batch lifts it. With γ = `dOverB`: for `additive` noise of deviation
 * s, λ + γ s²/λ where λ > s√γ, else 2 s√γ; for `gauss-newton` of variance v, λ (1 + γ v / (λ − v)) where
 * λ > v (1 + √γ), else v (1 + √γ)².
 *
 * Source: Granziol, Zohren and Roberts 2022; Baik, Ben Arous and Péché 2005.
 *
 * @param lambda The eigenvalue over all data: not negative.
 * @example
 * const largest = batchExtremal(3, { dOverB: 400 / 25, noise: 0.5 }); // 4.33
 *
 * @throws ERR_ARGUMENT for numbers out of range
 */
export function batchExtremal(lambda: number, options: BatchExtremalOptions): number {
  const where = 'batchExtremal';
  checkNotNegative(where, 'lambda', lambda);
  const { dOverB, noise, model } = readOptions(where, options, schema);
  const root = Math.sqrt(dOverB);
  if (model === 'additive') {
    const edge = noise * root;
    return lambda > edge ? lambda + (edge / lambda) * edge : 2 * edge;
  }
  const edge = noise * (1 + root);
  return lambda > edge ? lambda * (1 + dOverB * (noise / (lambda - noise))) : edge * (1 + root);
}

/**
 * A learning rate for another size of batches: in proportion to it for SGD, whose largest stable rate grows so while
 * noise makes the curvature of batches, and to its square root for adaptive methods.
 *
 * Source: Granziol, Zohren and Roberts 2022.
 *
 * @param lr The rate for batches of `from`: > 0.
 * @param from Samples of a batch: > 0.
 * @param to Samples of a batch of the result: > 0.
 * @param cap The largest rate, such as 2 over the largest eigenvalue over all data: > 0. Default: none.
 * @example
 * const lr = scaleLr(0.1, 128, 512, 'sgd'); // 0.4
 *
 * @throws ERR_ARGUMENT for numbers out of range and another word
 */
export function scaleLr(
  lr: number,
  from: number,
  to: number,
  method: 'sgd' | 'adaptive',
  cap: number = Infinity,
): number {
  const where = 'scaleLr';
  for (const [name, value] of Object.entries({ lr, from, to })) {
    const problem = positive(1).wrong(value);
    if (problem) throw refusal(where, name, 'be a positive number', shown(value));
  }
  if (!(typeof cap === 'number' && cap > 0)) throw refusal(where, 'cap', 'be above 0', shown(cap));
  if (method !== 'sgd' && method !== 'adaptive')
    throw refusal(where, 'method', `be ${oneOf(['sgd', 'adaptive'])}`, shown(method));
  const ratio = to / from;
  return Math.min(cap, lr * (method === 'sgd' ? ratio : Math.sqrt(ratio)));
}

function checkNotNegative(where: string, name: string, value: number): void {
  if (!(typeof value === 'number' && value >= 0 && value < Infinity))
    throw refusal(where, name, 'be finite and not negative', shown(value));
}
