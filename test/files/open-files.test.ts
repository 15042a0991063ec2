// Devices: cpu
// Models of many files where a process may have few open: the commands that make folders, and the handles that they lend.
import { spawnSync } from 'node:child_process';
import { readFileSync, renameSync, utimesSync, writeFileSync } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { type Calls, calls } from '../../lib/files/calls.ts';
import { LentHandles } from '../../lib/files/lent-handles.ts';
import { Folder as ModelFolder } from '../../lib/files/model-folder/folder.ts';
import { Weights } from '../../lib/files/model-folder/weights.ts';
import { matrix, writeParts } from '../merging/folders.ts';
import { withResolvers } from '../support/promises.ts';
import { byteLevelTokenizer, readModel, tensorOf, writeModel } from '../transplant/models.ts';
import { openFiles, restoreCalls } from './failing.ts';
import { Folder } from './folder.ts';

afterEach(restoreCalls);
const original: Calls = { ...calls };
const cli = path.join(import.meta.dirname, '..', '..', 'dist', 'cli', 'main.js');
const shards = 120;

/** The command in a process that may have 64 files open, of which Node.js takes about 20. */
function orthokit(...args: string[]) {
  const command = 'ulimit -n 64; exec "$@"';
  const words = ['-c', command, 'bash', process.execPath, cli, ...args, '--device', 'cpu'];
  const { status, stderr } = spawnSync('bash', words, { encoding: 'utf8' });
  return { status, stderr };
}

const names = Array.from({ length: shards }, (_, i) => `layers.${i}.weight`);
const tensors = (seed: number) => Object.fromEntries(names.map((name, i) => [name, matrix(2, 32, 1000 * seed + i)]));
const model = (folder: Folder, name: string, seed: number): string =>
  writeParts(folder.file(name), { tensors: tensors(seed), shards, files: { 'vocab.txt': 'a\nb\n' } });

it('merges three models of 120 files each', () => {
  using folder = new Folder();
  const [base, ...models] = [model(folder, 'base', 0), model(folder, 'a', 1), model(folder, 'b', 2)];
  const words = ['merge', '--method', 'arithmetic', '--base', base!, '--models', ...models];
  expect(orthokit(...words, '--out', folder.file('out'))).toMatchObject({ status: 0 });
  expect(readModel(folder.file('out')).files).toHaveLength(shards);
});

it('compresses a model of 120 files', () => {
  using folder = new Folder();
  const words = ['compress', '--base', model(folder, 'base', 0), '--out', folder.file('out')];
  expect(orthokit(...words, '--method', 'group', '--group', '32')).toMatchObject({ status: 0 });
  expect(readModel(folder.file('out')).files).toHaveLength(shards);
});

it('transplants tokens between models of 120 files', () => {
  using folder = new Folder();
  const others = Object.fromEntries(Object.entries(tensors(3)).map(([name, rows]) => [name, tensorOf(rows)]));
  const tokens = ['a', 'b', 'c'];
  const parts = { tokenizer: byteLevelTokenizer(tokens), embed: matrix(3, 4, 1), others, shards };
  writeModel(folder.file('base'), parts);
  const donor = { tokenizer: byteLevelTokenizer([...tokens, 'd']), embed: matrix(4, 4, 2), others, shards };
  writeModel(folder.file('donor'), donor);
  const words = ['transplant', '--base', folder.file('base'), '--donor', folder.file('donor'), '--method', 'mean'];
  expect(orthokit(...words, '--out', folder.file('out'))).toMatchObject({ status: 0 });
  expect(readModel(folder.file('out')).files).toHaveLength(shards);
});

async function withWeights<T>(folder: Folder, use: (weights: Weights) => Promise<T>): Promise<T> {
  const opened = await ModelFolder.open('test', 'from', model(folder, 'base', 0), { followLinks: false });
  const weights = await Weights.open(opened);
  try {
    for (const shard of weights.shards) await weights.shard(shard);
    return await use(weights);
  } finally {
    await weights.close();
    expect(openFiles(folder.path)).toEqual([]);
  }
}

it('keeps few files open, and reads each as if it were', async () => {
  using folder = new Folder();
  await withWeights(folder, async (weights) => {
    expect(openFiles(folder.path)).toHaveLength(16);
    const found = await Promise.all(
      names.map(async (name) => [...((await (await weights.find(name)).file.read(name)) as Float32Array)]),
    );
    expect(found).toEqual(Object.values(tensors(0)).map((rows) => rows.flat()));
    // Reads at one time had a handle each.
    expect(openFiles(folder.path)).toHaveLength(16);
  });
});

it('refuses a file that has become another one, and opens none once it is closed', async () => {
  using folder = new Folder();
  await withWeights(folder, async (weights) => {
    const { file } = await weights.find(names[0]!);
    const at = path.join(folder.file('base'), weights.shards[0]!);
    const bytes = readFileSync(at);
    writeFileSync(folder.file('other'), bytes);
    renameSync(folder.file('other'), at);
    await expect(file.read(names[0]!)).rejects.toMatchObject({
      code: 'ERR_FORMAT',
      message: expect.stringContaining('file must stay as it is while it is read, got another one'),
    });
    const { file: second } = await weights.find(names[1]!);
    utimesSync(path.join(folder.file('base'), weights.shards[1]!), 1, 1);
    await expect(second.read(names[1]!)).rejects.toMatchObject({ code: 'ERR_FORMAT' });
    const { file: third } = await weights.find(names[2]!);
    await weights.close();
    await expect(third.read(names[2]!)).rejects.toMatchObject({ code: 'ERR_IO', cause: { code: 'EBADF' } });
  });
});

it('opens a file once for reads at one time, and again after an open that failed', async () => {
  let opened = 0;
  let closed = 0;
  calls.close = async () => void ++closed;
  const handles = new LentHandles(1);
  const file = (): { op: string; path: string; open: () => Promise<FileHandle> } => ({
    op: 'test',
    path: 'x',
    open: async () => {
      if (++opened === 1) throw new Error('too many');
      return {} as FileHandle;
    },
  });
  const [a, b] = [file(), file()];
  handles.add(a);
  handles.add(b);
  await expect(handles.use(a, async () => 1)).rejects.toThrow('too many');
  expect(await Promise.all([handles.use(a, async () => 1), handles.use(a, async () => 2)])).toEqual([1, 2]);
  expect({ opened, closed }).toEqual({ opened: 2, closed: 0 });
  // One that is in use stays open beside the other, whatever the limit.
  await handles.use(a, () => handles.use(b, async () => expect(closed).toBe(0)));
  expect({ opened, closed }).toEqual({ opened: 3, closed: 1 });
  await handles.close(a);
  await handles.close(b);
  expect({ opened, closed }).toEqual({ opened: 3, closed: 2 });
  calls.close = original.close;
});

it('opens no file that is closed while another one makes room for it', async () => {
  const open: string[] = [];
  const closing = withResolvers<void>();
  calls.close = async (handle) => {
    await closing.promise;
    open.splice(open.indexOf(handle as unknown as string), 1);
  };
  const handles = new LentHandles(1);
  const file = (name: string) => ({
    op: 'test',
    path: name,
    open: async () => {
      open.push(name);
      return name as unknown as FileHandle;
    },
  });
  const [a, b] = [file('a'), file('b')];
  handles.add(a);
  handles.add(b);
  await handles.use(a, async () => {});
  const read = handles.use(b, async () => {});
  await handles.close(b);
  closing.resolve();
  await expect(read).rejects.toMatchObject({ code: 'ERR_IO', cause: { code: 'EBADF' } });
  await handles.close(a);
  expect(open).toEqual([]);
});
