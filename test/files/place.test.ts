// Devices: cpu
// The place of a saved file: permissions, links, and what killed saves have left.
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { calls } from '../../lib/files/calls.ts';
import { writeTensorFile } from '../../lib/files/safetensors/write.ts';
import { Folder } from './folder.ts';

const save = (file: string, data = new Uint8Array([1, 2, 3, 4])): Promise<void> =>
  writeTensorFile(file, [{ name: 'w', dtype: 'U8', shape: [data.length], data: () => data }], { op: 'test' });
const modeOf = (file: string): number => statSync(file).mode & 0o777;

describe('the permissions of a saved file', () => {
  it.each([0o600, 0o640, 0o664, 0o400])('stay those of the file that it replaces, %o', async (mode) => {
    using folder = new Folder();
    const file = folder.file('x');
    writeFileSync(file, 'old');
    chmodSync(file, mode);
    const { open } = calls;
    const made: number[] = [];
    calls.open = async (name, flags, given) => {
      const handle = await open(name, flags, given);
      if (name.endsWith('.tmp')) made.push((await handle.stat()).mode & 0o777);
      return handle;
    };
    try {
      await save(file);
    } finally {
      calls.open = open;
    }
    expect(modeOf(file)).toBe(mode);
    // Nobody could read it on the way who may not read it in the end.
    expect(made.length).toBe(1);
    expect(made[0]! & ~mode).toBe(0);
  });

  it('are those of any new file where there was none', async () => {
    using folder = new Folder();
    writeFileSync(folder.file('any'), '');
    await save(folder.file('x'));
    expect(modeOf(folder.file('x'))).toBe(modeOf(folder.file('any')));
  });
});

describe('a link', () => {
  it('stays a link, one that leads to a free name too', async () => {
    using folder = new Folder();
    mkdirSync(folder.file('sub'));
    symlinkSync('sub/one', folder.file('x'));
    symlinkSync('../real', folder.file('sub/one'));
    for (let i = 0; i < 2; i += 1) {
      await save(folder.file('x'));
      expect(readlinkSync(folder.file('x'))).toBe('sub/one');
      expect(readlinkSync(folder.file('sub/one'))).toBe('../real');
      expect(lstatSync(folder.file('real')).isFile()).toBe(true);
    }
    expect(folder.names).toEqual(['real', 'sub', 'x']);
  });

  it('into a folder that is not there is ERR_IO', async () => {
    using folder = new Folder();
    symlinkSync('no/x', folder.file('x'));
    await expect(save(folder.file('x'))).rejects.toMatchObject({ code: 'ERR_IO', cause: { code: 'ENOENT' } });
  });
});

describe('what killed saves have left', () => {
  const hex = '0123456789abcdef';
  const old = new Date(Date.now() - 2 * 60 * 60_000);
  const make = (file: string, time?: Date): void => {
    writeFileSync(file, 'left');
    if (time) utimesSync(file, time, time);
  };

  it('is removed by a later save of the same file, and nothing else is', async () => {
    using folder = new Folder();
    make(folder.file(`x.${hex}.tmp`), old);
    make(folder.file(`x.${hex.slice(1)}a.tmp`), old);
    // Of a save that may be under way, of other files, and of other kinds.
    const others = [
      `x.0000000000000000.tmp`,
      `y.${hex}.tmp`,
      `x.y.${hex}.tmp`,
      `x.${hex}.tmp.tmp`,
      `x.${hex}`,
      'x.tmp',
    ];
    make(folder.file(others[0]!));
    for (const name of others.slice(1)) make(folder.file(name), old);
    mkdirSync(folder.file('x.1111111111111111.tmp'));
    symlinkSync('y', folder.file('x.2222222222222222.tmp'));
    utimesSync(folder.file('x.1111111111111111.tmp'), old, old);
    await save(folder.file('x'));
    expect(folder.names).toEqual([...others, 'x', 'x.1111111111111111.tmp', 'x.2222222222222222.tmp'].sort());
  });

  it('beside the file that a link leads to', async () => {
    using folder = new Folder();
    mkdirSync(folder.file('sub'));
    symlinkSync('sub/real', folder.file('x'));
    make(path.join(folder.file('sub'), `real.${hex}.tmp`), old);
    await save(folder.file('x'));
    expect(existsSync(path.join(folder.file('sub'), `real.${hex}.tmp`))).toBe(false);
  });

  it('does not hinder twenty saves at once', async () => {
    using folder = new Folder();
    make(folder.file(`x.${hex}.tmp`), old);
    await Promise.all(Array.from({ length: 20 }, (_, i) => save(folder.file('x'), new Uint8Array(1000).fill(i))));
    expect(folder.names).toEqual(['x']);
    expect(new Set(readFileSync(folder.file('x')).subarray(-1000)).size).toBe(1);
  });
});
