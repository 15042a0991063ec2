import { RetrievalConditioner, RetrievalDatabase, TopMemory } from '../../../lib/data/index.ts';
import { Tensor } from '../../../lib/index.ts';
import type { Call, Scene } from '../call.ts';

const rows = ({ device }: Scene): Tensor => Tensor.from(device, [1, 2, 3, 4, 5, 7], [3, 2]);
const empty = ({ device }: Scene): RetrievalDatabase => new RetrievalDatabase(device, 2, { metric: 'l2' });
const filled = async (on: Scene): Promise<RetrievalDatabase> => {
  const db = empty(on);
  using some = rows(on);
  await db.add(some);
  return db;
};
const saved = async (on: Scene): Promise<readonly unknown[]> => {
  using db = await filled(on);
  await db.save(on.folder.file('saved'));
  return [on.device, on.folder.file('saved')];
};
const unconditional = ({ device }: Scene): Tensor => Tensor.from(device, [1, 2], [2]);
const conditioner = async (on: Scene): Promise<RetrievalConditioner> =>
  new RetrievalConditioner(await filled(on), { k: 2, unconditional: unconditional(on), seed: 1 });
const memory = (): TopMemory => {
  const one = new TopMemory({ seed: 1 });
  one.record(Int32Array.of(1, 2, 2));
  return one;
};

export const calls: Record<string, Call> = {
  RetrievalDatabase: { args: ({ device }) => [device, 2], options: () => ({ metric: 'dot', dtype: 'f16' }) },
  'RetrievalDatabase.open': { args: saved, options: () => ({}) },
  'RetrievalDatabase.add': { of: empty, args: (on) => [rows(on)] },
  'RetrievalDatabase.remove': { of: filled, args: () => [Int32Array.of(1)] },
  'RetrievalDatabase.search': { of: filled, args: (on) => [rows(on), 2], options: () => ({}) },
  'RetrievalDatabase.gather': { of: filled, args: () => [Int32Array.of(1, 1)] },
  'RetrievalDatabase.save': { of: filled, args: ({ folder }) => [folder.file('saved')], options: () => ({}) },
  RetrievalConditioner: {
    args: async (on) => [await filled(on)],
    options: (on) => ({ k: 2, unconditional: unconditional(on), seed: 1 }),
  },
  'RetrievalConditioner.restore': { of: conditioner, args: () => [{ seed: 1, offset: 5 }] },
  'RetrievalConditioner.swap': { of: conditioner, args: async (on) => [await filled(on)] },
  'RetrievalConditioner.context': { of: conditioner, args: (on) => [rows(on)], options: () => ({ training: true }) },
  TopMemory: { options: () => ({ seed: 1 }) },
  'TopMemory.restore': { args: () => [memory().state] },
  'TopMemory.count': { of: memory, args: () => [1] },
  'TopMemory.record': { of: memory, args: () => [Int32Array.of(1)] },
  'TopMemory.sample': { of: memory, args: () => [2], options: () => ({ size: 1 }) },
};
