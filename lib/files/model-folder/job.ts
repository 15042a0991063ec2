import { dueTurn } from '../../core/due-turns.ts';
import { refusal } from '../../core/errors.ts';
import { quote } from '../quote.ts';
import { checkSumBytes, checkSumOf, keptCheckSum } from './check-sums.ts';
import { Folder } from './folder.ts';
import { Journal, type Records } from './journal.ts';
import { checkSpace, type SpaceNeeds } from './needs.ts';
import { type RunRecord, textOf } from './run-record.ts';
import { Weights } from './weights.ts';
import type { Workspace } from './workspace.ts';
import { partsOf, type Replacement, writeWeights } from './write-weights.ts';

/**
 * Opens the records of an earlier run of the job, or new ones; they close with the job. The label is a word of the
 * job's own, never a stranger's: a file is named by it.
 */
export type OpenRecords = (label: string, recordBytes: number) => Promise<Records>;

/** The run of a job, as every report tells it. */
export interface JobRun {
  /** True if nothing was computed or written. */
  readonly dryRun: boolean;
  /** True if the work of an earlier run was taken up. */
  readonly resumed: boolean;
}

/** A new model folder made of another one: a function for each tensor that changes, all else byte for byte. */
export interface FolderJob<Report> {
  /** The public function that messages begin with. */
  readonly op: string;
  /** The place of the new folder, found before anything is computed. */
  readonly workspace: Workspace;
  /** The model whose tensors are taken. */
  readonly weights: Weights;
  /** Folders that are read, of which none may hold the new one. */
  readonly inputs: readonly Folder[];
  /** Only a run of the same inputs and options goes on with the work of an earlier one. */
  readonly record: RunRecord;
  /** Discard what an earlier run has left. */
  readonly restart: boolean;
  /** Report what a run would do, and refuse what it would refuse, but compute and write nothing. */
  readonly dryRun: boolean;
  /** Space without which a run that has not begun does not begin. */
  readonly needs: SpaceNeeds;
  /** The most bytes of tensors in a file of the new folder. Default: the files of the old one. */
  readonly shardBytes?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Bytes of weights that are written, those of an earlier run included. */
  readonly onBytes: (done: number, total: number) => void;
  /** The tensors that are made anew, by name. Work that takes long keeps what it has finished as records. */
  tensors(records: OpenRecords): Promise<ReadonlyMap<string, Replacement>>;
  /** Texts of a file's metadata, of the old tensors that it is made of. Default: those of the old file. */
  readonly metadataOf?: ((names: readonly string[]) => Readonly<Record<string, string>>) | undefined;
  /** The other files of the new folder. */
  files(): AsyncIterable<readonly [name: string, bytes: Uint8Array]>;
  /** Looks at the new folder before it is published, beyond its weights. */
  verify?(folder: Folder): Promise<void>;
  /** The report, made while the records are open; in a dry run, before there are tensors. */
  report(run: JobRun): Promise<Report>;
}

/**
 * Carries out a job, or says what it would do. The new folder appears at once and whole. What was killed, aborted or
 * has failed goes on where it stood when it is repeated: with the records, and with the files of weights that are
 * complete.
 *
 * @throws ERR_ARGUMENT for a new folder within one that is read; ERR_IO for too little free space; ERR_STATE for the
 * work of another run, unless `restart`, and for a folder that is not as it was written, byte by byte
 */
export async function makeFolder<Report>(job: FolderJob<Report>): Promise<Report> {
  const { op, workspace, weights, signal, onBytes, shardBytes } = job;
  for (const { path } of job.inputs) workspace.refuseInside(path);
  const run = textOf(job.record);
  const found = await workspace.examine(run, job.restart);
  if (found !== 'own work')
    await checkSpace(op, workspace.out, job.needs, found === 'remains' ? await workspace.bytes() : 0);
  if (job.dryRun) return job.report({ dryRun: true, resumed: false });
  const resumed = await workspace.begin(run, job.restart);
  const journals: Journal[] = [];
  try {
    const open: OpenRecords = async (label, recordBytes) => {
      const journal = await Journal.open(op, workspace.scratch(label), recordBytes);
      journals.push(journal);
      return journal;
    };
    const tensors = await job.tensors(open);
    const { metadataOf } = job;
    const sums = await open('contents', checkSumBytes);
    const options = { op, metadataOf, signal, onBytes, shardBytes, sums };
    const files = await writeWeights(workspace, weights, tensors, options);
    for await (const [name, bytes] of job.files()) await workspace.write(name, bytes);
    const report = await job.report({ dryRun: false, resumed });
    await verify(job, tensors);
    await verifyContents(job, files, sums);
    await workspace.publish();
    return report;
  } catch (error) {
    await workspace.leaveBare();
    throw error;
  } finally {
    for (const journal of journals) await journal.close();
  }
}

/** Reads the headers of the new folder: every file opens, and every tensor has its shape and dtype. */
async function verify<Report>(job: FolderJob<Report>, tensors: ReadonlyMap<string, Replacement>): Promise<void> {
  const { op, workspace, signal } = job;
  const folder = await Folder.open(op, 'out', workspace.model, { followLinks: false, signal });
  await job.verify?.(folder);
  const weights = await Weights.open(folder);
  try {
    for (const shard of weights.shards) await weights.shard(shard);
    for (const name of job.weights.shardOf.keys()) {
      await dueTurn();
      const { info: before } = await job.weights.find(name);
      const made = tensors.get(name);
      for (const part of made ? partsOf(name, made) : [{ ...before, name }]) {
        const { shape, dtype = before.dtype } = part;
        const { info } = await weights.find(part.name);
        const wrong = (wanted: string, got: string) =>
          refusal(op, `tensor ${quote(part.name)}`, `be ${wanted}`, got, 'ERR_STATE');
        if (info.shape.join() !== shape.join()) throw wrong(`[${shape.join(', ')}]`, `[${info.shape.join(', ')}]`);
        if (info.dtype !== dtype) throw wrong(dtype, info.dtype);
      }
    }
  } finally {
    await weights.close();
  }
}

/** Reads all files of the new folder once more: they hold the bytes that were written, in an earlier run, too. */
async function verifyContents<Report>(
  { op, workspace, signal }: FolderJob<Report>,
  files: readonly string[],
  sums: Records,
): Promise<void> {
  const expected = new Map(workspace.written);
  for (const [i, name] of files.entries()) expected.set(name, await keptCheckSum(sums, i));
  for (const [name, sum] of expected)
    if ((await checkSumOf({ op, path: workspace.file(name), signal })) !== sum)
      throw refusal(
        op,
        name,
        'hold the bytes that were written, or be made anew with the option restart',
        'others',
        'ERR_STATE',
      );
}
