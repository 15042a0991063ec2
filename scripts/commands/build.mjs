import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { root } from './version.mjs';

export const build = {
  summary: 'compile the addon on this machine; it then goes before the one that was shipped',
  rest: '[cmake-js arguments, such as --CDORTHOKIT_BLAS=shared]',
  run,
};

function run(args) {
  const onPath = (names) =>
    names.some((name) => spawnSync(name, ['--version'], { stdio: 'ignore' }).error === undefined);
  const compilers = [process.env.CXX, 'c++', 'g++', 'clang++'].filter(Boolean);
  const missing = [
    ...(onPath(['cmake']) ? [] : ['CMake 3.22 or later']),
    ...(onPath(compilers) ? [] : ['a C++20 compiler']),
  ];
  if (missing.length > 0) {
    console.error(
      `orthokit build: missing ${missing.join(' and ')}.\n` +
        'It needs a C++20 compiler, CMake 3.22 or later and, for fast matrix products, OpenBLAS.\n' +
        'Debian and Ubuntu: apt install g++ cmake ninja-build libopenblas-serial-dev',
    );
    return 1;
  }
  const script = path.join(root, 'scripts', 'gyp-build.cjs');
  const result = spawnSync(process.execPath, [script, 'Release', ...args], { stdio: 'inherit' });
  return result.status === 0 ? 0 : 1;
}
