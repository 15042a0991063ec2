// The words of ptxas on every kernel and architecture: registers, spills, stack and static shared memory.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { readableNames } from './names.mjs';

const fields = ['regs', 'spill', 'stack', 'shared'];

/** The logs of the objects that are linked; older ones may lie beside them. */
function logs(build) {
  const linked = readFileSync(path.join(build, 'build.ninja'), 'utf8');
  return readdirSync(build, { recursive: true })
    .filter((file) => file.endsWith('.cu.o.ptxas') && linked.includes(file.slice(0, -'.ptxas'.length)))
    .map((file) => readFileSync(path.join(build, file), 'utf8'));
}

/** One record for each kernel and architecture. A template that several files use is compiled in each of them. */
function measure(text) {
  const records = [];
  let record;
  let isOwn = false; // the properties are of the kernel, and not of a function that it calls
  for (const line of text.split('\n')) {
    const [, symbol, architecture] = /Compiling entry function '(\S+)' for 'sm_(\d+)'/.exec(line) ?? [];
    if (symbol) {
      record = { symbol, architecture: Number(architecture), regs: 0, spill: 0, stack: 0, shared: 0 };
      records.push(record);
    }
    const [, of] = /Function properties for (\S+)/.exec(line) ?? [];
    if (of) isOwn = of === record?.symbol;
    const [, stack, stored, loaded] =
      /(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads/.exec(line) ?? [];
    if (stack && isOwn) Object.assign(record, { stack: Number(stack), spill: Number(stored) + Number(loaded) });
    const [, regs] = /Used (\d+) registers/.exec(line) ?? [];
    if (regs) Object.assign(record, { regs: Number(regs), shared: Number(/(\d+) bytes smem/.exec(line)?.[1] ?? 0) });
  }
  return records;
}

/** Keeps the largest figures: Map name → Map architecture → figures. */
export function merge(kernels, name, architecture, figures) {
  if (!kernels.has(name)) kernels.set(name, new Map());
  const before = kernels.get(name).get(architecture) ?? {};
  const largest = (field) => Math.max(before[field] ?? 0, figures[field]);
  kernels.get(name).set(architecture, Object.fromEntries(fields.map((field) => [field, largest(field)])));
}

/** Figures of every form of every kernel in a build of the plug-in by nvcc. */
export function machineFigures(build) {
  const records = logs(build).flatMap(measure);
  if (records.length === 0) throw new Error(`${build} holds no record of a kernel: build the plug-in with nvcc first`);
  const names = readableNames(records.map(({ symbol }) => symbol));
  const kernels = new Map();
  for (const [i, record] of records.entries()) merge(kernels, names[i], record.architecture, record);
  return kernels;
}

export function compilerVersion(build) {
  const folders = readdirSync(path.join(build, 'CMakeFiles')).map((name) => path.join(build, 'CMakeFiles', name));
  const file = folders.map((folder) => path.join(folder, 'CMakeCUDACompiler.cmake')).find((name) => existsSync(name));
  return /CMAKE_CUDA_COMPILER_VERSION "([\d.]+)"/.exec(readFileSync(file, 'utf8'))[1];
}
