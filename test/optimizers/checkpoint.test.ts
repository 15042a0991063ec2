// Devices: cpu
// State of optimizers in files: it continues bit for bit.
import { spawn } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AdamW, combine, Device, Muon, RandomStream, saveTensors, Tensor } from '../../lib/index.ts';
import { Folder } from '../files/folder.ts';
import { timeOf } from '../files/killed.ts';
import { uniform } from '../support/data.ts';
import { goal } from '../support/goal.ts';
import { compileLibrary, runScript } from '../support/library.ts';
import { everything } from './checkpoints.ts';
import {
  type AnyOptimizer,
  bits,
  classes,
  fullState,
  gradsOf,
  shapesFor,
  stateSettings,
  tensor,
  weightsOf,
} from './classes.ts';
import { code } from './each-class.ts';

const device = Device.open('cpu', { threads: 2 });
/** Those that go on have another number of threads. */
const another = Device.open('cpu', { threads: 1 });
afterAll(() => Promise.all([device.close(), another.close()]));
const moved = (tensors: readonly Tensor[]): Promise<Tensor[]> =>
  Promise.all(tensors.map(async (t) => Tensor.from(another, await t.read(), t.shape, { dtype: t.dtype })));
const kills = goal('R3', { ci: 30, deep: 2000 });

describe.each(classes)('R5: %s', { tags: ['R5'] }, (name, Class) => {
  it.each(stateSettings)('continues bit for bit: %s', async (_name, options, dtype) => {
    using folder = new Folder();
    const shapes = shapesFor(device, Class);
    const last = 8;
    const make = (weights: Tensor[], lr: number): AnyOptimizer =>
      new Class([{ name: 'a', params: weights.slice(0, 1) }, { params: weights.slice(1) }], {
        lr,
        weightDecay: 0.01,
        nonFinite: 'skip',
        ...fullState[name],
        ...options,
      });
    // The second parameter misses a gradient now and then.
    const step = (optimizer: AnyOptimizer, at: number): void =>
      optimizer.step(gradsOf(optimizer.device, shapes, at).map((g, i) => (i === 1 && at % 3 === 1 ? null : g)));

    const weights = weightsOf(device, shapes, dtype);
    const optimizer = make(weights, 0.02);
    const saved = new Map<number, Tensor[]>();
    for (let at = 0; at < last; ++at) {
      if (at === 1) Object.assign(optimizer.groups[0] as object, { lr: 0.013, weightDecay: 0.3 });
      if ([0, 1, 5].includes(at)) {
        saved.set(
          at,
          weights.map((w) => w.copy()),
        );
        await optimizer.save(folder.file(`${at}`));
      }
      step(optimizer, at);
    }
    const expected = await everything(optimizer, weights);

    for (const [at, here] of saved) {
      const before = await moved(here);
      const cold = before.map((w) => w.copy());
      const coldOptimizer = make(cold, 0.02);
      Object.assign(coldOptimizer.groups[0] as object, { lr: 0.013, weightDecay: 0.3 });
      const resumed = make(before, 0.5);
      expect(await resumed.load(folder.file(`${at}`))).toEqual({ metadata: {} });
      expect(resumed.groups.map((group) => group.lr)).toEqual([at === 0 ? 0.02 : 0.013, 0.02]);
      if (at === 0) Object.assign(resumed.groups[0] as object, { lr: 0.02, weightDecay: 0.01 });
      for (let next = at; next < last; ++next) {
        if (next === 1) Object.assign(resumed.groups[0] as object, { lr: 0.013, weightDecay: 0.3 });
        for (const one of [resumed, coldOptimizer]) step(one, next);
      }
      expect(await everything(resumed, before), `saved before step ${at}`).toEqual(expected);
      if (at > 0) expect(await bits(cold)).not.toEqual(await bits(weights));
    }
  });
});

// Large enough that each of its operations is cut among threads.
it.each(classes)('%s: continues bit for bit on any number of threads', { tags: ['R5'] }, async (name, Class) => {
  using folder = new Folder();
  const shapes = [[96, 200]];
  const options = { lr: 0.02, weightDecay: 0.01, ...fullState[name] };
  const step = (optimizer: AnyOptimizer, at: number): void => optimizer.step(gradsOf(optimizer.device, shapes, at));
  const weights = weightsOf(device, shapes);
  const optimizer = new Class(weights, options);
  step(optimizer, 0);
  await optimizer.save(folder.file('x'));
  const before = await moved(weights);
  const resumed = new Class(before, options);
  await resumed.load(folder.file('x'));
  for (const one of [optimizer, resumed]) for (const at of [1, 2]) step(one, at);
  expect(await everything(resumed, before)).toEqual(await everything(optimizer, weights));
});

describe('another process', () => {
  let code: Folder;
  beforeAll(() => {
    code = new Folder();
    compileLibrary(code.path);
  });
  afterAll(() => code[Symbol.dispose]());

  it('continues bit for bit, random gradients included', async () => {
    using folder = new Folder();
    writeFileSync(
      code.file('resume.js'),
      `import { Device, loadTensors, Muon, RandomStream } from './lib/index.js';
      const [weightFile, stateFile] = process.argv.slice(2);
      const device = Device.open('cpu', { threads: 1 });
      const { weight } = await loadTensors(weightFile, device);
      const optimizer = new Muon([weight], { lr: 1 });
      const { metadata } = await optimizer.load(stateFile);
      const random = RandomStream.restore(JSON.parse(metadata.random));
      for (let i = 0; i < 4; ++i) optimizer.step([random.normal(device, [17, 33])]);
      process.stdout.write(Buffer.from((await weight.read()).buffer).toString('hex'));
      await device.close();`,
    );
    const weight = tensor(device, [17, 33], 1);
    const optimizer = new Muon([weight], { lr: 0.03 });
    const random = new RandomStream(42);
    const steps = (count: number): void => {
      for (let i = 0; i < count; ++i) optimizer.step([random.normal(device, [17, 33])]);
    };
    steps(3);
    await saveTensors(folder.file('weight'), { weight });
    await optimizer.save(folder.file('state'), { metadata: { random: JSON.stringify(random.state) } });
    steps(4);
    const there = runScript(code.file('resume.js'), folder.file('weight'), folder.file('state'));
    expect([there]).toEqual(await bits([weight]));
  });

  it('R3: that is killed while it saves leaves the old or the new checkpoint', {
    ...kills.tagged,
    timeout: kills.limit(120_000),
  }, async () => {
    using folder = new Folder();
    writeFileSync(
      code.file('loop.js'),
      `import { Device, Muon, Tensor } from './lib/index.js';
      const [file] = process.argv.slice(2);
      const device = Device.open('cpu', { threads: 1 });
      const weight = Tensor.full(device, [300, 200], 1);
      const optimizer = new Muon([weight]);
      const grad = Tensor.full(device, [300, 200], 1);
      await optimizer.load(file);
      const first = (await optimizer.report()).step;
      for (let step = first + 1; ; ++step) {
        optimizer.groups[0].lr = 1 / step;
        optimizer.step([grad]);
        await optimizer.save(file);
        process.stdout.write(step + '\\n');
      }`,
    );
    const file = folder.file('x');
    const weight = tensor(device, [300, 200], 1);
    const optimizer = new Muon([weight]);
    const ms = await timeOf(() => optimizer.save(file));
    let last = 0;
    let midway = 0;
    await kills.each(async (seed) => {
      const told = await runAndKill(code.file('loop.js'), file, 2 * ms * uniform(seed)());
      await optimizer.load(file);
      const { step } = await optimizer.report();
      expect(step).toBeGreaterThanOrEqual(told);
      expect(step).toBeLessThanOrEqual(told + 1);
      expect(told).toBeGreaterThan(last);
      expect(optimizer.groups[0]?.lr).toBe(1 / step);
      // m = 1 − 0.95ᵗ of a gradient of ones: a torn file would hold two values, or another.
      const momentum = await optimizer.part().tensors['0.0.momenta']?.read();
      expect(new Set(momentum).size).toBe(1);
      expect(momentum?.[0]).toBeCloseTo(1 - 0.95 ** step, 4);
      last = step;
      for (const name of folder.names) {
        if (name === 'x') continue;
        rmSync(folder.file(name));
        ++midway;
      }
    });
    // Some kills have hit a save half done, else this test has seen nothing.
    if (kills.count > 1) expect(midway).toBeGreaterThan(2);
  });

  /** Kills the process some time after its first save; the last step that it has told. */
  function runAndKill(script: string, file: string, delay: number): Promise<number> {
    return new Promise((resolve, reject) => {
      const child = spawn(process.execPath, [script, file], { stdio: ['ignore', 'pipe', 'inherit'] });
      let told = '';
      child.stdout.on('data', (text) => {
        if (told === '') setTimeout(() => child.kill('SIGKILL'), delay);
        told += text;
      });
      child.on('error', reject);
      child.on('close', (_, signal) => {
        if (signal !== 'SIGKILL') return reject(new Error('the child ended by itself'));
        resolve(Number(told.split('\n').at(-2))); // the last line may be cut
      });
    });
  }
});

describe('a combination', () => {
  const make = (weights: Tensor[], options = {}) =>
    combine(
      [
        { optimizer: Muon, params: weights.slice(0, 2), lr: 0.02 },
        { optimizer: AdamW, params: weights.slice(2), lr: 0.001 },
        { optimizer: AdamW, params: [tensor(device, [2], 9)] },
      ],
      options,
    );
  const shapes = [[4, 5], [5, 3], [6]];
  const step = (optimizer: ReturnType<typeof make>, at: number): void =>
    optimizer.step([...gradsOf(device, shapes, at), null]);

  it('continues bit for bit', async () => {
    using folder = new Folder();
    const weights = weightsOf(device, shapes);
    const optimizer = make(weights, { nonFinite: 'skip' });
    for (let at = 0; at < 3; ++at) step(optimizer, at);
    optimizer.step([
      ...gradsOf(device, shapes, 1).map((g, i) => (i === 2 ? tensor(device, [6], 1, Infinity) : g)),
      null,
    ]);
    const before = weights.map((w) => w.copy());
    await optimizer.save(folder.file('x'), { metadata: { mine: 'yes' } });
    const resumed = make(before, { nonFinite: 'skip' });
    resumed.groups[1]!.lr = 3;
    expect((await resumed.load(folder.file('x'))).metadata).toEqual({ mine: 'yes' });
    for (let at = 3; at < 6; ++at) for (const one of [optimizer, resumed]) step(one, at);
    expect(await bits(before)).toEqual(await bits(weights));
    expect(await resumed.report()).toEqual(await optimizer.report());
    expect((await resumed.report()).skipped).toBe(1);
  });

  it('does not load what is of other parts, or of one optimizer', async () => {
    using folder = new Folder();
    const optimizer = make(weightsOf(device, shapes));
    const others = [
      combine([{ optimizer: Muon, params: weightsOf(device, shapes.slice(0, 2)) }]),
      new Muon(weightsOf(device, shapes.slice(0, 2))),
      combine([
        { optimizer: AdamW, params: weightsOf(device, shapes.slice(0, 2)) },
        { optimizer: AdamW, params: weightsOf(device, shapes.slice(2)) },
        { optimizer: Muon, params: [tensor(device, [2, 2], 9)] },
      ]),
    ];
    await optimizer.save(folder.file('own'));
    for (const other of others) {
      await other.save(folder.file('x'));
      await expect(optimizer.load(folder.file('x'))).rejects.toThrow(code('ERR_STATE'));
      await expect(other.load(folder.file('own'))).rejects.toThrow(code('ERR_STATE'));
    }
  });
});
