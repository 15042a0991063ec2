// Devices: cpu
// R19: the event loop turns while steps, reads and loads run.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AdamW, combine, Device, loadTensors, Muon, saveTensors, Tensor } from '../../lib/index.ts';
import { svd } from '../../lib/linalg/index.ts';
import { mergeModels } from '../../lib/merging/index.ts';
import * as nn from '../../lib/nn/index.ts';
import { Folder } from '../files/folder.ts';
import { goal } from '../support/goal.ts';
import { clock, Machine } from '../support/machine.ts';

/** Windows of a second each. */
const windows = goal('R19', { ci: 7, deep: 600 });
/** Milliseconds that a timer may be late, 99 times of 100 and always, beyond what the machine takes from another process. */
const [usual, most] = [10, 50];
/** A window in which others had the machine for a larger share of the time says nothing, and comes again; so often at most. */
const [judged, turns] = [0.5, 30];
/** Work that holds the loop does so in each window, a host that takes a processor away in one: so many late ones come again. */
const late = windows.deep ? 0 : 8;

/** Timers of a millisecond, one after the other, until `over`: when each was set, and when it came. */
async function timers(over: { now: boolean }): Promise<(readonly [set: number, came: number])[]> {
  const list: (readonly [number, number])[] = [];
  while (!over.now) {
    const set = clock();
    await new Promise((resolve) => setTimeout(resolve, 1));
    list.push([set, clock()]);
  }
  return list;
}

interface Window {
  p99: number;
  max: number;
  /** The share of the time that the machine took from the other process. */
  lost: number;
}

async function windowOf(machine: Machine, work: (over: { now: boolean }) => Promise<void>): Promise<Window> {
  const over = { now: false };
  const start = clock();
  machine.forget(start);
  const [working, timing] = [work(over), timers(over)];
  await new Promise((resolve) => setTimeout(resolve, 1000));
  over.now = true;
  const list = await timing;
  const end = clock();
  await working;
  const lost = await machine.lostIn(list);
  const late = list.map(([set, came], i) => Math.max(0, came - set - 1 - lost[i]!)).sort((a, b) => a - b);
  return {
    p99: late[Math.ceil(0.99 * late.length) - 1]!,
    max: late.at(-1)!,
    lost: (await machine.lost(start, end)) / (end - start),
  };
}

type Work = (over: { now: boolean }) => Promise<void>;

const device = Device.open('cpu');
const folder = new Folder();
afterAll(async () => {
  await device.close();
  folder[Symbol.dispose]();
});

const shapes = [...Array.from({ length: 20 }, () => [64, 64]), [256, 128], [1000]];
const tensors = (value: number) => shapes.map((shape) => Tensor.full(device, shape, value));
const [weights, grads] = [tensors(0.5), tensors(0.1)];
const optimizer = combine([
  { optimizer: Muon, params: weights.slice(0, -1) },
  { optimizer: AdamW, params: weights.slice(-1) },
]);
const [weight, grad] = [weights.at(-1)!.copy(), grads.at(-1)!];
const small = new AdamW([weight]);

const make = nn.init(device, { seed: 1 });
const model = { up: make.linear(64, 256), norm: make.norm(256), down: make.linear(256, 64) };
const rows = make.normal([32, 64], 1);
const call = nn.valueAndGrad((m: nn.Traced<typeof model>) =>
  nn.squaredError(nn.linear(m.down, nn.gelu(nn.layerNorm(m.norm, nn.linear(m.up, rows)))), rows),
);
const trainer = new AdamW(nn.select(model, '**'));

const square = Tensor.randn(device, [1024, 1024], { seed: 5 });
const merged = ['base', 'first', 'second'];

let rounds = 0;
const works: Record<string, Work> = {
  async 'steps of a network'(over) {
    for (; !over.now; rounds++) {
      optimizer.step(grads);
      await (rounds % 10 === 0 ? optimizer.report() : device.flow());
    }
  },
  async 'training by gradients of a function'(over) {
    for (; !over.now; rounds++) {
      trainer.step(call(model).grads);
      await device.flow();
    }
  },
  // Thousands of steps a turn, if nobody counted.
  async 'steps of one small parameter'(over) {
    for (; !over.now; rounds++) {
      small.step([grad]);
      await device.flow();
    }
  },
  async 'reads of one small tensor'(over) {
    for (; !over.now; rounds++) await weight.read();
  },
  async 'loads of a large tensor'(over) {
    const file = folder.file('large');
    for (; !over.now; rounds++) (await loadTensors(file, device))['large']?.dispose();
  },
  async 'singular values of 1024 rows'(over) {
    for (; !over.now; rounds++) (await svd(square, { vectors: false })).s.dispose();
  },
  async 'merges by opcm'(over) {
    const [base, ...models] = merged.map((name) => folder.file(name)) as [string, string, string];
    for (; !over.now; rounds++) {
      const out = folder.file('merged');
      await mergeModels({ base, models, out, method: 'opcm', device });
      rmSync(out, { recursive: true });
    }
  },
};
const names = Object.keys(works);
const each = Math.ceil(windows.count / names.length);

describe('R19: the event loop', windows.tagged, () => {
  beforeAll(async () => {
    using large = Tensor.full(device, [1 << 25], 1); // 128 MB
    await saveTensors(folder.file('large'), { large });
    for (const [seed, name] of merged.entries()) {
      mkdirSync(folder.file(name));
      writeFileSync(path.join(folder.file(name), 'config.json'), '{}');
      const weights = { 'l.weight': Tensor.randn(device, [1024, 512], { seed }) };
      await saveTensors(path.join(folder.file(name), 'model.safetensors'), weights);
    }
  });

  it.each(names)(
    'turns during %s',
    async (name) => {
      using machine = await Machine.start();
      rounds = 0;
      const seen: Window[] = [];
      const inTime = () => seen.filter(({ p99, max }) => p99 <= usual && max <= most).length;
      let count = 0;
      for (; inTime() < each && seen.length - inTime() <= late && count < turns * each; count++) {
        const one = await windowOf(machine, works[name]!);
        await device.synchronize();
        if (one.lost <= judged) seen.push(one);
      }
      const figures = seen.map(({ p99, max, lost }) => [p99, max, 100 * lost].map((x) => x.toFixed(1)).join(' '));
      const words = `p99 ms, max ms, % that others took, of ${count} windows less those in which others had the machine:\n`;
      expect(inTime(), words + figures.join('\n')).toBe(each);
      expect(rounds).toBeGreaterThanOrEqual(seen.length);
      windows.record(seen.length);
    },
    windows.limit(300_000),
  );
});
