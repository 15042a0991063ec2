// A binary that is shipped: loads with the floor's glibc, brings its own libstdc++, has no run path, exports our names alone.
// usage: node scripts/check-binary.mjs <glibc floor> <file>…
import { execFileSync } from 'node:child_process';
import path from 'node:path';

const [floor, ...files] = process.argv.slice(2);
if (files.length === 0) {
  console.error('usage: node scripts/check-binary.mjs <glibc floor> <file>…');
  process.exit(2);
}
// Exports by kind of file: what Node calls in an addon, what core calls in a plug-in.
const exportsOf = {
  '.node': ['napi_register_module_v1', 'node_api_module_get_api_version_v1'],
  '.so': ['orthokit_backend'],
};
const objdump = (flag, file) => execFileSync('objdump', [flag, file], { encoding: 'utf8', maxBuffer: 1 << 26 });

function isAbove(version) {
  const [a, b] = [version, floor].map((text) => text.split('.').map(Number));
  return a[0] > b[0] || (a[0] === b[0] && (a[1] ?? 0) > (b[1] ?? 0));
}

function problemsOf(file) {
  const symbols = objdump('-T', file);
  const problems = [];
  const needed = new Set([...symbols.matchAll(/\bGLIBC_([0-9.]+)/g)].map(([, version]) => version));
  if (needed.size === 0) problems.push('no versioned glibc symbol found: is this a dynamic library?');
  for (const version of needed) if (isAbove(version)) problems.push(`needs GLIBC_${version}, the floor is ${floor}`);
  for (const [name] of symbols.matchAll(/\b(GLIBCXX|CXXABI)_[0-9.]+/g)) problems.push(`needs ${name}`);
  const runPath = /^\s*(RPATH|RUNPATH)\s.*$/m.exec(objdump('-p', file));
  if (runPath) problems.push(`has a run path: ${runPath[0].trim()}`);
  // Those of the linker for AArch64 have local symbols of sections beside them, which nothing can be bound to.
  const defined = [...symbols.matchAll(/^[0-9a-f]+ (.{7}) (\S+)\s+[0-9a-f]+\s+(?:\(?\S+\)?\s+)?(\S+)$/gm)]
    .filter(([, flags, section]) => flags[0] !== 'l' && section !== '*UND*' && section !== '*ABS*')
    .map(([, , , name]) => name)
    .sort();
  const wanted = exportsOf[path.extname(file)];
  if (defined.join() !== wanted?.join()) problems.push(`exports [${defined}], expected [${wanted}]`);
  return [...new Set(problems)];
}

for (const file of files) {
  const problems = problemsOf(file);
  for (const problem of problems) console.error(`${file}: ${problem}`);
  if (problems.length > 0) process.exitCode = 1;
}
