// Devices: cpu
// Wherever transplantation waits for a device, an abort ends it at once, and what runs can be given up.
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import { Device, type ModelTables, type Ops, Tensor, transplantTables } from '../../lib/index.ts';
import type { MethodName } from '../../lib/transplant/methods/method.ts';
import { withResolvers } from '../support/promises.ts';
import { settledMemory } from '../support/settled.ts';
import { splitmix } from '../support/splitmix.ts';
import { parsed } from '../tokenizers/tokenizers.ts';
import { byteLevelTokenizer } from './models.ts';

type Queue = (queue: Device, fields: object) => void;

/** Hears of each operation before it is queued. */
const heard = vi.hoisted(() => ({ by: undefined as ((op: string, queue: Device) => void) | undefined }));

vi.mock('../../lib/core/native-ops.ts', async (load) => {
  const real = await load<{ ops: Ops }>();
  const wrapped = Object.entries(real.ops as unknown as Record<string, Queue>).map(([name, op]) => [
    name,
    (queue: Device, fields: object) => {
      heard.by?.(name, queue);
      op(queue, fields);
    },
  ]);
  return { ...real, ops: Object.fromEntries(wrapped) };
});

const device = Device.open('cpu', { threads: 1 });
afterAll(() => device.close());
afterEach(() => vi.restoreAllMocks());

const shared = Array.from({ length: 12 }, (_, i) => ` s${i}`);

/** A table with a row that is not finite: its other rows are looked at one by one. */
function tableOf(rows: number, columns: number, seed: number): Tensor {
  const next = splitmix(seed);
  const values = Float32Array.from({ length: rows * columns }, () => next() - 0.5);
  values[(rows - 1) * columns] = NaN;
  return Tensor.from(device, values, [rows, columns]);
}

const base: ModelTables = {
  tokenizer: parsed(byteLevelTokenizer([...shared, 'old', 'older'])),
  embed: tableOf(14, 4, 1),
  lmHead: tableOf(14, 6, 2),
};
const donor: ModelTables = {
  tokenizer: parsed(byteLevelTokenizer([...shared, 'x', 'y'])),
  embed: tableOf(14, 5, 3),
};

const transplanted = async (method: MethodName, signal: AbortSignal, more: object = {}): Promise<void> => {
  const { embed, lmHead } = await transplantTables(base, donor, {
    method,
    signal,
    ...{ k: 2, unusedRows: 'mean', magikarp: true, padToMultiple: 8, ...more },
  });
  embed.dispose();
  lmHead?.dispose();
};

/** Weights that are solutions of systems. */
const weights = { weightScheme: 'barycentric' };
const methods = ['omp', 'common_interpolation', 'landmark_pca', 'john_hewitt', 'mean'] as const;

/** The ways to wait for a device. */
const read = Tensor.prototype.read;
const { synchronize, flow } = Device.prototype;

describe('transplantTables that is aborted', () => {
  /** Holds back the wait of that number, and aborts; how many waits there were, and how the call ended. */
  async function abortedIn(method: MethodName, at: number): Promise<{ waits: number; end: string }> {
    const controller = new AbortController();
    const held = withResolvers<void>();
    const late = withResolvers<string>();
    const abort = async (): Promise<void> => {
      await new Promise(setImmediate);
      controller.abort();
      for (let i = 0; i < 20; ++i) await new Promise(setImmediate);
      late.resolve('it waited for the device');
    };
    let waits = 0;
    const holding = <T, D>(wait: (this: T) => Promise<D>) =>
      async function (this: T): Promise<D> {
        waits += 1;
        if (waits === at) {
          void abort();
          await held.promise;
        }
        return wait.call(this);
      };
    vi.spyOn(Tensor.prototype, 'read').mockImplementation(holding(read));
    vi.spyOn(Device.prototype, 'synchronize').mockImplementation(holding(synchronize));
    vi.spyOn(Device.prototype, 'flow').mockImplementation(holding(flow));
    const ended = transplanted(method, controller.signal, weights).then(
      () => 'it was not aborted',
      (error: Error) => error.name,
    );
    const end = await Promise.race([ended, late.promise]);
    held.resolve(undefined);
    await ended;
    vi.restoreAllMocks();
    // Factorizations that were begun come to their end.
    for (let i = 0; i < 10; ++i) {
      await device.synchronize();
      await new Promise(setImmediate);
    }
    return { waits, end };
  }

  it.each(methods)('ends wherever it waits, and gives all back: %s', async (method) => {
    await transplanted(method, new AbortController().signal, weights);
    const { live } = await settledMemory(device);
    const { waits } = await abortedIn(method, Infinity);
    expect(waits).toBeGreaterThan(5);
    const faults: string[] = [];
    for (let at = 1; at <= waits; ++at) {
      const { end } = await abortedIn(method, at);
      const left = device.info.memory.live - live;
      if (end !== 'AbortError' || left !== 0) faults.push(`wait ${at} of ${waits}: ${end}, ${left} tensors left`);
    }
    expect(faults).toEqual([]);
  });

  it.each(methods)('can give up its products: %s', async (method) => {
    const lost: string[] = [];
    const large = ['gemm', 'symmetricProduct', 'newtonSchulz'];
    heard.by = (op, queue) => {
      if (large.includes(op) && queue instanceof Device) lost.push(op);
    };
    await transplanted(method, new AbortController().signal);
    heard.by = undefined;
    expect(lost).toEqual([]);
  });
});
