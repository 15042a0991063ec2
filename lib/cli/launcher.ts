// Programs that start the processes of a run over MPI: each MPI has its own.
import { spawnSync } from 'node:child_process';

export interface Launcher {
  readonly file: string;
  readonly flags: readonly string[];
  /** That leave the other ranks alone when one ends. */
  readonly leave: readonly string[] | undefined;
  readonly env: Readonly<Record<string, string>>;
}

/** MPIs by a word of their library's name: programs that start processes, and what these say of themselves. */
const kinds = [
  {
    library: /open mpi/i,
    names: ['mpiexec.openmpi', 'mpirun.openmpi', 'mpiexec', 'mpirun'],
    says: /open mpi|openrte|prrte/i,
    // As many processes as one likes, each with its threads; root where there is no other user, as in containers.
    flags: ['--oversubscribe', '--bind-to', 'none', ...(process.getuid?.() === 0 ? ['--allow-run-as-root'] : [])],
    leave: ['--continuous'],
    // All processes are here: without it, it complains of networks that lead nowhere.
    env: { OMPI_MCA_pml: 'ob1', OMPI_MCA_btl: 'self,sm' },
  },
  {
    library: /mpich|intel|mvapich/i,
    names: ['mpiexec.mpich', 'mpiexec.hydra', 'mpiexec', 'mpirun'],
    says: /hydra|mpich|intel|mvapich/i,
    flags: [],
    // It can leave them alone, but then tells them by a signal at which Node.js starts its debugger.
    leave: undefined,
    env: {},
  },
] as const;

/** The launcher of the MPI that the plug-in was compiled against, or the one asked for, if it is one of that MPI. */
export function launcherFor(library: string, asked: string | undefined): Launcher {
  const kind = kinds.find((candidate) => candidate.library.test(library));
  if (!kind) throw new Error(`no launcher is known for ${library}: start the processes with its own`);
  for (const file of asked === undefined ? kind.names : [asked]) {
    const { error, stdout, stderr } = spawnSync(file, ['--version'], { encoding: 'utf8' });
    if (!error && kind.says.test(stdout + stderr)) return { ...kind, file };
  }
  const looked = asked ?? kind.names.join(', ');
  throw new Error(
    `no launcher of ${library}, for which the plug-in is compiled: looked for ${looked}.\n` +
      'Debian and Ubuntu: apt install openmpi-bin, or mpich',
  );
}
