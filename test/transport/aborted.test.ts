// Devices: cpu
// An abort ends the operation that is running: solvers queue theirs so that they can be given up.
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { Lane } from '../../lib/core/lane.ts';
import {
  barycenter,
  Device,
  type Ops,
  ops,
  sinkhorn,
  sinkhornDivergence,
  Tensor,
  type TransportMethod,
  type TransportResult,
  transportBatch,
} from '../../lib/index.ts';
import { expectSoonOver } from '../support/abort-work.ts';
import { workTime } from '../support/processor.ts';
import { settledMemory } from '../support/settled.ts';
import { numbers } from '../support/transport.ts';

type Op = keyof Ops;
type Queue = (queue: Device, fields: object) => void;

/** Hears of each operation before it is queued; queues it, or not. */
const heard = vi.hoisted(() => ({
  by: undefined as ((op: string, queue: Device, fields: object) => void) | undefined,
}));

vi.mock('../../lib/core/native-ops.ts', async (load) => {
  const real = await load<{ ops: Ops }>();
  const wrapped = Object.entries(real.ops as unknown as Record<string, Queue>).map(([name, op]) => [
    name,
    (queue: Device, fields: object) => {
      heard.by?.(name, queue, fields);
      op(queue, fields);
    },
  ]);
  return { ...real, ops: Object.fromEntries(wrapped) };
});

const device = Device.open('cpu', { threads: 1 });
afterAll(() => device.close());

/** Every solver, on `points` points and matrices of costs of `[n, m]`. */
async function solversOf(points: number, [n, m]: readonly [number, number]) {
  const random = (size: number, seed: number) => Float32Array.from(numbers(size, seed));
  const cost = Tensor.from(device, random(n * m, 1), [n, m]);
  // The first half of the rows may go to one column.
  const isBlocked = (k: number) => k < (n * m) / 2 && k % m > 0;
  const blocked = Tensor.from(device, random(n * m, 7).map((c, k) => (isBlocked(k) ? Infinity : c)), [n, m]); // biome-ignore format: one line
  const x = Tensor.from(device, random(2 * points, 2), [points, 2]);
  const y = Tensor.from(device, random(2 * points, 3), [points, 2]);
  const batch = Tensor.from(device, random(n * m, 4), [1, n, m]);
  const measures = [5, 6].map((seed) => numbers(points, seed, 0.1, 1));
  const results = [
    await sinkhorn(cost, { method: 'sinkhorn', maxSweeps: 20, eps: 0.05 }),
    await sinkhorn({ x, y }, { method: 'sinkhorn', maxSweeps: 3, eps: 0.1 }),
  ] as const;
  const few = { maxSweeps: 60, maxNewton: 20, eps: 1e-3 };
  const by =
    (method: TransportMethod, eps = 1e-3) =>
    async (signal: AbortSignal) =>
      (await sinkhorn(cost, { ...few, method, eps, signal })).dispose();
  const gradientOf = (result: TransportResult) => async (signal: AbortSignal) =>
    (await result.pullback({ f: result.f }, 'a', { tol: 1e-3, signal })).dispose();
  const calls: Record<string, (signal: AbortSignal) => Promise<void>> = {
    'a matrix by sweeps': by('sinkhorn'),
    'a matrix by sns': by('sns'),
    'a matrix by ssns': by('ssns'),
    'a matrix by splr': by('splr'),
    'a matrix by lbfgs': by('lbfgs', 1e-2),
    'a matrix by auto': by('auto'),
    'the published form of sns': async (signal) =>
      (await sinkhorn(cost, { ...few, method: 'sns', paper: {}, signal })).dispose(),
    'masses that no plan carries': async (signal) =>
      (await sinkhorn(blocked, { ...few, eps: 0.1, method: 'sinkhorn', signal })).dispose(),
    'points by sweeps': async (signal) =>
      (await sinkhorn({ x, y }, { maxSweeps: 3, method: 'sinkhorn', signal })).dispose(),
    'unbalanced masses': async (signal) =>
      (await sinkhorn(cost, { maxSweeps: 3, eps: 0.1, unbalanced: { rhoA: 1 }, signal })).dispose(),
    'a divergence': async (signal) =>
      (await sinkhornDivergence({ x, y }, { maxSweeps: 3, method: 'sinkhorn', eps: 0.1, signal })).dispose(),
    'a barycenter': async (signal) =>
      (await barycenter({ x, y }, measures, { maxSweeps: 3, eps: 0.1, signal })).masses.dispose(),
    'a batch': async (signal) =>
      (await transportBatch(batch, { maxSweeps: 120, eps: 1e-2, maxNewton: 2, signal })).dispose(),
    'a pullback': gradientOf(results[0]),
    'a pullback of points': gradientOf(results[1]),
  };
  return { calls, inputs: [cost, blocked, x, y, batch] };
}

const small = await solversOf(80, [90, 80]);

describe('operations of solvers', () => {
  afterAll(() => (heard.by = undefined));

  /** The largest operand of an operation. */
  const sizeOf = (fields: object): number =>
    Math.max(...Object.values(fields).flat().map((x) => (x instanceof Tensor ? x.size : 0))); // biome-ignore format: one line

  it.each(Object.keys(small.calls))('can be given up where they are over all pairs: %s', async (name) => {
    const pairs: string[] = [];
    const lost: string[] = [];
    // Costs of points are no operand: all of these are, however small.
    const always = ['softmin', 'pairwiseCosts'];
    heard.by = (op, queue, fields) => {
      if (!always.includes(op) && sizeOf(fields) < 80 * 80) return;
      (queue instanceof Device ? lost : pairs).push(op);
    };
    await small.calls[name]!(new AbortController().signal);
    heard.by = undefined;
    expect(pairs.length).toBeGreaterThan(0);
    expect(lost).toEqual([]);
  });
});

describe('a solver that is aborted', () => {
  afterAll(() => (heard.by = undefined));

  /** Aborts a call at its operation of that number; how many operations there were. */
  async function abortedAt(call: (signal: AbortSignal) => Promise<void>, at: number): Promise<number> {
    const controller = new AbortController();
    let count = 0;
    heard.by = () => {
      if (count++ === at) controller.abort();
    };
    await call(controller.signal).catch((error: unknown) => expect(error).toMatchObject({ name: 'AbortError' }));
    heard.by = undefined;
    await device.synchronize();
    return count;
  }

  it.each(Object.keys(small.calls))('gives all back, wherever it is: %s', async (name) => {
    const call = small.calls[name]!;
    const count = await abortedAt(call, Infinity);
    const { live } = await settledMemory(device);
    const some = Array.from({ length: 8 }, (_, k) => Math.floor((k * count) / 8));
    // Reports that are measured and handed out come last.
    const last = Array.from({ length: 8 }, (_, k) => count - 1 - k);
    const left: [number, number][] = [];
    for (const at of [...some, ...last]) {
      await abortedAt(call, at);
      left.push([at, device.info.memory.live - live]);
    }
    expect(left.filter(([, bytes]) => bytes !== 0)).toEqual([]);
  });
});

describe('a solver that is aborted while its inputs are still computed', () => {
  const n = 700;
  const vector = Tensor.from(device, numbers(n, 8, 0.1, 1), [n]);
  const matrix = Tensor.from(device, numbers(n * n, 9), [n, n]);
  const calls: Record<string, (signal: AbortSignal) => Promise<unknown>> = {
    'masses of one problem': (signal) => sinkhorn(matrix, { a: vector, signal }),
    'masses of measures': (signal) => barycenter(matrix, [vector], { eps: 1, signal }),
    'costs of a batch': (signal) => transportBatch([matrix, matrix], { signal }),
  };

  it.each(Object.keys(calls))('does not wait for them: %s', async (name) => {
    using product = new Tensor(device, [n, n], 'f64');
    let first = '';
    // Of more work it sees the end all the less, should the machine keep this thread waiting.
    for (let products = 20; products <= 320 && first !== 'AbortError'; products *= 4) {
      for (let k = 0; k < products; k++) ops.gemm(device, { a: matrix, b: matrix, c: product });
      const controller = new AbortController();
      const idle = device.synchronize().then(() => 'the device was idle first');
      const ended = calls[name]!(controller.signal).then(
        () => 'it was not aborted',
        (error: Error) => error.name,
      );
      controller.abort();
      first = await Promise.race([ended, idle]);
      await device.synchronize();
    }
    expect(first).toBe('AbortError');
  });
});

describe('an operation that runs when its solver is aborted', { timeout: 180_000 }, () => {
  let large: Awaited<ReturnType<typeof solversOf>>;
  let bytes: Uint8Array[];
  const read = async (): Promise<Uint8Array[]> => {
    const all = await Promise.all(large.inputs.map((input) => input.read()));
    return all.map(({ buffer }) => new Uint8Array(buffer as ArrayBuffer));
  };
  beforeAll(async () => {
    large = await solversOf(8000, [4000, 4000]);
    bytes = await read();
  });
  afterAll(() => (heard.by = undefined));

  /**
   * Aborts a call when the operation has run for some milliseconds, or at its end: how long it ran until then, and how
   * much was done in that time and afterwards.
   */
  async function abortedIn(call: (signal: AbortSignal) => Promise<void>, name: Op, at: number) {
    const controller = new AbortController();
    const begun = new Promise<void>((resolve) => {
      heard.by = (op) => {
        if (op !== name) return;
        heard.by = undefined;
        void device.synchronize().then(resolve);
      };
    });
    let isWhole = false;
    const ended = call(controller.signal).then(
      () => {
        isWhole = true;
      },
      (error: unknown) => expect(error).toMatchObject({ name: 'AbortError' }),
    );
    await Promise.race([begun, ended]);
    expect(isWhole, `${name} is not called`).toBe(false);
    const [start, before] = [performance.now(), workTime()];
    if (at < Infinity) await new Promise((resolve) => setTimeout(resolve, at));
    else await device.synchronize();
    const [ms, work] = [performance.now() - start, workTime() - before];
    controller.abort();
    await ended;
    await device.synchronize();
    return { ms, before: isWhole ? Infinity : work, after: workTime() - before - work, work };
  }

  const cases: [string, Op][] = [
    ['points by sweeps', 'softmin'],
    ['a divergence', 'softmin'],
    ['a barycenter', 'softmin'],
    ['a batch', 'batchSweeps'],
    ['a pullback of points', 'softmin'],
  ];
  it.each(cases)('ends soon, and nothing is left: %s in %s', async (name, op) => {
    const call = large.calls[name]!;
    const { live } = await settledMemory(device);
    await expectSoonOver(async () => {
      const { ms, work } = await abortedIn(call, op, Infinity);
      return { ...(await abortedIn(call, op, ms / 4)), whole: work };
    });
    expect(device.info.memory.live).toBe(live);
  });

  it('ends soon: a step of Newton on a plan whose entries are all kept', async () => {
    const n = 1500;
    const vector = (value: number) => Tensor.full(device, [n], value, { dtype: 'f64' });
    const entries = numbers(n * n, 7, 0, 1 / n);
    const step = {
      starts: Tensor.from(
        device,
        Int32Array.from({ length: n + 1 }, (_, i) => i * n),
        [n + 1],
      ),
      columns: Tensor.from(
        device,
        Int32Array.from({ length: n * n }, (_, i) => i % n),
        [n * n],
      ),
      values: Tensor.from(device, entries, [n * n]),
      ...{ rowMass: vector(1), rowSums: vector(0.5), columnMass: vector(1), step: vector(0) },
      ...{ statistics: Tensor.zeros(device, [4], { dtype: 'f64' }), shift: 1, tol: 1e-200, maxIterations: 400 },
    };
    let isOver = false;
    const run = async (controller = new AbortController()): Promise<void> => {
      using lane = new Lane(device, controller.signal);
      isOver = false;
      ops.sparseNewtonStep(lane.queue, step);
      await device.synchronize();
      isOver = true;
    };
    await expectSoonOver(async () => {
      const [start, begun] = [performance.now(), workTime()];
      await run();
      const [whole, work] = [performance.now() - start, workTime() - begun];
      const controller = new AbortController();
      const before = workTime();
      const ended = run(controller);
      await new Promise((resolve) => setTimeout(resolve, whole / 4));
      const wasOver = isOver;
      const aborted = workTime();
      controller.abort();
      await ended;
      return { whole: work, before: wasOver ? Infinity : aborted - before, after: workTime() - aborted };
    });
  });

  it('leaves the inputs as they were', async () => {
    for (const [k, now] of (await read()).entries()) expect(Buffer.compare(now, bytes[k]!)).toBe(0);
  });
});
