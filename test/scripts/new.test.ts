// Devices: cpu
// Files of `npm run new`, made in a copy of what it reads: every file and every entry that completeness asks for, formatted, and
// such that compilers take it.
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import ts from 'typescript';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sourcesOf } from '../support/sources.ts';

const root = path.join(import.meta.dirname, '..', '..');
const folder = mkdtempSync(path.join(os.tmpdir(), 'orthokit-'));
afterAll(() => rmSync(folder, { recursive: true }));

const copied = [
  'scripts/new.mjs',
  'scripts/new',
  'scripts/golden/checkpoints.mjs',
  'scripts/golden/states.mjs',
  'native/ops',
  'docs',
  'lib',
  'test/optimizers/classes.ts',
  'test/contracts',
  'test/support',
  'package.json',
  'typedoc.json',
  'tsconfig.json',
  'biome.json',
  '.clang-format',
  '.gitignore',
];
beforeAll(() => {
  for (const file of copied) cpSync(path.join(root, file), path.join(folder, file), { recursive: true });
  // The tools that format, and types: each by itself, so that nothing can change what is installed.
  mkdirSync(path.join(folder, 'node_modules'));
  for (const name of ['@biomejs', '@types', 'clang-format', 'undici-types', 'vitest'])
    symlinkSync(path.join(root, 'node_modules', name), path.join(folder, 'node_modules', name));
});

const read = (file: string) => readFileSync(path.join(folder, file), 'utf8');
const make = (...words: string[]) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [path.join(folder, 'scripts', 'new.mjs'), ...words], {
    encoding: 'utf8',
  });
  const lines = stdout.trim().split('\n');
  return {
    ...{ status, stderr },
    files: lines.filter((line) => !line.endsWith(': one entry more')),
    edits: lines.flatMap((line) => /^(.*): one entry more$/.exec(line)?.[1] ?? []),
  };
};

const page = readFileSync(path.join(root, 'CONTRIBUTING.md'), 'utf8');
const flowed = page.replaceAll('\n', ' ');
/** The number of files and edits of an example, by CONTRIBUTING. */
const counted = (example: string) => {
  const [, files, edits] = new RegExp(`Counted with ${example}: (\\d+) new files?,[^;]*?(\\d+) entries?`).exec(flowed)!;
  return { files: Number(files), edits: Number(edits) };
};

/** TypeScript's complaints about files, as the project is checked. */
function problemsOf(files: readonly string[]): string[] {
  const config = ts.readConfigFile(path.join(root, 'tsconfig.json'), ts.sys.readFile).config;
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, root);
  const program = ts.createProgram(
    files.map((file) => path.join(folder, file)),
    { ...options, noEmit: true, rootDir: folder },
  );
  return ts
    .getPreEmitDiagnostics(program)
    .map(({ file, messageText }) => `${file?.fileName}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`);
}

const isFormatted = (files: readonly string[]): string => {
  const biome = path.join(root, 'node_modules', '@biomejs', 'biome', 'bin', 'biome');
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    [biome, 'check', '--vcs-enabled=false', '--error-on-warnings', '--colors=off', ...files],
    { cwd: folder, encoding: 'utf8' },
  );
  return status === 0 ? '' : `${stdout}${stderr}`;
};

describe('an operation', () => {
  const made = () => [
    'native/ops/rows/row_scale.h',
    'native/cpu/kernels/rows/row_scale.cpp',
    'native/cuda/kernels/rows/row_scale.cu',
    'native/bench/reference/rows/row_scale.cpp',
    'test/ops/rows/row-scale.test.ts',
  ];

  it('has a file in each layer, as CONTRIBUTING tells, and a row in the guide', () => {
    expect(make('op', 'rows/row_scale')).toMatchObject({
      ...{ status: 0, files: made(), edits: ['docs/guide/operations.md'] },
    });
    const named = [...page.matchAll(/^\| `((?:native|test)\/\S*row[_-]scale\S*)` \|/gm)].map(([, file]) => file);
    expect(named).toEqual(made());
    expect(flowed).toContain(`Counted with this example: ${made().length} new files`);
    // Beside the others of its group.
    expect(read('docs/guide/operations.md')).toMatch(/\| `dequantizeRows` .*\n\| `rowScale` \| out = x \|\n/);
    expect(read('native/ops/rows/row_scale.h')).toContain('struct RowScale {');
    for (const file of made().filter((name) => name.includes('kernels')))
      expect(read(file)).toContain('ORTHOKIT_KERNEL(RowScale, row_scale);');
    expect(read(made()[3]!)).toContain('ORTHOKIT_REFERENCE(RowScale, row_scale,');
    const test = read(made()[4]!);
    expect(test).toMatch(/^\/\/ Devices: cpu, cuda\n/);
    expect(test).toMatch(/\bexpectLikeReference\(\s*'rowScale'/);
    const [source] = sourcesOf(test);
    expect(test).toContain(`it('${(source as { of: string }).of}', `);
  });

  it('compiles in every layer', () => {
    const includes = [folder, path.join(root, 'native'), path.join(root, 'test', 'cuda-emulator', 'include')];
    const flags = [
      '-std=c++20',
      '-fsyntax-only',
      '-Wall',
      '-Wextra',
      '-Wno-missing-field-initializers',
      '-Wno-unknown-pragmas',
    ];
    for (const file of made().slice(1, 4)) {
      const args = [...flags, ...includes.map((place) => `-I${place}`), `-I${path.join(folder, 'native')}`];
      execFileSync(process.env['CXX'] || 'c++', [...args, '-Werror', '-x', 'c++', file], {
        cwd: folder,
        stdio: 'pipe',
      });
    }
  }, 120_000);

  it('is formatted', () => {
    const format = path.join(root, 'node_modules', 'clang-format', 'index.js');
    execFileSync(process.execPath, [format, '--dry-run', '-Werror', ...made().slice(0, 4)], { cwd: folder });
    expect(isFormatted(made().slice(4))).toBe('');
  });

  it('of a new group has a section in the guide', () => {
    expect(make('op', 'nowhere/shift_rows').status).toBe(0);
    expect(read('docs/guide/operations.md')).toMatch(/\n## Other\n\n.*\n.*\n\| `shiftRows` \| out = x \|\n$/);
  });
});

describe('an optimizer', () => {
  it('is listed wherever classes are, as CONTRIBUTING counts', () => {
    const { status, files, edits } = make('optimizer', 'probe');
    expect({ status, files }).toEqual({
      status: 0,
      files: ['lib/optimizers/probe.ts', 'test/optimizers/probe.test.ts'],
    });
    expect(counted('an optimizer over operations that are there')).toEqual({
      files: files.length,
      edits: edits.length,
    });
    expect(read('lib/optimizers/index.ts')).toContain(
      "export { type OrthogonalizeOptions, orthogonalize } from './orthogonalize.ts';\n",
    );
    expect(read('lib/optimizers/index.ts')).toContain("export { Probe, type ProbeOptions } from './probe.ts';\n");
    expect(read('test/optimizers/classes.ts')).toContain('  Probe: { moments: 1, bytes: 0 },\n');
    expect(read('docs/guide/optimizers.md')).toMatch(/^### Probe$/m);
    expect(read('docs/systems.md')).toMatch(/^\| Probe \|/m);
    for (const name of ['checkpoints', 'states'])
      expect(read(`scripts/golden/${name}.mjs`).match(/\bProbe\b/g)!.length).toBeGreaterThan(2);
    for (const edit of edits) expect(existsSync(path.join(folder, edit))).toBe(true);
    expect(isFormatted([...files, ...edits.filter((file) => !file.endsWith('.md'))])).toBe('');
  });
});

describe('a system', () => {
  it('of a family that is there has a file, a test and its entries', () => {
    const { status, files, edits } = make('system', 'sparse/probe-pursuit');
    expect({ status, files, edits }).toEqual({
      status: 0,
      files: ['lib/sparse/probe-pursuit.ts', 'test/sparse/probe-pursuit.test.ts'],
      edits: [
        'lib/sparse/index.ts',
        'test/contracts/calls/sparse.ts',
        'docs/guide/sparse-coding.md',
        'docs/systems.md',
      ],
    });
    expect(counted('a system of a family that is there')).toEqual({ files: files.length, edits: edits.length });
    expect(read('docs/guide/sparse-coding.md')).toContain(
      '\n## probePursuit\n\n`await probePursuit(x, options)` gives ',
    );
    expect(isFormatted([...files, ...edits.slice(0, 2)])).toBe('');
    expect(read('test/contracts/calls/sparse.ts')).toContain('\n  probePursuit: {\n');
  });

  it('of a new family makes it a sub-path of the package with a page in the guide', () => {
    const { status, files, edits } = make('system', 'probes/probe');
    expect({ status, files }).toEqual({
      status: 0,
      files: [
        ...['lib/probes/probe.ts', 'test/probes/probe.test.ts', 'lib/probes/index.ts'],
        ...['test/contracts/calls/probes.ts', 'docs/guide/probes.md'],
      ],
    });
    expect(counted('the first system of a new family')).toEqual({ files: files.length, edits: edits.length });
    const { exports } = JSON.parse(read('package.json'));
    expect(exports['./probes']).toEqual({
      types: './dist/probes/index.d.ts',
      default: './dist/probes/index.js',
    });
    const folders = Object.keys(exports).flatMap((name) => /^\.\/(\w+)$/.exec(name)?.[1] ?? []);
    expect(JSON.parse(read('typedoc.json')).entryPoints).toEqual([
      'lib/index.ts',
      ...folders.map((name) => `lib/${name}/index.ts`),
    ]);
    expect(read('docs/guide/README.md')).toContain('[Probes](probes.md)');
    expect(isFormatted([...files, ...edits].filter((file) => !file.endsWith('.md')))).toBe('');
  });
});

it('what it makes in TypeScript has types, and so have the lists', () => {
  const files = ['lib/optimizers/probe.ts', 'lib/probes/index.ts', 'lib/sparse/index.ts'];
  expect(problemsOf(files)).toEqual([]);
}, 120_000);

it('writes over nothing, and takes no other names', () => {
  const before = readdirSync(path.join(folder, 'lib', 'optimizers'));
  expect(make('optimizer', 'probe')).toMatchObject({ status: 1, stderr: 'lib/optimizers/probe.ts exists already\n' });
  expect(readdirSync(path.join(folder, 'lib', 'optimizers'))).toEqual(before);
  for (const name of ['row_scale', 'rows/Row', 'rows/']) expect(make('op', name).status).toBe(2);
  for (const name of ['probe', 'sparse/Probe', 'sparse/probe_pursuit']) expect(make('system', name).status).toBe(2);
});

it('puts no system where no family is', () => {
  for (const place of ['core', 'files', 'cli'])
    expect(make('system', `${place}/probe`)).toMatchObject({
      ...{ status: 2, stderr: `lib/${place} is no family: it has no index.ts, and is no sub-path of the package\n` },
      files: [''],
    });
  expect(make('system', 'optimizers/probe-two').stderr).toBe(
    'an optimizer is made by: npm run new -- optimizer <name>\n',
  );
});
