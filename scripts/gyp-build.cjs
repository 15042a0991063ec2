// Builds the addon with cmake-js in build/cmake and copies it to build/<configuration>, where node-gyp-build looks.
// usage: node scripts/gyp-build.cjs [Release|Debug] [--quiet] [--install] [-O folder] [cmake-js arguments, such as --CDORTHOKIT_CUDA=ON]
// ORTHOKIT_CMAKE_ARGS holds further arguments, separated by spaces.
'use strict';
const { spawnSync } = require('node:child_process');
const {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} = require('node:fs');
const path = require('node:path');
const { advice, fetched, installed } = require('./cmake-js.cjs');

const root = path.join(__dirname, '..');
const args = [...process.argv.slice(2), ...(process.env.ORTHOKIT_CMAKE_ARGS ?? '').split(' ').filter(Boolean)];
const configuration = /^(Release|Debug|RelWithDebInfo)$/.test(args[0] ?? '') ? args.shift() : 'Release';
const take = (name, count) => (args.includes(name) ? args.splice(args.indexOf(name), count) : undefined);
const quiet = take('--quiet', 1) !== undefined;
const install = take('--install', 1) !== undefined;
const folder = path.resolve(root, take('-O', 2)?.[1] ?? 'build/cmake');

const tool = findCmakeJs();

// Under gyp's make these would reach the make that cmake-js starts.
const { MAKEFLAGS, MFLAGS, MAKELEVEL, ...env } = process.env;

function cmakeJs(command) {
  const options = ['-O', folder, '-B', configuration, ...(quiet ? ['-l', 'error'] : []), ...args];
  const [file, ...start] = tool;
  const result = spawnSync(file, [...start, command, '-d', root, ...options], {
    cwd: root,
    env,
    stdio: quiet ? 'pipe' : 'inherit',
    maxBuffer: 1 << 28,
  });
  if (result.status === 0) return;
  if (quiet) process.stderr.write(Buffer.concat([result.stdout ?? Buffer.alloc(0), result.stderr ?? Buffer.alloc(0)]));
  if (result.error) console.error(`orthokit: ${result.error.message}`);
  process.exit(result.status || 1);
}

function findCmakeJs() {
  try {
    const command = installed() ?? (install ? fetched() : undefined);
    if (command) return command;
    console.error(`orthokit: ${advice}`);
  } catch (error) {
    console.error(`orthokit: ${error.message}`);
  }
  process.exit(1);
}

// cmake-js configures only when there is no cache, and CMake's cache keeps the old options: other arguments start afresh.
const record = path.join(folder, 'arguments.json');
const wanted = JSON.stringify([configuration, args]);
if (!existsSync(record) || readFileSync(record, 'utf8') !== wanted) {
  cmakeJs('reconfigure');
  writeFileSync(record, wanted);
}
cmakeJs('build');

const built = path.join(folder, configuration);
const target = path.join(root, 'build', configuration);
mkdirSync(target, { recursive: true });
const binaries = (folder) => readdirSync(folder).filter((file) => /\.(node|so)$/.test(file));
const fresh = binaries(built);
// A plug-in of an earlier build does not fit this addon; those of engines, which say by themselves, are built apart.
const isEngine = (name) => ['orthokit_mpi.so', 'orthokit_gloo.so', 'orthokit_nccl.so'].includes(name);
for (const name of binaries(target)) if (!fresh.includes(name) && !isEngine(name)) rmSync(path.join(target, name));
for (const name of fresh) {
  const [from, to] = [path.join(built, name), path.join(target, name)];
  if (existsSync(to) && readFileSync(from).equals(readFileSync(to))) continue;
  copyFileSync(from, `${to}.new`);
  renameSync(`${to}.new`, to); // a process that has the old file loaded keeps it
}
