import { connect, DataParallel, type Group, ShardedMuon, ShardedNorMuon } from '../../../lib/distributed/index.ts';
import type { Tensor } from '../../../lib/index.ts';
import { vector } from '../../solvers/problems.ts';
import type { Call, Scene } from '../call.ts';

const group = (): Promise<Group> => connect({ engine: 'none' });
const pair = ({ device }: Scene): Tensor[] => [vector(device, [1, 2, 3]), vector(device, [4, 5])];
const matrices = ({ device }: Scene): Tensor[] => [vector(device, [1, 2, 3, 4, 5, 6]).reshape([2, 3])];
const sharded = async (on: Scene): Promise<ShardedMuon> => new ShardedMuon(await group(), matrices(on));
const saved = async (on: Scene): Promise<readonly unknown[]> => {
  const folder = on.folder.file('saved');
  await (await sharded(on)).saveShards(folder);
  return [folder];
};

const shardedNor = async (on: Scene): Promise<ShardedNorMuon> => new ShardedNorMuon(await group(), matrices(on));
const savedNor = async (on: Scene): Promise<readonly unknown[]> => {
  const folder = on.folder.file('saved');
  await (await shardedNor(on)).saveShards(folder);
  return [folder];
};
const parallel = async (on: Scene): Promise<DataParallel> =>
  DataParallel.start(await group(), { w: matrices(on)[0] }, { seed: 1 });

export const calls: Record<string, Call> = {
  connect: {
    options: () => ({ engine: 'none', timeout: 1, bucketBytes: 64 }),
  },
  'Group.allReduce': {
    of: group,
    args: (on) => [pair(on)],
    options: () => ({ tag: 'a', op: 'mean', weight: 0, deterministic: false }),
    refused: [{ op: 'sum', weight: 2 }],
    changes: [0],
    takes: ['any rank'],
  },
  'Group.reduceScatter': {
    of: group,
    args: (on) => [pair(on)],
    options: () => ({ tag: 'a', op: 'mean', weight: 2 }),
    takes: ['any rank'],
  },
  'Group.allGather': {
    of: group,
    args: (on) => [pair(on)],
    options: () => ({ tag: 'a' }),
    takes: ['any dtype', 'any rank'],
  },
  'Group.broadcast': {
    of: group,
    args: (on) => [pair(on)],
    options: () => ({ tag: 'a', root: 0 }),
    takes: ['any dtype', 'any rank'],
  },
  'Group.share': {
    of: group,
    args: (on) => [pair(on), [0, 0]],
    options: () => ({ tag: 'a' }),
    takes: ['any dtype', 'any rank'],
  },
  'Group.numbers': { of: group, args: () => [1], options: () => ({ tag: 'a' }) },
  'Group.barrier': { of: group, options: () => ({ tag: 'a' }) },
  'DataParallel.start': {
    args: async (on) => [await group(), { w: matrices(on)[0] }],
    options: () => ({ seed: 1 }),
    says: 'Group.broadcast|nn.named',
    takes: ['any device', 'any dtype', 'any rank'],
  },
  ShardedMuon: {
    args: async (on) => [await group(), matrices(on)],
    options: () => ({ lr: 0.1 }),
    says: 'Muon',
    takes: ['any rank'],
  },
  ShardedNorMuon: {
    args: async (on) => [await group(), matrices(on)],
    options: () => ({ lr: 0.1 }),
    says: 'NorMuon',
    takes: ['any rank'],
  },
  'ShardedMuon.saveShards': { of: sharded, args: ({ folder }) => [folder.file('state')], options: () => ({}) },
  'ShardedMuon.loadShards': { of: sharded, args: saved, options: () => ({}) },
  engineLibrary: { args: () => ['gloo'] },
  unavailable: { args: () => ['nccl'] },
  'DataParallel.verify': {
    of: parallel,
    args: (on) => [{ w: matrices(on)[0] }],
    says: 'nn.named',
    takes: ['any device', 'any dtype', 'any rank'],
  },
  'DataParallel.slice': { of: parallel, args: () => [Int32Array.of(1, 2)] },
  'DataParallel.batches': { of: parallel, options: () => ({ count: 4, size: 2, seed: 1 }), says: 'nn.batches' },
  'DataParallel.average': { of: parallel, args: () => [null, 0] },
  'ShardedMuon.step': { of: sharded, args: () => [[null]] },
  'ShardedNorMuon.step': { of: shardedNor, args: () => [[null]] },
  'ShardedNorMuon.saveShards': { of: shardedNor, args: ({ folder }) => [folder.file('state')], options: () => ({}) },
  'ShardedNorMuon.loadShards': { of: shardedNor, args: savedNor, options: () => ({}) },
};
