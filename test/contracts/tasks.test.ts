// Devices: cpu
// The contract of calls that last: whatever takes a signal rejects with its reason, gives back what it has made and leaves
// its arguments as they were; whatever iterates says how it ended. Which functions do is found by calling them.
import { describe, expect, it } from 'vitest';
import type { SolverStatus } from '../../lib/solvers/index.ts';
import { settledMemory } from '../support/settled.ts';
import { calls, ready, Stage } from './call.ts';
import { bitsIn } from './things.ts';

/** True if a function has an option of this name: one that it has not is refused by name. */
async function takes(name: string, option: string): Promise<boolean> {
  await using stage = new Stage();
  const { args, options, call } = await ready(name, stage);
  const error = await call(args, { ...options, [option]: 1n }).catch((thrown: Error) => thrown);
  return !(error as Error).message.includes('is not an option');
}

const withOptions = Object.keys(calls).filter((name) => calls[name]!.options);
const having = async (option: string): Promise<string[]> => {
  const names: string[] = [];
  for (const name of withOptions) if (await takes(name, option)) names.push(name);
  return names;
};
const [lasting, telling, iterating] = [
  await having('signal'),
  await having('onProgress'),
  [...(await having('maxIterations')), ...(await having('maxSweeps')), ...(await having('probes'))],
];
const reason = new Error('enough');

it('whatever tells of its progress can be aborted', () => {
  expect(lasting.length).toBeGreaterThan(20);
  expect(lasting).toEqual(expect.arrayContaining(telling));
});

async function aborts(name: string, watch: () => object): Promise<void> {
  await using stage = new Stage();
  const { args, options, call } = await ready(name, stage);
  await stage.device.synchronize();
  const before = await bitsIn([args, options]);
  const { live } = await settledMemory(stage.device);
  await expect(call(args, { ...options, ...watch() })).rejects.toBe(reason);
  await stage.device.synchronize();
  expect(stage.device.info.memory.live).toBe(live);
  expect(await bitsIn([args, options])).toEqual(before);
}

describe.each(lasting)('%s', (name) => {
  it('does nothing for a signal that is aborted', () => aborts(name, () => ({ signal: AbortSignal.abort(reason) })));
});

describe.each(telling)('%s', (name) => {
  it('ends where one who is told of its progress aborts it', () =>
    aborts(name, () => {
      const controller = new AbortController();
      return { signal: controller.signal, onProgress: () => controller.abort(reason) };
    }));
});

const words: Record<SolverStatus, true> = {
  converged: true,
  'max-iterations': true,
  'at-precision': true,
  diverged: true,
  infeasible: true,
  'search-failed': true,
  breakdown: true,
  budget: true,
};
/** Results that are gradients alone: what has not converged is refused. */
const gradients = ['TransportResult.pullback'];

/** Classes whose options bound what a method does. */
const methods: Readonly<Record<string, string>> = { Maid: 'Maid.run' };

describe.each([...new Set(iterating.map((name) => methods[name] ?? name))].filter((name) => !gradients.includes(name)))(
  '%s',
  (name) => {
    it('says how it has ended, and after how many iterations', async () => {
      await using stage = new Stage();
      const { call } = await ready(name, stage);
      const result = (await call()) as Record<string, unknown>;
      for (const status of [result['status']].flat()) expect(Object.keys(words)).toContain(status);
      const { iterations = result['sweeps'], xy } = result as { iterations?: unknown; xy?: { iterations: unknown } };
      expect(iterations ?? xy?.iterations).toBeDefined();
    });
  },
);
