// The folders of native/ that each may include: lib → addon → core → backend → kernel, one direction. That each file of C++
// includes what declares the names that it uses: where files are joined before they are compiled, no compiler says so. And
// that some file includes each header, and that references call no formula of math, which they are a second source of.
// usage: node scripts/check-includes.mjs [root]
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { lacks } from './includes/lacks.mjs';

const root = path.resolve(process.argv[2] ?? path.join(import.meta.dirname, '..'));

const mayInclude = {
  math: ['math'],
  core: ['core'],
  ops: ['ops', 'core', 'math'],
  cpu: ['cpu', 'ops', 'core', 'math'],
  cuda: ['cuda', 'ops', 'core', 'math'],
  gloo: ['core'],
  mpi: ['core'],
  nccl: ['nccl', 'core'],
  bench: ['bench', 'ops', 'core', 'math'],
  addon: ['addon', 'ops', 'core', 'math'],
};
const onlyIn = [
  { header: /^(napi|node_api|js_native_api)/, area: 'addon' },
  { header: /^cuda_runtime\.h$/, area: 'cuda', also: 'nccl' },
  { header: /^(cuda|cublas|cooperative_groups|cub\/)/, area: 'cuda' },
  { header: /^gloo\//, area: 'gloo' },
  { header: /^mpi\.h$/, area: 'mpi' },
  { header: /^nccl\.h$/, area: 'nccl' },
];
// Device building blocks also compile for the emulator, so they see nothing of the host side.
const deviceMayInclude = /^(cuda\/device\/.*|core\/op\.h|cuda\/stream\.h)$/;

function problem(file, header, quoted) {
  const area = file.split('/')[0];
  if (!quoted) {
    const rule = onlyIn.find((candidate) => candidate.header.test(header));
    return rule && rule.area !== area && rule.also !== area
      ? `<${header}> belongs to native/${rule.area} alone`
      : undefined;
  }
  const target = header.split('/')[0];
  if (!Object.hasOwn(mayInclude, target)) return `"${header}" is not a path from native/`;
  if (file.startsWith('cuda/device/') && !deviceMayInclude.test(header))
    return `device code may not include "${header}"`;
  return mayInclude[area].includes(target) ? undefined : `native/${area} may not include "${header}"`;
}

/**
 * Functions of math that a reference may call: the generator of random numbers, whose bits have known answers. A reference
 * that called another formula of math would be no second source of it; constants, kName, are free.
 */
const mayCall = ['philox', 'unit_float'];

/** The function of math that a line of a reference calls and may not. */
function formulaIn(file, line) {
  if (!file.startsWith('bench/reference/') || /^\s*\/\//.test(line)) return undefined;
  if (/\busing\s+(namespace\s+)?(orthokit::)?math\b/.test(line)) return 'all of math by using';
  const calls = [...line.matchAll(/\bmath::(\w+)\s*(?:<[^;()]*>)?\s*\(/g)].map(([, name]) => name);
  const bad = calls.find((name) => !mayCall.includes(name));
  return bad && `math::${bad}`;
}

const native = path.join(root, 'native');
const files = readdirSync(native, { recursive: true }).filter((file) => /\.(h|c|cpp|cu|cuh)$/.test(file));
const problems = [];
const included = new Set();
for (const file of files.sort()) {
  if (!Object.hasOwn(mayInclude, file.split('/')[0])) {
    problems.push(`native/${file}: no include rule for this folder`);
    continue;
  }
  const lines = readFileSync(path.join(native, file), 'utf8').split('\n');
  for (const [i, line] of lines.entries()) {
    const include = /^\s*#\s*include\s*([<"])([^>"]+)[>"]/.exec(line);
    if (include) included.add(include[2]);
    const found = include && problem(file, include[2], include[1] === '"');
    if (found) problems.push(`native/${file}:${i + 1}: ${found}`);
    const formula = formulaIn(file, line);
    if (formula)
      problems.push(`native/${file}:${i + 1}: a reference may not call ${formula}, the formula that it judges`);
  }
}
for (const file of files)
  if (/\.(h|cuh)$/.test(file) && !included.has(file)) problems.push(`native/${file}: no file includes it`);
problems.push(...lacks(native, files));
if (files.length === 0) problems.push(`no sources in ${native}`);
for (const line of problems) console.error(line);
process.exitCode = problems.length > 0 ? 1 : 0;
