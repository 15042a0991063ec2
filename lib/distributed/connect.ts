import { OrthokitError, refusal } from '../core/errors.ts';
import { native } from '../core/native.ts';
import { positive, type Resolved, readOptions, type Schema, whole, word } from '../core/schema.ts';
import { tellEnding } from './endings.ts';
import { Group } from './group.ts';
import { meetingVariables, type PluginName, plugins, rankVariables } from './internal.ts';
import { within } from './within.ts';

/** Libraries that move data between processes. */
export type EngineName = 'mpi' | 'gloo' | 'nccl';

/** Options of {@link connect}. */
export interface ConnectOptions {
  /**
   * `'mpi'`; `'gloo'`; `'nccl'`; `'none'`, a group of one process; `'auto'`, NCCL or Gloo where `ORTHOKIT_NCCL_STORE`
   * or `ORTHOKIT_GLOO_STORE` says where its processes meet, MPI where its launcher has started this process, as
   * `orthokit run` does each, and else none. Default: `'auto'`.
   */
  engine?: 'auto' | 'none' | EngineName | undefined;
  /** Seconds that a call waits for ranks that do not come; positive, at most 2^21, 24 days. Default: 60. */
  timeout?: number | undefined;
  /**
   * Bytes that tensors of one call travel in together, the same on all ranks: whole, 1 to 2^30. Default: 2^25, 32 MiB.
   */
  bucketBytes?: number | undefined;
}

const schema: Schema<Resolved<ConnectOptions>> = {
  engine: word(['auto', 'none', 'mpi', 'gloo', 'nccl'], 'auto'),
  timeout: positive(60, 2 ** 21),
  bucketBytes: whole(2 ** 25, 1, 2 ** 30),
};

/** Variables in which launchers of MPI tell how many processes there are. PMIx tells only that there are some. */
const sizes = ['OMPI_COMM_WORLD_SIZE', 'PMI_SIZE'];
const marks = [...sizes, 'PMIX_RANK', 'PMI_RANK', 'PMI_FD'];

function checkEngine(where: string, engine: EngineName): void {
  if (Object.hasOwn(plugins, engine)) return;
  const names = Object.keys(plugins).join(', ');
  throw new OrthokitError('ERR_ARGUMENT', `${where}: engine must be one of ${names}, got ${engine}`);
}

/**
 * Why an engine cannot be used here, in words a person can act on; undefined where it can.
 * @throws ERR_ARGUMENT for what is no engine
 */
export function unavailable(engine: EngineName): string | undefined {
  checkEngine('unavailable', engine);
  const { reason } = native.group.engine(engine);
  return reason && `${reason}: compile it with \`npx orthokit build --${engine}\``;
}

/**
 * Name and version of the library that the plug-in of an engine was compiled against; undefined where there is no
 * plug-in. Default: that of MPI.
 * @throws ERR_ARGUMENT for what is no engine with a plug-in
 */
export function engineLibrary(engine: EngineName = 'mpi'): string | undefined {
  checkEngine('engineLibrary', engine);
  return native.group.engine(engine).library;
}

let opened:
  | {
      readonly engine: PluginName;
      readonly timeout: number;
      readonly bucketBytes: number;
      readonly group: Promise<Group>;
    }
  | undefined;

/**
 * The group of all processes of this run. In a process that no launcher has started it is a group of one, for which no
 * engine and no plug-in are needed: the same program runs alone. An engine starts once in a process, so a second call
 * gives the same group; it leaves `timeout` and `bucketBytes` out, or has those of the first.
 *
 * @example
 * const group = await connect();
 * await group.allReduce(gradients, { op: 'mean', tag: 'gradients' });
 *
 * @throws ERR_ARGUMENT; ERR_STATE for another engine than that of the first call; ERR_BACKEND where the engine cannot
 * be used or its processes do not meet in time
 */
export async function connect(options: ConnectOptions = {}): Promise<Group> {
  const where = 'connect';
  const { engine, timeout, bucketBytes } = readOptions(where, options, schema);
  const chosen = engine === 'auto' ? launched() : engine;
  if (chosen === 'none') {
    const wanted = Number(process.env[rankVariables.ranks] ?? 1);
    if (engine === 'auto' && wanted > 1)
      throw new OrthokitError(
        'ERR_BACKEND',
        `${where}: ${wanted} processes were started, but neither by a launcher of MPI nor over Gloo or NCCL`,
      );
    return new Group({ engine: 'none', timeout, bucketBytes });
  }
  const by = launched();
  if (chosen === 'mpi' && by !== 'mpi' && by !== 'none')
    throw new OrthokitError(
      'ERR_STATE',
      `${where}: engine mpi: these processes were started over ${plugins[by].title}`,
    );
  const reason = unavailable(chosen);
  if (reason !== undefined) throw new OrthokitError('ERR_BACKEND', `${where}: ${reason}`);
  opened ??= { engine: chosen, timeout, bucketBytes, group: start(where, chosen, timeout, bucketBytes) };
  if (chosen !== opened.engine)
    throw new OrthokitError(
      'ERR_STATE',
      `${where}: the group of this process is one of ${opened.engine}, got ${chosen}`,
    );
  for (const name of ['timeout', 'bucketBytes'] as const)
    if (options[name] !== undefined && options[name] !== opened[name])
      throw refusal(where, name, `be that of the first call, ${opened[name]}`, String(options[name]));
  return opened.group;
}

/** The engine by which this process was started. */
function launched(): PluginName | 'none' {
  for (const engine of ['nccl', 'gloo'] as const) if (process.env[meetingVariables[engine].store]) return engine;
  return marks.some((name) => process.env[name] !== undefined) ? 'mpi' : 'none';
}

async function start(where: string, engine: PluginName, timeout: number, bucketBytes: number): Promise<Group> {
  const { library } = native.group.engine(engine);
  tellEnding();
  const late = `${where}: ${library} has not started after ${timeout} s; not all processes came to it`;
  try {
    // Those that came are named by the engine's own limit, a second before.
    await within(
      timeout + 1,
      native.group.open(engine, timeout, bucketBytes),
      () => new OrthokitError('ERR_BACKEND', late),
    );
  } catch (error) {
    const { code, message } = error as OrthokitError;
    throw message.startsWith(where) ? error : new OrthokitError(code, `${where}: ${message}`);
  }
  const group = new Group({ engine: library!, timeout, bucketBytes });
  const told = sizes.map((name) => process.env[name]).find((size) => size !== undefined);
  const wanted = Number(process.env[rankVariables.ranks] ?? told ?? group.size);
  if (group.size !== wanted) {
    await group.close();
    throw new OrthokitError(
      'ERR_BACKEND',
      `${where}: the launcher has started ${wanted} processes, and ${library} sees ${group.size}: ` +
        `launcher and plug-in are not of one ${plugins[engine].title}; compile the plug-in against that of the launcher`,
    );
  }
  return group;
}
