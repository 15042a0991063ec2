// Devices: cpu
// The command as a user calls it.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, renameSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { Folder } from '../files/folder.ts';
import { byteLevelTokenizer, tensorOf, writeModel, writeTensors } from './models.ts';

const cli = path.join(import.meta.dirname, '..', '..', 'dist', 'cli', 'main.js');

function orthokit(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [cli, ...args], { encoding: 'utf8' });
  return { status, stdout, stderr };
}

function twoModels(folder: Folder, count = 3): string[] {
  const tokens = Array.from({ length: count }, (_, i) => `t${i}`);
  const rows = tokens.map((_, id) => [id + 1, 2, 3]);
  writeModel(folder.file('base'), { tokenizer: byteLevelTokenizer(tokens), embed: rows });
  writeModel(folder.file('donor'), { tokenizer: byteLevelTokenizer([...tokens, 'new']), embed: [...rows, [9, 9, 9]] });
  return [
    '--base',
    folder.file('base'),
    '--donor',
    folder.file('donor'),
    '--out',
    folder.file('out'),
    '--device',
    'cpu',
  ];
}

describe('orthokit transplant', () => {
  it('writes the folder, says what it did, and shows progress in plain lines', () => {
    using folder = new Folder();
    const { status, stdout, stderr } = orthokit('transplant', ...twoModels(folder), '--method', 'mean');
    expect(status).toBe(0);
    expect(stdout).toContain(folder.file('out'));
    expect(stdout).toMatch(/4 ids of the donor: 3 the same in the base, 1 without counterpart\n/);
    expect(stdout).toMatch(/model\.embed_tokens\.weight: \[3, 3\] to \[4, 3\], 3 rows copied, 1 by mean, 0 unused/);
    expect(stderr).toMatch(/^scan 100 %\napproximate .*write 100 %\n$/s);
    expect(existsSync(path.join(folder.file('out'), 'model.safetensors'))).toBe(true);
  });

  it('is one JSON value and nothing else where JSON was asked for', () => {
    using folder = new Folder();
    const { status, stdout, stderr } = orthokit('transplant', ...twoModels(folder), '--method', 'zero', '--json');
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(JSON.parse(stdout)).toMatchObject({ method: 'zero', dryRun: false, match: { exact: 3, none: 1 } });
  });

  it('writes nothing in a dry run', () => {
    using folder = new Folder();
    const { status, stdout } = orthokit('transplant', ...twoModels(folder), '--method', 'zero', '--dry-run');
    expect(status).toBe(0);
    expect(stdout).toMatch(/^dry run, nothing was written\n/);
    expect(folder.names).toEqual(['base', 'donor']);
  });

  it('passes options on', () => {
    using folder = new Folder();
    const args = [
      '--pad-to-multiple',
      '8',
      '--unused-rows',
      'mean',
      '--no-norm-clip',
      '--base-embed',
      'model.embed_tokens.weight',
    ];
    const { status, stdout } = orthokit('transplant', ...twoModels(folder), '--method', 'mean', '--json', ...args);
    expect(status).toBe(0);
    expect(JSON.parse(stdout).tables[0]).toMatchObject({ to: [8, 3], unused: 4, clipped: 0 });
  });

  it('exits 1 with a code when it fails', () => {
    using folder = new Folder();
    const args = twoModels(folder);
    const { status, stdout, stderr } = orthokit('transplant', ...args, '--method', 'mp_rope');
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
    expect(stderr).toMatch(/^orthokit: transplant: method mp_rope is not implemented \(ERR_UNSUPPORTED\)\n$/);
    const failed = orthokit('transplant', ...args, '--base-embed', 'x', '--json');
    expect({ status: failed.status, stderr: failed.stderr }).toEqual({ status: 1, stderr: '' });
    expect(JSON.parse(failed.stdout).error.code).toBe('ERR_ARGUMENT');
  });

  it.each([
    [[]],
    [['--base', 'x', '--donor', 'y']],
    [['--base', 'x', '--donor', 'y', '--out', '']],
    [['--base', 'x', '--donor', 'y', '--out', 'z', '--method', 'magic']],
    [['--base', 'x', '--donor', 'y', '--out', 'z', '-k', 'many']],
    [['--base', 'x', '--donor', 'y', '--out', 'z', 'more']],
    [['--base', 'x', '--donor', 'y', '--out', 'z', '--quick']],
  ])('exits 2 and says where the options are for %j', (args) => {
    const { status, stdout, stderr } = orthokit('transplant', ...args);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toMatch(/^orthokit: .*\northokit help transplant: its options\n$/);
  });

  it.each<[string, (folder: Folder) => string[], string]>([
    ['--base', () => ['--base', 'nowhere'], 'transplant: --base could not be opened, got ENOENT for nowhere (ERR_IO)'],
    [
      '--donor',
      () => ['--donor', 'nowhere'],
      'transplant: --donor could not be opened, got ENOENT for nowhere (ERR_IO)',
    ],
    [
      '--out',
      () => ['--out', 'no/where'],
      `transplant: --out could not be opened, got ENOENT for ${path.resolve('no')} (ERR_IO)`,
    ],
    [
      '--memory-limit',
      () => ['--memory-limit', '1', '-k', '2'],
      'transplant: --memory-limit must hold the rows of 3 shared tokens, 72 bytes, got 1 (ERR_MEMORY)',
    ],
    [
      '--follow-links',
      (folder) => {
        const config = path.join(folder.file('base'), 'config.json');
        renameSync(config, folder.file('elsewhere'));
        symlinkSync(folder.file('elsewhere'), config);
        return [];
      },
      'transplant: config.json must not be a symbolic link unless --follow-links is set, got one in ',
    ],
    [
      '--base-embed',
      (folder) => {
        writeTensors(folder.file('base'), { strange: tensorOf([[1, 2, 3]]) });
        return [];
      },
      'transplant: --base must have one tensor of embeddings, or --base-embed must name it, got none (ERR_UNSUPPORTED)',
    ],
    [
      '--restart',
      (folder) => {
        mkdirSync(folder.file('out.partial'));
        writeFileSync(path.join(folder.file('out.partial'), 'run.json'), '{}');
        return [];
      },
      'be removed with --restart',
    ],
  ])('names the flag %s', (_, change, message) => {
    using folder = new Folder();
    const args = twoModels(folder);
    const { status, stderr } = orthokit('transplant', ...args, ...change(folder));
    expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringContaining(message) });
  });

  it('tells special tokens without counterpart in words', () => {
    using folder = new Folder();
    const args = twoModels(folder);
    const tokenizer = byteLevelTokenizer(['t0', 't1', 't2'], [{ id: 3, content: '<x>' }]);
    writeModel(folder.file('donor'), { tokenizer, embed: [1, 2, 3, 4].map((x) => [x, 1, 1]) });
    const { stdout } = orthokit('transplant', ...args, '--method', 'mean');
    expect(stdout).toContain('4 ids of the donor: 3 the same in the base, 1 without counterpart, 1 of them special\n');
  });

  it('explains each option', () => {
    const { status, stdout } = orthokit('transplant', '--help');
    expect(status).toBe(0);
    expect(stdout).toMatch(/-k, --k N +tokens that stand for a new one/);
    expect(stdout).toMatch(/--match WORD .*\(bytes, mergekit\)/);
  });

  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('answers %s with a code where JSON was asked for', async (signal, exitCode) => {
    using folder = new Folder();
    const args = ['transplant', ...twoModels(folder, 40_000), '--method', 'mean', '--batch-size', '1', '--json'];
    const tokens = Array.from({ length: 20_000 }, (_, i) => `other${i}`);
    writeModel(folder.file('donor'), {
      tokenizer: byteLevelTokenizer(tokens),
      embed: tokens.map((_, id) => [id, 1, 1]),
    });
    const child = spawn(process.execPath, [cli, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    let text = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (text += data));
    const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
    // Signals are listened to before anything is written.
    const waiting = setInterval(() => {
      if (!folder.names.includes('out.partial')) return;
      clearInterval(waiting);
      child.kill(signal);
    }, 5);
    const status = await ended;
    expect({ status, error: JSON.parse(text).error }).toEqual({
      status: exitCode,
      error: { code: 'ERR_INTERRUPTED', message: `stopped by ${signal}; the same command goes on from here` },
    });
  });

  it('stops at an interrupt and goes on from there', async () => {
    using folder = new Folder();
    const args = ['transplant', ...twoModels(folder, 40_000), '--method', 'mean', '--batch-size', '1', '--restart'];
    // All tokens of the donor are new to the base.
    const tokens = Array.from({ length: 20_000 }, (_, i) => `other${i}`);
    writeModel(folder.file('donor'), {
      tokenizer: byteLevelTokenizer(tokens),
      embed: tokens.map((_, id) => [id, 1, 1]),
    });
    const child = spawn(process.execPath, [cli, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    let stderr = '';
    const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
    child.stderr.on('data', (data) => {
      stderr += data;
    });
    // Before the first row is kept there is nothing to go on from, and no folder stays.
    const hasRows = (place: string): boolean =>
      existsSync(place) &&
      readdirSync(place).some((name) => name.endsWith('.rows') && statSync(path.join(place, name)).size > 0);
    const waiting = setInterval(() => {
      if (!hasRows(folder.file('out.partial'))) return;
      clearInterval(waiting);
      child.kill('SIGINT');
    }, 5);
    expect(await ended).toBe(130);
    expect(stderr).toMatch(/stopped by SIGINT; the same command goes on from here/);
    expect(folder.names).toEqual(['base', 'donor', 'out.partial']);
    const others = orthokit(...args.filter((word) => word !== '--restart'), '-k', '5', '--seed', '3');
    expect(others.status).toBe(1);
    expect(others.stderr).toContain('or be removed with --restart, got another run: -k 64 for 5, --seed 0 for 3');
    const again = orthokit(
      ...args.filter((word) => word !== '--restart' && word !== '1' && word !== '--batch-size'),
      '--json',
    );
    expect(again.status).toBe(0);
    expect(JSON.parse(again.stdout).resumed).toBe(true);
    expect(folder.names).toEqual(['base', 'donor', 'out']);
  });
});

describe('orthokit bench', () => {
  it('times operations and prints one JSON value', () => {
    const { status, stdout, stderr } = orthokit('bench', 'relu', 'adamw', '--small', '--seconds', '0.001', '--json');
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const { results } = JSON.parse(stdout);
    expect(new Set(results.map(({ op }: { op: string }) => op))).toEqual(new Set(['relu', 'adamw']));
    for (const { medianMs, minMs, rounds } of results) {
      expect(minMs).toBeGreaterThan(0);
      expect(medianMs).toBeGreaterThanOrEqual(minMs);
      expect(rounds).toBeGreaterThan(0);
    }
  });

  it('reads the words of every operation', () => {
    const run = orthokit('bench', '--small', '--seconds', '0.001');
    expect(run.status).toBe(0);
    expect(run.stdout).toMatch(/^cpu: .*\ngemm /);
  });

  it.each([[['bench', 'magic']], [['bench', '--seconds', '0']], [['bench', '--threads', 'x']]])(
    'exits 2 for %j',
    (args) => {
      expect(orthokit(...args).status).toBe(2);
    },
  );
});
