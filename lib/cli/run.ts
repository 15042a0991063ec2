import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import os, { constants } from 'node:os';
import { Endings } from '../distributed/endings.ts';
import { type Command, command, UsageError } from './command.ts';
import { libraryOfEngine } from './engine.ts';
import { ranksBelow } from './ranks.ts';

interface Launcher {
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

function launcherFor(library: string, asked: string | undefined): Launcher {
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

/**
 * Runs a program to its end. The first signal goes to the ranks, for launchers give them no time to save; further ones
 * to the launcher. A terminal sends its own signals to all.
 */
async function ended(
  file: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<{ code: number; asked: boolean }> {
  const child: ChildProcess = spawn(file, args, { stdio: 'inherit', env });
  let asked = false;
  const pass = (signal: NodeJS.Signals): void => {
    const ranks = asked || file === process.execPath ? [] : ranksBelow(child.pid!);
    asked = true;
    if (signal !== 'SIGTERM' && process.stdin.isTTY) return;
    if (ranks.length === 0) child.kill(signal);
    for (const rank of ranks) {
      try {
        process.kill(rank, signal);
      } catch {
        // It has ended.
      }
    }
  };
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const signal of signals) process.on(signal, pass);
  try {
    return await new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (code, signal) => resolve({ code: code ?? 128 + constants.signals[signal!], asked }));
    });
  } finally {
    for (const signal of signals) process.off(signal, pass);
  }
}

export const run: Command = command({
  summary: 'run a script in several processes of this machine, by the launcher of MPI',
  options: {
    ranks: { type: 'string', short: 'n', value: 'N', number: 'count', required: true, help: 'processes' },
    threads: { type: 'string', value: 'T', number: 'count', help: 'CPU threads of each, by default cores / N' },
    launcher: { type: 'string', value: 'PROGRAM', help: "MPI's launcher, by default that of the plug-in's MPI" },
    restarts: { type: 'string', value: 'R', number: 'whole', help: 'so often a run that has failed begins again' },
    'no-cleanup': { type: 'boolean', help: 'Open MPI: when a rank is lost, the others say so and end by themselves' },
  },
  rest: 'SCRIPT [ARGUMENT…]',
  passesRest: true,
  async run({ ranks, threads, launcher: asked, restarts = 0, 'no-cleanup': leaves = false }, words) {
    if (words.length === 0) throw new UsageError('no script to run');
    const each = threads ?? Math.max(1, Math.floor(os.availableParallelism() / ranks));
    const env: NodeJS.ProcessEnv = { ...process.env, ORTHOKIT_RANKS: String(ranks) };
    if (threads !== undefined || !env['ORTHOKIT_NUM_THREADS']) env['ORTHOKIT_NUM_THREADS'] = String(each);
    let [file, args]: [string, string[]] = [process.execPath, words];
    if (ranks > 1 || asked !== undefined) {
      const launcher = launcherFor(libraryOfEngine(), asked);
      if (words.includes(':')) throw new UsageError("an argument ':' begins another program for launchers of MPI");
      if (leaves && !launcher.leave) throw new Error(`${launcher.file} has no way to do without a cleanup`);
      for (const [name, value] of Object.entries(launcher.env)) env[name] ??= value;
      file = launcher.file;
      args = [
        ...launcher.flags,
        ...((leaves && launcher.leave) || []),
        '-n',
        String(ranks),
        process.execPath,
        ...words,
      ];
    }
    for (let attempt = 0; ; ++attempt) {
      env['ORTHOKIT_ATTEMPT'] = String(attempt);
      using endings = new Endings();
      const { code: told, asked: wasAsked } = await ended(file, args, { ...env, ...endings.env });
      const code = wasAsked ? told : told || endings.failure();
      // Of what its launcher did not see, nobody else tells.
      if (code !== told) console.error(`orthokit run: a process was killed or has failed, with code ${code}`);
      if (code === 0 || wasAsked || attempt >= restarts) return code;
      console.error(`orthokit run: ended with ${code}; it begins again, ${attempt + 1} of ${restarts}`);
    }
  },
});
