// Devices: cpu
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { ops } from '../../lib/index.ts';

const root = path.join(import.meta.dirname, '..', '..');
const cli = path.join(root, 'dist', 'cli', 'main.js');
const emptyFolder = mkdtempSync(path.join(os.tmpdir(), 'orthokit-'));

function orthokit(args: string[], env: Record<string, string> = {}) {
  const run = spawnSync(process.execPath, [cli, ...args], { encoding: 'utf8', env: { ...process.env, ...env } });
  return { status: run.status, stdout: run.stdout, stderr: run.stderr };
}

describe('orthokit info', () => {
  it('prints one JSON value that names the device and nothing else', () => {
    const { status, stdout, stderr } = orthokit(['info', '--json']);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const found = JSON.parse(stdout);
    expect(found).toMatchObject({ node: process.versions.node, platform: `${process.platform}-${process.arch}` });
    expect(found.devices[0]).toMatchObject({ kind: 'cpu', name: expect.stringMatching(/./) });
  });

  it('exits 1 and says why when the required device cannot be had', () => {
    const { status, stdout, stderr } = orthokit(['info', '--json', '--require', 'cuda'], {
      ORTHOKIT_DISABLE_CUDA: '1',
    });
    expect({ status, stderr }).toEqual({ status: 1, stderr: '' });
    expect(JSON.parse(stdout).unavailable.cuda).toContain('ORTHOKIT_DISABLE_CUDA');
  });

  it('exits 0 when it can', () => {
    expect(orthokit(['info', '--require', 'cpu']).status).toBe(0);
  });

  it('reports a missing binary as JSON with the command that makes one', () => {
    const { status, stdout, stderr } = orthokit(['info', '--json'], { ORTHOKIT_PREBUILD: emptyFolder });
    expect({ status, stderr }).toEqual({ status: 1, stderr: '' });
    expect(JSON.parse(stdout).error).toMatchObject({
      code: 'ERR_NO_BINARY',
      message: expect.stringContaining('npx orthokit build'),
    });
  });
});

describe('orthokit info, for people', () => {
  it('says what there is in words and in units that people read', () => {
    const { status, stdout, stderr } = orthokit(['info'], { ORTHOKIT_DISABLE_CUDA: '1' });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toMatch(/^orthokit \d+\.\d+\.\d+\nNode\.js \d+\.\d+\.\d+ on linux-/);
    expect(stdout).toMatch(/^ {2}memory +\d+\.\d [MGT]iB$/m);
    expect(stdout).toMatch(/^cuda: not available, .*ORTHOKIT_DISABLE_CUDA/m);
    expect(stdout).not.toMatch(/[{}]|memoryBytes/);
  });
});

describe('usage', () => {
  it.each([
    [[], 'no command', 'orthokit help: the commands'],
    [['bogus'], 'no command bogus', 'orthokit help: the commands'],
    [['constructor'], 'no command constructor', 'orthokit help: the commands'],
    [['toString', '--help'], 'no command toString', 'orthokit help: the commands'],
    [['help', 'bogus'], 'no command bogus', 'orthokit help: the commands'],
    [['help', 'bench', 'junk'], "Unexpected argument 'junk'", 'orthokit help: the commands'],
    [['--version', 'junk'], "Unexpected argument 'junk'", 'orthokit help: the commands'],
    [['--help', 'junk'], "Unexpected argument 'junk'", 'orthokit help: the commands'],
    [['info', '--bogus'], 'no option --bogus', 'orthokit help info: its options'],
    [['info', '--require', 'gpu'], '--require must be cpu or cuda, got gpu', 'orthokit help info: its options'],
    [['build', '--nonsense'], 'no option --nonsense', 'orthokit help build: its options'],
    [['transplant', '--base', 'x'], '--donor is missing', 'orthokit help transplant: its options'],
    [['bench', '--seconds', '0'], '--seconds must be a number above 0, got 0', 'orthokit help bench: its options'],
    [['bench', '--seconds', '-1'], '--seconds must be a number above 0, got -1', 'orthokit help bench: its options'],
    [['bench', '--seconds=-1'], '--seconds must be a number above 0, got -1', 'orthokit help bench: its options'],
    [['bench', '--threads', '0'], '--threads must be a whole number from 1, got 0', 'orthokit help bench: its options'],
  ])('exits 2 for %j and says what is wrong and where to read on', (args, problem, hint) => {
    expect(orthokit(args)).toEqual({ status: 2, stdout: '', stderr: `orthokit: ${problem}\n${hint}\n` });
  });

  it('is JSON where JSON was asked for', () => {
    const { status, stdout, stderr } = orthokit(['info', '--json', '--bogus']);
    expect({ status, stderr }).toEqual({ status: 2, stderr: '' });
    expect(JSON.parse(stdout)).toEqual({ error: { code: 'ERR_USAGE', message: 'no option --bogus' } });
  });

  it.each([[['--help']], [['-h']], [['help']]])('lists the commands on %j', (args) => {
    const { status, stdout } = orthokit(args);
    expect(status).toBe(0);
    expect(stdout).toMatch(/orthokit info[\s\S]*orthokit build/);
  });

  it('tells a command by help and by --help alike', () => {
    const { status, stdout } = orthokit(['help', 'bench']);
    expect({ status, stdout }).toEqual({ status: 0, stdout: orthokit(['bench', '--help']).stdout });
    expect(stdout).toContain('--seconds N');
  });
});

describe('orthokit bench', () => {
  const api = Object.keys(ops).sort();

  it('lists the operations by the names of the API', () => {
    const { status, stdout } = orthokit(['bench', '--list']);
    expect(status).toBe(0);
    expect(
      stdout
        .trimEnd()
        .split('\n')
        .map((line) => line.split(' ')[0]!)
        .sort(),
    ).toEqual(api);
    const listed: { op: string }[] = JSON.parse(orthokit(['bench', '--list', '--json']).stdout);
    expect(listed.map(({ op }) => op).sort()).toEqual(api);
  });

  it('names them all for one that it does not know', () => {
    const { status, stderr } = orthokit(['bench', 'nosuch']);
    expect(status).toBe(2);
    const [, names = ''] = /^orthokit: no operation nosuch; there are (.*)\n/.exec(stderr) ?? [];
    expect(names.split(', ').sort()).toEqual(api);
  });

  it('takes both spellings and answers in that of the API', () => {
    const { status, stdout } = orthokit([
      'bench',
      'columnSum',
      'column_sum',
      '--small',
      '--seconds',
      '0.001',
      '--json',
    ]);
    expect(status).toBe(0);
    const { results } = JSON.parse(stdout) as { results: { op: string }[] };
    expect(new Set(results.map(({ op }) => op))).toEqual(new Set(['columnSum']));
    expect(results.length % 2).toBe(0);
  });
});

describe('orthokit build', () => {
  it('names what is missing when there is no compiler', () => {
    const { status, stderr } = orthokit(['build'], { PATH: emptyFolder, CXX: '' });
    expect(status).toBe(1);
    expect(stderr).toMatch(/CMake.*C\+\+20 compiler/);
  });

  describe('without cmake-js', () => {
    // The command without an addon, in a folder beside which nothing is installed, and an npm that writes down what it is
    // asked: who has no addon can still make one.
    const folder = mkdtempSync(path.join(os.tmpdir(), 'orthokit build-'));
    afterAll(() => rmSync(folder, { recursive: true }));
    for (const part of ['dist', 'scripts', 'package.json'])
      cpSync(path.join(root, part), path.join(folder, part), { recursive: true });
    mkdirSync(path.join(folder, 'bin'));
    const program = (name: string, body: string) =>
      writeFileSync(path.join(folder, 'bin', name), `#!/bin/sh\n${body}\n`, { mode: 0o755 });
    for (const name of ['cmake', 'c++']) program(name, 'exit 0');
    // It exports nothing, and hides one that somebody installed above the folder.
    const hidden = path.join(folder, 'node_modules/cmake-js');
    mkdirSync(hidden, { recursive: true });
    writeFileSync(path.join(hidden, 'package.json'), '{ "name": "cmake-js", "version": "8.0.0", "exports": {} }');
    const asked = path.join(folder, 'asked');
    const run = (script: string, ...args: string[]) => {
      const env = { ...process.env, PATH: `${folder}/bin:${process.env['PATH']}`, NODE_PATH: '' };
      const words = [path.join(folder, script), ...args];
      return spawnSync(process.execPath, words, { encoding: 'utf8', env });
    };

    it.each([
      ['dist/cli/main.js', 'build'],
      ['scripts/gyp-build.cjs', 'Release'],
    ])('%s downloads nothing, and says what to install', (...words) => {
      program('npm', `echo "$@" >> "${asked}"`);
      program('npx', `echo "$@" >> "${asked}"`);
      const { status, stderr } = run(...(words as [string, string]));
      expect(status).toBe(1);
      expect(stderr).toMatch(/npm install --save-dev cmake-js@8\n.*npx orthokit build\n/);
      expect(stderr).toContain('npx orthokit build --install');
      expect(existsSync(asked)).toBe(false);
    });

    it('--install lets npm fetch it', () => {
      program('npm', `echo "$@" >> "${asked}"; [ "$6" = --version ]`);
      run('dist/cli/main.js', 'build', '--install');
      expect(readFileSync(asked, 'utf8')).toMatch(
        /^exec --yes --package=cmake-js@8 -- cmake-js --version\nexec .* cmake-js reconfigure -d /,
      );
    });

    it('--install without a network says so in a line', () => {
      program(
        'npm',
        'echo "npm error code ECONNREFUSED\nnpm error FetchError: request to https://x failed" >&2; exit 1',
      );
      const { status, stderr } = run('dist/cli/main.js', 'build', '--install');
      expect(status).toBe(1);
      expect(stderr).toMatch(/^orthokit: npm could not fetch cmake-js@8 \(ECONNREFUSED\): try again .*\n$/);
    });
  });
});
