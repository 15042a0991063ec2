// npm run prebuilds: the binaries that the package ships, in prebuilds/<platform>-<arch>/, built and checked.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';

const root = path.join(import.meta.dirname, '..');
// What official Node 20 and later need themselves, so we ask for nothing more.
const floor = '2.28';

function run(args, env = {}) {
  const result = spawnSync(process.execPath, args, {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, ...env },
  });
  if (result.status !== 0) throw new Error(`${args[0]} failed`);
}

// prebuildify moves the addon out of build/Release, so the developer's own waits aside.
function withEmptyRelease(work) {
  const [release, aside] = ['build/Release', 'build/Release.aside'].map((folder) => path.join(root, folder));
  rmSync(aside, { recursive: true, force: true });
  if (existsSync(release)) renameSync(release, aside);
  try {
    work();
  } finally {
    rmSync(release, { recursive: true, force: true });
    if (existsSync(aside)) renameSync(aside, release);
  }
}

const prebuilds = path.join(root, 'prebuilds');
rmSync(prebuilds, { recursive: true, force: true });
const options = ['--napi', '--strip', '--tag-libc', '--name', 'orthokit', '--node-gyp', './scripts/node-gyp.cjs'];
// A build folder of its own: the developer's keeps its options.
const cmake = `--quiet -O build/prebuild --CDORTHOKIT_GLIBC_FLOOR=${floor} --CDORTHOKIT_BLAS=static`;
withEmptyRelease(() => run(['node_modules/prebuildify/bin.js', ...options], { ORTHOKIT_CMAKE_ARGS: cmake }));

const binaries = readdirSync(prebuilds, { recursive: true }).filter((file) => /\.(node|so)$/.test(file));
if (binaries.length === 0) throw new Error('prebuildify left nothing in prebuilds/');
run(['scripts/check-binary.mjs', floor, ...binaries.map((file) => path.join(prebuilds, file))]);
for (const file of binaries) console.log(`prebuilds/${file}`);
