// npm run check: format, lint, types, rules of includes, imports, baselines of tests and comments, stale generated files.
// Names every check; exit 1 if one fails.
// usage: node scripts/check.mjs [check…]
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { need } from './need.mjs';

const root = path.join(import.meta.dirname, '..');
const node = process.execPath;

function sources() {
  return ['native', 'test/native']
    .filter((folder) => existsSync(path.join(root, folder)))
    .flatMap((folder) => readdirSync(path.join(root, folder), { recursive: true }).map((file) => `${folder}/${file}`))
    .filter((file) => /\.(h|c|cpp|cu|cuh)$/.test(file));
}

const typescript = 'node_modules/typescript/bin/tsc';
/** True if dist/ was built from what is there (scripts/run.sh): then the compiler has seen it. */
function isBuilt() {
  const changedAt = (file) => statSync(path.join(root, file), { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const read = readdirSync(path.join(root, 'lib'), { recursive: true }).map((file) => path.join('lib', file));
  const built = changedAt('dist/.built');
  return ['lib', 'tsconfig.json', 'package.json', 'package-lock.json', ...read].every(
    (file) => changedAt(file) <= built,
  );
}
const checks = {
  biome: () => [[node, 'node_modules/@biomejs/biome/bin/biome', 'ci', '--error-on-warnings', '--colors=off']],
  'clang-format': () => [[node, 'node_modules/clang-format/index.js', '--dry-run', '-Werror', ...sources()]],
  types: () => [
    ...(isBuilt() ? [] : [[node, typescript, '--noEmit', '-p', '.']]),
    [node, typescript, '--noEmit', '-p', 'test'],
    [node, typescript, '--noEmit', '-p', 'examples'],
    [node, typescript, '--noEmit', '-p', 'examples/training-server/page'],
  ],
  includes: () => [[node, 'scripts/check-includes.mjs']],
  imports: () => [
    [node, 'scripts/check-imports.mjs'],
    [node, 'scripts/check-baselines.mjs'],
  ],
  comments: () => [[node, 'scripts/check-comments.mjs']],
  generated: () => [[node, 'scripts/generate-native-types.mjs', '--check']],
};

function passes(name) {
  for (const [command, ...args] of checks[name]()) {
    const { error, status, stdout, stderr } = spawnSync(command, args, { cwd: root, encoding: 'utf8' });
    if (status === 0) continue;
    console.error(error ? `${command}: ${error.message}` : `${stdout}${stderr}`);
    return false;
  }
  return true;
}

const names = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(checks);
for (const name of names)
  if (!Object.hasOwn(checks, name)) {
    console.error(`no check ${name}; there are ${Object.keys(checks).join(', ')}`);
    process.exit(2);
  }
need('packages');
if (names.includes('generated')) need('bench');
for (const name of names) {
  const passed = passes(name);
  console.log(`${name}: ${passed ? 'passed' : 'failed'}`);
  if (!passed) process.exitCode = 1;
}
