// Devices: cpu
// Axes: node
import { execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { closeSync, ftruncateSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { RetrievalDatabase } from '../../lib/data/index.ts';
import { calls } from '../../lib/files/calls.ts';
import { Device, Tensor } from '../../lib/index.ts';
import { fileBytes, plainRead } from '../files/bytes.ts';
import { failNth, openFiles, restoreCalls } from '../files/failing.ts';
import { Folder } from '../files/folder.ts';
import { normal } from '../support/data.ts';
import { goal } from '../support/goal.ts';

const device = Device.open('cpu');
const library = path.join(import.meta.dirname, '..', '..', 'dist');
const run = promisify(execFile);
afterEach(restoreCalls);

async function database(dtype: 'f32' | 'f16' | 'i8' = 'f32', count = 40): Promise<RetrievalDatabase> {
  const db = new RetrievalDatabase(device, 3, { dtype, metric: 'cosine' });
  await db.add(Float32Array.from(normal(3 * count, 1)));
  return db;
}
const hash = (file: string): string => createHash('sha256').update(readFileSync(file)).digest('hex');

/** A file of rows in f32, of which single things are otherwise. */
function hostile({
  metadata = {},
  ids = Int32Array.of(0, 1),
  rows = Float32Array.of(1, 2, 3, 4),
  dtype = 'F32',
  extra = '',
}: {
  metadata?: Record<string, string>;
  ids?: Int32Array;
  rows?: Float32Array;
  dtype?: string;
  extra?: string;
}): Buffer {
  const all = { format: 'orthokit-database', version: '1', dim: '2', metric: 'cosine', dtype: 'f32', next: '2' };
  const end = ids.byteLength + rows.byteLength;
  const header = `{"__metadata__":${JSON.stringify({ ...all, ...metadata })},
    "ids":{"dtype":"I32","shape":[${ids.length}],"data_offsets":[0,${ids.byteLength}]},${extra}
    "rows":{"dtype":"${dtype}","shape":[${rows.length / 2},2],"data_offsets":[${ids.byteLength},${end}]}}`;
  return fileBytes(header, Buffer.concat([Buffer.from(ids.buffer), Buffer.from(rows.buffer)]));
}

describe('files of rows', () => {
  it('are written in parts of bounded rows, however short they are, from where the rows lie', async () => {
    using folder = new Folder();
    using db = new RetrievalDatabase(device, 1, { metric: 'dot' });
    const [count, most] = [150_000, 2 ** 16];
    const rows = Float32Array.from({ length: count }, (_, i) => i);
    // Ids that lie between each other, in segments that are not joined.
    const half = (first: number) => Int32Array.from({ length: count / 2 }, (_, i) => 2 * i + first);
    await db.add(rows.subarray(0, count / 2), half(0));
    await db.add(rows.subarray(count / 2, count / 2 + 10), half(1).subarray(0, 10));
    await db.add(rows.subarray(count / 2 + 10), half(1).subarray(10));
    const reads = vi.spyOn(Tensor.prototype, 'read');
    try {
      await db.save(folder.file('a'));
      expect(Math.max(...reads.mock.contexts.map((x) => (x as Tensor).size))).toBe(most);
    } finally {
      vi.restoreAllMocks();
    }
    using again = await RetrievalDatabase.open(device, folder.file('a'));
    const asked = Int32Array.of(7, count - 1, 0, 7, most, most - 1);
    using found = await again.gather(asked);
    expect([...(await found.read())]).toEqual([...asked].map((id) => (id % 2) * (count / 2) + Math.floor(id / 2)));
    await again.remove(Int32Array.from({ length: count - 1 }, (_, i) => count - 1 - i));
    expect((await again.search(Float32Array.of(1), 1)).ids).toEqual(Int32Array.of(0));
  });

  it.each(['f32', 'f16', 'i8'] as const)('come back to the same bytes, %s', async (dtype) => {
    using folder = new Folder();
    using db = await database(dtype);
    await db.remove([3, 39]);
    await db.add(Float32Array.of(1, 2, 3, 4, 5, 6), [39, 3]);
    await db.save(folder.file('a'));
    for (const keep of [true, false]) {
      using again = await RetrievalDatabase.open(device, folder.file('a'), { keep });
      expect(again).toMatchObject({ size: 40, dim: 3, metric: 'cosine', dtype });
      await again.save(folder.file('b'));
      expect(hash(folder.file('b'))).toBe(hash(folder.file('a')));
      // Its own file, too, which it goes on to read.
      await again.save(folder.file('b'));
      const query = Float32Array.of(1, 2, 3);
      expect(await again.search(query, 40)).toEqual(await db.search(query, 40));
      expect(await again.add(Float32Array.of(1, 1, 1))).toEqual(Int32Array.of(40));
    }
    const { tensors } = plainRead(readFileSync(folder.file('a')));
    expect([...tensors.keys()].sort()).toEqual(
      dtype === 'i8' ? ['ids', 'ranges', 'residualRanges', 'residuals', 'rows'] : ['ids', 'rows'],
    );
    expect(tensors.get('ids')!.shape).toEqual([40]);
  });

  it('of no rows are files, too', async () => {
    using folder = new Folder();
    using db = new RetrievalDatabase(device, 3);
    await db.save(folder.file('a'));
    using again = await RetrievalDatabase.open(device, folder.file('a'));
    expect(again.size).toBe(0);
    await again.add(Float32Array.of(1, 2, 3));
    expect((await again.search(Float32Array.of(1, 1, 1), 1)).ids).toEqual(Int32Array.of(0));
  });

  it('are refused wherever they are cut short, or longer', async () => {
    using folder = new Folder();
    using db = await database('i8', 5);
    await db.save(folder.file('a'));
    const whole = readFileSync(folder.file('a'));
    for (let length = 0; length <= whole.length + 8; length += length < whole.length - 8 ? 7 : 1) {
      if (length === whole.length) continue;
      writeFileSync(folder.file('b'), Buffer.concat([whole, Buffer.alloc(8)]).subarray(0, length));
      await expect(RetrievalDatabase.open(device, folder.file('b'))).rejects.toMatchObject({ code: 'ERR_FORMAT' });
    }
    expect(openFiles(folder.path)).toEqual([]);
  });

  it.each<[string, Parameters<typeof hostile>[0], string]>([
    ['no database', { metadata: { format: 'pt' } }, 'ERR_STATE'],
    ['another version', { metadata: { version: '2' } }, 'ERR_STATE'],
    ['an unknown metric', { metadata: { metric: 'toString' } }, 'ERR_FORMAT'],
    ['an unknown dtype', { metadata: { dtype: 'bf16' } }, 'ERR_FORMAT'],
    ['another dtype than it says', { metadata: { dtype: 'f16' } }, 'ERR_FORMAT'],
    ['codes without ranges', { metadata: { dtype: 'i8' } }, 'ERR_FORMAT'],
    ['rows of another dtype', { dtype: 'I32' }, 'ERR_FORMAT'],
    ['another dim', { metadata: { dim: '4' } }, 'ERR_FORMAT'],
    ['a dim of 0', { metadata: { dim: '0' } }, 'ERR_FORMAT'],
    ['a dim with a sign', { metadata: { dim: '+2' } }, 'ERR_FORMAT'],
    ['a next id beyond all', { metadata: { next: '4294967296' } }, 'ERR_FORMAT'],
    ['a next id that is there', { metadata: { next: '1' } }, 'ERR_FORMAT'],
    ['more ids than rows', { ids: Int32Array.of(0, 1, 2) }, 'ERR_FORMAT'],
    ['ids that stand twice', { ids: Int32Array.of(1, 1) }, 'ERR_FORMAT'],
    ['ids in disorder', { ids: Int32Array.of(1, 0) }, 'ERR_FORMAT'],
    ['negative ids', { ids: Int32Array.of(-1, 0) }, 'ERR_FORMAT'],
    ['other tensors', { extra: '"x":{"dtype":"F32","shape":[0],"data_offsets":[8,8]},' }, 'ERR_FORMAT'],
  ])('are refused with %s', async (_, wrong, code) => {
    using folder = new Folder();
    writeFileSync(folder.file('a'), hostile({}));
    (await RetrievalDatabase.open(device, folder.file('a'))).dispose();
    writeFileSync(folder.file('a'), hostile(wrong));
    await expect(RetrievalDatabase.open(device, folder.file('a'))).rejects.toMatchObject({ code });
    expect(openFiles(folder.path)).toEqual([]);
  });

  it.each([
    ['NaN', Float32Array.of(1, 2, NaN, 4), 'row 1 of', 'finite'],
    ['zeros', Float32Array.of(1, 2, 0, 0), 'row 1 of', 'zero'],
  ])('with rows of %s fail when these are read, and no other call', async (_, rows, ...words) => {
    using folder = new Folder();
    writeFileSync(folder.file('a'), hostile({ rows }));
    for (const keep of [true, false]) {
      using db = await RetrievalDatabase.open(device, folder.file('a'), { keep });
      for (const call of [() => db.search(Float32Array.of(1, 1), 1), () => db.gather(Int32Array.of(1))])
        await expect(call()).rejects.toMatchObject({ code: 'ERR_FORMAT', message: expect.stringContaining(words[0]!) });
      (await db.gather(Int32Array.of(0))).dispose();
      expect(db.size).toBe(2);
    }
  });

  it('of 1 GB are opened by their ids, whatever the rows, and searched in bounded memory', async () => {
    using folder = new Folder();
    const [count, dim] = [2 ** 21, 128];
    const metadata = {
      format: 'orthokit-database',
      version: '1',
      dim: `${dim}`,
      metric: 'l2',
      dtype: 'f32',
      next: `${count}`,
    };
    const idBytes = 4 * count;
    const header = `{"__metadata__":${JSON.stringify(metadata)},
      "ids":{"dtype":"I32","shape":[${count}],"data_offsets":[0,${idBytes}]},
      "rows":{"dtype":"F32","shape":[${count},${dim}],"data_offsets":[${idBytes},${idBytes + 2 ** 30}]}}`;
    const start = fileBytes(header, Buffer.from(Int32Array.from({ length: count }, (_, i) => i).buffer));
    const file = openSync(folder.file('a'), 'w');
    writeSync(file, start);
    ftruncateSync(file, start.length + 2 ** 30); // zeros that take no place on the disk
    closeSync(file);
    let bytes = 0;
    const { read } = calls;
    calls.read = async (...args) => {
      bytes += args[1].length;
      return read(...args);
    };
    using db = await RetrievalDatabase.open(device, folder.file('a'), { keep: false });
    expect(bytes).toBeLessThan(start.length + 100);
    expect(db.size).toBe(count);
    using row = await db.gather(Int32Array.of(count - 1));
    expect(bytes).toBeLessThan(start.length + 1000);
    expect([...new Set(await row.read())]).toEqual([0]);
  });

  // Rows of 128 numbers in f32: 1 GB when deep.
  const large = goal('R28', { ci: 2 ** 18, deep: 2 ** 21 });
  const opened = { ...large.tagged, timeout: large.limit(180_000) };
  it('R28: that are large are opened at once, and searched in bounded memory', opened, async () => {
    using folder = new Folder();
    const [rows, dim] = [Math.max(large.count, 2 ** 18), 128];
    {
      using db = new RetrievalDatabase(device, dim, { metric: 'l2' });
      const part = 2 ** 16;
      for (let from = 0; from < rows; from += part) {
        using some = Tensor.randn(device, [part, dim], { seed: 1 + from });
        await db.add(some);
      }
      await db.save(folder.file('a'));
    }
    // In a process of its own, whose memory is that of nothing else.
    const script = `import { Device } from ${JSON.stringify(path.join(library, 'index.js'))};
      import { RetrievalDatabase } from ${JSON.stringify(path.join(library, 'data', 'index.js'))};
      const device = Device.open('cpu', { threads: 2 });
      const file = ${JSON.stringify(folder.file('a'))};
      const query = new Float32Array(${dim}).fill(0.1);
      const mb = () => process.resourceUsage().maxRSS / 1024;
      const times = [];
      const before = mb();
      for (let i = 0; i < 9; ++i) {
        const [begin, cpu] = [performance.now(), process.cpuUsage()];
        const db = await RetrievalDatabase.open(device, file, { keep: false });
        const { user, system } = process.cpuUsage(cpu);
        times.push({ ms: performance.now() - begin, cpu: (user + system) / 1000 });
        db.dispose();
      }
      const open = mb();
      const db = await RetrievalDatabase.open(device, file, { keep: false });
      const { ids } = await db.search(query, 10);
      await db.search(query, 10);
      const least = (name) => Math.min(...times.map((one) => one[name]));
      const found = { size: db.size, ids: ids.length, ms: least('ms'), first: times[0].ms, cpu: least('cpu'), open: open - before, search: mb() - open };
      console.log(JSON.stringify(found));
      db.dispose();
      await device.close();`;
    const { stdout } = await run(process.execPath, ['--input-type=module', '-e', script]);
    const { size, ids, ms, first, cpu, open, search } = JSON.parse(stdout);
    console.log(`R28: opened in ${ms.toFixed(1)} ms (first ${first.toFixed(1)}), ${cpu.toFixed(1)} of processors; ${open.toFixed(0)} MB, ${search.toFixed(0)} for a search`); // biome-ignore format: one line
    expect([size, ids]).toEqual([rows, 10]);
    // Of processors: the machine may be busy.
    expect(cpu).toBeLessThan(50);
    expect(open).toBeLessThan(16);
    expect(search).toBeLessThan(96);
    large.record(rows);
  });

  it('are left as they were by a save in which any call fails', async () => {
    using folder = new Folder();
    using db = await database();
    await db.save(folder.file('a'));
    const before = hash(folder.file('a'));
    await db.add(Float32Array.of(1, 2, 3));
    for (let nth = 1; ; ++nth) {
      const hit = failNth(nth);
      const failed = await db.save(folder.file('a')).then(
        () => false,
        (error: { code: string }) => error.code === 'ERR_IO',
      );
      restoreCalls();
      if (hit() === undefined) break;
      using again = await RetrievalDatabase.open(device, folder.file('a'));
      expect([40, 41]).toContain(again.size);
      if (failed && again.size === 40) expect(hash(folder.file('a'))).toBe(before);
    }
    expect(openFiles(folder.path)).toEqual([]);
  });

  it('are whole after processes that were killed while they saved', { timeout: 60_000 }, async () => {
    using folder = new Folder();
    const script = `import { Device } from ${JSON.stringify(path.join(library, 'index.js'))};
      import { RetrievalDatabase } from ${JSON.stringify(path.join(library, 'data', 'index.js'))};
      const device = Device.open('cpu');
      for (let value = 1; ; value += 1) {
        const db = new RetrievalDatabase(device, 64, { metric: 'dot', dtype: value % 2 ? 'i8' : 'f32' });
        await db.add(new Float32Array(64 * 2000).fill(value));
        await db.save(${JSON.stringify(folder.file('a'))});
        db.dispose();
        process.stdout.write('.');
      }`;
    for (let kill = 0; kill < 6; ++kill) {
      await new Promise<void>((resolve) => {
        const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
          stdio: ['ignore', 'pipe', 'inherit'],
        });
        let saves = 0;
        child.stdout.on('data', () => {
          saves += 1;
          if (saves === 2) setTimeout(() => child.kill('SIGKILL'), 3 * kill);
        });
        child.on('close', () => resolve());
      });
      using db = await RetrievalDatabase.open(device, folder.file('a'));
      expect(db.size).toBe(2000);
      using rows = await db.gather(Int32Array.of(0, 999, 1999));
      expect(new Set(await rows.read()).size).toBe(1);
    }
  });
});
