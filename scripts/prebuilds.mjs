// npm run prebuilds: the binaries that the package ships, in prebuilds/<platform>-<arch>/, built and checked: for Linux on
// x64 and, by a cross compiler where there is one, for the CPU of arm64. The CUDA plug-in is one of them where nvcc is.
// `-- --as-built`: with the options that the plug-in's build folder has already, in tests.
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { need } from './need.mjs';

const root = path.join(import.meta.dirname, '..');
// The version that official Node 20 and later need themselves, so we ask for nothing more.
const floor = '2.28';

function run(command, args, env = {}) {
  const result = spawnSync(command, args, {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, ...env },
  });
  if (result.status !== 0) throw new Error(`${command} ${args[0]} failed`);
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

const args = process.argv.slice(2);
if (args.some((word) => word !== '--as-built')) {
  console.error('usage: npm run prebuilds [-- --as-built]');
  process.exit(2);
}
// Before anything is deleted.
need('packages');
const prebuildify = 'node_modules/prebuildify/bin.js';
if (!existsSync(path.join(root, prebuildify))) {
  console.error('prebuilds: prebuildify is not installed, nothing was changed: npm ci --ignore-scripts');
  process.exit(1);
}
const prebuilds = path.join(root, 'prebuilds');
rmSync(prebuilds, { recursive: true, force: true });
const options = ['--napi', '--strip', '--tag-libc', '--name', 'orthokit', '--node-gyp', './scripts/node-gyp.cjs'];
// A build folder of its own: the developer's keeps its options. Joined files share what they instantiate.
function build(arch, folder, strip, ...more) {
  const given = ['UNITY=ON', 'CUDA=OFF', `GLIBC_FLOOR=${floor}`].map((option) => `--CDORTHOKIT_${option}`);
  const cmake = ['--quiet', '-O', folder, ...given, ...more];
  const env = { ORTHOKIT_CMAKE_ARGS: cmake.join(' '), PREBUILD_STRIP_BIN: strip };
  withEmptyRelease(() => run(process.execPath, [prebuildify, ...options, '--arch', arch], env));
}
build(process.arch, 'build/prebuild', 'strip');
const cross = 'aarch64-linux-gnu';
if (process.arch === 'x64' && spawnSync(`${cross}-g++`, ['--version']).status === 0)
  build('arm64', 'build/prebuild-arm64', `${cross}-strip`, '--CDCMAKE_TOOLCHAIN_FILE=scripts/linux-arm64.cmake');
else console.warn(`prebuilds: there is no ${cross}-g++, so the package goes without the binary for arm64`);

if (spawnSync('nvcc', ['--version']).status === 0) {
  // Tests may have built it with less work of the compiler, and for fewer architectures.
  const released = [
    '-DORTHOKIT_CUDA_ARCHS=',
    '-DORTHOKIT_CUDA_COMPRESSION=size',
    '-DCMAKE_CUDA_FLAGS_RELEASE=-O3 -DNDEBUG',
  ];
  const settings = args.includes('--as-built') ? [] : released;
  run('cmake', ['--preset', 'cuda-release', `-DORTHOKIT_GLIBC_FLOOR=${floor}`, ...settings]);
  run('cmake', ['--build', '--preset', 'cuda-release']);
  const plugin = path.join(prebuilds, `${process.platform}-${process.arch}`, 'orthokit_cuda.so');
  copyFileSync(path.join(root, 'build', 'cuda-release', 'orthokit_cuda.so'), plugin);
  run('strip', ['--strip-all', plugin]);
} else {
  console.warn('prebuilds: there is no nvcc, so the package goes without the CUDA plug-in');
}

const binaries = readdirSync(prebuilds, { recursive: true }).filter((file) => /\.(node|so)$/.test(file));
if (binaries.length === 0) throw new Error('prebuildify left nothing in prebuilds/');
const paths = binaries.map((file) => path.join(prebuilds, file));
run(process.execPath, ['scripts/check-binary.mjs', floor, ...paths]);
for (const [i, file] of binaries.entries()) {
  const bytes = readFileSync(paths[i]);
  const megabytes = [bytes, gzipSync(bytes)].map(({ length }) => (length / 1e6).toFixed(1));
  console.log(`prebuilds/${file}: ${megabytes[0]} MB, ${megabytes[1]} MB compressed`);
}
