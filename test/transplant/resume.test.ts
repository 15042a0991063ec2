// Devices: cpu
// Runs that end before they are done, and what the next one makes of it.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { Device, type TransplantOptions, type TransplantProgress, transplant } from '../../lib/index.ts';
import { Folder } from '../files/folder.ts';
import { byteLevelTokenizer, type ModelParts, writeModel } from './models.ts';

const device = Device.open('cpu', { threads: 1 });
afterAll(() => device.close());

const numbers = (rows: number, columns: number, scale: (row: number) => number = () => 1): number[][] =>
  Array.from({ length: rows }, (_, i) =>
    Array.from({ length: columns }, (_, j) => scale(i) * Math.sin(i * 7 + j * 3 + 1)),
  );
const shared = ['a', 'b', 'c', 'd'];

/** Two models of which the donor has twelve tokens more; every other one of its own is longer than any of the base. */
function twoModels(folder: Folder, base: Partial<ModelParts> = {}, donor: Partial<ModelParts> = {}) {
  const tokens = [...shared, ...Array.from({ length: 12 }, (_, i) => `n${i}`)];
  return {
    base: writeModel(folder.file('base'), { tokenizer: byteLevelTokenizer(shared), embed: numbers(4, 3), ...base }),
    donor: writeModel(folder.file('donor'), {
      tokenizer: byteLevelTokenizer(tokens),
      embed: numbers(16, 3, (row) => (row >= 4 && row % 2 === 0 ? 100 : 0.01)),
      ...donor,
    }),
    out: folder.file('out'),
    device,
    k: 2,
  };
}

/** Runs and aborts as soon as so many rows are made. */
async function interrupted(options: TransplantOptions, rows: number): Promise<void> {
  const stop = new AbortController();
  const onProgress = ({ stage, done }: TransplantProgress): void => {
    if (stage === 'approximate' && done >= rows) stop.abort(new Error('enough'));
  };
  await expect(transplant({ ...options, batchSize: 2, signal: stop.signal, onProgress })).rejects.toThrow('enough');
}

it('the report of a run that goes on is that of one that was never interrupted', async () => {
  using folder = new Folder();
  const spoiled = numbers(16, 3, (row) => (row >= 4 && row % 2 === 0 ? 100 : 0.01));
  spoiled[5] = [Number.POSITIVE_INFINITY, 0, 0];
  const options = twoModels(folder, {}, { embed: spoiled });
  const whole = await transplant({ ...options, out: folder.file('whole') });
  expect(whole.tables[0]!.clipped).toBeGreaterThan(2);
  expect(whole.tables[0]!.nonFinite).toBe(1);
  for (const rows of [2, 6]) await interrupted(options, rows);
  const { resumed, tables } = await transplant(options);
  expect(resumed).toBe(true);
  expect(tables).toEqual(whole.tables);
});

it.each<[string, (rows: Buffer, recordBytes: number) => Buffer]>([
  ['blocks of zeros at its end', (rows, recordBytes) => Buffer.concat([rows, Buffer.alloc(3 * recordBytes)])],
  ['its last row lost', (rows, recordBytes) => Buffer.from(rows).fill(0, rows.length - recordBytes)],
  ['the middle of a row lost', (rows, recordBytes) => Buffer.from(rows).fill(0, recordBytes + 2, recordBytes + 9)],
  ['half a row at its end', (rows, recordBytes) => rows.subarray(0, rows.length - (recordBytes >> 1))],
  ['other bits in a row', (rows) => Buffer.from(rows).fill(rows[5]! ^ 1, 5, 6)],
])('a run goes on to the same bytes after a power cut that left %s', { tags: ['R4'] }, async (_, spoil) => {
  using folder = new Folder();
  const options = twoModels(folder);
  const whole = await transplant({ ...options, out: folder.file('whole') });
  await interrupted(options, 6);
  const rows = path.join(folder.file('out.partial'), 'embed.rows');
  const bytes = readFileSync(rows);
  writeFileSync(rows, spoil(bytes, bytes.length / 6));
  const { resumed, tables } = await transplant(options);
  expect(resumed).toBe(true);
  expect(tables).toEqual(whole.tables);
  const read = (out: string): Buffer => readFileSync(path.join(folder.file(out), 'model.safetensors'));
  expect(read('out').equals(read('whole'))).toBe(true);
});

describe('a failure before any work', () => {
  it('leaves the name of the folder free', async () => {
    using folder = new Folder();
    const options = twoModels(folder);
    await expect(transplant({ ...options, memoryLimit: 10 })).rejects.toMatchObject({ code: 'ERR_MEMORY' });
    expect(folder.names).toEqual(['base', 'donor']);
    const failing = new Error('no scan');
    const onProgress = (): void => {
      throw failing;
    };
    await expect(transplant({ ...options, onProgress })).rejects.toBe(failing);
    expect(folder.names).toEqual(['base', 'donor']);
    expect((await transplant({ ...options, k: 3 })).resumed).toBe(false);
  });

  it('by a kill does so too', async () => {
    using folder = new Folder();
    const options = twoModels(folder);
    await interrupted(options, 4);
    // As a kill right after its beginning would have left it.
    const partial = folder.file('out.partial');
    writeFileSync(path.join(partial, 'embed.rows'), '');
    expect((await transplant({ ...options, k: 3 })).resumed).toBe(false);
  });

  it('spares a folder of somebody else', async () => {
    using folder = new Folder();
    const options = twoModels(folder);
    mkdirSync(folder.file('out.partial'));
    writeFileSync(path.join(folder.file('out.partial'), 'run.json'), '{"mine":1}');
    await expect(transplant(options)).rejects.toMatchObject({ code: 'ERR_STATE' });
    expect(readFileSync(path.join(folder.file('out.partial'), 'run.json'), 'utf8')).toBe('{"mine":1}');
  });
});

describe('a dry run', () => {
  it('refuses what the run refuses, in the same words', async () => {
    using folder = new Folder();
    const options = { ...twoModels(folder), memoryLimit: 50 };
    const words = async (dryRun: boolean): Promise<string> =>
      transplant({ ...options, dryRun }).then(
        () => 'nothing',
        (error: Error) => error.message,
      );
    expect(await words(true)).toMatch(/memoryLimit must hold the rows of 4 shared tokens, 96 bytes, got 50/);
    expect(await words(true)).toBe(await words(false));
  });

  it('warns of what the run warns of', async () => {
    using folder = new Folder();
    const options = twoModels(folder, {
      config: { vocab_size: 4, bos_token_id: 77, pad_token_id: 1 },
      generationConfig: { eos_token_id: [78, 79] },
    });
    const dry = await transplant({ ...options, dryRun: true });
    expect(dry.warnings).toContain('bos_token_id was 77 and has no counterpart: it is null now');
    expect(dry.warnings).toContain('eos_token_id was [78,79] and has no counterpart: it is null now');
    expect((await transplant(options)).warnings).toEqual(dry.warnings);
  });
});

it.each(['base', 'donor'])('a folder within the %s is refused', async (side) => {
  using folder = new Folder();
  const options = twoModels(folder);
  await expect(transplant({ ...options, out: path.join(folder.file(side), 'sub') })).rejects.toMatchObject({
    code: 'ERR_ARGUMENT',
    message: expect.stringMatching(/out must not be within a model, got .*sub/),
  });
});

it.each([
  ['run.json', 'ERR_STATE', /run\.json must be a regular file, got another kind/],
  ['run.json.tmp', undefined, /^/],
  ['embed.rows', 'ERR_STATE', /must be/],
])('a FIFO at %s in the workspace is not waited for', async (name, code, message) => {
  using folder = new Folder();
  const options = twoModels(folder);
  mkdirSync(folder.file('out.partial'));
  execFileSync('mkfifo', [path.join(folder.file('out.partial'), name)]);
  const outcome = await transplant(options).then(
    () => ({}),
    (error: unknown) => error,
  );
  if (code === undefined) expect(outcome).toEqual({});
  else expect(outcome).toMatchObject({ code, message: expect.stringMatching(message) });
  expect((await transplant({ ...options, out: folder.file('other') })).resumed).toBe(false);
});

it('a FIFO in place of rows that a run goes on with is refused', async () => {
  using folder = new Folder();
  const options = twoModels(folder);
  await interrupted(options, 4);
  const rows = path.join(folder.file('out.partial'), 'embed.rows');
  execFileSync('rm', [rows]);
  execFileSync('mkfifo', [rows]);
  await expect(transplant(options)).rejects.toMatchObject({
    code: 'ERR_STATE',
    message: expect.stringMatching(/embed\.rows must be a regular file, got another kind/),
  });
});
