// Devices: cpu
import { spawn } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { type Calls, calls } from '../../lib/files/calls.ts';
import { withTensorFile } from '../../lib/files/safetensors/file.ts';
import { writeTensorFile } from '../../lib/files/safetensors/write.ts';
import { uniform } from '../support/data.ts';
import { goal } from '../support/goal.ts';
import { compileLibrary } from '../support/library.ts';
import { Folder } from './folder.ts';
import { timeOf } from './killed.ts';

const count = 30_000;
const kills = goal('R3', { ci: 150, deep: 20_000 });
/** Bytes that a disk writes at once. */
const block = 4096;
const cuts = goal('R4', { ci: 500, deep: 50_000 });

/** The one value that all parts of a file agree on; throws for a torn file. */
async function load(file: string): Promise<number> {
  return withTensorFile(file, { op: 'test' }, async (open) => {
    const value = Number(open.metadata.get('value'));
    expect([...open.tensors.keys()].sort()).toEqual(['a', 'b', 'c']);
    for (const name of open.tensors.keys()) {
      const data = await open.read(name);
      expect(data.length).toBe(count);
      expect(data.every((x) => x === value)).toBe(true);
    }
    return value;
  });
}

function save(file: string, value: number): Promise<void> {
  const sources = ['a', 'b', 'c'].map((name) => ({
    name,
    dtype: 'F32' as const,
    shape: [count],
    data: () => new Float32Array(count).fill(value),
  }));
  return writeTensorFile(file, sources, { op: 'test', metadata: { value: `${value}` } });
}

describe('R3: a process that is killed while it saves', kills.tagged, () => {
  function compile(folder: Folder): string {
    compileLibrary(folder.path);
    writeFileSync(
      folder.file('child.js'),
      `import { writeTensorFile } from './lib/files/safetensors/write.js';
      const [file, first] = process.argv.slice(2);
      for (let value = Number(first); ; value += 1) {
        const sources = ['a', 'b', 'c'].map((name) => ({
          name, dtype: 'F32', shape: [${count}], data: () => new Float32Array(${count}).fill(value),
        }));
        await writeTensorFile(file, sources, { op: 'child', metadata: { value: String(value) } });
        process.stdout.write(value + '\\n');
      }`,
    );
    return folder.file('child.js');
  }

  it(
    'leaves the old or the new file whole',
    async () => {
      using code = new Folder();
      using folder = new Folder();
      const child = compile(code);
      const file = folder.file('x');
      const ms = await timeOf(() => save(file, 0));
      let last = 0;
      let midway = 0;
      await kills.each(async (seed) => {
        const acknowledged = await runAndKill(child, file, last + 1, 2 * ms * uniform(seed)());
        const found = await load(file);
        // A save that was acknowledged is never lost, and one beyond it may have been under way.
        expect(found).toBeGreaterThanOrEqual(acknowledged);
        expect(found).toBeLessThanOrEqual(acknowledged + 1);
        last = found;
        for (const name of folder.names) {
          if (name === 'x') continue;
          expect(name).toMatch(/^x\.[0-9a-f]{16}\.tmp$/);
          rmSync(folder.file(name));
          midway += 1;
        }
      });
      expect(last).toBeGreaterThanOrEqual(kills.count);
      // Some kills have hit a save half done, else this test has seen nothing.
      if (kills.count > 1) expect(midway).toBeGreaterThan(kills.count / 20);
    },
    kills.limit(300_000),
  );

  /** Kills the process some time after its first save; the last value that it has told. */
  function runAndKill(script: string, file: string, first: number, delay: number): Promise<number> {
    return new Promise((resolve, reject) => {
      const child = spawn(process.execPath, [script, file, `${first}`], { stdio: ['ignore', 'pipe', 'inherit'] });
      let told = '';
      child.stdout.on('data', (text) => {
        if (told === '') setTimeout(() => child.kill('SIGKILL'), delay);
        told += text;
      });
      child.on('error', reject);
      child.on('close', (_, signal) => {
        if (signal !== 'SIGKILL') return reject(new Error('the child ended by itself'));
        // The last line may be cut.
        resolve(Number(told.split('\n').at(-2)));
      });
    });
  }
});

describe('R4: a power cut', cuts.tagged, () => {
  const original: Calls = { ...calls };
  afterEach(() => Object.assign(calls, original));

  type Event =
    | { kind: 'write'; file: object; bytes: Buffer; position: number }
    | { kind: 'sync'; file: object }
    | { kind: 'rename'; file: object };

  /** The calls of a save to its file and its folder, in order. */
  async function record(folder: Folder): Promise<Event[]> {
    const events: Event[] = [];
    const files = new Map<string, object>();
    Object.assign(calls, {
      open: async (name, flags, mode) => {
        const handle = await original.open(name, flags, mode);
        files.set(name, handle);
        return handle;
      },
      write: async (file, bytes, position) => {
        events.push({ kind: 'write', file, bytes: Buffer.from(bytes), position });
        return original.write(file, bytes, position);
      },
      sync: async (file) => {
        await original.sync(file);
        events.push({ kind: 'sync', file });
      },
      rename: async (from, to) => {
        await original.rename(from, to);
        events.push({ kind: 'rename', file: files.get(from)! });
      },
    } satisfies Partial<Calls>);
    await save(folder.file('x'), 2);
    Object.assign(calls, original);
    return events;
  }

  it('after any step, with any unsynced blocks lost, leaves the old or the new file', async () => {
    using folder = new Folder();
    await save(folder.file('x'), 1);
    const old = readFileSync(folder.file('x'));
    const events = await record(folder);
    const found = new Set<string>();
    await cuts.each(async (seed) => {
      const random = uniform(seed);
      const cut = Math.floor(random() * (events.length + 1));
      const done = events.slice(0, cut);
      const renamed = done.findIndex((event) => event.kind === 'rename');
      const folderSynced = renamed >= 0 && done.slice(renamed).some((event) => event.kind === 'sync');
      // A rename that was not synced may have reached the disk or not.
      const visible = renamed >= 0 && (folderSynced || random() < 0.5);
      writeFileSync(folder.file('y'), visible ? onDisk(done, renamed, random) : old);
      found.add(`${cut === events.length ? 'end' : 'before'} ${await load(folder.file('y'))}`);
    });
    if (cuts.count > 1) expect([...found].sort()).toEqual(['before 1', 'before 2', 'end 2']);
    for (const what of found) expect(what).toMatch(/^(before [12]|end 2)$/);
  });

  /** The renamed file as the disk has it when some of the blocks were lost that no sync has followed. */
  function onDisk(events: readonly Event[], renamed: number, random: () => number): Buffer {
    const { file } = events[renamed]!;
    const synced = events.findLastIndex((event) => event.kind === 'sync' && event.file === file);
    const kept = random();
    let disk = Buffer.alloc(0);
    for (const [i, event] of events.entries()) {
      if (event.kind !== 'write' || event.file !== file) continue;
      const end = event.position + event.bytes.length;
      if (disk.length < end) disk = Buffer.concat([disk, Buffer.alloc(end - disk.length)]);
      for (let at = 0; at < event.bytes.length; at += block)
        if (i < synced || random() < kept)
          event.bytes.copy(disk, event.position + at, at, Math.min(at + block, event.bytes.length));
    }
    return disk;
  }
});

describe('several writers of one file', () => {
  it('leave one of their files whole', async () => {
    using folder = new Folder();
    await Promise.all(Array.from({ length: 12 }, (_, i) => save(folder.file('x'), i)));
    expect(await load(folder.file('x'))).toBeLessThan(12);
    expect(folder.names).toEqual(['x']);
  });
});
