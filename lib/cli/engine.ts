// Plug-ins of engines, compiled against what is installed: one source, the engine's own compiler.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { missingEngines } from '../distributed/internal.ts';
import { root } from './version.ts';

/** @throws ERR_UNSUPPORTED for an engine that is not there */
export function refuseMissing(asked: Readonly<Record<'gloo' | 'nccl', boolean>>): void {
  for (const name of ['gloo', 'nccl'] as const)
    if (asked[name])
      throw Object.assign(new Error(`build --${name}: ${missingEngines[name]}`), { code: 'ERR_UNSUPPORTED' });
}

/** The folder of the addon, where it looks for plug-ins. */
function folderOfAddon(): string {
  const find: { resolve(root: string): string } = createRequire(import.meta.url)('node-gyp-build');
  try {
    return path.dirname(find.resolve(process.env['ORTHOKIT_PREBUILD'] ?? root));
  } catch {
    throw new Error('there is no binary of orthokit that a plug-in could go beside: compile one with `orthokit build`');
  }
}

/** The MPI that the plug-in was compiled against, as it stands in its file: nothing is loaded for it. */
export function libraryOfEngine(): string {
  const file = process.env['ORTHOKIT_MPI_PLUGIN'] || path.join(folderOfAddon(), 'orthokit_mpi.so');
  const isThere = existsSync(file) && statSync(file).isFile() && statSync(file).size < 1 << 26;
  const text = isThere ? readFileSync(file).toString('latin1') : '';
  const library = /orthokit engine: ([ -~]{1,100})\n/.exec(text)?.[1];
  if (library !== undefined) return library;
  throw new Error(
    `there is no plug-in for MPI (${file}${isThere ? ' is none' : ' does not exist'}): ` +
      'compile it with `orthokit build --mpi`',
  );
}

/** Compiles the plug-in for MPI; the exit code. */
export function engine({ compiler, out }: { compiler?: string | undefined; out?: string | undefined }): number {
  const name = compiler ?? (process.env['MPICXX'] || 'mpicxx');
  const probe = spawnSync(name, ['--version'], { stdio: 'ignore' });
  if (probe.error)
    throw new Error(
      `no compiler ${name}: build --mpi needs that of an MPI, with its headers, and a C++20 compiler.\n` +
        'Debian and Ubuntu: apt install g++ libopenmpi-dev openmpi-bin, or g++ libmpich-dev mpich; with both, ' +
        '--compiler mpicxx.openmpi or mpicxx.mpich',
    );
  const file = path.resolve(out ?? path.join(folderOfAddon(), 'orthokit_mpi.so'));
  const source = path.join(root, 'native', 'mpi', 'engine.cpp');
  if (!existsSync(source)) throw new Error(`${source} is missing: reinstall orthokit`);
  mkdirSync(path.dirname(file), { recursive: true });
  const fresh = `${file}.${process.pid}.new`;
  const flags = ['-std=c++20', '-O2', '-fPIC', '-shared', '-fvisibility=hidden', `-I${path.join(root, 'native')}`];
  const { status } = spawnSync(name, [...flags, source, '-Wl,-z,nodelete,-z,now', '-o', fresh], { stdio: 'inherit' });
  if (status !== 0) {
    rmSync(fresh, { force: true });
    return 1;
  }
  renameSync(fresh, file); // a process that has the old file loaded keeps it
  console.log(file);
  return 0;
}
