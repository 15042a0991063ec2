// Makes there be, in a clone, what a command stands on. In scripts: need('packages'), need('build') or need('bench').
// usage: node scripts/need.mjs packages|build|bench
import { spawnSync } from 'node:child_process';
import { existsSync, realpathSync, statSync } from 'node:fs';
import path from 'node:path';

const root = path.join(import.meta.dirname, '..');
const at = (file) => path.join(root, file);
const changedAt = (file) => statSync(at(file)).mtimeMs;

/** The npm packages of the lock file, as run.sh installs them. */
function packages() {
  const done = 'node_modules/.package-lock.json';
  if (existsSync(at(done)) && changedAt(done) >= changedAt('package-lock.json')) return;
  console.error('Installing npm packages');
  run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--silent']);
}

/** The addon and dist/. What is there is taken as it is: `bash scripts/run.sh build` brings it up to date. */
function build() {
  madeByBuild(['dist/index.js', 'build/Release/orthokit.node']);
}

/** The same, and orthokit_bench. */
function bench() {
  madeByBuild(['dist/index.js', 'build/Release/orthokit.node', 'build/cpu/orthokit_bench']);
}

function madeByBuild(files) {
  packages();
  if (!files.every((file) => existsSync(at(file)))) run('bash', ['scripts/run.sh', 'build']);
}

function run(command, args) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2] });
  if (status === 0) return;
  console.error(`${command} ${args.join(' ')} failed${error ? `: ${error.message}` : ''}`);
  process.exit(1);
}

const kinds = { packages, build, bench };

/** @param {'packages' | 'build' | 'bench'} kind */
export function need(kind) {
  kinds[kind]();
}

if (process.argv[1] && realpathSync(process.argv[1]) === import.meta.filename) {
  const [kind] = process.argv.slice(2);
  if (!Object.hasOwn(kinds, kind ?? '')) {
    console.error('usage: node scripts/need.mjs packages|build|bench');
    process.exit(2);
  }
  need(kind);
}
