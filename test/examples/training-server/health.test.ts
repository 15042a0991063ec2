// Devices: cpu
// Runs whose numbers are none, whose disk is full, and whose server ends at any moment.
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { Curve } from '../../../examples/training-server/page/curve.mjs';
import { marksOf } from '../../../examples/training-server/page/marks.mjs';
import { loadCheckpoint, saveCheckpoint } from '../../../examples/training-server/work/checkpoint.mjs';
import { train } from '../../../examples/training-server/work/train.mjs';
import { Device, OrthokitError, saveTensors, Tensor } from '../../../lib/index.ts';
import { uniform } from '../../support/data.ts';
import { writeData } from './data.ts';
import { Server, type Told, upTo } from './server.ts';

const small = { kind: 'mlp', data: 'stripes', batch: 16, hidden: [8], steps: 40, checkpointEvery: 10 };

vi.mock('node:fs/promises', async (original) => {
  const own = await original<typeof import('node:fs/promises')>();
  return { ...own, statfs: vi.fn(own.statfs) };
});
vi.mock('../../../examples/training-server/work/checkpoint.mjs', async (original) => {
  const own = await original<typeof import('../../../examples/training-server/work/checkpoint.mjs')>();
  return { ...own, saveCheckpoint: vi.fn(own.saveCheckpoint) };
});

describe('numbers that are none', () => {
  const server = new Server();
  beforeAll(async () => {
    await server.start();
    const device = Device.open('cpu');
    const labels = Tensor.from(
      device,
      Int32Array.from({ length: 50 }, (_, i) => i % 2),
      [50],
    );
    // So large that the first steps by them go beyond f32.
    const images = Tensor.full(device, [50, 4], 1e30);
    await saveTensors(path.join(server.folder, 'data', 'large.safetensors'), { images, labels });
    await device.close();
  });
  afterAll(() => server.dispose());

  it('travel as texts, and never push weights that are well out of the checkpoints', async () => {
    const body = { ...small, data: 'large', optimizer: 'sgd', lr: 10, checkpointEvery: 4 };
    const id = await server.job(body);
    const { data } = await server.until(id, ({ data: { state } }) => state === 'failed');
    expect(data).toMatchObject({
      code: 'ERR_STATE',
      reason: expect.stringMatching(/^weights must be finite to be saved, got (NaN|-?Infinity) in .* after step 4: /),
    });
    const { body: run } = await server.ask(`/jobs/${id}`);
    expect(run.last.loss).toMatch(/^(NaN|Infinity)$/);
    const events = [];
    for await (const event of server.events(`/jobs/${id}/events`)) {
      events.push(event);
      if (event.id === run.lastEvent) break;
    }
    const told = events.flatMap(({ type, data: { columns } }) => (type === 'metrics' ? columns.loss : []));
    const wrong = told.flatMap((value, i) => (typeof value === 'string' ? [[i + 1, value]] : []));
    expect(wrong.length).toBeGreaterThan(0);
    expect(wrong.every(([, value]) => ['NaN', 'Infinity', '-Infinity'].includes(String(value)))).toBe(true);
    expect(told).not.toContain(null);
    // JSON would have made null of them.
    expect(JSON.stringify([Number.NaN])).toBe('[null]');
    const { curves, nonFinite } = (await server.ask(`/jobs/${id}/metrics?keys=loss,lr`)).body;
    expect(nonFinite).toEqual({ loss: wrong });
    expect(curves.loss).toEqual(told.flatMap((value, i) => (typeof value === 'number' ? [[i + 1, value]] : [])));
    const csv = (await server.ask(`/jobs/${id}/metrics.csv`)).body.trim().split('\n').slice(1);
    expect(csv.map((line: string) => line.split(',')[1])).toEqual(told.map(String));
    expect(run.checkpoints).toEqual([]);
  });

  it('are marked on the chart where they begin', () => {
    const curve = new Curve();
    curve.set('loss', [[1, 5]], [[2, 'Infinity']]);
    curve.set('lr', []);
    curve.add(3, { loss: ['NaN', 4, 'NaN', 'NaN'], lr: [1, 1, 1, 1] });
    curve.add(6, { loss: ['NaN', 3], lr: [1, 1] });
    const step = { smoothing: 0, axis: 'step' };
    expect(curve.values('loss', step)).toEqual([[1, 5], [4, 4], [7, 3]]); // biome-ignore format: one line
    const run = { checkpoints: [{ step: 4 }], marks: [], changes: [] };
    const marks = (key: string) => marksOf(run, curve, 0, 'step', key).map(({ x, text }) => [x, text]);
    expect(marks('loss')).toEqual([[4, ''], [2, 'Infinity at step 2'], [5, 'NaN at step 5']]); // biome-ignore format: one line
    expect(marks('lr')).toEqual([[4, '']]);
  });

  it('are marked beside starts that went on and changes of rates', () => {
    const curve = new Curve();
    for (const key of ['loss', 'seconds']) curve.set(key, []);
    curve.add(1, { loss: [3, 2, 1], seconds: [0.5, 1, 1.5] });
    const change = { request: 1, step: 2, values: { lr: 0.1, weightDecay: 0 } };
    const run = { checkpoints: [{ step: 2 }], marks: [{ step: 1 }], changes: [change], starts: [0, 2, 2, 3] };
    const texts = [[2, 'started again, lr 0.1, weightDecay 0'], [1, ''], [3, 'started again']]; // biome-ignore format: one line
    expect(marksOf(run, curve, 0, 'step', 'loss').map(({ x, text }) => [x, text])).toEqual(texts);
    expect(marksOf(run, curve, 0, 'time', 'loss').map(({ x }) => x)).toEqual([1, 0.5, 1.5]);
  });
});

describe('a job by itself', () => {
  const root = mkdtempSync(path.join(os.tmpdir(), 'orthokit-'));
  afterAll(() => rmSync(root, { recursive: true }));
  afterEach(() => vi.mocked(saveCheckpoint).mockReset().mockImplementation(actual.saveCheckpoint));
  let actual: typeof import('../../../examples/training-server/work/checkpoint.mjs');
  beforeAll(async () => {
    actual = await vi.importActual('../../../examples/training-server/work/checkpoint.mjs');
  });

  async function run(name: string, more: object = {}) {
    const folder = path.join(root, name);
    mkdirSync(folder, { recursive: true });
    const { kind, ...own } = small;
    const rates = { lr: 0.02, otherLr: 0.003, weightDecay: 0, schedule: 'constant', warmup: 0, optimizer: 'muon' };
    const params = { ...own, ...rates, seed: 1 };
    const told: { type: string; [field: string]: unknown }[] = [];
    const post = (message: (typeof told)[number]) => void told.push(message);
    const control = { wish: undefined, save: false, changes: [], post, room: async () => {} };
    const job = { kind, trains: true, params, folder, changes: [], models: {}, known: 0, threads: 1, ...more };
    await train({ ...job, data: await writeData(root) } as never, control as never);
    const losses = told.flatMap(({ columns }) => (columns as { loss: number[] } | undefined)?.loss ?? []);
    return { folder, told, losses, of: (type: string) => told.filter((one) => one.type === type) };
  }

  it('goes on where the disk is full for a checkpoint, and keeps the one before', async () => {
    const whole = await run('whole');
    expect(whole.of('checkpoint').map(({ step }) => step)).toEqual([10, 20, 30, 40]);
    let before: readonly string[] = [];
    vi.mocked(saveCheckpoint).mockImplementation(async (folder, what) => {
      if (what.state.step !== 20) return actual.saveCheckpoint(folder, what);
      before = readdirSync(path.join(folder, 'checkpoints', '10')).sort();
      const cause = Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
      throw new OrthokitError('ERR_IO', 'saveTensors: the file could not be written', { cause });
    });
    const full = await run('full');
    expect(full.of('warning')).toEqual([
      { type: 'warning', step: 20, text: 'no space for the checkpoint of step 20: the last one is of step 10' },
    ]);
    expect(full.of('checkpoint').map(({ step }) => step)).toEqual([10, 30, 40]);
    expect(full.of('ended')).toEqual([{ type: 'ended', state: 'done' }]);
    expect(full.losses).toEqual(whole.losses);
    expect(before).toEqual(['model.safetensors', 'optimizer.safetensors', 'state.json']);
    // From the one before, to the same numbers.
    const resumed = await run('full', { checkpoint: 10 });
    expect(resumed.losses).toEqual(whole.losses.slice(10));
    // Another failure is no warning.
    vi.mocked(saveCheckpoint).mockRejectedValue(new OrthokitError('ERR_IO', 'mine'));
    await expect(run('broken')).rejects.toThrow('mine');
  });

  it('is refused at its start where the disk has no space for two checkpoints', async () => {
    const real = await statfs(root);
    vi.mocked(statfs).mockResolvedValueOnce({ ...real, bavail: 1, bsize: 4096 } as never);
    const { code, message } = (await run('small').then(
      () => ({}),
      (error) => error,
    )) as OrthokitError;
    expect([code, message]).toEqual(['ERR_IO', 'the disk must have 1.0 MB for two checkpoints, got 0.0 MB']);
    expect(readdirSync(path.join(root, 'small'))).toEqual([]);
  });

  it('leaves nothing of a checkpoint that cannot be written whole', async () => {
    const folder = path.join(root, 'torn');
    const device = Device.open('cpu');
    const model = { w: Tensor.from(device, [1], [1]) };
    const save = async () => {
      throw new Error('full');
    };
    const state = { step: 3 };
    await expect(actual.saveCheckpoint(folder, { model, optimizer: { save }, state } as never)).rejects.toThrow('full');
    expect(readdirSync(path.join(folder, 'checkpoints'))).toEqual([]);
    await expect(loadCheckpoint(folder, 3, { model, optimizer: {}, device } as never)).rejects.toThrow();
    await device.close();
  });
});

it('SIGTERM at any moment ends in a checkpoint of the last step, from which the next start says that it goes on', async () => {
  const server = await new Server().start();
  try {
    const id = await server.job({ ...small, steps: 1_000_000, checkpointEvery: 7 });
    const journal = path.join(server.folder, 'state', 'runs', id, 'events.jsonl');
    const eventsOf = (): Told['data'][] =>
      readFileSync(journal, 'utf8')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line));
    const random = uniform(5);
    const ends: number[] = [];
    const patient = { timeout: 100_000 };
    const steps = (): number => eventsOf().reduce((sum, { columns }) => sum + (columns?.loss.length ?? 0), 0);
    for (let i = 0; i < 10; i++) {
      // At once, while the thread begins, or somewhere in its steps and saves.
      if (i % 2 === 1) await expect.poll(steps, patient).toBeGreaterThan(ends.at(-1) ?? 0);
      if (i > 0) await new Promise((resolve) => setTimeout(resolve, 60 * random()));
      const begun = performance.now();
      expect(await server.end('SIGTERM')).toBe(0);
      expect(performance.now() - begun).toBeLessThan(30_000);
      const events = eventsOf();
      const last = events.findLast(({ type }) => type === 'metrics');
      const step = last ? last.first + last.columns.loss.length - 1 : 0;
      const saved = events.findLast(({ type }) => type === 'checkpoint')?.step;
      expect(saved ?? 0).toBe(step);
      expect(events.at(-1)).toMatchObject({ type: 'state', state: 'queued' });
      ends.push(step);
      await server.start();
      await expect.poll(() => eventsOf().filter(({ type }) => type === 'start').length, patient).toBeGreaterThan(i);
      await expect.poll(() => eventsOf().findLast(({ type }) => type === 'start').from, patient).toBe(saved ?? 0);
    }
    expect(ends.at(-1)).toBeGreaterThan(0);
    // The page has a mark for each.
    const { starts } = (await server.ask(`/jobs/${id}`)).body;
    expect(starts).toEqual(eventsOf().flatMap(({ type, from }) => (type === 'start' ? [from] : [])));
    expect(starts).toEqual([0, ...ends]);
    await server.ask(`/jobs/${id}/cancel`, 'POST');
    await server.state(id, 'cancelled');
    const told = eventsOf().filter(({ type }) => type === 'metrics');
    expect(told.flatMap(({ first, columns }) => columns.loss.map((_: number, i: number) => first + i))).toEqual(
      upTo(told.at(-1).first + told.at(-1).columns.loss.length - 1),
    );
  } finally {
    await server.dispose();
  }
});

it('SIGTERM in the evaluation at the end costs nothing: the result is that of a run that nobody disturbed', async () => {
  const server = await new Server().start();
  try {
    const device = Device.open('cpu');
    const labels = Int32Array.from({ length: 40_000 }, (_, i) => i % 2);
    const images = Tensor.randn(device, [labels.length, 64], { seed: 1 });
    const long = path.join(server.folder, 'data', 'long.safetensors');
    await saveTensors(long, { images, labels: Tensor.from(device, labels, [labels.length]) });
    await device.close();
    const body = { ...small, data: 'long', hidden: [256], steps: 3 };
    const whole = await server.job(body);
    await server.state(whole, 'done');
    const id = await server.job(body);
    const journal = path.join(server.folder, 'state', 'runs', id, 'events.jsonl');
    await expect.poll(() => readFileSync(journal, 'utf8'), { interval: 2, timeout: 60_000 }).toContain('"checkpoint"');
    const begun = performance.now();
    expect(await server.end('SIGTERM')).toBe(0);
    expect(performance.now() - begun).toBeLessThan(30_000);
    // The evaluation was waited for, or begins again from the checkpoint of the last step.
    const isDone = readFileSync(journal, 'utf8').includes('"done"');
    await server.start();
    await server.state(id, 'done');
    const [{ body: own }, { body: other }] = [await server.ask(`/jobs/${id}`), await server.ask(`/jobs/${whole}`)];
    expect(own.result).toEqual(other.result);
    expect(own.starts).toEqual(isDone ? [0] : [0, 3]);
  } finally {
    await server.dispose();
  }
});

it('a disk that is full for real costs a checkpoint, not the run, also where the server is killed meanwhile', async () => {
  const server = new Server();
  const state = path.join(server.folder, 'state');
  mkdirSync(state);
  // A disk of 16 MB in a namespace of mounts that lasts longer than a server.
  const disk = spawn('unshare', ['-rm', 'sh', '-c', 'mount -t tmpfs -o size=16m none "$1" && echo there && exec sleep 600', 'sh', state]); // biome-ignore format: one line
  try {
    const said = await new Promise<string>((resolve) => {
      let all = '';
      for (const stream of [disk.stdout, disk.stderr])
        stream.on('data', (text) => {
          all += text;
          resolve(all);
        });
      disk.once('error', (error) => resolve(error.message));
      disk.once('exit', (code) => resolve(`${all}exit ${code}`));
    });
    if (said !== 'there\n') {
      console.log(`this system gives its users no file systems of their own: a full disk is not looked at: ${said}`);
      return;
    }
    server.before = ['nsenter', '-U', '--preserve-credentials', '-m', '-t', `${disk.pid}`];
    const inside = path.join('/proc', `${disk.pid}`, 'root', state);
    await server.start();
    // 3 MB a checkpoint.
    const id = await server.job({ ...small, hidden: [640, 512], steps: 1_000_000, checkpointEvery: 100_000 });
    const ask = (wish: string) => server.ask(`/jobs/${id}/${wish}`, 'POST');
    const kept = async (): Promise<number[]> =>
      (await server.ask(`/jobs/${id}`)).body.checkpoints.map(({ step }: { step: number }) => step);
    const isA =
      (kind: string) =>
      ({ type }: Told) =>
        type === kind;
    await server.until(id, isA('metrics'));
    await ask('pause');
    await server.state(id, 'paused');
    const [first] = await kept();
    // All but what a journal takes.
    const ballast = path.join(inside, 'ballast');
    const { bavail, bsize } = await statfs(inside);
    writeFileSync(ballast, new Uint8Array(bavail * bsize - 2 ** 20));
    await ask('resume');
    await server.until(id, ({ type, data: { step, first: from, columns } }) =>
      type === 'metrics' && (step ?? from + columns.loss.length - 1) > first!); // biome-ignore format: one line
    await ask('checkpoint');
    const { data } = await server.until(id, isA('warning'));
    expect(data.step).toBeGreaterThan(first!);
    expect(data.text).toBe(`no space for the checkpoint of step ${data.step}: the last one is of step ${first}`);
    expect(await kept()).toEqual([first]);
    expect(readdirSync(path.join(inside, 'runs', id, 'checkpoints'))).toEqual([`${first}`]);
    // Killed where it is full, it goes on from the one before.
    await server.end('SIGKILL');
    await server.start();
    await expect
      .poll(async () => (await server.ask(`/jobs/${id}`)).body.starts.at(-1), { timeout: 60_000 })
      .toBe(first);
    await expect.poll(async () => (await server.ask(`/jobs/${id}`)).body.state).toBe('running');
    rmSync(ballast);
    const saved = async () => {
      await ask('checkpoint'); // at the step of the last one there is nothing to save
      return (await kept()).length;
    };
    await expect.poll(saved, { timeout: 60_000, interval: 200 }).toBe(2);
    await ask('cancel');
    await server.state(id, 'cancelled');
  } finally {
    await server.dispose();
    disk.kill();
  }
});
