import * as check from '../core/check.ts';
import type { Device } from '../core/device.ts';
import { OrthokitError, refusal, shown } from '../core/errors.ts';
import { ops } from '../core/native-ops.ts';
import { checkOptions } from '../core/options.ts';
import { Owned } from '../core/owned.ts';
import { Task } from '../core/task.ts';
import { given, Tensor } from '../core/tensor.ts';
import { MemoryRecords } from '../files/model-folder/journal.ts';
import { fileDtypes, typedArray } from '../files/safetensors/dtypes.ts';
import type { Tokenizer } from '../tokenizers/index.ts';
import { isTokenizer } from '../tokenizers/internal.ts';
import { settleTables, type TransplantProgress, type TransplantTablesOptions } from './options.ts';
import type { TransplantReport } from './report.ts';
import { checkJob, computeRows } from './tables/compute.ts';
import { jobSteps, type MadeTable, reportOf, type Side } from './tables/job.ts';
import { newRows } from './tables/new-table.ts';
import type { Table } from './tables/table.ts';

const op = 'transplantTables';

/** Vocabulary and tables of a model, in memory. */
export interface ModelTables {
  /** The tokenizer, from `readTokenizer`. */
  readonly tokenizer: Tokenizer;
  /** Input embeddings: a row a token, floating. */
  readonly embed: Tensor;
  /** The output head, `[tokens, any]`. Default: the embeddings themselves. */
  readonly lmHead?: Tensor | undefined;
}

/** The new tables; the caller disposes them. */
export interface TransplantedTables {
  /** Input embeddings in the dtype of the base's, by id of the donor. */
  readonly embed: Tensor;
  /** The output head; undefined where the base has none of its own. */
  readonly lmHead: Tensor | undefined;
  /** The report, as that of {@link transplant}; `out` is empty. */
  readonly report: TransplantReport;
}

/**
 * The tables of `base` rebuilt for the vocabulary of `donor`, from tensors to tensors: what {@link transplant} does,
 * without its files. The method `subword` needs merges, which `readTokenizer` leaves out, and is refused for BPE.
 *
 * @example
 * const { embed, report } = await transplantTables({ tokenizer: a, embed: x }, { tokenizer: b, embed: y }, { k: 64 });
 *
 * @throws ERR_ARGUMENT, ERR_SHAPE, ERR_DTYPE, ERR_DEVICE, ERR_UNSUPPORTED, ERR_MEMORY; the signal's reason when
 * aborted
 */
export async function transplantTables(
  base: ModelTables,
  donor: ModelTables,
  options: TransplantTablesOptions = {},
): Promise<TransplantedTables> {
  const { device } = checkTables('base', base).embed;
  checkTables('donor', donor, device);
  checkTables('base', base, device);
  const settings = settleTables(op, options);
  if (settings.method === 'subword' && base.tokenizer.model === 'bpe' && !base.tokenizer.merges)
    throw new OrthokitError('ERR_UNSUPPORTED', `${op}: method subword is for transplant, which reads the merges`);
  using task = new Task<TransplantProgress>(device, settings);
  const job = await task.run(jobSteps(op, settings, sideOf(task, base), sideOf(task, donor)));
  checkJob(job);
  const made = await computeRows(job, task, async (_, recordBytes) => new MemoryRecords(recordBytes, job.rows));
  using owned = new Owned<Tensor>();
  for (const table of made) owned.add(await tensorOf(device, table));
  const report = await reportOf(job, { dryRun: false, resumed: false, out: '' }, made);
  const [embed, lmHead] = owned.move();
  return { embed: embed!, lmHead, report };
}

function checkTables(side: string, tables: ModelTables, device?: Device): ModelTables {
  checkOptions(`${op}: ${side}`, tables, ['tokenizer', 'embed', 'lmHead']);
  const { tokenizer, embed, lmHead } = tables;
  if (!isTokenizer(tokenizer)) throw refusal(op, `${side}.tokenizer`, 'be a Tokenizer', shown(tokenizer));
  const demands = { dtypes: check.floating, rank: 2, filled: true, ...(device && { device }) };
  check.tensor(op, `${side}.embed`, embed, demands);
  if (lmHead === undefined) return tables;
  const shape = [embed.shape[0], undefined];
  check.tensor(op, `${side}.lmHead`, lmHead, { ...demands, shape, shapeIs: 'have a row a token' });
  return tables;
}

function sideOf(task: Task, { tokenizer, embed, lmHead }: ModelTables): Side {
  const { device } = task;
  const tableOf = (name: string, tensor: Tensor): Table => {
    const [rows = 0, columns = 0] = tensor.shape;
    return {
      name,
      shard: '',
      rows,
      columns,
      dtype: tensor.dtype,
      fileDtype: fileDtypes[tensor.dtype],
      rowBytes: tensor.byteLength / rows,
      async read(ids) {
        using index = Tensor.from(device, Int32Array.from(ids), [ids.length]);
        using out = new Tensor(device, [ids.length, columns], tensor.dtype);
        ops.gatherRows(device, { x: tensor, index, out });
        const [{ buffer, byteOffset, byteLength }] = await task.readAll(out);
        return new Uint8Array(buffer.slice(byteOffset, byteOffset + byteLength) as ArrayBuffer);
      },
    };
  };
  return {
    tokenizer,
    embed: tableOf('embed', embed),
    lmHead: lmHead && tableOf('lmHead', lmHead),
  };
}

async function tensorOf(device: Device, made: MadeTable): Promise<Tensor> {
  const { base: table, origins } = made;
  const bytes = new Uint8Array(origins.from.length * table.rowBytes);
  let at = 0;
  for await (const part of newRows(made)) {
    bytes.set(part, at);
    at += part.length;
  }
  const shape = [origins.from.length, table.columns];
  return given(device, typedArray(table.dtype, bytes.buffer), shape, table.dtype);
}
