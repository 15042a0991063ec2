import {
  type BilevelOracle,
  type BlockOracles,
  BoRep,
  type ConstrainedBilevel,
  LvHba,
  Maid,
  MaidState,
  MultiBlockBilevel,
} from '../../../lib/bilevel/index.ts';
import { type Device, Tensor } from '../../../lib/index.ts';
import { blocksOf } from '../../bilevel/blocks.ts';
import { bounded } from '../../bilevel/constrained.ts';
import { cosh } from '../../bilevel/cosh.ts';
import { constants, leastSquares } from '../../bilevel/least-squares.ts';
import type { Call, Scene, State } from '../call.ts';

const rates = { lr: 0.1, lowerLr: 0.2, nu: 0.2 };
const oracle = ({ device }: Scene): BilevelOracle => cosh(device);
const oracles = new WeakMap<BoRep, BilevelOracle>();
const made = (of: BilevelOracle): BoRep => {
  const method = new BoRep(of, rates);
  oracles.set(method, of);
  return method;
};
const boRep = (on: Scene): BoRep => made(oracle(on));
const beside = (one: BoRep): readonly Tensor[] => [...oracles.get(one)!.x, ...oracles.get(one)!.y];
const saved = async (on: Scene): Promise<readonly unknown[]> => {
  const one = boRep(on);
  await one.save(on.folder.file('saved'));
  one.dispose();
  for (const tensor of beside(one)) tensor.dispose();
  return [on.folder.file('saved')];
};
const again = async (one: BoRep, device: Device): Promise<BoRep> => {
  const other = cosh(device);
  const copies = [...other.x, ...other.y];
  for (const [i, tensor] of beside(one).entries()) copies[i]!.write(await tensor.read());
  return made(other);
};

const lengths = { alpha: 0.05, beta: 0.05, eta: 0.05 };
const problems = new WeakMap<LvHba, ConstrainedBilevel>();
const built = (problem: ConstrainedBilevel): LvHba => {
  const method = new LvHba(problem, lengths);
  problems.set(method, problem);
  return method;
};
const lvHba = ({ device }: Scene): LvHba => built(bounded(device));
const ofProblem = (one: LvHba): readonly Tensor[] => [problems.get(one)!.x, problems.get(one)!.y];
const savedLvHba = async (on: Scene): Promise<readonly unknown[]> => {
  const one = lvHba(on);
  await one.save(on.folder.file('saved'));
  one.dispose();
  for (const tensor of ofProblem(one)) tensor.dispose();
  return [on.folder.file('saved')];
};
const lvHbaState: State = {
  advance: async (one: LvHba, step) => {
    // Only what is new begins; what was loaded goes on.
    if (step === 1) await one.init();
    await one.step().catch(async (error: { code: string }) => {
      if (error.code !== 'ERR_STATE') throw error;
      await one.init();
      await one.step();
    });
  },
  async again(one: LvHba, { device }) {
    const other = bounded(device);
    const copies = [other.x, other.y];
    for (const [i, tensor] of ofProblem(one).entries()) copies[i]!.write(await tensor.read());
    return built(other);
  },
  beside: ofProblem,
};

const { mu, lipschitz, B } = constants;
const maidOptions = { mu, lipschitz, bounds: { B, LB: 0, LAinv: 0 }, maxIterations: 2 };
const column = (device: Device, value: number): Tensor => Tensor.full(device, [5, 1], value, { dtype: 'f64' });

const thetas = new WeakMap<MaidState, Tensor>();
const standing = (theta: Tensor): MaidState => {
  const state = new MaidState(theta, column(theta.device, 0));
  thetas.set(state, theta);
  return state;
};

const blockOptions = {
  variant: 'v2',
  blocksPerStep: 4,
  alpha: 0.5,
  beta: 0.5,
  lr: 0.02,
  lowerLr: 0.1,
  seed: 1,
} as const;
const ofBlocks = new WeakMap<MultiBlockBilevel, BlockOracles>();
const madeOf = (blocks: BlockOracles): MultiBlockBilevel => {
  const method = new MultiBlockBilevel(blocks, blockOptions);
  ofBlocks.set(method, blocks);
  return method;
};
const multiBlock = ({ device }: Scene): MultiBlockBilevel => madeOf(blocksOf(device));
const besideBlocks = (one: MultiBlockBilevel): readonly Tensor[] => [ofBlocks.get(one)!.x, ofBlocks.get(one)!.y];
const savedBlocks = async (on: Scene): Promise<readonly unknown[]> => {
  const one = multiBlock(on);
  await one.save(on.folder.file('saved'));
  one.dispose();
  for (const tensor of besideBlocks(one)) tensor.dispose();
  return [on.folder.file('saved')];
};

export const calls: Record<string, Call> = {
  MultiBlockBilevel: {
    args: ({ device }) => [blocksOf(device)],
    options: () => blockOptions,
    refused: [{ hessianFloor: 1 }, { variant: 'v1', vBound: 1 }, { alpha: 1 }],
    takes: ['any rank'],
  },
  'MultiBlockBilevel.save': {
    state: {
      advance: async (one: MultiBlockBilevel) => {
        await one.step();
      },
      again: async (one: MultiBlockBilevel, { device }) => {
        const other = blocksOf(device);
        other.x.write(await ofBlocks.get(one)!.x.read());
        other.y.write(await ofBlocks.get(one)!.y.read());
        return madeOf(other);
      },
      beside: besideBlocks,
    },
    of: multiBlock,
    args: ({ folder }) => [folder.file('state')],
    options: () => ({}),
  },
  'MultiBlockBilevel.load': { of: multiBlock, args: savedBlocks, options: () => ({}) },
  Maid: {
    args: ({ device }) => [leastSquares(device)],
    options: () => maidOptions,
    refused: [{ lipschitz: mu / 2 }, { bounds: { B } }],
  },
  'Maid.run': {
    of: ({ device }) => new Maid(leastSquares(device), maidOptions),
    args: ({ device }) => [column(device, 1), column(device, 0)],
    options: () => ({}),
    changes: [0],
    takes: ['any rank'],
  },
  MaidState: { args: ({ device }) => [column(device, 1), column(device, 0)], takes: ['any rank'] },
  'MaidState.save': {
    state: {
      advance: async (one: MaidState) => {
        const theta = thetas.get(one)!;
        const maid = new Maid(leastSquares(theta.device), { ...maidOptions, maxIterations: 1 });
        (await maid.run(theta, column(theta.device, 0), { state: one })).x.dispose();
      },
      again: async (one: MaidState, { device }) => {
        const theta = column(device, 1);
        theta.write(await thetas.get(one)!.read());
        return standing(theta);
      },
      beside: (one: MaidState) => [thetas.get(one)!],
    },
    of: ({ device }) => standing(column(device, 1)),
    args: ({ folder }) => [folder.file('state')],
    options: () => ({}),
  },
  'MaidState.load': {
    of: ({ device }) => standing(column(device, 1)),
    args: async (on) => {
      const one = standing(column(on.device, 1));
      await one.save(on.folder.file('saved'));
      one.dispose();
      thetas.get(one)!.dispose();
      return [on.folder.file('saved')];
    },
    options: () => ({}),
  },
  LvHba: { args: ({ device }) => [bounded(device)], options: () => lengths, takes: ['any rank'] },
  'LvHba.save': { state: lvHbaState, of: lvHba, args: ({ folder }) => [folder.file('state')], options: () => ({}) },
  'LvHba.load': { of: lvHba, args: savedLvHba, options: () => ({}) },
  BoRep: {
    args: (on) => [oracle(on)],
    options: () => rates,
    refused: [{ refine: { epochs: 0 } }],
    takes: ['any rank'],
  },
  'BoRep.init': { of: boRep, args: () => [1] },
  'BoRep.step': { of: boRep, args: () => [1] },
  'BoRep.save': {
    state: {
      advance: async (one: BoRep, step) => {
        await one.step(step);
      },
      again: (one: BoRep, { device }) => again(one, device),
      beside,
    },
    of: boRep,
    args: ({ folder }) => [folder.file('state')],
    options: () => ({}),
  },
  'BoRep.load': { of: boRep, args: saved, options: () => ({}) },
  finiteDifferences: { args: (on) => [oracle(on)], takes: ['any rank'] },
  checkHypergradient: { args: (on) => [oracle(on)], options: () => ({}), takes: ['any rank'] },
};
