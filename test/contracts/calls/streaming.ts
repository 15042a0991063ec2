import { type Device, Tensor } from '../../../lib/index.ts';
import { type ContinualAttention, type ContinualLayer, continual } from '../../../lib/streaming/index.ts';
import type { Call, Scene, State } from '../call.ts';

const f32 = (device: Device, shape: number[], seed: number): Tensor => Tensor.randn(device, shape, { seed });
const conv = (device: Device): ContinualLayer => continual.conv1d(f32(device, [2, 3, 2], 1), f32(device, [2], 2));
const layer = ({ device }: Scene): ContinualLayer => conv(device);
const window = (): ContinualAttention => continual.attention({ heads: 2, length: 3, mode: 'retroactive' });
const places = ({ device }: Scene, shape: number[]): Tensor[] => [1, 2, 3].map((seed) => f32(device, shape, seed));
const move = (one: ContinualAttention, device: Device, step: number): void => {
  const [q, k, v] = places({ device } as Scene, [2, 4]) as [Tensor, Tensor, Tensor];
  using scaled = f32(device, [2, 4], 10 + step);
  one.step(scaled, k, v)?.dispose();
  for (const x of [q, k, v]) x.dispose();
};

/** The device of the layers of a call: they have no device that can be asked. */
const devices = new WeakMap<object, Device>();
const at = <T extends object>(device: Device, one: T): T => {
  devices.set(one, device);
  return one;
};
const layerState: State = {
  advance: async (one: ContinualLayer, step) => {
    using x = f32(devices.get(one)!, [2, 3], step);
    one.step(x)?.dispose();
  },
  again: async (_: ContinualLayer, { device }) => at(device, conv(device)),
  beside: () => [],
};
const windowState: State = {
  advance: async (one: ContinualAttention, step) => move(one, devices.get(one)!, step),
  // One that knows its device, and has no history.
  async again(_: ContinualAttention, { device }) {
    const one = at(device, window());
    move(one, device, 1);
    one.reset();
    return one;
  },
  beside: () => [],
};
/** With a history, so that there is something to store. */
const moved = (on: Scene): ContinualLayer => {
  using x = f32(on.device, [2, 3], 3);
  const one = layer(on);
  one.step(x)?.dispose();
  return one;
};
const movedWindow = ({ device }: Scene): ContinualAttention => {
  const one = window();
  move(one, device, 1);
  return one;
};
const saved = async (on: Scene): Promise<readonly unknown[]> => {
  using one = moved(on);
  await one.save(on.folder.file('saved'));
  return [on.folder.file('saved')];
};
const savedWindow = async (on: Scene): Promise<readonly unknown[]> => {
  using one = movedWindow(on);
  await one.save(on.folder.file('saved'));
  return [on.folder.file('saved')];
};

export const calls: Record<string, Call> = {
  'continual.conv1d': {
    args: ({ device }) => [f32(device, [2, 3, 2], 1), f32(device, [2], 2)],
    options: () => ({ stride: 2, padding: 1, dilation: 1 }),
    refused: [{ padding: 2 }],
  },
  'continual.linear': { args: ({ device }) => [f32(device, [2, 3], 1), f32(device, [2], 2)] },
  'continual.averagePool1d': { args: () => [2], options: () => ({ stride: 1, dilation: 2 }) },
  'continual.maxPool1d': { args: () => [2], options: () => ({ stride: 1, dilation: 2 }) },
  'continual.attention': {
    args: () => [],
    options: () => ({ length: 3, heads: 2 }),
    refused: [{ exact: true }, { refreshEvery: 2 }, { mode: 'retroactive', exact: true, refreshEvery: 2 }],
  },
  'continual.map': { args: () => ['relu'] },
  'continual.delay': { args: () => [1] },
  'continual.positional': { args: ({ device }) => [f32(device, [2, 3], 1)] },
  'continual.sequential': { args: (on) => [layer(on), continual.maxPool1d(2)] },
  'continual.parallel': { args: (on) => [layer(on), layer(on)] },
  'continual.residual': { args: () => [continual.delay(1)] },
  'ContinualLayer.step': {
    of: layer,
    args: ({ device }) => [f32(device, [2, 3], 1)],
    options: () => ({ update: true }),
  },
  'ContinualLayer.steps': { of: layer, args: ({ device }) => [f32(device, [2, 3, 4], 1)] },
  'ContinualLayer.forward': { of: layer, args: ({ device }) => [f32(device, [2, 3, 4], 1)] },
  'ContinualLayer.reset': { of: layer },
  'ContinualLayer.save': {
    state: layerState,
    of: (on) => at(on.device, moved(on)),
    args: ({ folder }) => [folder.file('state')],
    options: () => ({}),
  },
  'ContinualLayer.load': { of: layer, args: saved, options: ({ device }) => ({ device }) },
  'ContinualAttention.step': { of: window, args: (on) => places(on, [2, 4]), options: () => ({ update: true }) },
  'ContinualAttention.steps': { of: window, args: (on) => places(on, [2, 4, 5]) },
  'ContinualAttention.forward': { of: window, args: (on) => places(on, [2, 4, 3]) },
  'ContinualAttention.reset': { of: window },
  'ContinualAttention.save': {
    state: windowState,
    of: (on) => at(on.device, movedWindow(on)),
    args: ({ folder }) => [folder.file('state')],
    options: () => ({}),
  },
  'ContinualAttention.load': { of: window, args: savedWindow, options: ({ device }) => ({ device }) },
};
