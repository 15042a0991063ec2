// Devices: cpu, cuda
// Axes: node
// How a version of Node.js finds and loads the binary, and how late errors reach it.
import { copyFileSync, cpSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { Folder } from '../files/folder.ts';
import { runChild } from '../support/child.ts';
import { devices, onlyCpu } from '../support/devices.ts';
import { open } from '../support/opened.ts';

describe.each(onlyCpu)('ORTHOKIT_PREBUILD', { timeout: 60_000 }, () => {
  it.each(['.', 'build/Release'])('%j, which is relative, is refused', async (relative) => {
    const { status, stderr } = await runChild('open.mjs', { env: { ORTHOKIT_PREBUILD: relative } });
    expect(status).toBe(1);
    expect(stderr).toContain(`OrthokitError: ORTHOKIT_PREBUILD must be an absolute path, got ${relative}`);
    expect(stderr).toContain("code: 'ERR_NO_BINARY'");
  });
});

describe.each(devices)('ORTHOKIT_SYNC on %s', { timeout: 60_000 }, (kind) => {
  it('1 throws where queued work was called, and goes on after it', async () => {
    const { stdout } = await runChild('sync.mjs', { env: { ORTHOKIT_SYNC: '1', ORTHOKIT_TEST_KIND: kind } });
    expect(stdout).toBe('thrown ERR_ARGUMENT\n2 2\n');
  });

  it.each(['0', ''])('%j is off', async (off) => {
    const { stdout } = await runChild('sync.mjs', { env: { ORTHOKIT_SYNC: off, ORTHOKIT_TEST_KIND: kind } });
    expect(stdout).toBe('queued\nrejected ERR_ARGUMENT\n');
  });
});

describe.each(onlyCpu)('a checkout in a folder with a space', { timeout: 60_000 }, () => {
  it('finds its binary and looks for the plug-in beside it', async () => {
    using folder = new Folder();
    const root = path.join(import.meta.dirname, '..', '..');
    const copy = path.join(folder.path, 'my files %20 é');
    mkdirSync(path.join(copy, 'build', 'Release'), { recursive: true });
    copyFileSync(path.join(root, 'package.json'), path.join(copy, 'package.json'));
    cpSync(path.join(root, 'dist'), path.join(copy, 'dist'), { recursive: true });
    const binary = path.join('build', 'Release', 'orthokit.node');
    copyFileSync(path.join(root, binary), path.join(copy, binary));
    symlinkSync(path.join(root, 'node_modules'), path.join(copy, 'node_modules'));
    const env = { ORTHOKIT_CUDA_PLUGIN: '', ORTHOKIT_DISABLE_CUDA: '' };
    const found = await open(env, [path.join(copy, 'dist', 'index.js')]);
    expect(found.available).toContain('cpu');
    expect(found.unavailable.cuda).toContain(path.join(copy, 'build', 'Release', 'orthokit_cuda.so'));
  });
});

describe.each(onlyCpu)('a bundle without node_modules', { timeout: 60_000 }, () => {
  const root = path.join(import.meta.dirname, '..', '..');
  /** The library in a folder of its own, and a folder with binaries of these names below `prebuilds`. */
  function bundle(folder: Folder, ...names: string[]): { entry: string; prebuild: string } {
    const prebuild = folder.file('my binaries');
    for (const name of names) {
      const file = path.join(prebuild, 'prebuilds', name);
      mkdirSync(path.dirname(file), { recursive: true });
      symlinkSync(path.join(root, 'build', 'Release', 'orthokit.node'), file);
    }
    cpSync(path.join(root, 'dist'), folder.file('bundle/dist'), { recursive: true });
    writeFileSync(folder.file('bundle/package.json'), '{ "type": "module" }');
    return { entry: folder.file('bundle/dist/index.js'), prebuild };
  }
  const own = `${process.platform}-${process.arch}`;

  it.each([['glibc'], ['musl']])('takes the binary of a system with %s', async (libc) => {
    using folder = new Folder();
    const { entry, prebuild } = bundle(folder, `${own}/orthokit.glibc.node`, `${own}/orthokit.musl.node`);
    const found = await open({ ORTHOKIT_PREBUILD: prebuild, LIBC: libc }, [entry]);
    expect(found.available).toContain('cpu');
  });

  it('names the system and what is there where nothing fits', async () => {
    using folder = new Folder();
    const { entry, prebuild } = bundle(folder, `${own}/orthokit.glibc.node`, 'linux-riscv64/orthokit.musl.node');
    const env = { ORTHOKIT_PREBUILD: prebuild, LIBC: 'musl' };
    const { status, stderr } = await runChild('open.mjs', { env, args: [entry] });
    expect(status).toBe(1);
    const there = [`${own}/orthokit.glibc.node`, 'linux-riscv64/orthokit.musl.node'].sort().join(', ');
    expect(stderr).toContain(
      `OrthokitError: no binary of orthokit for ${own} with musl: ${path.join(prebuild, 'prebuilds')} has ` +
        `${there}; compile one with \`npx orthokit build\``,
    );
    expect(stderr).toContain("code: 'ERR_NO_BINARY'");
  });
});
