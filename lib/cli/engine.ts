// Plug-ins of engines, compiled against what is installed: a source each, and the engine's own compiler or libraries.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { type PluginName, plugins } from '../distributed/internal.ts';
import { root } from './version.ts';

/** Compiler and libraries of a plug-in. */
interface Compiling {
  /** The compilers where nobody names one. */
  readonly names: readonly string[];
  /** Libraries to link, behind folders that a compiler does not look into by itself. */
  readonly links: () => readonly string[];
  /** A hint for systems that lack any of it. */
  readonly lacks: string;
}

/** The folder that a variable names, if it is set: no other header may be taken in place of its own. */
function homeIn(variable: string, header: string): string | undefined {
  const home = process.env[variable];
  if (!home) return undefined;
  if (!existsSync(path.resolve(home, 'include', header)))
    throw new Error(`${variable} must name a folder with include/${header}, got ${home}`);
  return home;
}

/**
 * Flags for a library in a folder of its own with `include` and `lib64` or `lib`; a plug-in looks for the library there
 * when it is opened, too. Packages of Python have `libnccl.so.2` alone, without the name that a linker looks for.
 */
function flagsOfHome(home: string | undefined, name: string): readonly string[] {
  if (!home || !existsSync(home)) return [`-l${name}`];
  const include = ['-isystem', path.resolve(home, 'include')];
  const lib = ['lib64', 'lib'].map((folder) => path.resolve(home, folder)).find((folder) => existsSync(folder));
  if (lib === undefined) return [...include, `-l${name}`];
  const file = `lib${name}.so`;
  const files = readdirSync(lib);
  const versioned = files.includes(file) ? undefined : files.find((one) => one.startsWith(`${file}.`));
  return [...include, `-L${lib}`, `-Wl,-rpath,${lib}`, versioned ? `-l:${versioned}` : `-l${name}`];
}

const cxx: readonly string[] = [...(process.env['CXX'] ? [process.env['CXX']] : []), 'c++', 'g++', 'clang++'];

const compilers: Readonly<Record<PluginName, Compiling>> = {
  mpi: {
    names: [process.env['MPICXX'] || 'mpicxx'],
    links: () => [],
    lacks:
      'build --mpi needs that of an MPI, with its headers, and a C++20 compiler.\n' +
      'Debian and Ubuntu: apt install g++ libopenmpi-dev openmpi-bin, or g++ libmpich-dev mpich; with both, ' +
      '--compiler mpicxx.openmpi or mpicxx.mpich',
  },
  gloo: {
    names: cxx,
    links: () => ['-lgloo'],
    lacks:
      'build --gloo needs a C++20 compiler and Gloo with its headers.\nDebian and Ubuntu: apt install g++ libgloo-dev',
  },
  nccl: {
    names: cxx,
    // The toolkit's usual place goes behind what is asked for.
    links: () => [
      ...flagsOfHome(homeIn('NCCL_HOME', 'nccl.h'), 'nccl'),
      ...flagsOfHome(homeIn('CUDA_HOME', 'cuda_runtime.h') ?? '/usr/local/cuda', 'cudart'),
      '-pthread',
    ],
    lacks:
      'build --nccl needs a C++20 compiler, NCCL 2.14 or later (nccl.h, libnccl.so) and the CUDA toolkit ' +
      '(cuda_runtime.h, libcudart.so).\nWhere the compiler does not find them, NCCL_HOME and CUDA_HOME name their ' +
      'folders, with include and lib in them.\nDebian and Ubuntu, with the packages of NVIDIA: apt install g++ libnccl-dev',
  },
};

/** The folder of the addon, where it looks for plug-ins. */
function folderOfAddon(): string {
  const find: { resolve(root: string): string } = createRequire(import.meta.url)('node-gyp-build');
  try {
    return path.dirname(find.resolve(process.env['ORTHOKIT_PREBUILD'] ?? root));
  } catch {
    throw new Error('there is no binary of orthokit that a plug-in could go beside: compile one with `orthokit build`');
  }
}

/** The file of an engine's plug-in, which need not be there. */
function pluginFile(engine: PluginName): string {
  const { file, variable } = plugins[engine];
  return process.env[variable] || path.join(folderOfAddon(), file);
}

/** The library that a plug-in was compiled against, read from its file without loading it. Undefined without one. */
export function libraryOf(engine: PluginName): string | undefined {
  const file = pluginFile(engine);
  const isThere = existsSync(file) && statSync(file).isFile() && statSync(file).size < 1 << 26;
  return isThere ? /orthokit engine: ([ -~]{1,100})\n/.exec(readFileSync(file, 'latin1'))?.[1] : undefined;
}

/** @throws where there is no plug-in */
export function libraryOfEngine(engine: PluginName): string {
  const library = libraryOf(engine);
  if (library !== undefined) return library;
  const file = pluginFile(engine);
  throw new Error(
    `there is no plug-in for ${plugins[engine].title} (${file}${existsSync(file) ? ' is none' : ' does not exist'}): ` +
      `compile it with \`orthokit build --${engine}\``,
  );
}

/** Compiles the plug-in of an engine; the exit code. */
export function buildEngine(
  engine: PluginName,
  { compiler, out }: { compiler?: string | undefined; out?: string | undefined },
): number {
  const { names, links, lacks } = compilers[engine];
  const asked = compiler === undefined ? names : [compiler];
  const name = asked.find((one) => spawnSync(one, ['--version'], { stdio: 'ignore' }).error === undefined);
  if (name === undefined) throw new Error(`no compiler ${asked.join(', ')}: ${lacks}`);
  const file = path.resolve(out ?? path.join(folderOfAddon(), plugins[engine].file));
  const source = path.join(root, 'native', engine, 'engine.cpp');
  if (!existsSync(source)) throw new Error(`${source} is missing: reinstall orthokit`);
  mkdirSync(path.dirname(file), { recursive: true });
  const fresh = `${file}.${process.pid}.new`;
  const flags = ['-std=c++20', '-O2', '-fPIC', '-shared', '-fvisibility=hidden', `-I${path.join(root, 'native')}`];
  const linked = ['-Wl,-z,nodelete,-z,now', ...links(), '-o', fresh];
  const { status } = spawnSync(name, [...flags, source, ...linked], { stdio: 'inherit' });
  if (status !== 0) {
    rmSync(fresh, { force: true });
    console.error(`${name} has failed: ${lacks}`);
    return 1;
  }
  renameSync(fresh, file); // a process that has the old file loaded keeps it
  console.log(file);
  return 0;
}
