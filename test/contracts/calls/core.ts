import { RandomStream, saveNpy, saveNpz, saveTensors, Tensor } from '../../../lib/index.ts';
import type { Call, Scene } from '../call.ts';

const tensor = ({ device }: Scene) => Tensor.from(device, [1, 2, 3, 4], [2, 2]);
const random = () => new RandomStream(1);
const shaped = (on: Scene) => [on.device, [2, 2]];
const stored = async (on: Scene): Promise<string> => {
  using a = tensor(on);
  const file = on.folder.file('stored');
  await saveTensors(file, { a });
  return file;
};

const storedArray = async (on: Scene): Promise<string> => {
  using a = tensor(on);
  await saveNpy(on.folder.file('stored.npy'), a);
  return on.folder.file('stored.npy');
};
const storedArrays = async (on: Scene): Promise<string> => {
  using a = tensor(on);
  await saveNpz(on.folder.file('stored.npz'), { a });
  return on.folder.file('stored.npz');
};
/** The tensor of a handle must be there when it is used. */
const shared: Tensor[] = [];
const sharedHandle = (on: Scene) => {
  shared.push(tensor(on));
  return shared.at(-1)!.share();
};

export const calls: Record<string, Call> = {
  'Device.open': { args: () => ['cpu'], options: () => ({ threads: 1 }) },
  'Device.unavailable': { args: () => ['cpu'] },
  Tensor: { args: (on) => [...shaped(on), 'f32'] },
  'Tensor.from': { args: (on) => [on.device, [1, 2], [2]], options: () => ({}) },
  'Tensor.zeros': { args: shaped, options: () => ({}) },
  'Tensor.full': { args: (on) => [...shaped(on), 1], options: () => ({}) },
  'Tensor.randn': { args: shaped, options: () => ({ seed: 1 }) },
  'Tensor.rand': { args: shaped, options: () => ({ seed: 1 }) },
  'Tensor.fromShared': { args: async (on) => [on.device, await sharedHandle(on)], options: () => ({}) },
  'Tensor.write': { of: tensor, args: () => [[4, 3, 2, 1]] },
  'Tensor.cast': { of: tensor, args: () => ['f64'] },
  'Tensor.reshape': { of: tensor, args: () => [[4]] },
  'Tensor.rows': { of: tensor, args: () => [0, 1] },
  RandomStream: { args: () => [1], options: () => ({}) },
  'RandomStream.restore': { args: () => [random().state] },
  'RandomStream.normal': { says: 'Tensor', of: random, args: shaped, options: () => ({}) },
  'RandomStream.uniform': { says: 'Tensor', of: random, args: shaped, options: () => ({}) },
  'RandomStream.fillNormal': {
    of: random,
    args: (on) => [[tensor(on)]],
    changes: [0],
    takes: ['any device', 'any rank'],
  },
  'RandomStream.fillUniform': {
    of: random,
    args: (on) => [[tensor(on)]],
    changes: [0],
    takes: ['any device', 'any rank'],
  },
  OrthokitError: { args: () => ['ERR_ARGUMENT', 'a message'] },
  saveTensors: {
    args: (on) => [on.folder.file('saved'), { a: tensor(on) }],
    options: () => ({}),
    takes: ['any dtype', 'any rank'],
  },
  loadTensors: {
    args: async (on) => [await stored(on), on.device],
    options: () => ({}),
  },
  saveNpy: {
    args: (on) => [on.folder.file('saved.npy'), tensor(on)],
    options: () => ({}),
    takes: ['any device', 'any dtype', 'any rank'],
  },
  loadNpy: { args: async (on) => [await storedArray(on), on.device], options: () => ({}) },
  readNpyInfo: { args: async (on) => [await storedArray(on)], options: () => ({}) },
  saveNpz: {
    args: (on) => [on.folder.file('saved.npz'), { a: tensor(on) }],
    options: () => ({}),
    takes: ['any dtype', 'any rank'],
  },
  loadNpz: { args: async (on) => [await storedArrays(on), on.device], options: () => ({}) },
  readNpzInfo: { args: async (on) => [await storedArrays(on)], options: () => ({}) },
  readTensorInfo: {
    args: async (on) => [await stored(on)],
    options: () => ({}),
  },
};
