// Devices: cpu
// The content of the package: all that users need, nothing that only developers run; pages whose links stay inside. And what packing
// refuses in a clone that is not built.
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const root = path.join(import.meta.dirname, '..', '..');
const work = mkdtempSync(path.join(os.tmpdir(), 'orthokit-contents-'));
afterAll(() => rmSync(work, { recursive: true }));

function packed(): string[] {
  const words = ['pack', '--dry-run', '--json', '--ignore-scripts'];
  const { stdout } = spawnSync('npm', words, { cwd: root, encoding: 'utf8', maxBuffer: 1 << 26 });
  return JSON.parse(stdout)[0].files.map((file: { path: string }) => file.path);
}

describe('the package', () => {
  let files: string[] = [];
  beforeAll(() => {
    files = packed();
  });

  it('holds the pages, and each relative link of theirs leads to a file in it', () => {
    const pages = files.filter((file) => file.endsWith('.md'));
    expect(pages).toEqual(expect.arrayContaining(['README.md', 'SECURITY.md', 'docs/guide/README.md']));
    const broken = pages.flatMap((page) => {
      const links = readFileSync(path.join(root, page), 'utf8').matchAll(/\]\((?![a-z]+:|#)([^)\s#]+)[^)\s]*\)/g);
      const targets = [...links].map(([, link = '']) => path.join(path.dirname(page), link));
      return targets.filter((target) => !files.includes(target)).map((target) => `${page}: ${target}`);
    });
    expect(broken).toEqual([]);
  });

  it('holds what compiles the addon, and no other script', () => {
    const scripts = files.filter((file) => file.startsWith('scripts/'));
    const imported = scripts.flatMap((file) =>
      [...readFileSync(path.join(root, file), 'utf8').matchAll(/(?:from |require\()'(\.[^']+)'/g)].map(
        ([, other = '']) => path.join(path.dirname(file), other),
      ),
    );
    // `orthokit build` runs the first, CMake the second.
    const own = ['scripts/gyp-build.cjs', 'scripts/keep-ptxas.sh'];
    expect(scripts.toSorted()).toEqual([...new Set([...own, ...imported])].toSorted());
  });

  it('holds the sources of the addon, and not those of the harness, which a clone alone builds', () => {
    const folders = new Set(files.flatMap((file) => /^native\/(\w+)\//.exec(file)?.[1] ?? []));
    expect([...folders].toSorted()).toEqual(['addon', 'core', 'cpu', 'cuda', 'gloo', 'math', 'mpi', 'nccl', 'ops']);
  });

  it('has a megabyte of pages and one of pictures at most', () => {
    const shown = files.filter((file) => /^(scripts|docs)\//.test(file) || !file.includes('/'));
    const bytes = (isPicture: boolean) =>
      shown
        .filter((file) => file.startsWith('docs/images/') === isPicture)
        .reduce((sum, file) => sum + readFileSync(path.join(root, file)).length, 0);
    expect(bytes(false)).toBeLessThan(1e6);
    expect(bytes(true)).toBeLessThan(1e6);
  });
});

/** A clone with these scripts and nothing built, and an npm that writes down what it is asked to do. */
function clone(name: string, scripts: readonly string[]) {
  const folder = path.join(work, name);
  mkdirSync(path.join(folder, 'scripts'), { recursive: true });
  mkdirSync(path.join(folder, 'bin'));
  for (const file of [...scripts.map((script) => `scripts/${script}`), 'package.json', 'package-lock.json'])
    copyFileSync(path.join(root, file), path.join(folder, file));
  writeFileSync(path.join(folder, 'bin', 'npm'), `#!/bin/sh\necho "$@" >> "${folder}/asked"\n`, { mode: 0o755 });
  const run = (...words: string[]) => {
    const env = { ...process.env, PATH: `${folder}/bin:${process.env['PATH']}` };
    const { status, stdout, stderr } = spawnSync(process.execPath, words, { cwd: folder, encoding: 'utf8', env });
    return { status, text: `${stdout}${stderr}` };
  };
  return { folder, run, asked: () => readFileSync(path.join(folder, 'asked'), 'utf8') };
}

describe('in a clone that is not built', () => {
  it('npm pack fails and says what to run', () => {
    const { folder } = clone('pack', ['prepack.mjs']);
    const { status, stdout, stderr } = spawnSync('npm', ['pack', '--dry-run'], { cwd: folder, encoding: 'utf8' });
    expect(status).not.toBe(0);
    expect(`${stdout}${stderr}`).toMatch(/dist\/ is not built: bash scripts\/run.sh build/);
    expect(`${stdout}${stderr}`).toMatch(/prebuilds\/ holds no binary: npm run prebuilds/);
  });

  it('a package without the CUDA plug-in, or for one platform, is made, and says so', () => {
    const { folder, run } = clone('cpu', ['prepack.mjs']);
    for (const file of [
      'dist/index.js',
      'dist/index.d.ts',
      'dist/cli/main.js',
      'prebuilds/linux-x64/orthokit.glibc.node',
    ]) {
      mkdirSync(path.join(folder, path.dirname(file)), { recursive: true });
      writeFileSync(path.join(folder, file), '');
    }
    expect(run('scripts/prepack.mjs')).toEqual({ status: 0, text: expect.stringContaining('no CUDA plug-in') });
    expect(run('scripts/prepack.mjs').text).toContain('without a binary for arm64');
    writeFileSync(path.join(folder, 'prebuilds/linux-x64/orthokit_cuda.so'), '');
    mkdirSync(path.join(folder, 'prebuilds/linux-arm64'));
    writeFileSync(path.join(folder, 'prebuilds/linux-arm64/orthokit.glibc.node'), '');
    expect(run('scripts/prepack.mjs')).toEqual({ status: 0, text: '' });
  });

  it('binaries that are there stay where they cannot be made anew', () => {
    const { folder, run, asked } = clone('prebuilds', ['prebuilds.mjs', 'need.mjs']);
    const binary = path.join(folder, 'prebuilds', 'linux-x64', 'orthokit.glibc.node');
    mkdirSync(path.dirname(binary), { recursive: true });
    writeFileSync(binary, '');
    const { status, text } = run('scripts/prebuilds.mjs');
    expect({ status, text }).toEqual({ status: 1, text: expect.stringContaining('prebuildify is not installed') });
    expect(existsSync(binary)).toBe(true);
    expect(asked()).toMatch(/^ci --ignore-scripts/);
  });

  it.each(['biome', 'types'])('the check %s installs npm packages first', (check) => {
    const { run, asked } = clone(`check-${check}`, ['check.mjs', 'need.mjs']);
    const { text } = run('scripts/check.mjs', check);
    expect(text).toContain('Installing npm packages');
    expect(asked()).toMatch(/^ci --ignore-scripts/);
  });

  it('each npm script that needs packages of npm asks for them', () => {
    const { scripts } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));
    const asks = (command: string): boolean =>
      /^bash scripts\/run\.sh|^node scripts\/need\.mjs/.test(command) ||
      (/^node (\S+)$/.test(command) &&
        readFileSync(path.join(root, command.split(' ')[1]!), 'utf8').includes("need('"));
    // It stands on Node alone.
    const { prepack, ...others } = scripts as Record<string, string>;
    expect(prepack).toBe('node scripts/prepack.mjs');
    expect(Object.entries(others).filter(([, command]) => !asks(command))).toEqual([]);
  });

  it('a build is made where a part of it is missing', () => {
    const { folder, run } = clone('need', ['need.mjs']);
    mkdirSync(path.join(folder, 'node_modules'));
    writeFileSync(path.join(folder, 'node_modules', '.package-lock.json'), '');
    writeFileSync(path.join(folder, 'scripts', 'run.sh'), 'echo "run.sh $1"');
    const missing = { status: 0, text: 'run.sh build\n' };
    for (const file of ['dist/index.js', 'build/Release/orthokit.node']) {
      expect(run('scripts/need.mjs', 'build')).toEqual(missing);
      mkdirSync(path.join(folder, path.dirname(file)), { recursive: true });
      writeFileSync(path.join(folder, file), '');
    }
    expect(run('scripts/need.mjs', 'build')).toEqual({ status: 0, text: '' });
    expect(run('scripts/need.mjs', 'bench')).toEqual(missing);
    expect(run('scripts/need.mjs', 'nothing').status).toBe(2);
  });

  it('npm run example names the examples that there are', () => {
    const { status, stderr } = spawnSync(process.execPath, ['scripts/example.mjs', 'nosuch'], {
      cwd: root,
      encoding: 'utf8',
    });
    expect(status).toBe(2);
    const named = stderr.replace('usage: npm run example -- ', '').trim().split(' | ');
    expect(named).toEqual(
      expect.arrayContaining([
        'digits/train',
        'digits/train-cnn',
        'gpt/train',
        'orthogonal-convolutions/train',
        'sparse/atoms',
        'tokenizers/compare',
        'transport/morph',
      ]),
    );
  });
});
