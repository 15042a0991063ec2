// Devices: cpu
// Axes: node
// Which file a bundle takes for its binary: what node-gyp-build takes, in folders of all sorts of names.
import { mkdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { binariesIn, findBinary, thisSystem } from '../../lib/core/find-binary.ts';
import { Folder } from '../files/folder.ts';
import { Random } from '../support/random.mjs';

const require = createRequire(import.meta.url);
const variables = ['LIBC', 'ARM_VERSION', 'npm_config_arch', 'npm_config_platform', 'PREBUILDS_ONLY'] as const;
const before = variables.map((name) => [name, process.env[name]] as const);
afterEach(() => {
  for (const [name, value] of before) {
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  }
});

/** The binary that node-gyp-build finds. It reads the environment when it is loaded, so it is loaded anew. */
function theirs(root: string): string | undefined {
  const entry = require.resolve('node-gyp-build');
  for (const file of Object.keys(require.cache)) if (file.includes('node-gyp-build')) delete require.cache[file];
  const search: { resolve(root: string): string } = require(entry);
  try {
    return search.resolve(root);
  } catch {
    return undefined;
  }
}

function put(root: string, ...files: string[]): void {
  for (const file of files) {
    mkdirSync(path.join(root, path.dirname(file)), { recursive: true });
    writeFileSync(path.join(root, file), '');
  }
}

const { platform, abi, uv } = thisSystem();
const tuples = [`${platform}-x64`, `${platform}-arm64`, `${platform}-x64+arm64`, 'darwin-x64', 'win32-x64', 'x64', `${platform}-x64-y`, `${platform}-+x64`]; // biome-ignore format: one line
const tags = ['glibc', 'musl', 'armv7', 'armv8', `uv${uv}`, 'uv0', 'napi', `abi${abi}`, 'abi1', 'electron', 'other', '']; // biome-ignore format: one line

describe('findBinary', () => {
  // Source: node-gyp-build itself
  it.each([
    {},
    { LIBC: 'musl' },
    { npm_config_arch: 'arm64' },
    { npm_config_arch: 'arm64', ARM_VERSION: '7', LIBC: 'musl' },
    { npm_config_platform: 'darwin', npm_config_arch: 'x64' },
    { PREBUILDS_ONLY: '1' },
  ])('takes what node-gyp-build takes with %j', (env) => {
    Object.assign(process.env, env);
    const random = new Random(JSON.stringify(env).length);
    const found = new Set<string | undefined>();
    for (let i = 0; i < 150; ++i) {
      using folder = new Folder();
      const files = Array.from({ length: 1 + random.below(6) }, () => {
        const own = Array.from({ length: random.below(3) }, () => random.of(tags)).filter(Boolean);
        return `prebuilds/${random.of(tuples)}/${['orthokit', ...own, 'node'].join('.')}`;
      });
      if (random.below(10) === 0) files.push(`build/${random.of(['Release', 'Debug'])}/orthokit.node`);
      put(folder.path, ...files, `prebuilds/${platform}-x64/orthokit_cuda.so`, `prebuilds/${platform}-x64/README.md`);
      const own = findBinary(folder.path, thisSystem());
      expect(own, files.join(' ')).toBe(theirs(folder.path));
      found.add(own && path.relative(folder.path, own));
    }
    expect(found.size).toBeGreaterThan(4);
    expect(found).toContain(undefined);
  });

  it('passes over binaries of other packages, which a bundle has in the same folder', () => {
    using folder = new Folder();
    const system = { ...thisSystem(), platform: 'linux', arch: 'x64', libc: 'glibc' };
    put(folder.path, 'build/Release/other.node', 'prebuilds/linux-x64/bufferutil.node', 'prebuilds/linux-x64/orthokitten.node'); // biome-ignore format: one line
    expect(findBinary(folder.path, system)).toBeUndefined();
    expect(binariesIn(folder.path)).toEqual([]);
    put(folder.path, 'prebuilds/linux-x64/orthokit.glibc.node', 'prebuilds/linux-arm64/orthokit.glibc.node');
    expect(findBinary(folder.path, system)).toBe(folder.file('prebuilds/linux-x64/orthokit.glibc.node'));
    expect(findBinary(folder.path, { ...system, libc: 'musl' })).toBeUndefined();
    expect(binariesIn(folder.path)).toEqual(['linux-arm64/orthokit.glibc.node', 'linux-x64/orthokit.glibc.node']);
  });

  it('takes the system from where node-gyp-build takes it', () => {
    for (const name of variables) delete process.env[name];
    expect(thisSystem()).toMatchObject({ platform: process.platform, arch: process.arch, runtime: 'node' });
    Object.assign(process.env, { LIBC: 'musl', npm_config_arch: 'arm64', npm_config_platform: 'android' });
    expect(thisSystem()).toMatchObject({ platform: 'android', arch: 'arm64', libc: 'musl', armv: '8' });
  });
});
