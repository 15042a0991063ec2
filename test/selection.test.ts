// Devices: cpu
// Every test file says which devices it is for, a run takes what is for its own, and nothing is left out in silence.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { RunReport } from './support/reporter.ts';
import { askedFiles, declarationOf, testFiles } from './support/selection.ts';

const root = path.join(import.meta.dirname, '..');
const files = testFiles();
const folder = mkdtempSync(path.join(os.tmpdir(), 'orthokit-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Vitest with the project's selection and reporter; files by their names, `options` as on the command line. */
function vitest(env: Record<string, string>, ...words: string[]): { status: number | null; output: string } {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [path.join(root, 'node_modules', 'vitest', 'vitest.mjs'), ...words],
    { encoding: 'utf8', cwd: root, env: { ...process.env, NO_COLOR: '1', ORTHOKIT_CUDA_PLUGIN: '', ...env } },
  );
  return { status, output: stdout + stderr };
}

/** As `listed`, by the function that tells vitest which files there are. */
function asked(env: Record<string, string>): string[] {
  const before = Object.keys(env).map((name) => [name, process.env[name]] as const);
  Object.assign(process.env, env);
  try {
    return askedFiles();
  } finally {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  }
}

const listed = (env: Record<string, string>): string[] =>
  vitest(env, 'list', '--dir', 'test', '--filesOnly')
    .output.split('\n')
    .filter((line) => line.endsWith('.test.ts'))
    .map((line) => line.replace(/^test\//, ''));

describe('test files', () => {
  it('say which devices they are for', () => {
    expect(files.length).toBeGreaterThan(100);
    expect(files.filter(({ wrong }) => wrong !== undefined)).toEqual([]);
  });

  it('for several devices say so of each of their parts', () => {
    for (const { file, declared } of files.filter((one) => one.declared!.devices.length > 1)) {
      const text = readFileSync(path.join(root, 'test', file), 'utf8');
      const alone = [...text.matchAll(/^(?:it|test|describe)\b(?!\.each\((?:devices|onlyCpu|onlyCuda)\)).*$/gm)];
      expect(declared!.devices, file).toEqual(['cpu', 'cuda']);
      expect(alone.map(([line]) => line), file).toEqual([]); // biome-ignore format: one line
    }
  });

  it('nothing else decides whether a test runs', () => {
    const forms = /\.(skip|only|todo|runIf|skipIf)\b|Device\.available\)/;
    const own = path.basename(import.meta.filename);
    for (const { file } of files.filter((one) => one.file !== own)) {
      const lines = readFileSync(path.join(root, 'test', file), 'utf8').split('\n');
      expect(
        lines.filter((line) => /\b(it|test|describe)\b/.test(line) && forms.test(line)),
        file,
      ).toEqual([]);
    }
  });

  it('a declaration has known words, each once, in one line', () => {
    expect(declarationOf('// Devices: cpu, cuda\n// Axes: node\n')).toEqual({
      devices: ['cpu', 'cuda'],
      axes: ['node'],
    });
    expect(declarationOf('// About Devices: cpu\n')).toBeUndefined();
    for (const text of [
      '// Devices: gpu',
      '// Devices: cpu, cpu',
      '// Devices: cpu\n// Devices: cuda',
      '// Devices: cpu,cuda',
    ])
      expect(() => declarationOf(text), text).toThrow(/must be one line with some of cpu, cuda, emulator, got /);
  });
});

describe('a run', { timeout: 120_000 }, () => {
  const of = (word: 'cpu' | 'cuda' | 'emulator') =>
    files.filter(({ declared }) => declared!.devices.includes(word)).map(({ file }) => file);

  it('takes those that it is asked for, and none whose path holds the name elsewhere', () => {
    const named = listed({ ORTHOKIT_TEST_DEVICE: '', ORTHOKIT_TEST_PATHS: 'optimizers core/device docs.test.ts' });
    const wanted = of('cpu').filter((file) => /^(optimizers\/|core\/device\.|docs\.test\.ts$)/.test(file));
    expect(named.sort()).toEqual(wanted);
    expect(wanted).toContain('core/device.test.ts');
  });

  it('takes the files for its device, of its axis', () => {
    expect(listed({ ORTHOKIT_TEST_DEVICE: '' }).sort()).toEqual(of('cpu'));
    expect(asked({ ORTHOKIT_TEST_DEVICE: '' })).toEqual(of('cpu'));
    expect(asked({ ORTHOKIT_TEST_DEVICE: 'gpu' })).toEqual(of('cuda'));
    expect(of('emulator').filter((file) => file.startsWith('cuda/')).length).toBe(
      readdirSync(path.join(root, 'test', 'cuda')).length,
    );
    // The promises of gpu-check.sh for a GPU.
    const families = new Set(of('cuda').map((file) => file.split(/[/.]/)[0]));
    for (const family of ['ops', 'optimizers', 'transport', 'sparse', 'transplant', 'core', 'files'])
      expect(families, family).toContain(family);
    const node = files.filter(({ declared }) => declared!.axes.includes('node')).map(({ file }) => file);
    expect(asked({ ORTHOKIT_TEST_AXIS: 'node' })).toEqual(node.filter((file) => of('cpu').includes(file)));
    const products = files.filter(({ declared }) => declared!.axes.includes('products')).map(({ file }) => file);
    expect(products).toContain('ops/products/gemm.test.ts');
    expect(products.filter((file) => !of('emulator').includes(file) && !of('cuda').includes(file))).toEqual([]);
    expect(asked({ ORTHOKIT_TEST_DEVICE: 'gpu', ORTHOKIT_TEST_AXIS: 'products' })).toEqual(
      products.filter((file) => of('cuda').includes(file)),
    );
  });

  it('on the emulated device fails without its plug-in, and without its control', () => {
    const none = vitest({ ORTHOKIT_TEST_DEVICE: 'cuda' }, 'list', '--filesOnly');
    expect(none.status).not.toBe(0);
    expect(none.output).toContain('needs ORTHOKIT_CUDA_PLUGIN');
    const alone = vitest({ ORTHOKIT_TEST_DEVICE: 'cuda', ORTHOKIT_CUDA_PLUGIN: `${folder}/orthokit_cuda.so` }, 'list');
    expect(alone.status).not.toBe(0);
    expect(alone.output).toContain(`there is no ${folder}/emulator_control.node`);
  });

  it('refuses another device, and another axis', () => {
    const { status, output } = vitest({ ORTHOKIT_TEST_DEVICE: 'metal' }, 'list', '--filesOnly');
    expect(status).not.toBe(0);
    expect(output).toContain('ORTHOKIT_TEST_DEVICE must be cpu, cuda, gpu, got metal');
    expect(() => asked({ ORTHOKIT_TEST_AXIS: 'bun' })).toThrow('ORTHOKIT_TEST_AXIS must be node, products, got bun');
  });
});

describe('the reporter', { timeout: 120_000 }, () => {
  const reports = path.join(folder, 'reports');
  const passing = "it('passes', () => {});";
  const texts = {
    'whole.test.ts': passing,
    'part.test.ts': `${passing} it.skip('does not', () => {});`,
    'none.test.ts': "describe.skip('nothing', () => { it('runs', () => {}); });",
    'red.test.ts': `${passing} it('fails', () => { throw new Error('red'); });`,
    'broken.test.ts': "throw new Error('no import');",
  };
  symlinkSync(path.join(root, 'node_modules'), path.join(folder, 'node_modules'));
  for (const [name, text] of Object.entries(texts))
    writeFileSync(path.join(folder, name), `import { describe, it } from 'vitest'; void describe; ${text}\n`);
  writeFileSync(
    path.join(folder, 'vitest.config.mts'),
    `import { SelectionReporter } from ${JSON.stringify(path.join(root, 'test', 'support', 'reporter.ts'))};
     export default { test: { include: ['*.test.ts'], reporters: [new SelectionReporter()],
       setupFiles: [${JSON.stringify(path.join(root, 'test', 'support', 'processor-time.ts'))}] } };`,
  );
  const run = (...words: string[]) =>
    vitest({ ORTHOKIT_TEST_REPORT: reports }, 'run', '--root', folder, '--config', 'vitest.config.mts', ...words);

  it('passes a file whose tests all ran', () => {
    expect(run('whole')).toMatchObject({ status: 0, output: '' });
  });

  it('fails a run with a skipped test, and one with a file of which none ran', () => {
    const { status, output } = run('part', 'none', 'whole');
    expect(status).toBe(1);
    expect(output).toMatch(/^FAIL \S+part\.test\.ts: 1 of its tests were skipped$/m);
    expect(output).not.toMatch(/whole\.test\.ts:/);
    expect(output).toMatch(/^FAIL \S+none\.test\.ts: is for the device cpu, and none of its tests ran$/m);
  });

  it('fails where no test has the title that was asked for', () => {
    const nobody = run('whole', '-t', 'nobody');
    expect(nobody.status).toBe(1);
    expect(nobody.output).toMatch(/^FAIL no test has the title or the tag that was asked for$/m);
  });

  it('writes what ran, a file for each run', () => {
    rmSync(reports, { recursive: true, force: true });
    expect(run('red', 'broken', 'part', 'whole').status).toBe(1);
    // Of a part that was asked for, the others may be skipped.
    expect(run('part', 'whole', '-t', 'passes').status).toBe(0);
    const all = readdirSync(reports).sort().map((name): RunReport => JSON.parse(readFileSync(path.join(reports, name), 'utf8'))); // biome-ignore format: one line
    expect(all.map(({ filtered }) => filtered)).toEqual([false, true]);
    const [{ files, ...rest }] = all as [RunReport];
    expect(rest).toEqual({ device: 'cpu', node: process.versions.node, isa: expect.stringMatching(/^(portable|avx2|avx512)$/), environment: expect.any(Object), filtered: false, deep: false, selected: expect.arrayContaining(['docs.test.ts']) }); // biome-ignore format: one line
    const counts = Object.fromEntries(files.map(({ file, run, skipped, failed }) => [path.basename(file), [run, skipped, failed]])); // biome-ignore format: one line
    expect(counts).toEqual({ 'broken.test.ts': [0, 0, 1], 'part.test.ts': [1, 1, 0], 'red.test.ts': [2, 0, 1], 'whole.test.ts': [1, 0, 0] }); // biome-ignore format: one line
    const whole = files.find(({ file }) => file.endsWith('whole.test.ts'))!;
    expect(whole.ms).toBeGreaterThanOrEqual(0);
    if (process.platform === 'linux') expect(whole.processorMs).toBeGreaterThanOrEqual(0);
  });
});
