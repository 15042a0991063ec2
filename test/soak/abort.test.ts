// Devices: cpu
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, describe, expect, it } from 'vitest';
import {
  AdamW,
  combine,
  Device,
  Dictionary,
  loadTensors,
  type OmpOptions,
  omp,
  ops,
  readTensorInfo,
  saveTensors,
  Tensor,
  transplantTables,
} from '../../lib/index.ts';
import { fileBytes } from '../safetensors/bytes.ts';
import { Folder } from '../safetensors/folder.ts';
import { uniform } from '../support/data.ts';
import { goal } from '../support/goal.ts';
import { byteLevelTokenizer } from '../transplant/models.ts';
import { parsed } from '../transplant/tokenizers.ts';

const folder = new Folder();
const device = Device.open('cpu');
afterAll(async () => {
  await device.close();
  folder[Symbol.dispose]();
});

const aborts = goal('R18', { ci: 20, deep: 500 });
/** Milliseconds from an abort to the answer: within which it must come, and which none may take. */
const [bound, hung] = [50, 2000];

const size = 1 << 21; // 8 MB a tensor
const tensors = {
  a: Tensor.full(device, [size], 1),
  b: Tensor.full(device, [size], 2),
  c: Tensor.full(device, [3], 3),
};
const optimizer = new AdamW([Tensor.full(device, [size], 0.5)], { lr: 0.1 });
const combined = combine([{ optimizer: AdamW, params: [Tensor.full(device, [size], 0.5)] }]);
const grads = [Tensor.full(device, [size], 1)];
const [busy, product] = [Tensor.zeros(device, [700, 700]), Tensor.zeros(device, [700, 700])];

const entry = (i: number): string => `"${i}":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}`;
const manyNames = fileBytes(`{${Array.from({ length: 20_000 }, (_, i) => entry(i)).join(',')}}`);

const atoms = Tensor.randn(device, [3000, 64], { seed: 1 });
const signals = Tensor.randn(device, [2000, 64], { seed: 2 });
const wholeGram = new Dictionary(atoms);
const gramRows = new Dictionary(atoms, { memoryLimit: 16 << 20 });

const tokens = (count: number): string[] => Array.from({ length: count }, (_, i) => ` t${i}`);
const base = {
  tokenizer: parsed(byteLevelTokenizer(tokens(1500))),
  embed: Tensor.randn(device, [1500, 32], { seed: 3 }),
};
const donor = {
  tokenizer: parsed(byteLevelTokenizer(tokens(3000))),
  embed: Tensor.randn(device, [3000, 48], { seed: 4 }),
};

const names = [
  ...(['saveTensors', 'loadTensors', 'readTensorInfo', 'save', 'load', 'save of a combination'] as const),
  ...(['omp by the Gram matrix', 'omp by Gram rows', 'omp by products', 'transplantTables'] as const),
];
type Name = (typeof names)[number];

async function pursue(dictionary: Dictionary, options: OmpOptions): Promise<void> {
  (await omp(dictionary, signals, { k: 16, ...options })).dispose();
}

const calls: Record<Name, (signal: AbortSignal) => Promise<unknown>> = {
  saveTensors: (signal) => saveTensors(folder.file('tensors'), tensors, { signal }),
  loadTensors: async (signal) => {
    const loaded = await loadTensors(folder.file('tensors'), device, { signal });
    for (const tensor of Object.values(loaded)) tensor.dispose();
  },
  readTensorInfo: (signal) => readTensorInfo(folder.file('names'), { signal }),
  save: (signal) => optimizer.save(folder.file('optimizer'), { signal }),
  load: (signal) => optimizer.load(folder.file('optimizer'), { signal }),
  'save of a combination': (signal) => combined.save(folder.file('combined'), { signal }),
  'omp by the Gram matrix': (signal) => pursue(wholeGram, { algorithm: 'gram', signal }),
  'omp by Gram rows': (signal) => pursue(gramRows, { algorithm: 'gram', signal }),
  transplantTables: async (signal) => (await transplantTables(base, donor, { k: 16, signal })).embed.dispose(),
  'omp by products': (signal) => pursue(gramRows, { algorithm: 'gemm', signal }),
};

/** All that an aborted call must leave as it was. */
async function everything(): Promise<unknown> {
  const read = await Promise.all(
    Object.values(tensors).map(async (tensor) => Buffer.from((await tensor.read()).buffer)),
  );
  await optimizer.save(folder.file('check'));
  const files = folder.names.map((name) => [name, readFileSync(folder.file(name))] as const);
  const { live } = device.info.memory;
  return {
    live,
    contents: [...read.map((bytes) => ['', bytes] as const), ...files].map(([name, bytes]) => [name, digest(bytes)]),
  };
}

// FNV-1a over words.
function digest(bytes: Buffer): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i + 4 <= bytes.length; i += 4) hash = Math.imul(hash ^ bytes.readInt32LE(i), 0x01000193);
  return hash;
}

const openFiles = (): number => readdirSync('/proc/self/fd').length;

describe('R18: a call that is aborted at a random time', aborts.tagged, () => {
  it.each(names)(
    '%s rejects with the AbortError, and nothing has changed',
    async (name) => {
      const none = new AbortController().signal;
      optimizer.step(grads);
      combined.step(grads);
      for (const save of ['saveTensors', 'save', 'save of a combination'] as const) await calls[save](none);
      writeFileSync(folder.file('names'), manyNames);
      const start = performance.now();
      await calls[name](none);
      const whole = performance.now() - start;
      const before = await everything();
      const filesBefore = openFiles();

      const latencies: number[] = [];
      const late: string[] = [];
      await aborts.each(async (seed) => {
        const random = uniform(seed);
        // Half of them wait for the device.
        if (random() < 0.5) for (let i = 0; i < 10; i++) ops.gemm(device, { a: busy, b: busy, c: product });
        const controller = new AbortController();
        const lag = monitorEventLoopDelay({ resolution: 1 });
        let abortedAt = 0;
        let other = 0;
        const abort = sleep(whole * random() * 0.8).then(async () => {
          lag.enable();
          abortedAt = performance.now();
          controller.abort();
          await stat(folder.path);
          other = performance.now() - abortedAt;
        });
        const error = await calls[name](controller.signal).then(
          () => undefined,
          (error: unknown) => error,
        );
        const now = performance.now();
        const inTime = error !== undefined && abortedAt > 0;
        await abort;
        await sleep(2); // until the loop has been seen to turn
        lag.disable();
        if (!inTime) return;
        expect(error).toMatchObject({ name: 'AbortError' });
        const latency = now - abortedAt;
        latencies.push(latency);
        // What the machine took meanwhile from this thread, and from those of the files.
        const waited = Math.max(lag.max / 1e6, other);
        if (latency > bound + waited) late.push(`${latency} ms, machine ${waited} ms, seed ${seed}`);
        expect(latency - waited, aborts.replay(seed)).toBeLessThan(hung);
      });
      // Some must have been in time, else this test has seen nothing.
      if (aborts.count > 1) expect(latencies.length).toBeGreaterThan(aborts.count / 4);
      latencies.sort((a, b) => a - b);
      // Not more than the machine excuses; and the half, whatever it does.
      expect(late.length, late.join('\n')).toBeLessThanOrEqual(Math.max(1, latencies.length / 100));
      if (latencies.length > 0) expect(latencies[latencies.length >> 1]).toBeLessThan(bound);

      expect(await everything()).toEqual(before);
      for (let i = 0; i < 500 && openFiles() > filesBefore; i++) await sleep(10);
      expect(openFiles()).toBeLessThanOrEqual(filesBefore);
    },
    aborts.limit(120_000),
  );
});
