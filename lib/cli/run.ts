import os from 'node:os';
import { Endings } from '../distributed/endings.ts';
import { meetingVariables, type PluginName, plugins, rankVariables } from '../distributed/internal.ts';
import { type Command, command, UsageError } from './command.ts';
import { type Ended, ended, endedRanks } from './ended.ts';
import { libraryOf, libraryOfEngine } from './engine.ts';
import { launcherFor } from './launcher.ts';

/** The first engine whose plug-in is there; MPI where none is. */
const engineHere = (): PluginName =>
  (Object.keys(plugins) as PluginName[]).find((engine) => libraryOf(engine) !== undefined) ?? 'mpi';

export const run: Command = command({
  summary: 'run a script in several processes of this machine, by the launcher of MPI or over Gloo or NCCL',
  options: {
    ranks: { type: 'string', short: 'n', value: 'N', number: 'count', required: true, help: 'processes' },
    threads: { type: 'string', value: 'T', number: 'count', help: 'CPU threads of each, by default cores / N' },
    engine: {
      type: 'string',
      value: 'NAME',
      choices: ['mpi', 'gloo', 'nccl'],
      help: 'by default the first of mpi, gloo and nccl whose plug-in is there',
    },
    launcher: { type: 'string', value: 'PROGRAM', help: "MPI's launcher, by default that of the plug-in's MPI" },
    restarts: { type: 'string', value: 'R', number: 'whole', help: 'so often a run that has failed begins again' },
    'no-cleanup': {
      type: 'boolean',
      help: 'Open MPI, Gloo, NCCL: when a rank is lost, the others say so and end by themselves',
    },
  },
  rest: 'SCRIPT [ARGUMENT…]',
  passesRest: true,
  async run(values, words) {
    const { ranks, threads, launcher: asked, restarts = 0, 'no-cleanup': leaves = false } = values;
    if (words.length === 0) throw new UsageError('no script to run');
    if (asked !== undefined && values.engine !== undefined && values.engine !== 'mpi')
      throw new UsageError('--launcher goes with mpi');
    const each = threads ?? Math.max(1, Math.floor(os.availableParallelism() / ranks));
    const env: NodeJS.ProcessEnv = { ...process.env, [rankVariables.ranks]: String(ranks) };
    // Of a run that this one is a part of.
    for (const { store } of Object.values(meetingVariables)) delete env[store];
    delete env[rankVariables.localRank];
    if (threads !== undefined || !env['ORTHOKIT_NUM_THREADS']) env['ORTHOKIT_NUM_THREADS'] = String(each);
    const begin = ((): ((env: NodeJS.ProcessEnv) => Promise<Ended>) => {
      if (ranks === 1 && asked === undefined && values.engine === undefined)
        return (own) => ended(process.execPath, words, own);
      const engine = asked === undefined ? (values.engine ?? engineHere()) : 'mpi';
      if (engine !== 'mpi') {
        libraryOfEngine(engine);
        return (own) => endedRanks(engine, ranks, words, own, { leaves });
      }
      const launcher = launcherFor(libraryOfEngine('mpi'), asked);
      if (words.includes(':')) throw new UsageError("an argument ':' begins another program for launchers of MPI");
      if (leaves && !launcher.leave) throw new Error(`${launcher.file} has no way to do without a cleanup`);
      for (const [name, value] of Object.entries(launcher.env)) env[name] ??= value;
      const flags = [...launcher.flags, ...((leaves && launcher.leave) || [])];
      return (own) => ended(launcher.file, [...flags, '-n', String(ranks), process.execPath, ...words], own);
    })();
    for (let attempt = 0; ; ++attempt) {
      env['ORTHOKIT_ATTEMPT'] = String(attempt);
      using endings = new Endings();
      const { code: told, asked: wasAsked } = await begin({ ...env, ...endings.env });
      const code = wasAsked ? told : told || endings.failure();
      // Of what its launcher did not see, nobody else tells.
      if (code !== told) console.error(`orthokit run: a process was killed or has failed, with code ${code}`);
      if (code === 0 || wasAsked || attempt >= restarts) return code;
      console.error(`orthokit run: ended with ${code}; it begins again, ${attempt + 1} of ${restarts}`);
    }
  },
});
