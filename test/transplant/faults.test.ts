// Devices: cpu
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { afterAll, afterEach, expect, it } from 'vitest';
import { calls } from '../../lib/files/calls.ts';
import { Device, OrthokitError, transplant } from '../../lib/index.ts';
import { failNth, openFiles, restoreCalls } from '../files/failing.ts';
import { Folder } from '../files/folder.ts';
import { loseNth } from '../files/late-errors.ts';
import { byteLevelTokenizer, writeModel } from './models.ts';

afterEach(restoreCalls);
const device = Device.open('cpu', { threads: 1 });
afterAll(() => device.close());

/** Two models in a folder, a run that makes a third of them, and its files. */
function twoModels(folder: Folder) {
  const rows = [
    [1, 2],
    [3, -4],
    [-5, 6],
    [7, 8],
  ];
  const base = writeModel(folder.file('base'), {
    tokenizer: byteLevelTokenizer(['a', 'b', 'c']),
    embed: rows.slice(0, 3),
    lmHead: rows.slice(1),
    shards: 2,
    generationConfig: { eos_token_id: 1 },
  });
  const donor = writeModel(folder.file('donor'), { tokenizer: byteLevelTokenizer(['c', 'b', 'a', 'd']), embed: rows });
  const files = [
    'model-00001-of-00002.safetensors',
    'model-00002-of-00002.safetensors',
    'tokenizer.json',
    'config.json',
  ];
  const contents = (out: string): string[] => files.map((file) => readFileSync(path.join(out, file), 'latin1'));
  const run = (out: string): Promise<unknown> => transplant({ base, donor, out, k: 2, device });
  return { run, contents };
}

it('R2: whichever file call fails, the new folder is whole or not there, and the next run goes on', {
  tags: ['R2'],
}, async () => {
  using folder = new Folder();
  const { run, contents } = twoModels(folder);
  failNth(0);
  await run(folder.file('whole'));
  const expected = contents(folder.file('whole'));
  for (let nth = 1; ; nth += 1) {
    const out = folder.file(`out${nth}`);
    const hit = failNth(nth);
    const error = await run(out).then(
      () => undefined,
      (problem: unknown) => problem,
    );
    expect(openFiles(folder.path), `${nth}: ${hit()}`).toEqual([]);
    if (hit() === undefined) {
      expect(error).toBeUndefined();
      expect(nth).toBeGreaterThan(100);
      return;
    }
    if (error !== undefined) {
      expect(error, `${nth}: ${hit()}`).toBeInstanceOf(OrthokitError);
      expect((error as OrthokitError).code, `${nth}: ${hit()}`).toBe('ERR_IO');
    }
    failNth(0);
    if (!existsSync(out)) await run(out);
    expect(contents(out), `${nth}: ${hit()}`).toEqual(expected);
  }
});

it('R2: where a close says that what was written is lost, there is no new folder, and the next run goes on', {
  tags: ['R2'],
}, async () => {
  using folder = new Folder();
  const { run, contents } = twoModels(folder);
  failNth(0);
  await run(folder.file('whole'));
  const expected = contents(folder.file('whole'));
  let lost = 0;
  for (let nth = 1; ; nth += 1) {
    const out = folder.file(`out${nth}`);
    const found = loseNth(nth);
    const error = await run(out).catch((problem: unknown) => problem);
    failNth(0);
    if (!found.opened) break;
    expect(openFiles(folder.path), `file ${nth}`).toEqual([]);
    if (found.written) {
      lost += 1;
      expect(error, `file ${nth}`).toMatchObject({ name: 'OrthokitError', code: 'ERR_IO' });
      expect(existsSync(out), `file ${nth}`).toBe(false);
      await run(out);
    }
    expect(contents(out), `file ${nth}`).toEqual(expected);
  }
  // The description of the run, rows of two tables, weights and texts.
  expect(lost).toBeGreaterThanOrEqual(8);
});

it('a run that is killed once its folder is in its place leaves what the next one goes on with', async () => {
  using folder = new Folder();
  const { run, contents } = twoModels(folder);
  await run(folder.file('whole'));
  const out = folder.file('out');
  calls.removeFolder = async () => {};
  await run(out);
  expect(readdirSync(`${out}.partial`)).not.toContain('model');
  restoreCalls();
  rmSync(out, { recursive: true });
  await run(out);
  expect(contents(out)).toEqual(contents(folder.file('whole')));
  expect(existsSync(`${out}.partial`)).toBe(false);
});
