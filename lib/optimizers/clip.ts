import { filled } from '../core/all-or-none.ts';
import * as check from '../core/check.ts';
import type { Device } from '../core/device.ts';
import { refusal, shown } from '../core/errors.ts';
import { ops } from '../core/native-ops.ts';
import {
  checkValues,
  type Given,
  notNegative,
  optional,
  portion,
  positive,
  readOptions,
  type Schema,
  word,
} from '../core/schema.ts';
import { Tensor } from '../core/tensor.ts';
import type { Gradients } from './base/params.ts';

/** Options of {@link clipCoordinates}: one of `fraction` and `threshold`, or neither. */
export interface ClipCoordinatesOptions {
  /** The share of the largest coordinates that are pulled down to the next one, in [0, 1]. Default 0.1. */
  fraction: number | undefined;
  /** The largest size that a coordinate may have, ≥ 0. Default: that of the fraction. */
  threshold: number | undefined;
  /** The fraction is of each `tensor` by itself, or of all together (`global`). Default `tensor`. */
  scope: 'tensor' | 'global';
}

const schema: Schema<ClipCoordinatesOptions> = {
  fraction: optional(portion(0.1)),
  threshold: optional(notNegative(1)),
  scope: word<ClipCoordinatesOptions['scope']>(['tensor', 'global'], 'tensor'),
};

/** The tensors of a list or a map that are there, different ones of one device. */
function presentOf(where: string, grads: Gradients): readonly [Tensor, ...Tensor[]] {
  const list: unknown = grads instanceof Map ? [...grads.values()] : grads;
  if (!Array.isArray(list)) throw refusal(where, 'grads', 'be a list or a map of tensors', shown(grads));
  const [first, ...rest] = list.filter((grad: unknown) => grad !== null) as Tensor[];
  if (first === undefined) throw refusal(where, 'grads', 'hold a tensor', 'none');
  check.tensor(where, 'grads', first, { dtypes: check.floating });
  for (const grad of rest) check.tensor(where, 'grads', grad, { dtypes: check.floating, device: first.device });
  if (new Set([first, ...rest]).size <= rest.length) throw refusal(where, 'grads', 'be different tensors', 'one twice');
  return [first, ...rest];
}

/** The rank behind the coordinates that are cut: a fraction of them, and one at least. */
const rankBehind = (elements: number, fraction: number): number => Math.max(1, Math.floor(fraction * elements)) + 1;

/** The thresholds of fractions, on the device. */
function limitsOf(device: Device, x: readonly Tensor[], fraction: number, scope: 'tensor' | 'global'): Tensor<'f64'> {
  const all = x.reduce((sum, { size }) => sum + size, 0);
  const ranks = scope === 'global' ? [rankBehind(all, fraction)] : x.map(({ size }) => rankBehind(size, fraction));
  return filled(new Tensor(device, [ranks.length], 'f64'), (out) => {
    ops.selectKth(device, { x, out, ranks, scope: scope === 'global' ? 'list' : 'tensor' });
  });
}

/**
 * Pulls the largest coordinates of gradients, or of any update, down to a threshold, in place: x ← sign(x)·min(|x|,
 * τ) (arXiv 2306.00204). With a `fraction` ρ of N coordinates τ is the size of the one behind the k = max(1, ⌊ρ·N⌋)
 * largest ones, exactly, and 0 if there is none behind them; equal sizes count each. Gradients of `null` are left out.
 * NaN counts as the largest, and stays. Queued; returns the thresholds, f64, one a tensor or one for all, on the
 * device.
 *
 * @example
 * clipCoordinates(grads, { fraction: 0.1 }).dispose();
 * @throws ERR_ARGUMENT for options out of range, for both of fraction and threshold, and for grads that hold no tensor
 * or one twice; ERR_DTYPE for integers; ERR_DEVICE for two devices; ERR_DISPOSED
 */
export function clipCoordinates(grads: Gradients, options: Given<ClipCoordinatesOptions> = {}): Tensor<'f64'> {
  const where = 'clipCoordinates';
  const { fraction, threshold, scope } = readOptions(where, options, schema);
  if (fraction !== undefined && threshold !== undefined)
    throw refusal(where, 'threshold', 'be left out where there is a fraction', threshold);
  const x = presentOf(where, grads);
  const [{ device }] = x;
  const limits =
    threshold === undefined
      ? limitsOf(device, x, fraction ?? 0.1, scope)
      : Tensor.full(device, [1], threshold, { dtype: 'f64' });
  ops.clipEach(device, { out: x, x, limits });
  return limits;
}

/**
 * Scales gradients by one factor, in place, so that the 2-norm of all together is at most `maxNorm`; smaller ones stay
 * as they are. Nothing leaves the device. Gradients of `null` are left out. A NaN makes all of them NaN, an infinity
 * the others 0. Queued; returns the norm before, f64 [1], on the device.
 *
 * @example
 * const norm = clipGradNorm(grads, 1);
 * @throws ERR_ARGUMENT for a maxNorm that is no number above 0, and for grads that hold no tensor or one twice;
 * ERR_DTYPE for integers; ERR_DEVICE for two devices; ERR_DISPOSED
 */
export function clipGradNorm(grads: Gradients, maxNorm: number): Tensor<'f64'> {
  const where = 'clipGradNorm';
  checkValues(where, { maxNorm }, { maxNorm: positive(1) });
  const x = presentOf(where, grads);
  const [{ device }] = x;
  using norms = new Tensor(device, [x.length], 'f64');
  using factors = Tensor.full(device, [x.length], maxNorm, { dtype: 'f64' });
  using inverse = new Tensor(device, [1], 'f64');
  return filled(new Tensor(device, [1], 'f64'), (norm) => {
    ops.norms(device, { x, out: norms });
    ops.norms(device, { x: [norms], out: norm });
    ops.norms(device, { x: [norms], out: inverse, result: 'inverse' });
    ops.linearCombination(device, { out: [factors], terms: [factors], coefficients: [inverse] });
    ops.map(device, { x: [factors], out: [factors], function: 'clamp', parameters: [0, 1] });
    ops.scaleEach(device, { out: x, x, factors });
  });
}
