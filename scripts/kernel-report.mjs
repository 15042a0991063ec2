// What ptxas says of every CUDA kernel and architecture: registers, spills, stack and static shared memory, held to the
// limits in kernel-limits.json. Exit 1 where one is passed.
// usage: node scripts/kernel-report.mjs <build folder, such as build/cuda-release> [--write | --check]
// --write makes docs/kernels.md; --check says whether that page is still true, where the same nvcc made it.
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

const [build, mode] = process.argv.slice(2);
if (build === undefined || ![undefined, '--write', '--check'].includes(mode)) {
  console.error('usage: node scripts/kernel-report.mjs <build folder> [--write | --check]');
  process.exit(2);
}
const root = path.join(import.meta.dirname, '..');
const page = path.join(root, 'docs', 'kernels.md');
const limits = JSON.parse(readFileSync(path.join(import.meta.dirname, 'kernel-limits.json'), 'utf8'));

/** The logs of the objects that are linked; older ones may lie beside them. */
function logs() {
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

/** `gemm_kernel<float, 64>` of a symbol: without namespaces, arguments and result. */
function readableNames(symbols) {
  const plain = execFileSync('c++filt', { input: symbols.join('\n'), encoding: 'utf8' })
    .trim()
    .split('\n');
  return plain.map((name) =>
    name
      .replaceAll(/\(anonymous namespace\)::|orthokit::(cuda::)?/g, '')
      .replace(/^void /, '')
      .replace(/\(.*$/, '')
      .replaceAll('> >', '>>'),
  );
}

/** The largest figures of each name and architecture: Map name → Map architecture → figures. */
function collect() {
  const records = logs().flatMap(measure);
  const names = readableNames(records.map(({ symbol }) => symbol));
  const kernels = new Map();
  for (const [i, record] of records.entries()) merge(kernels, names[i], record.architecture, record);
  return kernels;
}

function merge(kernels, name, architecture, figures) {
  if (!kernels.has(name)) kernels.set(name, new Map());
  const before = kernels.get(name).get(architecture) ?? {};
  const largest = (field) => Math.max(before[field] ?? 0, figures[field]);
  const fields = ['regs', 'spill', 'stack', 'shared'];
  kernels.get(name).set(architecture, Object.fromEntries(fields.map((field) => [field, largest(field)])));
}

/** Limits of a kernel: those of all (`*`), then those of the keys that its name contains, the longest last. */
function limitsOf(name) {
  const keys = Object.keys(limits).filter((key) => key === '*' || name.includes(key));
  return Object.assign({}, ...keys.sort((a, b) => a.length - b.length).map((key) => limits[key]));
}

function problems(kernels, architectures) {
  const found = [];
  for (const [name, figures] of kernels) {
    const missing = architectures.filter((architecture) => !figures.has(architecture));
    if (missing.length > 0) found.push(`${name} was not compiled for sm_${missing.join(', ')}`);
    for (const [architecture, own] of figures) {
      for (const [field, limit] of Object.entries(limitsOf(name))) {
        if (own[field] > limit)
          found.push(`${name}, sm_${architecture}: ${field} ${own[field]}, the limit is ${limit}`);
      }
    }
  }
  for (const key of Object.keys(limits)) {
    const applies = key === '*' || [...kernels.keys()].some((name) => name.includes(key));
    if (!applies) found.push(`kernel-limits.json: no kernel's name contains ${key}`);
  }
  return found;
}

/** One line for kernels that differ in a number, a flag or an element type. */
function families(kernels) {
  const plain = /^(-?\d+\w*|true|false|float|double|long|int|unsigned.*|signed.*|\(\w+\)\d+|__half|__nv_bfloat16)$/;
  const familyOf = (name) => {
    let shorter = name.replaceAll(/\((\w+)\)(\d+)/g, '$2');
    for (let before = ''; before !== shorter; ) {
      before = shorter;
      shorter = shorter.replaceAll(/<([^<>]*)>/g, (_, list) => {
        const kept = list.split(', ').filter((word) => !plain.test(word));
        return kept.length > 0 ? `‹${kept.join(', ')}›` : '';
      });
    }
    return shorter.replaceAll('‹', '<').replaceAll('›', '>');
  };
  const lines = new Map();
  const forms = new Map();
  for (const [name, figures] of kernels) {
    const family = familyOf(name);
    forms.set(family, (forms.get(family) ?? 0) + 1);
    for (const [architecture, own] of figures) merge(lines, family, architecture, own);
  }
  return [...lines].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, own]) => ({ name, forms: forms.get(name), own }));
}

function markdown(kernels, architectures, compiler) {
  const lines = families(kernels).map(({ name, forms, own }) => {
    const most = (field) => Math.max(...[...own.values()].map((figures) => figures[field]));
    const regs = architectures.map((architecture) => own.get(architecture)?.regs ?? '');
    return `| \`${name}\` | ${[forms, ...regs, most('shared'), most('stack'), most('spill')].join(' | ')} |`;
  });
  const heads = ['kernel', 'forms', ...architectures.map((a) => `sm_${a}`), 'shared', 'stack', 'spills'];
  return `# Kernels on CUDA

Registers a thread of every kernel, by architecture, and in bytes: static shared memory of a block, stack of a thread,
spills. The figures are those of ptxas ${compiler}. One line stands for all forms of a kernel (element types, tile
sizes, block sizes) and holds the largest figure of them. Shared memory that is asked for at launch is not among them.

They decide how many blocks a multiprocessor can hold, and say nothing about speed. A few bytes of spills beside few
registers are ptxas' own choice, to hold more blocks. The limits in
\`scripts/kernel-limits.json\` hold for every form and architecture. \`node scripts/kernel-report.mjs build/cuda-release\`
lists the forms one by one; with \`--write\` it makes this page.

| ${heads.join(' | ')} |
| --- |${' ---: |'.repeat(heads.length - 1)}
${lines.join('\n')}
`;
}

function compilerVersion() {
  const folders = readdirSync(path.join(build, 'CMakeFiles')).map((name) => path.join(build, 'CMakeFiles', name));
  const file = folders.map((folder) => path.join(folder, 'CMakeCUDACompiler.cmake')).find((name) => existsSync(name));
  return /CMAKE_CUDA_COMPILER_VERSION "([\d.]+)"/.exec(readFileSync(file, 'utf8'))[1];
}

const kernels = collect();
if (kernels.size === 0) throw new Error(`${build} holds no record of a kernel: build the plug-in with nvcc first`);
const architectures = [...new Set([...kernels.values()].flatMap((own) => [...own.keys()]))].sort((a, b) => a - b);
const found = problems(kernels, architectures);
const compiler = compilerVersion();

if (mode === undefined) {
  for (const [name, own] of [...kernels].sort(([a], [b]) => (a < b ? -1 : 1))) {
    for (const [architecture, { regs, spill, stack, shared }] of [...own].sort(([a], [b]) => a - b)) {
      console.log(`sm_${architecture}\tregs ${regs}\tspill ${spill}\tstack ${stack}\tshared ${shared}\t${name}`);
    }
  }
}
if (mode === '--write') writeFileSync(page, markdown(kernels, architectures, compiler));
if (mode === '--check') {
  const text = readFileSync(page, 'utf8');
  if (!text.includes(`those of ptxas ${compiler}.`))
    console.log(`docs/kernels.md is not of ptxas ${compiler}: not compared`);
  else if (text !== markdown(kernels, architectures, compiler))
    found.push(`docs/kernels.md is out of date: node scripts/kernel-report.mjs ${build} --write`);
}
for (const problem of found) console.error(problem);
const most = (field) => Math.max(...[...kernels.values()].flatMap((own) => [...own.values()].map((f) => f[field])));
console.log(
  `${kernels.size} kernels for sm_${architectures.join(', ')}: at most ${most('regs')} registers, ${most('spill')} bytes of ` +
    `spills, ${most('stack')} bytes of stack, ${most('shared')} bytes of shared memory`,
);
if (found.length > 0) process.exitCode = 1;
