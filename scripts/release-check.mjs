// npm run release:check: everything that is asked of a package before it is published, of the binaries that
// `npm run prebuilds` has left in prebuilds/; a table at the end, exit 1 if a line of it fails.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { releaseVersions } from './jobs/ci.mjs';
import { need } from './need.mjs';

const root = path.join(import.meta.dirname, '..');
process.chdir(root);
need('build');
const floor = '2.28';
const binaries = [
  'prebuilds/linux-x64/orthokit.glibc.node',
  'prebuilds/linux-x64/orthokit_cuda.so',
  'prebuilds/linux-arm64/orthokit.glibc.node',
];

const command = (file, ...args) => spawnSync(file, args, { stdio: ['ignore', 'inherit', 'inherit'] }).status === 0;
const steps = (...words) => command('bash', 'scripts/jobs/steps.sh', ...words);

function hasBinaries() {
  const there = existsSync('prebuilds')
    ? readdirSync('prebuilds', { recursive: true }).filter((file) => /\.(node|so)$/.test(file))
    : [];
  const found = there.map((file) => path.posix.join('prebuilds', file)).sort();
  if (found.join() === binaries.toSorted().join()) return true;
  console.error(
    `prebuilds/ holds [${found}], not [${binaries}]: npm run prebuilds, with nvcc and g++-aarch64-linux-gnu`,
  );
  return false;
}

/** Each package that comes with ours, and each that is compiled into it, has its notice and a licence that we know. */
function hasNotices() {
  const { dependencies } = JSON.parse(readFileSync('package.json', 'utf8'));
  const notices = readFileSync('THIRD_PARTY_NOTICES.md', 'utf8');
  const problems = [...Object.keys(dependencies), 'node-api-headers'].flatMap((name) => {
    const { license } = JSON.parse(readFileSync(path.join('node_modules', name, 'package.json'), 'utf8'));
    return license === 'MIT' && notices.includes(`\n## ${name}\n`) ? [] : [`${name} (${license}) has no notice`];
  });
  for (const part of ['Eigen', 'libstdc++ and libgcc', 'NVIDIA CUDA Runtime'])
    if (!notices.includes(`\n## ${part}\n`)) problems.push(`${part} has no notice`);
  for (const problem of problems) console.error(problem);
  return problems.length === 0;
}

/** The versions of Node.js that take a step in the installed package, beside this one. */
function nodes() {
  return releaseVersions.map((version) => {
    if (!steps('install_node', version)) throw new Error(`Node.js ${version} cannot be had`);
    return spawnSync('bash', ['scripts/jobs/steps.sh', 'node_of', version], { encoding: 'utf8' }).stdout.trim();
  });
}

const checks = [
  ['binaries of both platforms', hasBinaries],
  [
    `glibc ${floor}, exports, no run path`,
    () => command(process.execPath, 'scripts/check-binary.mjs', floor, ...binaries),
  ],
  ['licences and notices', hasNotices],
  ['publint', () => command(process.execPath, 'node_modules/publint/src/cli.js', '--strict')],
  ['attw', () => steps('attw')],
  [
    `sizes; npm, pnpm, Yarn and esbuild; Node.js ${[process.versions.node, ...releaseVersions].join(', ')}; a build from the tarball`,
    () => command(process.execPath, 'test/package/check.mjs', '--release', ...nodes()),
  ],
];
const results = checks.map(([name, check]) => {
  console.log(`=== ${name}`);
  let passed = false;
  try {
    passed = check();
  } catch (error) {
    console.error(error.message);
  }
  return `${passed ? 'passed' : 'FAILED'}  ${name}`;
});
console.log(`\n${results.join('\n')}`);
process.exitCode = results.every((line) => line.startsWith('passed')) ? 0 : 1;
