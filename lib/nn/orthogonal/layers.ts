// Convolutions that are held near orthogonal ones, and what is refused of them.
import * as check from '../../core/check.ts';
import { refusal, shown } from '../../core/errors.ts';
import { isRecord } from '../../core/options.ts';
import {
  count,
  flag,
  notNegative,
  optional,
  type Resolved,
  readOptions,
  required,
  type Schema,
} from '../../core/schema.ts';
import { isTensor, type Tensor } from '../../core/tensor.ts';
import { type ConvOrthMode, kernelSizes, modeOf } from './kernel.ts';

/** A convolution that {@link ConvOrthRegularizer} holds near an orthogonal one. */
export interface ConvOrthLayer {
  /** `[O, k, k, C]`, a parameter. */
  kernel: Tensor;
  /** The stride of this convolution. Default: that of all. */
  stride?: number | undefined;
  /** The weight of this convolution's loss. Default: that of all. */
  weight?: number | undefined;
}

/** Options of {@link ConvOrthRegularizer}. */
export interface ConvOrthRegularizerOptions {
  /** The stride of convolutions that name none: whole, from 1 on. Default: 1. */
  stride?: number | undefined;
  /** Factor of each loss and its gradient: finite, not negative. Default: 1. */
  weight?: number | undefined;
  /** True: takes kernels of sizes for which no convolution is orthogonal. Default: false. */
  allowInfeasible?: boolean | undefined;
}

const shared = { stride: count(1), weight: notNegative(1) };
const schema: Schema<Resolved<ConvOrthRegularizerOptions>> = { ...shared, allowInfeasible: flag(false) };
const layerSchema: Schema<Resolved<ConvOrthLayer, 'stride' | 'weight'>> = {
  kernel: required(check.tensorOption) as never,
  stride: optional(shared.stride),
  weight: optional(shared.weight),
};

/** A convolution with all of its numbers. */
export interface Layer {
  readonly path: string;
  readonly kernel: Tensor;
  readonly mode: ConvOrthMode;
  readonly stride: number;
  readonly weight: number;
}

/** @throws ERR_ARGUMENT, ERR_SHAPE, ERR_DTYPE, ERR_DISPOSED for what are no convolutions that can be orthogonal */
export function convOrthLayers(
  where: string,
  layers: Readonly<Record<string, Tensor | ConvOrthLayer>>,
  options: ConvOrthRegularizerOptions,
): Layer[] {
  const { allowInfeasible, ...all } = readOptions(where, options, schema);
  if (!isRecord(layers) || isTensor(layers)) throw refusal(where, 'layers', 'be kernels by path', shown(layers));
  return Object.entries(layers).map(([path, given]) => {
    const own: ConvOrthLayer = isTensor(given) ? { kernel: given } : readOptions(where, given, layerSchema, path);
    const { kernel, stride = all.stride, weight = all.weight } = own;
    const sizes = kernelSizes(where, path, kernel);
    const { outputs, side, channels } = sizes;
    const mode = modeOf(sizes, stride);
    const most = mode === 'row' ? channels * side ** 2 : Infinity;
    if (!allowInfeasible && outputs > most)
      throw refusal(where, path, `have at most C · k² = ${most} outputs, or allowInfeasible be true`, outputs);
    if (!allowInfeasible && outputs >= channels * stride ** 2 && stride > side)
      throw refusal(where, path, `have a stride up to its side ${side}, or allowInfeasible be true`, stride);
    return { path, kernel, mode, stride, weight };
  });
}
