// The report on registers and spills, fed with logs as ptxas writes them.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, expect, it } from 'vitest';

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

/** The report on these logs, and on one more with a kernel for each key of the limits. */
function report(...logs: string[]): { status: number | null; stdout: string; stderr: string } {
  const build = mkdtempSync(path.join(os.tmpdir(), 'orthokit-'));
  folders.push(build);
  const keys = Object.keys(limits).filter((key) => key !== '*');
  const known = [80, 90].map((architecture) => keys.map((key) => entry(key, architecture, {})).join('')).join('');
  const all = [known, ...logs];
  for (const [i, text] of all.entries()) writeFileSync(path.join(build, `unit${i}.cu.o.ptxas`), text);
  writeFileSync(path.join(build, 'stale.cu.o.ptxas'), entry('of_an_older_build', 80, { regs: 255 }));
  writeFileSync(path.join(build, 'build.ninja'), all.map((_, i) => `build unit${i}.cu.o: CUDA\n`).join(''));
  mkdirSync(path.join(build, 'CMakeFiles', '3.31'), { recursive: true });
  const compiler = path.join(build, 'CMakeFiles', '3.31', 'CMakeCUDACompiler.cmake');
  writeFileSync(compiler, 'set(CMAKE_CUDA_COMPILER_VERSION "13.0.88")\n');
  return spawnSync(process.execPath, [path.join(root, 'scripts', 'kernel-report.mjs'), build], { encoding: 'utf8' });
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
