import * as check from '../../core/check.ts';
import { OrthokitError, refusal } from '../../core/errors.ts';
import { ContinualLayer } from '../layer.ts';
import { Delay } from '../parts/delay.ts';
import type { Part } from '../parts/leaf.ts';
import { Parallel } from '../parts/parallel.ts';
import type { Place } from '../parts/reach.ts';
import { Sequential } from '../parts/sequential.ts';
import { StreamedLayer } from '../streamed.ts';

/** The parts of layers that no other layer has. */
function partsOf(where: string, layers: readonly ContinualLayer[]): readonly [Part, ...Part[]] {
  let known: Place | undefined;
  const parts = layers.map((layer, i): Part => {
    const name = `layers[${i}]`;
    check.instance(where, name, layer, ContinualLayer);
    StreamedLayer.checkFree(where, name, layer);
    if (layers.indexOf(layer) < i)
      throw refusal(where, name, 'be a layer of its own', `layers[${layers.indexOf(layer)}]`);
    const part = StreamedLayer.takePart(layer);
    const { place } = part;
    if (known && place && place.device !== known.device)
      throw new OrthokitError('ERR_DEVICE', `${where}: ${name} is on another device`);
    if (known && place && place.dtype !== known.dtype)
      throw refusal(where, name, `be ${known.dtype} as those before`, place.dtype, 'ERR_DTYPE');
    known ??= place;
    return part;
  });
  if (parts.length === 0) throw refusal(where, 'layers', 'be at least one layer', 'none');
  return parts as unknown as readonly [Part, ...Part[]];
}

function joined(layers: readonly ContinualLayer[], part: Part): ContinualLayer {
  const whole = new ContinualLayer(part);
  StreamedLayer.joined(layers, whole);
  return whole;
}

/** Whole sequences come out this much shorter. */
const lossOf = ({ reach }: Part): number => reach.receptiveField - 1 - 2 * reach.padding;

/** The channels that come out of a part that takes so many. @throws ERR_SHAPE where its weights take others */
function outerOf(where: string, name: string, part: Part, given: number): number {
  const { inner } = part;
  if (inner !== undefined && inner !== given)
    throw refusal(where, name, `take the ${given} channels that come to it`, inner, 'ERR_SHAPE');
  return part.channels(where, given);
}

/**
 * Layers one after the other. Their delays add up, in inputs of the first one. The layers belong to the whole from now
 * on, and begin anew: it steps, resets, saves and disposes of them.
 *
 * @param layers At least one, each of its own; no attention, which takes three inputs.
 * @example
 * using net = continual.sequential(continual.conv1d(w, b), continual.averagePool1d(4, { stride: 4 }));
 *
 * @throws ERR_ARGUMENT for what is no layer or a part of another one; ERR_SHAPE for weights that do not take what those
 * before give; ERR_DEVICE, ERR_DTYPE, ERR_DISPOSED, ERR_STATE
 */
export function sequential(...layers: readonly ContinualLayer[]): ContinualLayer {
  const where = 'continual.sequential';
  const parts = partsOf(where, layers);
  const whole = new Sequential(parts);
  if (whole.inner !== undefined)
    parts.reduce((channels, part, i) => outerOf(where, `layers[${i}]`, part, channels), whole.inner);
  return joined(layers, whole);
}

/**
 * A layer's output plus its input, which waits for it: by as many steps as the layer's delay. The layer belongs to the
 * whole from now on, and begins anew.
 *
 * @param layer One that leaves a sequence as long as it is: of stride 1, with padding at both ends.
 * @example
 * using block = continual.residual(continual.conv1d(weight, bias, { padding: 1 })); // of three taps
 *
 * @throws ERR_ARGUMENT for a layer that shortens sequences, for what is no layer, or a part of another one; ERR_SHAPE
 * for one that gives other channels than it takes; ERR_DISPOSED, ERR_STATE
 */
export function residual(layer: ContinualLayer): ContinualLayer {
  const where = 'continual.residual';
  const [part] = partsOf(where, [layer]);
  if (part.reach.stride !== 1) throw refusal(where, 'layer', 'have stride 1', part.reach.stride);
  if (lossOf(part) !== 0) {
    const must = 'leave the length of a sequence, by padding of half its receptive field';
    throw refusal(where, 'layer', must, `padding ${part.reach.padding} of ${part.reach.receptiveField}`);
  }
  if (part.inner !== undefined) {
    const outer = part.channels(where, part.inner);
    if (outer !== part.inner)
      throw refusal(where, 'layer', `give the ${part.inner} channels that it takes`, outer, 'ERR_SHAPE');
  }
  return joined([layer], new Parallel('residual', [new Delay(0), part]));
}

/**
 * The sum of several layers of the same input; inputs of those that are early wait for the latest. The layers belong to
 * the whole from now on, and begin anew.
 *
 * @param layers At least one, each of its own: of one stride, and which leave sequences equally long.
 * @example
 * using both = continual.parallel(continual.conv1d(w, b, { padding: 1 }), continual.linear(u));
 *
 * @throws ERR_ARGUMENT for layers that differ in that, for what is no layer, or a part of another one; ERR_SHAPE for
 * layers that take or give other channels than the others; ERR_DEVICE, ERR_DTYPE, ERR_DISPOSED, ERR_STATE
 */
export function parallel(...layers: readonly ContinualLayer[]): ContinualLayer {
  const where = 'continual.parallel';
  const parts = partsOf(where, layers);
  for (const [i, part] of parts.entries()) {
    const name = `layers[${i}]`;
    const { stride } = parts[0].reach;
    if (part.reach.stride !== stride)
      throw refusal(where, name, `have stride ${stride} as the first`, part.reach.stride);
    const loss = lossOf(parts[0]);
    if (lossOf(part) !== loss) throw refusal(where, name, `shorten sequences by ${loss} as the first`, lossOf(part));
  }
  const whole = new Parallel('parallel', parts);
  if (whole.inner !== undefined) {
    const given = whole.inner;
    const outer = parts.map((part, i) => outerOf(where, `layers[${i}]`, part, given));
    const other = outer.findIndex((channels) => channels !== outer[0]);
    if (other > 0) throw refusal(where, `layers[${other}]`, `give ${outer[0]} channels as the first`, outer[other]!, 'ERR_SHAPE'); // biome-ignore format: one line
  }
  return joined(layers, whole);
}
