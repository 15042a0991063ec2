// Devices: cpu
// The command as a user calls it.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, renameSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { Folder } from '../files/folder.ts';
import { readModel } from '../transplant/models.ts';
import { family, matrix, writeAdapter, writeParts } from './folders.ts';

const cli = path.join(import.meta.dirname, '..', '..', 'dist', 'cli', 'main.js');

function merge(folder: Folder, ...more: string[]) {
  const { base, models, out } = family(folder, 2);
  const args = ['merge', '--base', base, '--models', ...models, '--out', out, '--device', 'cpu', ...more];
  const { status, stdout, stderr } = spawnSync(process.execPath, [cli, ...args], { encoding: 'utf8' });
  return { status, stdout, stderr, out };
}

it('writes the folder, says what it did, and shows progress in plain lines', () => {
  using folder = new Folder();
  const { status, stdout, stderr, out } = merge(folder, '--method', 'opcm', '--alpha', '0.25');
  expect(status).toBe(0);
  expect(stdout).toContain(`${out}\nopcm: base + scale·Σ clean(modelᵢ − base), alpha 0.25`);
  expect(stdout).toMatch(/4 tensors merged, 0 kept; 484 bytes of weights, 131 KB beside them meanwhile, at most /);
  expect(stdout).toMatch(/2 matrices projected, [\d.]+ % of their energy kept/);
  expect(stderr).toMatch(/^scan .*measure .*write 100 %\n$/s);
  expect(existsSync(path.join(out, 'model.safetensors'))).toBe(true);
});

it('passes options on, and answers in JSON', () => {
  using folder = new Folder();
  const options = [
    '--weights',
    '1,-0.5',
    '--scale',
    '0.2',
    '--skip',
    'model.**',
    '**.bias',
    '--shard-size',
    '1KB',
    '--dry-run',
  ];
  const { status, stdout, stderr, out } = merge(folder, '--method', 'arithmetic', ...options, '--json');
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  expect(JSON.parse(stdout)).toMatchObject({
    formula: 'base + 0.2·((models[0] − base) − 0.5·(models[1] − base))',
    kept: ['model.embed_tokens.weight', 'layers.0.bias'],
    dryRun: true,
  });
  expect(existsSync(out)).toBe(false);
});

it('takes adapters, and says of what rank and scale they are', () => {
  using folder = new Folder();
  const layer = { a: matrix(2, 6, 1), b: matrix(7, 2, 2) };
  const adapter = writeAdapter(folder.file('adapter'), { 'layers.0.up': layer }, { r: 2, lora_alpha: 3 });
  const { base, models, out } = family(folder, 1);
  const args = ['merge', '--base', base, '--models', ...models, adapter, '--out', out, '--method', 'average'];
  for (const more of [['--dry-run'], []]) {
    const { status, stdout } = spawnSync(process.execPath, [cli, ...args, ...more], { encoding: 'utf8' });
    expect(status).toBe(0);
    expect(stdout).toContain(
      `models[0] ${models[0]}\nmodels[1] ${adapter}, an adapter: rank 2, scale 1.50 in 1 tensor\n`,
    );
  }
  expect(existsSync(out)).toBe(true);
});

it('quotes the names of files that it does not know', () => {
  using folder = new Folder();
  const { base } = family(folder, 2);
  writeFileSync(path.join(base, 'a\u001b[2J\u009b1m'), '');
  const { stdout } = merge(folder, '--method', 'average', '--dry-run');
  expect(stdout).toContain('not copied: "a\\u001b[2J\\u009b1m"\n');
});

it('names flags in messages, and exits with the code of the failure', () => {
  using folder = new Folder();
  const { status, stderr } = merge(folder, '--method', 'average', '--memory-limit', '1KB');
  expect(status).toBe(1);
  expect(stderr).toMatch(/orthokit: mergeModels: --memory-limit must hold the work on tensor .* \(ERR_MEMORY\)/);
  expect(merge(new Folder(), '--method', 'magic').status).toBe(2);
});

/** Changes by each flag, beside those above: in the report as JSON, or in the tensors of the new folder. */
const changes: [flag: string, words: string[], told: object, dtypes?: string[]][] = [
  ['--only', ['--method', 'average', '--only', '**.up.*', '--only', '**.bias'], { kept: ['model.embed_tokens.weight', 'layers.0.down.weight'] }],
  ['--skip', ['--method', 'average', '--skip', '**.up.*'], { kept: ['layers.0.up.weight'] }],
  ['--dtype', ['--method', 'average', '--dtype', 'bf16', '--skip', '**.bias'], { bytes: 2 * (30 + 42 + 42) + 4 * 7 }, ['BF16', 'BF16', 'BF16', 'F32']],
  ['--density', ['--method', 'ties', '--density', '0.5'], { density: [60 / 121, 60 / 121], formula: expect.stringMatching(/, density 0\.5$/) }],
  ['--alpha', ['--method', 'opcm', '--alpha', '0'], { tensors: expect.arrayContaining([expect.objectContaining({ ranks: [0, 0] })]) }],
  ['--shuffle', ['--method', 'opcm', '--shuffle', '0'], { models: [{ label: 'models[1]' }, { label: 'models[0]' }] }],
  ['--shuffle of another seed', ['--method', 'opcm', '--shuffle', '1'], { models: [{ label: 'models[0]' }, { label: 'models[1]' }] }],
  ['--shard-size', ['--method', 'average', '--shard-size', '200'], { bytes: 484 }, ['F32', 'F32', 'F32', 'F32']],
]; // biome-ignore format: a line each

it.each(changes)('%s changes what it says', (_, words, told, dtypes) => {
  using folder = new Folder();
  const { status, stdout, stderr, out } = merge(folder, ...words, '--json');
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  expect(JSON.parse(stdout)).toMatchObject(told);
  const { tensors } = readModel(out);
  if (dtypes) expect([...tensors.values()].map(({ dtype }) => dtype).sort()).toEqual(dtypes);
});

it('follows the relative links of a hub cache with --follow-links, and names one without', () => {
  using folder = new Folder();
  const { base, models, out } = family(folder, 2);
  /** The layout of hub caches: files stand in blobs/, and a snapshot links to them by `../../blobs/…`. */
  const cached = (model: string): string => {
    const hub = folder.file(`models--org--${path.basename(model)}`);
    const snapshot = path.join(hub, 'snapshots', '0123456789abcdef');
    for (const name of [snapshot, path.join(hub, 'blobs')]) mkdirSync(name, { recursive: true });
    for (const [i, name] of readdirSync(model).entries()) {
      renameSync(path.join(model, name), path.join(hub, 'blobs', `hash${i}`));
      symlinkSync(path.join('..', '..', 'blobs', `hash${i}`), path.join(snapshot, name));
    }
    return snapshot;
  };
  const [one, two, three] = [base, ...models].map(cached) as [string, string, string];
  const args = ['merge', '--base', one, '--models', two, three, '--out', out, '--device', 'cpu', '--method', 'average'];
  const run = (...more: string[]) => spawnSync(process.execPath, [cli, ...args, ...more], { encoding: 'utf8' });
  const refused = run();
  expect(refused.status).toBe(1);
  expect(refused.stderr).toContain('--follow-links');
  expect(run('--follow-links').status).toBe(0);
  expect(readModel(out).tensors.size).toBe(4);
});

it('stops at an interrupt with 130, goes on from there, and begins anew with --restart', async () => {
  using folder = new Folder();
  const large = (name: string, seed: number): string =>
    writeParts(folder.file(name), {
      tensors: Object.fromEntries([0, 1, 2, 3].map((i) => [`l.${i}.weight`, matrix(400, 400, 10 * seed + i)])),
    });
  const [base, ...models] = ['base', 'one', 'two', 'three'].map(large) as [string, string, string, string];
  const args = ['merge', '--base', base, '--models', ...models, '--out', folder.file('out'), '--method', 'opcm', '--device', 'cpu']; // biome-ignore format: one line
  const run = (...more: string[]) => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [cli, ...args, ...more], { encoding: 'utf8' });
    return { status, stdout, stderr };
  };
  /** Interrupted once one of its records is there. */
  const interrupted = async (): Promise<{ status: number | null; stderr: string }> => {
    const child = spawn(process.execPath, [cli, ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
    let stderr = '';
    child.stderr.on('data', (data) => {
      stderr += data;
    });
    const place = folder.file('out.partial');
    const hasWork = (): boolean =>
      existsSync(place) &&
      readdirSync(place).some(
        (name) =>
          name.startsWith('scan') && (statSync(path.join(place, name), { throwIfNoEntry: false })?.size ?? 0) > 0,
      );
    const waiting = setInterval(() => {
      if (!hasWork()) return;
      clearInterval(waiting);
      child.kill('SIGINT');
    }, 2);
    const status = await new Promise<number | null>((resolve) => child.on('close', resolve));
    clearInterval(waiting);
    return { status, stderr };
  };
  const stopped = await interrupted();
  expect(stopped.status).toBe(130);
  expect(stopped.stderr).toMatch(/stopped by SIGINT; the same command goes on from here/);
  expect(folder.names).toEqual(['base', 'one', 'out.partial', 'three', 'two']);
  const others = run('--alpha', '0.25');
  expect(others.status).toBe(1);
  expect(others.stderr).toContain('or be removed with --restart, got another run: ');
  const again = run('--json');
  expect(again.status).toBe(0);
  expect(JSON.parse(again.stdout)).toMatchObject({ resumed: true });
  expect(folder.names).toEqual(['base', 'one', 'out', 'three', 'two']);
  renameSync(folder.file('out'), folder.file('whole'));
  expect((await interrupted()).status).toBe(130);
  const restarted = run('--alpha', '0.25', '--restart', '--json');
  expect(restarted.status).toBe(0);
  expect(JSON.parse(restarted.stdout)).toMatchObject({
    resumed: false,
    formula: expect.stringContaining('alpha 0.25'),
  });
});
