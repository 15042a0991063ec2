import * as check from '../../core/check.ts';
import { oneOf, refusal, shown } from '../../core/errors.ts';
import { readOptions } from '../../core/schema.ts';
import type { Tensor } from '../../core/tensor.ts';
import { ContinualLayer } from '../layer.ts';
import { type Conv1dOptions, convSchema, type Pool1dOptions, poolSchema } from '../options.ts';
import { Conv1d, reachOf, type Taps } from '../parts/conv1d.ts';
import { Delay } from '../parts/delay.ts';
import { Linear } from '../parts/linear.ts';
import { type ContinualMapWord, Mapped, mapWords } from '../parts/map.ts';
import { Pool1d } from '../parts/pool1d.ts';
import { Positional } from '../parts/positional.ts';

/** Weights, and a bias of one number an output. */
function checkWeights(where: string, weight: Tensor, bias: Tensor | undefined, rank: number): void {
  check.tensor(where, 'weight', weight, { rank, dtypes: check.arithmetic, filled: true });
  const { device, dtype, shape } = weight;
  if (bias !== undefined) check.tensor(where, 'bias', bias, { shape: [shape[0]!], dtypes: [dtype], device });
}

/** @throws ERR_ARGUMENT unless `value` is whole and at least `least` */
function checkCount(where: string, name: string, value: number, least: number): void {
  if (!Number.isSafeInteger(value) || value < least)
    throw refusal(where, name, `be a whole number from ${least} on`, shown(value));
}

/**
 * A convolution over time. Its receptive field is dilation · (taps − 1) + 1, its delay one less and less the padding.
 * State: dilation · taps inputs of each stream; a step is one product with as many numbers as taps.
 *
 * @param weight `[outputs, channels, taps]`, as other programs have it, f32 or f64; copied.
 * @param bias `[outputs]`; copied. Default: none.
 * @example
 * using layer = continual.conv1d(weight, bias, { padding: 1 });
 *
 * @throws ERR_ARGUMENT for options out of range, and a padding of the receptive field or more; ERR_SHAPE, ERR_DTYPE,
 * ERR_DEVICE, ERR_DISPOSED, ERR_MEMORY
 */
export function conv1d(weight: Tensor, bias?: Tensor, options: Conv1dOptions = {}): ContinualLayer {
  const where = 'continual.conv1d';
  checkWeights(where, weight, bias, 3);
  const taps = tapsOf(where, { kernel: weight.shape[2]!, ...readOptions(where, options, convSchema) });
  const { receptiveField } = reachOf(taps);
  if (taps.padding >= receptiveField)
    throw refusal(where, 'padding', `be less than the receptive field, ${receptiveField}`, taps.padding);
  return new ContinualLayer(new Conv1d(weight, bias, taps));
}

/** A ring for each phase of a dilation is a tensor of its own. */
const mostPhases = 2 ** 14;

/**
 * A single tap has no dilation.
 * @throws ERR_ARGUMENT for a dilation of too many phases, and steps that cannot be counted
 */
function tapsOf(where: string, given: Taps): Taps {
  if (given.kernel === 1) return { ...given, dilation: 1 };
  if (given.dilation > mostPhases) throw refusal(where, 'dilation', `be at most ${mostPhases}`, given.dilation);
  const { receptiveField } = reachOf(given);
  if (!Number.isSafeInteger(receptiveField)) throw refusal(where, 'dilation', 'leave a receptive field below 2⁵³', receptiveField); // biome-ignore format: one line
  return given;
}

/**
 * A linear layer of each input by itself: no delay, no state.
 *
 * @param weight `[outputs, channels]`, f32 or f64; copied.
 * @param bias `[outputs]`; copied. Default: none.
 * @example
 * using layer = continual.linear(weight, bias);
 *
 * @throws ERR_ARGUMENT, ERR_SHAPE, ERR_DTYPE, ERR_DEVICE, ERR_DISPOSED, ERR_MEMORY
 */
export function linear(weight: Tensor, bias?: Tensor): ContinualLayer {
  checkWeights('continual.linear', weight, bias, 2);
  return new ContinualLayer(new Linear(weight, bias));
}

function pool(name: 'averagePool1d' | 'maxPool1d', kernel: number, options: Pool1dOptions): ContinualLayer {
  const where = `continual.${name}`;
  checkCount(where, 'kernel', kernel, 1);
  const taps = tapsOf(where, { kernel, padding: 0, ...readOptions(where, options, poolSchema) });
  return new ContinualLayer(new Pool1d(name, taps));
}

/**
 * The mean over the last `kernel` inputs, of each channel: summed anew in f64 with each step, so that nothing drifts.
 *
 * @param kernel Inputs, at least 1.
 * @example
 * using layer = continual.averagePool1d(8, { stride: 8 });
 *
 * @throws ERR_ARGUMENT
 */
export function averagePool1d(kernel: number, options: Pool1dOptions = {}): ContinualLayer {
  return pool('averagePool1d', kernel, options);
}

/**
 * The largest of the last `kernel` inputs, of each channel; NaN if one is NaN.
 *
 * @param kernel Inputs, at least 1.
 * @example
 * using layer = continual.maxPool1d(3);
 *
 * @throws ERR_ARGUMENT
 */
export function maxPool1d(kernel: number, options: Pool1dOptions = {}): ContinualLayer {
  return pool('maxPool1d', kernel, options);
}

/**
 * A function of each element by itself, between other layers: no delay, no state.
 *
 * @param word `'relu'`, `'gelu'`, `'silu'`, `'tanh'`, `'sigmoid'` or `'softplus'`.
 * @example
 * using net = continual.sequential(continual.conv1d(w, b), continual.map('relu'), continual.linear(u));
 *
 * @throws ERR_ARGUMENT for another word
 */
export function map(word: ContinualMapWord): ContinualLayer {
  if (!mapWords.includes(word)) throw refusal('continual.map', 'word', `be ${oneOf(mapWords)}`, shown(word));
  return new ContinualLayer(new Mapped(word));
}

/**
 * The input of so many steps ago; over whole sequences it changes nothing. Residual and parallel layers make the delays
 * that they need by themselves.
 *
 * @param steps At least 0.
 * @example
 * using layer = continual.delay(2);
 *
 * @throws ERR_ARGUMENT
 */
export function delay(steps: number): ContinualLayer {
  checkCount('continual.delay', 'steps', steps, 0);
  return new ContinualLayer(new Delay(steps));
}

/**
 * Adds the encoding of the place, row t mod n of a table for the t-th input of a stream since it began or was reset.
 *
 * @param table `[n, channels]`, f32 or f64; copied.
 * @example
 * using layer = continual.positional(table);
 *
 * @throws ERR_ARGUMENT, ERR_SHAPE, ERR_DTYPE, ERR_DISPOSED, ERR_MEMORY
 */
export function positional(table: Tensor): ContinualLayer {
  check.tensor('continual.positional', 'table', table, { rank: 2, dtypes: check.arithmetic, filled: true });
  return new ContinualLayer(new Positional(table));
}
