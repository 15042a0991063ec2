// Devices: cpu
// The contract of calls that last: whatever takes a signal rejects with its reason, gives back what it has made and leaves
// its arguments as they were; whatever iterates says how it ended. Which functions do is found by calling them.
import { describe, expect, it } from 'vitest';
import type { SolverStatus } from '../../lib/solvers/index.ts';
import { leavesMemory } from '../support/settled.ts';
import { calls, ready, Stage } from './call.ts';
import { bitsIn } from './things.ts';

const names = ['signal', 'onProgress', 'maxIterations', 'maxSweeps', 'probes'] as const;
type Name = (typeof names)[number];

/** The functions that have each option: one that a function has not is refused by name, before it does anything. */
const having: Readonly<Record<Name, string[]>> = { signal: [], onProgress: [], maxIterations: [], maxSweeps: [], probes: [] }; // biome-ignore format: one line
for (const name of Object.keys(calls).filter((one) => calls[one]!.options)) {
  await using stage = new Stage();
  const { args, options, call } = await ready(name, stage);
  for (const option of names) {
    const error = await call(args, { ...options, [option]: 1n }).catch((thrown: Error) => thrown);
    if (!(error as Error).message.includes('is not an option')) having[option].push(name);
  }
}
const { signal: lasting, onProgress: telling } = having;
/** Functions that iterate, and the option that bounds what they count; the steps of probes have no bound of their own. */
const limits = new Map<string, 'maxIterations' | 'maxSweeps' | 'probes'>();
for (const option of ['maxIterations', 'maxSweeps', 'probes'] as const)
  for (const name of having[option]) limits.set(name, option);
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
  await leavesMemory(stage.device, () => expect(call(args, { ...options, ...watch() })).rejects.toBe(reason));
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
/** Results that are gradients alone have no status: what has not converged rejects with ERR_NOT_CONVERGED. */
const gradients = ['TransportResult.pullback'];

/** Classes whose options bound what a method does. */
const methods: Readonly<Record<string, string>> = { Maid: 'Maid.run' };
const iterating = [...limits].filter(([name]) => !gradients.includes(name));

type Told = Readonly<Record<string, unknown>>;
/** Iterations or sweeps that a result or a report of progress counts, of each problem. */
function countsOf({ iterations, sweeps, xy, xx, yy }: Told): number[] {
  const parts = [xy, xx, yy].filter((part) => part !== undefined) as Told[];
  if (parts.length > 0) return parts.flatMap(countsOf);
  const counted = typeof iterations === 'object' ? (iterations as { sweeps: number }).sweeps : (iterations ?? sweeps);
  return ArrayBuffer.isView(counted) ? [...(counted as Int32Array)] : ([counted].flat() as number[]);
}
/** Lists of results that have an element for each iteration, and of how many more. */
const lists = { history: 0, alphas: 0, inner: 0, innerSteps: 0, residuals: 1, kkt: 1 };

async function run(name: string, chosen: object = {}): Promise<{ result: Told; told: Told[]; given: Told }> {
  await using stage = new Stage();
  const { args, options, call } = await ready(methods[name] ?? name, stage);
  const told: Told[] = [];
  const watch = telling.includes(methods[name] ?? name) ? { onProgress: (progress: Told) => told.push(progress) } : {};
  const result = (await call(args, { ...options, ...watch, ...chosen })) as Told;
  return { result, told, given: options as Told };
}

describe.each(iterating)('%s', (name, limit) => {
  it('says how it has ended, and after how many iterations', async () => {
    const { result, told, given } = await run(name);
    for (const status of [result['status']].flat()) expect(Object.keys(words)).toContain(status);
    const counts = countsOf(result);
    expect(counts.length).toBeGreaterThan(0);
    for (const count of counts) expect(Number.isInteger(count) && count > 0, `${count}`).toBe(true);
    const most = limit === 'probes' ? Infinity : ((given?.[limit] as number | undefined) ?? Infinity);
    expect(Math.max(...counts)).toBeLessThanOrEqual(most);
    for (const [list, more] of Object.entries(lists))
      if (list in result) expect((result[list] as ArrayLike<unknown>).length, list).toBe(counts[0]! + more);
    const last = told.at(-1);
    if (limit === 'maxIterations' && last && 'iterations' in last) expect(countsOf(last)).toEqual(counts);
  });

  if (limit === 'probes' || name in methods) return;
  it.each([1, 2])('ends after %i of them where no more are allowed', async (most) => {
    const { result, told } = await run(name, { [limit]: most });
    const counts = countsOf(result);
    expect(Math.max(...counts)).toBeLessThanOrEqual(most);
    const parts = [result, ...[result['xy'], result['xx'], result['yy']].filter(Boolean)] as Told[];
    for (const part of parts.slice(parts.length > 1 ? 1 : 0))
      if (part['status'] === 'max-iterations') expect(countsOf(part)).toEqual([most]);
    const last = told.at(-1);
    if (limit === 'maxIterations' && last && 'iterations' in last) expect(countsOf(last)).toEqual(counts);
  });
});
