import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { type Command, command, UsageError } from './command.ts';
import { buildEngine } from './engine.ts';
import { root } from './version.ts';

export const build: Command = command({
  summary: 'compile the addon on this machine; it then goes before the one that was shipped',
  options: {
    install: { type: 'boolean', help: 'let npm fetch cmake-js, if it is not installed' },
    mpi: { type: 'boolean', help: 'the plug-in for MPI alone, for several processes' },
    gloo: { type: 'boolean', help: 'that for Gloo alone' },
    nccl: { type: 'boolean', help: 'that for NCCL alone' },
    compiler: {
      type: 'string',
      value: 'NAME',
      help: 'of these: the C++ compiler; that of an MPI, by default mpicxx',
    },
    out: { type: 'string', value: 'FILE', help: 'of these: the plug-in; by default beside the addon' },
  },
  rest: '[--CDNAME=VALUE…]',
  passes: /^--CD\w+=/,
  run({ install = false, mpi = false, gloo = false, nccl = false, compiler, out }, defines) {
    const asked = { mpi, gloo, nccl };
    const [engine, ...more] = (['mpi', 'gloo', 'nccl'] as const).filter((name) => asked[name]);
    if (engine) {
      if (install || defines.length > 0 || more.length > 0)
        throw new UsageError(`--${engine} goes with --compiler and --out alone`);
      return buildEngine(engine, { compiler, out });
    }
    if (compiler !== undefined || out !== undefined)
      throw new UsageError('--compiler and --out go with --mpi, --gloo or --nccl');
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
          'build needs a C++20 compiler, CMake 3.22 or later, cmake-js and Eigen 3.4.\n' +
          'Debian and Ubuntu: apt install g++ cmake ninja-build libeigen3-dev',
      );
    // It says by itself where cmake-js is missing.
    const script = path.join(root, 'scripts', 'gyp-build.cjs');
    const flags = install ? ['--install'] : [];
    const result = spawnSync(process.execPath, [script, 'Release', ...flags, ...defines], { stdio: 'inherit' });
    return result.status === 0 ? 0 : 1;
  },
});
