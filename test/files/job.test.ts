// Devices: cpu
// Jobs that make a model folder: whole or not at all, and on from where they stood.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { rolldown } from 'rolldown';
import { afterEach, describe, expect, it, onTestFinished } from 'vitest';
import { OrthokitError } from '../../lib/index.ts';
import { uniform } from '../support/data.ts';
import { readModel, tensorOf, writeTensors } from '../transplant/models.ts';
import { failNth, openFiles, restoreCalls } from './failing.ts';
import { Folder } from './folder.ts';
import { copy, round } from './jobs.ts';

const root = path.join(import.meta.dirname, '..', '..');
afterEach(restoreCalls);

/** Three tensors in two files, of 7 + 3 + 1 pieces of 16 elements. */
function modelIn(folder: Folder): string {
  const next = uniform(3);
  const rows = (count: number, columns: number) =>
    Array.from({ length: count }, () => Array.from({ length: columns }, () => Math.fround(2 * next() - 1)));
  writeTensors(folder.path, { a: tensorOf(rows(10, 11)), b: tensorOf(rows(3, 16)), c: tensorOf(rows(1, 5)) }, 2);
  writeFileSync(folder.file('config.json'), '{ "model_type": "tiny" }\n');
  return folder.path;
}
const pieces = 11;

const contents = (folder: string) =>
  Object.fromEntries(readdirSync(folder).map((name) => [name, readFileSync(path.join(folder, name), 'latin1')]));

/** By the hardware's way of rounding: to the nearest of two neighbours, ties to the one whose last bit is 0. */
function nearest(x: number): number {
  const [below, above] = [new Float32Array([x]), new Float32Array([x])];
  const bits = (array: Float32Array) => new Uint32Array(array.buffer);
  bits(below)[0]! &= 0xffff0000;
  bits(above)[0] = bits(below)[0]! + 0x10000;
  const [down, up] = [Math.abs(x - below[0]!), Math.abs(above[0]! - x)];
  if (down === up) return bits(below)[0]! & 0x10000 ? above[0]! : below[0]!;
  return down < up ? below[0]! : above[0]!;
}

it('a job that changes nothing gives the same tensors in the same files', async () => {
  using base = new Folder();
  using outer = new Folder();
  const out = outer.file('out');
  expect(await copy({ from: modelIn(base), out })).toEqual({ dryRun: false, resumed: false });
  expect(readModel(out)).toEqual(readModel(base.path));
  expect(readdirSync(out).sort()).toEqual(base.names);
  expect(outer.names).toEqual(['out']);
});

describe('a dry run', () => {
  it('makes nothing, beside the work of an earlier run too', async () => {
    using base = new Folder();
    using outer = new Folder();
    const from = modelIn(base);
    const onPiece = (piece: number): void => {
      if (piece === 2) throw new Error('stopped');
    };
    const dry = { from, out: outer.file('out'), dryRun: true, onPiece };
    expect(await round(dry)).toEqual({ dryRun: true, resumed: false });
    expect(outer.names).toEqual([]);
    await expect(round({ ...dry, dryRun: false })).rejects.toThrow('stopped');
    const left = readdirSync(outer.file('out.partial'));
    expect(await round(dry)).toEqual({ dryRun: true, resumed: false });
    expect(outer.names).toEqual(['out.partial']);
    expect(readdirSync(outer.file('out.partial'))).toEqual(left);
  });

  it('refuses the work of another run, unless told to begin anew', async () => {
    using base = new Folder();
    using outer = new Folder();
    const job = { from: modelIn(base), out: outer.file('out') };
    const onPiece = (piece: number): void => {
      if (piece === 2) throw new Error('stopped');
    };
    await expect(round({ ...job, onPiece })).rejects.toThrow('stopped');
    await expect(copy({ ...job, dryRun: true })).rejects.toMatchObject({ code: 'ERR_STATE' });
    expect(await copy({ ...job, dryRun: true, restart: true })).toEqual({ dryRun: true, resumed: false });
    expect(outer.names).toEqual(['out.partial']);
  });
});

it.each(['', 'sub'])('a place within the model is refused: %s', async (name) => {
  using base = new Folder();
  const from = modelIn(base);
  const names = base.names;
  for (const dryRun of [true, false])
    await expect(copy({ from, out: path.join(from, name), dryRun })).rejects.toMatchObject({
      code: 'ERR_ARGUMENT',
      message: expect.stringMatching(/^convert: out must (not be within a model|be free or an empty folder), got /),
    });
  expect(base.names).toEqual(names);
});

it('a job may give tensors another dtype', async () => {
  using base = new Folder();
  using outer = new Folder();
  const out = outer.file('out');
  await round({ from: modelIn(base), out });
  const before = readModel(base.path).tensors;
  for (const [name, { dtype, shape, bytes }] of readModel(out).tensors) {
    const { shape: own, bytes: wide } = before.get(name)!;
    expect([dtype, shape]).toEqual(['BF16', own]);
    for (let i = 0; i < bytes.length / 2; i++) {
      const rounded = new Float32Array(new Uint32Array([bytes.readUInt16LE(2 * i) << 16]).buffer)[0];
      expect(rounded).toBe(nearest(wide.readFloatLE(4 * i)));
    }
  }
  expect(JSON.parse(readFileSync(path.join(out, 'model.safetensors.index.json'), 'utf8')).metadata.total_size).toBe(
    326,
  );
});

it('a folder whose tensors have another dtype than they were given is not published', async () => {
  using base = new Folder();
  using outer = new Folder();
  const onWritten = (folder: string): void => {
    for (const name of readdirSync(folder).filter((file) => file.endsWith('.safetensors'))) {
      const file = path.join(folder, name);
      const text = readFileSync(file, 'latin1');
      writeFileSync(file, text.replaceAll('"dtype":"BF16"', '"dtype":"F16" '), 'latin1');
    }
  };
  await expect(round({ from: modelIn(base), out: outer.file('out'), onWritten })).rejects.toMatchObject({
    code: 'ERR_STATE',
    message: expect.stringMatching(/^convert: tensor "?\S+"? must be BF16, got F16$/),
  });
  expect(existsSync(outer.file('out'))).toBe(false);
});

it.each(['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors', 'config.json'])(
  'a folder of which one bit of %s has changed since it was written is not published',
  async (name) => {
    using base = new Folder();
    using outer = new Folder();
    const out = outer.file('out');
    const onWritten = (folder: string): void => {
      const file = path.join(folder, name);
      const bytes = readFileSync(file);
      // The last bit of a number, or a space in place of the end of the line.
      bytes[bytes.length - 1]! ^= name.endsWith('json') ? 0x0a ^ 0x20 : 1;
      writeFileSync(file, bytes);
    };
    const broken = round({ from: modelIn(base), out, onWritten });
    await expect(broken).rejects.toMatchObject({
      code: 'ERR_STATE',
      message: `convert: ${name} must hold the bytes that were written, or be made anew with the option restart, got others`,
    });
    expect(existsSync(out)).toBe(false);
    if (name.endsWith('json')) return;
    // Work that is taken up is compared with what the earlier run wrote.
    await expect(round({ from: base.path, out })).rejects.toMatchObject({ code: 'ERR_STATE' });
    expect(await round({ from: base.path, out, restart: true })).toEqual({ dryRun: false, resumed: false });
  },
);

describe('a job that was stopped', () => {
  it('by an error makes no piece twice, and ends in the same bytes', async () => {
    using base = new Folder();
    using outer = new Folder();
    const from = modelIn(base);
    await round({ from, out: outer.file('whole') });
    const out = outer.file('out');
    const made: number[] = [];
    for (let stops = 1; stops < pieces; stops++) {
      const onPiece = (piece: number): void => {
        if (piece === stops) throw new Error('stopped');
        made.push(piece);
      };
      await expect(round({ from, out, onPiece })).rejects.toThrow('stopped');
      expect(outer.names).toEqual(['out.partial', 'whole']);
    }
    expect(await round({ from, out, onPiece: (piece) => made.push(piece) })).toEqual({ dryRun: false, resumed: true });
    expect(made).toEqual(Array.from({ length: pieces }, (_, i) => i));
    expect(contents(out)).toEqual(contents(outer.file('whole')));
    expect(outer.names).toEqual(['out', 'whole']);
  });

  it('before anything was done leaves nothing', async () => {
    using base = new Folder();
    using outer = new Folder();
    const from = modelIn(base);
    const reason = new Error('enough');
    await expect(round({ from, out: outer.file('out'), signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    expect(outer.names).toEqual([]);
  });

  it('is not taken up by another one, unless told to begin anew', async () => {
    using base = new Folder();
    using outer = new Folder();
    const from = modelIn(base);
    const out = outer.file('out');
    const onPiece = (piece: number): void => {
      if (piece === 2) throw new Error('stopped');
    };
    await expect(round({ from, out, onPiece })).rejects.toThrow('stopped');
    await expect(copy({ from, out })).rejects.toMatchObject({
      code: 'ERR_STATE',
      message: expect.stringContaining('got another run: name "round" for "copy"'),
    });
    expect(await copy({ from, out, restart: true })).toEqual({ dryRun: false, resumed: false });
    expect(readModel(out)).toEqual(readModel(from));
  });

  it('by a kill at any piece goes on to the same bytes', async () => {
    using base = new Folder();
    using outer = new Folder();
    const from = modelIn(base);
    await round({ from, out: outer.file('whole') });
    const out = outer.file('out');
    // The jobs, joined with the library for a process of their own; it looks for its binary two folders above.
    const built = mkdtempSync(path.join(root, 'build', 'jobs-'));
    onTestFinished(() => rmSync(built, { recursive: true }));
    const jobs = path.join(built, 'jobs.mjs');
    const bundle = await rolldown({
      input: path.join(import.meta.dirname, 'jobs.ts'),
      platform: 'node',
      external: /^node:/,
      transform: { target: 'es2022' },
    });
    await bundle.write({ file: jobs });
    const run = (piece: number) => {
      const script = `import { round } from '${jobs}';
        const onPiece = (piece) => piece === ${piece} && process.kill(process.pid, 'SIGKILL');
        await round({ from: '${from}', out: '${out}', onPiece });`;
      return spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
    };
    for (const piece of [1, 7, 10]) {
      expect(run(piece)).toMatchObject({ signal: 'SIGKILL', stderr: '' });
      expect(existsSync(out)).toBe(false);
    }
    expect(await round({ from, out })).toEqual({ dryRun: false, resumed: true });
    expect(contents(out)).toEqual(contents(outer.file('whole')));
  });
});

it('each call of the file system may fail: the folder is whole or not there, and the next run ends', async () => {
  using base = new Folder();
  const from = modelIn(base);
  using first = new Folder();
  await round({ from, out: first.file('out') });
  const expected = contents(first.file('out'));
  const failed = new Set<string>();
  for (let nth = 1; ; nth++) {
    using outer = new Folder();
    const out = outer.file('out');
    const hit = failNth(nth);
    const error = await round({ from, out }).catch((e: unknown) => e);
    const call = hit();
    if (call === undefined) break;
    failNth(0); // none, and no syncs
    failed.add(call);
    if (error instanceof Error) {
      expect(error).toBeInstanceOf(OrthokitError);
      if (!existsSync(out)) await round({ from, out });
    }
    expect(contents(out)).toEqual(expected);
    expect(openFiles(outer.path)).toEqual([]);
  }
  expect([...failed]).toEqual(expect.arrayContaining(['open', 'read', 'write', 'close', 'rename', 'makeFolder']));
});
