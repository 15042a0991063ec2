// Devices: cpu, cuda
// Axes: node
import { readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { Folder } from '../files/folder.ts';
import { runChild } from '../support/child.ts';
import { devices, onlyCpu } from '../support/devices.ts';

// One heap for all threads: each other one reserves 64 MB, two of them all that is left to the collector.
const oneHeap = { MALLOC_ARENA_MAX: '1' };

describe.each(devices)('a process that is short of memory, with a device on %s', { timeout: 60_000 }, (kind) => {
  it('is told so by the call that needs more, and goes on', async () => {
    using folder = new Folder();
    const env = { ORTHOKIT_TEST_KIND: kind, ...oneHeap };
    const ended = await runChild('short-memory.mjs', { args: [folder.path], env });
    expect(ended).toEqual({
      status: 0,
      signal: null,
      stdout: 'read ERR_MEMORY\nsaveTensors ERR_MEMORY\nsave ERR_MEMORY\n1 2 3\n',
      stderr: '',
    });
    expect(readdirSync(folder.path)).toEqual(['small']);
  });
});

describe.each(onlyCpu)('a process that is short of memory', { timeout: 60_000 }, () => {
  it('reads a list that is as long as its memory allows', async () => {
    const ended = await runChild('long-list.mjs', { env: oneHeap });
    expect(ended).toEqual({ status: 0, signal: null, stdout: 'ERR_ARGUMENT\nERR_ARGUMENT ERR_ARGUMENT\n', stderr: '' });
  });
});
