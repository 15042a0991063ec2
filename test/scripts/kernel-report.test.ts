// Devices: cpu
// The report on kernels, fed with logs as ptxas writes them, PTX and counts of the interpreter.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { mistakes } from '../../scripts/kernel-report/limits.mjs';
import { modelOf } from '../../scripts/kernel-report/models.mjs';
import { occupancy } from '../../scripts/kernel-report/occupancy.mjs';
import { architecturesOf, markdown, withoutMachineCode } from '../../scripts/kernel-report/page.mjs';

const root = path.join(import.meta.dirname, '..', '..');
const limits = JSON.parse(readFileSync(path.join(root, 'scripts', 'kernel-limits.json'), 'utf8'));
const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

interface Kernel {
  readonly regs?: number;
  readonly spills?: readonly [stored: number, loaded: number];
  readonly stack?: number;
  readonly shared?: number;
}

const entry = (name: string, architecture: number, { regs = 8, spills = [0, 0], stack = 0, shared = 0 }: Kernel) =>
  `ptxas info    : Compiling entry function '${name}' for 'sm_${architecture}'
ptxas info    : Function properties for ${name}
    ${stack} bytes stack frame, ${spills[0]} bytes spill stores, ${spills[1]} bytes spill loads
ptxas info    : Used ${regs} registers, used 1 barriers${shared > 0 ? `, ${shared} bytes smem` : ''}
ptxas info    : Function properties for a_function_that_it_calls
    96 bytes stack frame, 8 bytes spill stores, 8 bytes spill loads
`;

/** Kernels in PTX, and what their launches counted. */
interface Interpreted {
  readonly ptx: string;
  readonly launches: readonly Record<string, unknown>[];
}
const ptxEntry = (name: string, body = '') =>
  `.visible .entry ${name}(\n.param .u64 a\n)\n.maxntid 256, 1, 1\n{\n${body}}\n`;
/** A launch that moves a megabyte without waste. */
const launch = (kernel: string, counts: Record<string, number> = {}) => ({
  kernel,
  grid: [1, 1, 1],
  block: [256, 1, 1],
  shared: 0,
  warpInstructions: 1000,
  laneInstructions: 32_000,
  divergent: 0,
  f32: 0,
  f64: 0,
  matrix: 0,
  special: 0,
  shuffles: 0,
  barriers: 0,
  atomics: 0,
  requests: 1000,
  asked: 1 << 20,
  moved: 1 << 20,
  least: 1 << 20,
  sharedPasses: 100,
  sharedLeast: 100,
  local: 0,
  ...counts,
});

function writeInterpreted(folder: string, { ptx, launches }: Interpreted): void {
  writeFileSync(path.join(folder, 'all.ptx'), ptx);
  writeFileSync(path.join(folder, 'kernels-sm_90.txt'), `${path.join(folder, 'all.ptx')}\n`);
  writeFileSync(
    path.join(folder, 'counters-sm_90-own.jsonl'),
    launches.map((line) => `${JSON.stringify(line)}\n`).join(''),
  );
}

/** A kernel's name for each key of the limits: the words of one. */
const named = Object.keys(limits)
  .filter((key) => key !== '*')
  .map((key) => key.replaceAll(' ', '.'));

/** The report on these logs, and on one more with a kernel for each key of the limits. */
function report(...logs: string[]): { status: number | null; stdout: string; stderr: string } {
  return reportWith(undefined, ...logs);
}

function reportWith(
  interpreted: Interpreted | undefined,
  ...logs: string[]
): { status: number | null; stdout: string; stderr: string } {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'orthokit-'));
  folders.push(folder);
  if (interpreted) writeInterpreted(folder, interpreted);
  const build = mkdtempSync(path.join(os.tmpdir(), 'orthokit-'));
  folders.push(build);
  const known = [80, 90].map((architecture) => named.map((key) => entry(key, architecture, {})).join('')).join('');
  const all = [known, ...logs];
  for (const [i, text] of all.entries()) writeFileSync(path.join(build, `unit${i}.cu.o.ptxas`), text);
  writeFileSync(path.join(build, 'stale.cu.o.ptxas'), entry('of_an_older_build', 80, { regs: 255 }));
  writeFileSync(path.join(build, 'build.ninja'), all.map((_, i) => `build unit${i}.cu.o: CUDA\n`).join(''));
  mkdirSync(path.join(build, 'CMakeFiles', '3.31'), { recursive: true });
  const compiler = path.join(build, 'CMakeFiles', '3.31', 'CMakeCUDACompiler.cmake');
  writeFileSync(compiler, 'set(CMAKE_CUDA_COMPILER_VERSION "13.0.88")\n');
  return spawnSync(process.execPath, [path.join(root, 'scripts', 'kernel-report.mjs'), build, folder], {
    encoding: 'utf8',
  });
}

it('lists the figures of a kernel, the largest where several files have it', () => {
  const name = '_ZN8orthokit4cuda6kernelIfEEvPKT_';
  const { status, stdout, stderr } = report(
    entry(name, 80, { regs: 40, shared: 512 }) + entry(name, 90, { regs: 44 }),
    entry(name, 80, { regs: 42 }),
  );
  expect(stderr).toBe('');
  expect(status).toBe(0);
  expect(stdout).toContain('sm_80\tregs 42\tspill 0\tstack 0\tshared 512\tkernel<float>\n');
  expect(stdout).toContain('sm_90\tregs 44\tspill 0\tstack 0\tshared 0\tkernel<float>\n');
  expect(stdout).not.toContain('of_an_older_build');
});

it.each<[string, Kernel]>([
  ['regs 129', { regs: 129 }],
  ['spill 12', { spills: [4, 8] }],
  ['stack 16', { stack: 16 }],
  ['shared 49153', { shared: 49153 }],
])('refuses %s', (words, figures) => {
  const { status, stderr } = report(entry('kernel', 80, figures) + entry('kernel', 90, {}));
  expect(status).toBe(1);
  expect(stderr).toContain(`kernel, sm_80: ${words}, the limit is`);
  expect(stderr.trim().split('\n').length).toBe(1);
});

it('refuses a kernel that an architecture lacks', () => {
  const { status, stderr } = report(entry('kernel', 80, {}));
  expect(stderr).toBe('kernel was not compiled for sm_90\n');
  expect(status).toBe(1);
});

it('knows limits of single kernels', () => {
  const figures = { stack: limits.RandomPiece.stack };
  const name = 'piece_kernel<RandomPiece>';
  expect(report(entry(name, 80, figures) + entry(name, 90, {})).stderr).toBe('');
  const more = { stack: figures.stack + 1 };
  expect(report(entry(name, 80, more) + entry(name, 90, {})).status).toBe(1);
});

it('takes exceptions for kernels with the same words, not with more of a word', () => {
  const figures = { stack: limits.RandomPiece.stack };
  expect(report(entry('RandomPieces', 80, figures) + entry('RandomPieces', 90, {})).status).toBe(1);
});

it('compares a page of more architectures but for its table of machine code', () => {
  const pageOf = (architectures: number[]) =>
    markdown([], architectures, '13.0.88', 90, [], new Set(['a_kernel: spill']));
  const [all, some] = [pageOf([75, 80, 90]), pageOf([75, 90])];
  expect([all, some].map(architecturesOf)).toEqual([
    [75, 80, 90],
    [75, 90],
  ]);
  expect(architecturesOf('')).toEqual([]);
  expect(all).not.toBe(some);
  expect(withoutMachineCode(all)).toBe(withoutMachineCode(some));
  expect(withoutMachineCode(all)).toContain('spill of 1 forms');
});

it('refuses exceptions that say nothing', () => {
  const why = 'a reason';
  const all = { '*': {}, a_kernel: { bytes: 2, why }, double: { bytes: 2, why }, b_kernel: { bytes: null, why: '' } };
  expect(mistakes(['a_kernel<double>'], all)).toEqual(
    [
      'b_kernel is in the name of no kernel',
      'double names no kernel',
      'b_kernel has no why',
      'b_kernel has a limit that is no figure',
    ].map((what) => `kernel-limits.json: the exception of ${what}`),
  );
});

describe('what was counted', () => {
  const logs = entry('kernel', 80, { regs: 32 }) + entry('kernel', 90, { regs: 32 });
  const ptx = [...named, 'kernel'].map((name) => ptxEntry(name)).join('');
  const others = named.map((key) => launch(key));
  const counted = (counts: Record<string, number>) =>
    reportWith({ ptx, launches: [...others, launch('kernel', counts)] }, logs);

  it('passes a kernel that wastes nothing', () => {
    const { status, stdout, stderr } = counted({});
    expect(stderr).toBe('');
    expect(status).toBe(0);
    // A megabyte at 3.35 TB/s.
    expect(stdout).toContain('counted\t1.000\t1.000\t1.000\t0.000\t0.31 us\tmemory\tkernel\n');
  });

  it.each<[string, Record<string, number>]>([
    ['bytes 1.250', { moved: 1_310_720, asked: 1_310_720 }],
    ['sectors 0.500', { asked: 1 << 19 }],
    ['conflicts 1.500', { sharedPasses: 150 }],
    ['divergence 0.300', { divergent: 300 }],
    ['local 64', { local: 64 }],
  ])('refuses %s', (words, counts) => {
    const { status, stderr } = counted(counts);
    expect(status).toBe(1);
    expect(stderr).toContain(`kernel, sm_90: ${words}, the limit is`);
    expect(stderr.trim().split('\n').length).toBe(1);
  });

  it('takes the largest launch of a kernel', () => {
    const small = launch('kernel', { least: 1 << 17, moved: 1 << 18, asked: 1 << 18 });
    expect(reportWith({ ptx, launches: [...others, small, launch('kernel'), small] }, logs).stderr).toBe('');
  });

  it('says what decides the time', () => {
    expect(counted({ matrix: 989e6 }).stdout).toContain('\t1.00 us\tmatrix\tkernel\n');
    expect(counted({ f64: 33.5e6 }).stdout).toContain('\t1.00 us\tf64\tkernel\n');
  });

  it('refuses a kernel that was not interpreted', () => {
    const { status, stderr } = reportWith({ ptx, launches: others }, logs);
    expect(status).toBe(1);
    expect(stderr).toContain('kernel was not interpreted for sm_90');
  });

  describe('of a kernel with a grid barrier', () => {
    const [together, alone] = ['_Z6kernelILb1EEvv', '_Z6kernelILb0EEvv'];
    const log = (...names: string[]) =>
      [80, 90].map((architecture) => names.map((name) => entry(name, architecture, {})).join('')).join('');
    const known = named.map((key) => ptxEntry(key)).join('') + ptxEntry(together, '\tmov.u32 %r1, %envreg2;\n');

    it('is what its form without one counts', () => {
      const text = known + ptxEntry(alone);
      const { status, stderr } = reportWith({ ptx: text, launches: [...others, launch(alone)] }, log(together, alone));
      expect(stderr).toBe('');
      expect(status).toBe(0);
    });

    it('is wanting where there is no such form', () => {
      const { status, stderr } = reportWith({ ptx: known, launches: others }, log(together));
      expect(status).toBe(1);
      expect(stderr).toContain('has a grid barrier, and no form without');
    });
  });
});

describe('the bytes of a kernel of tiles', () => {
  const counts = { grid: [1, 1, 1], f32: 0, f64: 0, matrix: 0 };
  const model = (name: string, more: object) => modelOf({ name, ...counts, ...more });

  it('are both sides of a convolution and its sums', () => {
    const operations = 2 * 64 * 64 * 16; // of a tile 16 deep
    expect(model('conv2d_kernel<float, 64, Conv2dForward<float>>', { f32: operations })).toBe(
      4 * (2 * 64 * 16 + 64 * 64),
    );
    expect(model('conv2d_kernel<double, 64, Conv2dForward<double>>', { f64: operations })).toBe(
      8 * (2 * 64 * 16 + 64 * 64),
    );
    expect(model('half_conv2d_kernel<Half, 64, Conv2dForward<Half>>', { matrix: operations })).toBe(
      2 * 2 * 64 * 16 + 4 * 64 * 64,
    );
  });

  // Two causal heads of 128 places.
  it.each<[string, number, number]>([
    // Queries and results once, keys and values for three of the four pairs of tiles.
    ['attention_kernel<HalfAttention<Half, 64, 1>>', 4, 2 * 64 * 2 * (128 + 2 * 3 * 64 + 128)],
    // The keys' tiles meet queries and their gradients from their own places on, in tiles of 32.
    // Each of four warps reads two numbers of every query that it meets.
    [
      'attention_key_gradients_kernel<HalfAttention<Half, 64, 2>>',
      4,
      2 * 64 * 2 * (2 * 128 + 2 * 6 * 32 + 2 * 128) + 2 * 6 * 2 * 4 * 32 * 4,
    ],
    // Six pairs of 32 queries and 64 keys, whose scores read both.
    ['attention_kernel<PlainAttention<double, double, 32>>', 8, 2 * 32 * 8 * (6 * (32 + 64) + 6 * 64 + 128)],
  ])('of %s are those of the pairs of tiles that meet', (name, blocks, bytes) => {
    expect(model(name, { grid: [blocks, 1, 1] })).toBe(bytes);
  });

  it('are unknown of others', () => {
    expect(model('gemm_kernel<float, 64, true, true>', {})).toBeUndefined();
    expect(model('attention_products_kernel<Half, float>', {})).toBeUndefined();
  });
});

// Of NVIDIA's occupancy calculator, cuda_occupancy.h.
it.each([
  [90, { regs: 128, threads: 256, shared: 0 }, 2, 0.25],
  [90, { regs: 32, threads: 256, shared: 0 }, 8, 1],
  [90, { regs: 40, threads: 1024, shared: 0 }, 1, 0.5],
  [80, { regs: 63, threads: 256, shared: 41_000 }, 3, 0.375],
  [86, { regs: 40, threads: 256, shared: 0 }, 6, 1],
  [75, { regs: 96, threads: 256, shared: 16_384 }, 2, 0.5],
  [120, { regs: 255, threads: 128, shared: 49_152 }, 2, 1 / 6],
])('the occupancy of sm_%i with %o', (architecture, block, blocks, share) => {
  expect(occupancy(architecture, block)).toEqual({ blocks, share });
});
