// Devices: cpu, cuda
// Axes: node
import { readdirSync, readFileSync, readlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { type Calls, calls } from '../../lib/files/calls.ts';
import { Device, loadTensors, saveTensors, Tensor } from '../../lib/index.ts';
import { devices } from '../support/devices.ts';
import { settledMemory } from '../support/settled.ts';
import { Folder } from './folder.ts';
import { loseNth } from './late-errors.ts';

const original: Calls = { ...calls };
const names = Object.keys(original) as (keyof Calls)[];
afterEach(() => Object.assign(calls, original));

const fault = (): Error => Object.assign(new Error('EIO: i/o error'), { code: 'EIO' });

type Call = (...args: unknown[]) => Promise<unknown>;

/** Every call goes through `around`, which gets its name and the real call. */
function intercept(
  around: (name: keyof Calls, call: () => Promise<unknown>, args: unknown[]) => Promise<unknown>,
): void {
  for (const name of names) {
    const real = original[name] as Call;
    (calls as unknown as Record<string, Call>)[name] = (...args) => around(name, () => real(...args), args);
  }
}

/** Runs `work` with its first call failing, then its second, and so on until it meets no failure. */
async function failEach(
  work: () => Promise<unknown>,
  afterFault: (error: unknown, name: keyof Calls, nth: number) => void | Promise<void>,
): Promise<(keyof Calls)[]> {
  const failed: (keyof Calls)[] = [];
  for (let nth = 1; ; nth += 1) {
    let count = 0;
    let hit: keyof Calls | undefined;
    intercept(async (name, call) => {
      count += 1;
      if (count !== nth) return call();
      hit = name;
      // A close that fails has closed the file all the same.
      if (name === 'close') await call();
      throw fault();
    });
    const handles = openFiles();
    const error = await work().then(
      () => undefined,
      (e: unknown) => e,
    );
    Object.assign(calls, original);
    if (hit === undefined) {
      expect(error).toBe(undefined);
      return failed;
    }
    expect(openFiles()).toEqual(handles);
    failed.push(hit);
    await afterFault(error, hit, nth);
  }
}

/** Open files of this process below the folders of the tests. */
function openFiles(): string[] {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      const target = readlinkSync(`/proc/self/fd/${fd}`);
      return target.includes('/orthokit-') ? [target] : [];
    } catch {
      return []; // the descriptor of the listing itself
    }
  });
}

// A write takes at most 4 MiB: the start, two for the first tensor, one for the second.
const writes = ['write', 'write', 'write', 'write'] as const;
const order: (keyof Calls)[] = [
  'realpath',
  'stat',
  'open',
  'list',
  'open',
  'fstat',
  ...writes,
  'sync',
  'close',
  'rename',
  'sync',
  'close',
];

describe.each(devices)('R2: on %s', { tags: ['R2'] }, (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const tensors = (value: number): Record<string, Tensor> => ({
    a: Tensor.from(device, new Float32Array(1_200_000).fill(value), [1_200_000]),
    b: Tensor.from(device, new Float32Array([value]), [1]),
  });

  describe('R2: every file call fails once', () => {
    it('while tensors are saved over an old file', async () => {
      using folder = new Folder();
      const file = folder.file('x');
      await saveTensors(file, tensors(1));
      const oldBytes = readFileSync(file);
      await saveTensors(file, tensors(2));
      const newBytes = readFileSync(file);

      const failed = await failEach(
        () => {
          writeFileSync(file, oldBytes);
          return saveTensors(file, tensors(2));
        },
        (error, name, nth) => {
          expect(folder.names).toEqual(['x']);
          // Leftovers that cannot be looked for are no reason not to save.
          if (name === 'list') return expect(error).toBe(undefined);
          expect(error, `${nth} ${name}`).toMatchObject({ code: 'ERR_IO', cause: { code: 'EIO' } });
          const renamed = nth - 1 > order.indexOf('rename');
          expect(readFileSync(file).equals(renamed ? newBytes : oldBytes), `${nth} ${name}`).toBe(true);
        },
      );
      expect(failed).toEqual(order);
      expect(readFileSync(file).equals(newBytes)).toBe(true);
    });

    it('while tensors are saved to a new name', async () => {
      using folder = new Folder();
      await failEach(
        () => saveTensors(folder.file('x'), tensors(1)),
        (error, name, nth) => {
          if (name === 'list') {
            expect(error).toBe(undefined);
            return unlinkSync(folder.file('x'));
          }
          expect(error).toMatchObject({ code: 'ERR_IO', cause: { code: 'EIO' } });
          if (nth === 1) expect(name).toBe('realpath');
          if (folder.names.length > 0) {
            expect(folder.names).toEqual(['x']);
            expect(['sync', 'close']).toContain(name);
          }
        },
      );
    });

    it('while tensors are loaded, and no tensor is left', async () => {
      using folder = new Folder();
      await saveTensors(folder.file('x'), tensors(1));
      const before = readFileSync(folder.file('x'));
      const { live } = await settledMemory(device);
      const failed = await failEach(
        async () => {
          for (const tensor of Object.values(await loadTensors(folder.file('x'), device))) tensor.dispose();
        },
        async (error) => {
          expect(error).toMatchObject({ code: 'ERR_IO', cause: { code: 'EIO' } });
          expect(device.info.memory.live).toBe(live);
          expect(readFileSync(folder.file('x')).equals(before)).toBe(true);
        },
      );
      // The larger tensor comes in two spans.
      expect(failed).toEqual(['stat', 'open', 'fstat', 'read', 'read', 'read', 'read', 'read', 'close']);
    });
  });

  it('R2: an error that arrives when a file is closed leaves the old one', async () => {
    using folder = new Folder();
    const file = folder.file('x');
    await saveTensors(file, tensors(1));
    const before = readFileSync(file);
    const lost: number[] = [];
    for (let nth = 1; ; nth += 1) {
      const found = loseNth(nth);
      const error = await saveTensors(file, tensors(2)).catch((problem: unknown) => problem);
      Object.assign(calls, original);
      if (!found.opened) break;
      expect(folder.names).toEqual(['x']);
      if (found.written) {
        lost.push(nth);
        expect(error).toMatchObject({ code: 'ERR_IO', cause: { code: 'ENOSPC' } });
        expect(readFileSync(file).equals(before)).toBe(true);
      } else expect(error).toBe(undefined);
      writeFileSync(file, before);
    }
    expect(lost.length).toBe(1);
  });

  describe('R2: short transfers', () => {
    it('are continued: a file saved and loaded 1 to 7 bytes at a time', async () => {
      using folder = new Folder();
      const data = Float32Array.from({ length: 300 }, (_, i) => i / 3);
      let turn = 0;
      intercept((name, call, args) => {
        const [handle, bytes, position] = args as [FileHandle, Uint8Array, number];
        turn += 1;
        if (name === 'read') return original.read(handle, bytes.subarray(0, 1 + (turn % 7)), position);
        if (name === 'write') return original.write(handle, bytes.subarray(0, 1 + (turn % 7)), position);
        return call();
      });
      await saveTensors(folder.file('x'), { a: Tensor.from(device, data, [300]) }, { metadata: { k: 'v' } });
      expect(await (await loadTensors(folder.file('x'), device))['a']!.read()).toEqual(data);
      Object.assign(calls, original);
      expect(await (await loadTensors(folder.file('x'), device))['a']!.read()).toEqual(data);
    });

    it('of nothing end with ERR_IO when writing', async () => {
      using folder = new Folder();
      intercept(async (name, call) => (name === 'write' ? 0 : call()));
      await expect(saveTensors(folder.file('x'), tensors(1))).rejects.toMatchObject({ code: 'ERR_IO' });
      expect(folder.names).toEqual([]);
    });

    it('of nothing end with ERR_FORMAT when the file shrinks under the reader', async () => {
      using folder = new Folder();
      await saveTensors(folder.file('x'), tensors(1));
      let reads = 0;
      intercept(async (name, call) => {
        if (name === 'read') reads += 1;
        return name === 'read' && reads === 4 ? 0 : call();
      });
      await expect(loadTensors(folder.file('x'), device)).rejects.toMatchObject({ code: 'ERR_FORMAT' });
    });
  });

  describe('the folder', () => {
    it.each([
      ['EINVAL', undefined],
      ['EIO', 'ERR_IO'],
    ])('that answers sync with %s', async (code, expected) => {
      using folder = new Folder();
      let syncs = 0;
      intercept(async (name, call) => {
        if (name === 'sync') syncs += 1;
        if (name === 'sync' && syncs === 2) throw Object.assign(new Error(code), { code });
        return call();
      });
      const saved = saveTensors(folder.file('x'), tensors(1));
      if (expected) await expect(saved).rejects.toMatchObject({ code: expected });
      else await saved;
      expect(folder.names).toEqual(['x']);
    });

    it('that does not exist is ERR_IO', async () => {
      using folder = new Folder();
      await expect(saveTensors(folder.file('no/x'), tensors(1))).rejects.toMatchObject({
        code: 'ERR_IO',
        cause: { code: 'ENOENT' },
      });
    });
  });
});
