// Every CUDA kernel by what ptxas says (registers, spills, stack, shared memory, for each architecture) and by what the
// interpreter of its PTX counted (bytes, sectors, bank conflicts, divergence), held to the limits in kernel-limits.json.
// Exit 1 where one is passed, or where a kernel has not been interpreted.
// usage: node scripts/kernel-report.mjs <build by nvcc, such as build/cuda-release> <build/ptx> [--write | --check]
// --write makes docs/kernels.md and its picture; --check says whether they are still true, where the same nvcc made them: all
// but the table of machine code where the build has fewer architectures.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { countedLaunches, enoughBytes } from './kernel-report/counters.mjs';
import { mistakes, passed } from './kernel-report/limits.mjs';
import { occupancy } from './kernel-report/occupancy.mjs';
import { keyOf, open } from './kernel-report/open.mjs';
import { architecturesOf, markdown, withoutMachineCode } from './kernel-report/page.mjs';
import { picture } from './kernel-report/picture.mjs';
import { interpretedKernels, withoutBarrier } from './kernel-report/ptx.mjs';
import { compilerVersion, machineFigures } from './kernel-report/ptxas.mjs';
import { predict } from './kernel-report/roofline.mjs';

const [build, ptx, mode] = process.argv.slice(2);
if (ptx === undefined || ![undefined, '--write', '--check'].includes(mode)) {
  console.error('usage: node scripts/kernel-report.mjs <build by nvcc> <build/ptx> [--write | --check]');
  process.exit(2);
}
const docs = path.join(import.meta.dirname, '..', 'docs');
const found = [];

const machine = machineFigures(build);
const architectures = [...new Set([...machine.values()].flatMap((own) => [...own.keys()]))].sort((a, b) => a - b);
const interpreted = readdirSync(ptx)
  .flatMap((file) => /^kernels-sm_(\d+)\.txt$/.exec(file)?.[1] ?? [])
  .map(Number)
  .sort((a, b) => a - b);

for (const [name, figures] of machine) {
  const missing = architectures.filter((architecture) => !figures.has(architecture));
  if (missing.length > 0) found.push(`${name} was not compiled for sm_${missing.join(', ')}`);
}
const shown = interpreted.at(-1);
const forms = [];
const waiting = new Set(); // for the whole grid
for (const architecture of interpreted) {
  const kernels = interpretedKernels(ptx, architecture);
  const counters = readdirSync(ptx).filter((file) => file.startsWith(`counters-sm_${architecture}`));
  const launches = countedLaunches(counters.map((file) => path.join(ptx, file)));
  for (const name of machine.keys())
    if (!kernels.has(name)) found.push(`${name} is not in the PTX for sm_${architecture}`);
  for (const [name, { threads, waits }] of kernels) {
    const counted = launches.get(name);
    const own = machine.get(name);
    if (waits) {
      waiting.add(name);
      const other = withoutBarrier(name);
      if (other === name || !kernels.has(other)) found.push(`${name} has a grid barrier, and no form without`);
      continue;
    }
    if (counted === undefined)
      found.push(`${name} was not interpreted for sm_${architecture}: give cases.mjs a case for it`);
    if (counted === undefined || own === undefined) continue;
    if (counted.least >= enoughBytes) found.push(...passed(name, architecture, counted));
    const shared = Math.max(counted.shared, own.get(architecture)?.shared ?? 0);
    const { share } = occupancy(architecture, { regs: own.get(architecture)?.regs ?? 0, threads, shared });
    found.push(...passed(name, architecture, { occupancy: share }));
    if (architecture === shown)
      forms.push({ name, machine: own, counted, occupancy: share, predicted: predict(counted) });
  }
}
for (const [name, figures] of machine)
  for (const [architecture, own] of figures) found.push(...passed(name, architecture, own));
found.push(...mistakes([...machine.keys()]));
const known = found.filter((sentence) => open.has(keyOf(sentence)));

if (mode === undefined) {
  for (const [name, figures] of [...machine].sort(([a], [b]) => (a < b ? -1 : 1))) {
    for (const [architecture, { regs, spill, stack, shared }] of [...figures].sort(([a], [b]) => a - b)) {
      console.log(`sm_${architecture}\tregs ${regs}\tspill ${spill}\tstack ${stack}\tshared ${shared}\t${name}`);
    }
  }
  for (const { name, counted, predicted } of forms.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const { bytes, sectors, conflicts, divergence } = counted;
    const ratios = [bytes, sectors, conflicts, divergence].map((ratio) => ratio.toFixed(3)).join('\t');
    console.log(`counted\t${ratios}\t${(predicted.seconds * 1e6).toFixed(2)} us\t${predicted.bound}\t${name}`);
  }
}
const compiler = compilerVersion(build);
const pageFile = path.join(docs, 'kernels.md');
const pages = new Map([
  [pageFile, markdown(forms, architectures, compiler, shown, [...waiting], open)],
  [path.join(docs, 'images', 'kernels.svg'), picture(forms)],
]);
const oldPage = existsSync(pageFile) ? readFileSync(pageFile, 'utf8') : '';
const whole = architecturesOf(oldPage).every((architecture) => architectures.includes(architecture));
const compared = (text) => (whole ? text : withoutMachineCode(text));
const same = (file, content) => existsSync(file) && compared(readFileSync(file, 'utf8')) === compared(content);
if (mode === '--write') for (const [file, content] of pages) writeFileSync(file, content);
if (mode === '--check') {
  if (!whole) console.log('docs/kernels.md has more architectures: its table of machine code is not compared');
  if (!oldPage.includes(`those of ptxas ${compiler} `))
    console.log(`docs/kernels.md is not of ptxas ${compiler}: not compared`);
  else if ([...pages].some(([file, content]) => !same(file, content)))
    found.push(`docs/kernels.md is out of date: node scripts/kernel-report.mjs ${build} ${ptx} --write`);
  const still = new Set(known.map(keyOf));
  if (whole)
    for (const key of open)
      if (!still.has(key)) found.push(`${key} is within its limit: take it off scripts/kernel-open.json`);
}
const problems = found.filter((sentence) => !open.has(keyOf(sentence)));
for (const problem of problems) console.error(problem);
const most = (field) => Math.max(...[...machine.values()].flatMap((own) => [...own.values()].map((f) => f[field])));
console.log(
  `${machine.size} kernels for sm_${architectures.join(', ')}: at most ${most('regs')} registers, ${most('spill')} bytes of ` +
    `spills, ${most('stack')} bytes of stack, ${most('shared')} bytes of shared memory; interpreted for sm_${interpreted.join(', ')}`,
);
if (known.length > 0)
  console.log(`${new Set(known.map(keyOf)).size} figures beyond their limits are listed in scripts/kernel-open.json`);
if (problems.length > 0) process.exitCode = 1;
