import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { type Command, command } from './command.ts';
import { root } from './version.ts';

export const build: Command = command({
  summary: 'compile the addon on this machine; it then goes before the one that was shipped',
  options: {
    install: { type: 'boolean', help: 'let npm fetch cmake-js, if it is not installed' },
  },
  rest: '[--CDNAME=VALUE…]',
  passes: /^--CD\w+=/,
  run({ install = false }, defines) {
    const onPath = (names: readonly string[]): boolean =>
      names.some((name) => spawnSync(name, ['--version'], { stdio: 'ignore' }).error === undefined);
    const compilers = [process.env['CXX'] ?? '', 'c++', 'g++', 'clang++'].filter(Boolean);
    const missing = [
      ...(onPath(['cmake']) ? [] : ['CMake 3.22 or later']),
      ...(onPath(compilers) ? [] : ['a C++20 compiler']),
    ];
    if (missing.length > 0)
      throw new Error(
        `missing ${missing.join(' and ')}.\n` +
          'build needs a C++20 compiler, CMake 3.22 or later, cmake-js, Eigen and, for fast matrix products, OpenBLAS.\n' +
          'Debian and Ubuntu: apt install g++ cmake ninja-build libeigen3-dev libopenblas-serial-dev',
      );
    // It says by itself where cmake-js is missing.
    const script = path.join(root, 'scripts', 'gyp-build.cjs');
    const flags = install ? ['--install'] : [];
    const result = spawnSync(process.execPath, [script, 'Release', ...flags, ...defines], { stdio: 'inherit' });
    return result.status === 0 ? 0 : 1;
  },
});
