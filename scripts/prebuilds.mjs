// npm run prebuilds: the binaries that the package ships, in prebuilds/<platform>-<arch>/, built and checked.
import { spawnSync } from 'node:child_process';
import { readdirSync, rmSync } from 'node:fs';
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
  if (result.status !== 0) process.exit(1);
}

rmSync(path.join(root, 'prebuilds'), { recursive: true, force: true });
run(
  [
    'node_modules/prebuildify/bin.js',
    ...['--napi', '--strip', '--tag-libc', '--name', 'orthokit', '--node-gyp', './scripts/node-gyp.cjs'],
  ],
  {
    // A folder of its own: the developer's build keeps its options.
    ORTHOKIT_CMAKE_ARGS: `--quiet -O build/prebuild --CDORTHOKIT_GLIBC_FLOOR=${floor} --CDORTHOKIT_BLAS=static`,
  },
);

const folder = path.join(root, 'prebuilds');
const binaries = readdirSync(folder, { recursive: true }).filter((file) => /\.(node|so)$/.test(file));
if (binaries.length === 0) {
  console.error('prebuildify left nothing in prebuilds/');
  process.exit(1);
}
run(['scripts/check-binary.mjs', floor, ...binaries.map((file) => path.join(folder, file))]);
for (const file of binaries) console.log(`prebuilds/${file}`);
