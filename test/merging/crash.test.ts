// Devices: cpu
// R3: a process that is killed while it merges models.
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, expect, it, vi } from 'vitest';
import { calls } from '../../lib/files/calls.ts';
import { Device } from '../../lib/index.ts';
import { mergeModels } from '../../lib/merging/index.ts';
import { Folder } from '../files/folder.ts';
import { killed } from '../files/killed.ts';
import { uniform } from '../support/data.ts';
import { goal } from '../support/goal.ts';
import { family, matrix, writeAdapter } from './folders.ts';

const kills = goal('R3', { ci: 14, deep: 1000 });
const cli = path.join(import.meta.dirname, '..', '..', 'dist', 'cli', 'main.js');

const device = Device.open('cpu');
afterAll(() => device.close());

/** Models to merge, one of them an adapter. */
function inputs(folder: Folder) {
  const { base, models } = family(folder, 2, { shards: 3 });
  const layer = { a: matrix(2, 6, 1), b: matrix(7, 2, 2) };
  const adapter = writeAdapter(folder.file('adapter'), { 'layers.0.up': layer }, { r: 2, lora_alpha: 2 });
  return { base, models: [...models, adapter] };
}

/** The files of a folder. */
const filesOf = (folder: string): Record<string, string> =>
  Object.fromEntries(
    readdirSync(folder)
      .sort()
      .map((file) => [file, readFileSync(path.join(folder, file), 'latin1')]),
  );

it('R3: a kill at any time leaves the new folder whole or none, and the next run goes on', {
  ...kills.tagged,
  timeout: kills.limit(180_000),
}, async () => {
  using folder = new Folder();
  const { base, models } = inputs(folder);
  const options = (out: string) => ({ base, models, out: folder.file(out), method: 'opcm', device: 'cpu' });
  const contents = (out: string) => filesOf(folder.file(out));
  const whole = (await killed('mergeModels', options('whole')))!;
  const expected = contents('whole');
  expect(Object.keys(expected)).toContain('merge.json');
  const seen = { midway: 0, ended: 0 };
  await kills.each(async (seed) => {
    const part = uniform(seed)();
    const report = Math.floor(part * whole.reports);
    await killed('mergeModels', options('out'), seed % 2 === 0 ? { delay: 1.2 * whole.ms * part } : { report });
    if (existsSync(folder.file('out'))) {
      seen.ended += 1;
      expect(contents('out')).toEqual(expected);
      rmSync(folder.file('out'), { recursive: true });
    } else if (existsSync(folder.file('out.partial'))) seen.midway += 1;
  });
  expect((await killed('mergeModels', options('out')))?.reports).toBeGreaterThan(0);
  expect(contents('out')).toEqual(expected);
  expect(folder.names).toEqual(['adapter', 'base', 'model0', 'model1', 'out', 'whole']);
  if (kills.count > 1) expect(seen.midway).toBeGreaterThan(0);
  if (kills.deep) expect(seen.ended).toBeGreaterThan(kills.count / 100);
});

it("a removal that is cut short leaves what the next run takes for nobody's work", async () => {
  using folder = new Folder();
  const { base, models } = inputs(folder);
  const out = folder.file('out');
  const merge = (more: object = {}) => mergeModels({ base, models, out, method: 'opcm', device, ...more });
  await merge();
  const expected = filesOf(out);
  const real = calls.removeFolder;
  const spy = vi.spyOn(calls, 'removeFolder');
  try {
    const left = new Set<string>();
    for (let most = 0; most < 40 && !left.has('nothing'); most++) {
      rmSync(out, { recursive: true });
      let count = 0;
      spy.mockImplementation((place) => (count++ < most ? real(place) : Promise.reject(new Error('cut short'))));
      await merge();
      spy.mockImplementation(real);
      const partial = folder.file('out.partial');
      left.add(existsSync(partial) ? readdirSync(partial).sort().join(' ') : 'nothing');
      rmSync(out, { recursive: true });
      await merge();
      expect(filesOf(out)).toEqual(expected);
      expect(existsSync(partial)).toBe(false);
    }
    expect(left).toContain('nothing');
    expect(left.size).toBeGreaterThan(2);
  } finally {
    spy.mockRestore();
  }
});

it('a link in the place of the work is removed, and not what it leads to', async () => {
  using folder = new Folder();
  const { base, models } = inputs(folder);
  const out = folder.file('out');
  mkdirSync(folder.file('others'));
  writeFileSync(folder.file('others/run.json'), '{}');
  symlinkSync(folder.file('others'), folder.file('out.partial'));
  await mergeModels({ base, models, out, method: 'opcm', device, restart: true });
  expect(readdirSync(folder.file('others'))).toEqual(['run.json']);
  expect(existsSync(folder.file('out.partial'))).toBe(false);
});

/** Runs the command, and kills it so many milliseconds after it has begun to work. Milliseconds of work that ended. */
function merge(args: readonly string[], delay?: number): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [cli, 'merge', ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
    let begin = 0;
    let text = '';
    child.stderr.on('data', (data: Buffer) => {
      text += data;
      if (begin === 0 && delay !== undefined) setTimeout(() => child.kill('SIGKILL'), delay);
      begin ||= performance.now();
    });
    child.on('error', reject);
    child.on('close', (status, signal) => {
      if (signal === 'SIGKILL') resolve(undefined);
      else if (status === 0) resolve(performance.now() - begin);
      else reject(new Error(`orthokit merge ended with ${status ?? signal}: ${text}`));
    });
  });
}

const commands = goal('R3', { ci: 6, deep: 20 });

it('R3: the command that is killed at random moments goes on to the same bytes', {
  ...commands.tagged,
  timeout: commands.limit(180_000),
}, async () => {
  using folder = new Folder();
  const { base, models } = inputs(folder);
  const args = (out: string) => [
    '--base',
    base,
    '--models',
    ...models,
    '--out',
    folder.file(out),
    '--method',
    'opcm',
    '--device',
    'cpu',
  ];
  const ms = (await merge(args('whole')))!;
  const expected = filesOf(folder.file('whole'));
  let midway = 0;
  await commands.each(async (seed, i) => {
    // The first at once, so that one of few is surely midway.
    await merge(args('out'), i === 0 ? 0 : ms * uniform(seed)());
    if (existsSync(folder.file('out.partial'))) midway += 1;
    if (existsSync(folder.file('out'))) {
      expect(filesOf(folder.file('out'))).toEqual(expected);
      rmSync(folder.file('out'), { recursive: true });
    }
  });
  await merge(args('out'));
  expect(filesOf(folder.file('out'))).toEqual(expected);
  expect(folder.names).toEqual(['adapter', 'base', 'model0', 'model1', 'out', 'whole']);
  if (commands.count > 1) expect(midway).toBeGreaterThan(0);
});
