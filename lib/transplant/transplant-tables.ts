import { abortable } from '../core/abortable.ts';
import type { Device } from '../core/device.ts';
import { isFloating } from '../core/dtypes.ts';
import { OrthokitError } from '../core/errors.ts';
import { ops } from '../core/native-ops.ts';
import { checkOptions, isRecord, shown } from '../core/options.ts';
import { isTensor, Tensor } from '../core/tensor.ts';
import { inTurns } from '../core/turns.ts';
import { fileDtypes, typedArray } from '../files/safetensors/dtypes.ts';
import type { Tokenizer } from '../tokenizers/index.ts';
import { findMethod } from './methods/index.ts';
import { settle, type TransplantOptions } from './options.ts';
import type { TransplantReport } from './report.ts';
import { checkJob, computeRows } from './tables/compute.ts';
import { planJob, type Side } from './tables/job.ts';
import { type NewTable, newRows } from './tables/new-table.ts';
import { MemoryRows } from './tables/row-store.ts';
import type { Table } from './tables/table.ts';

const op = 'transplantTables';

/** Vocabulary and tables of a model, in memory. */
export interface ModelTables {
  /** From {@link readTokenizer}. */
  readonly tokenizer: Tokenizer;
  /** Input embeddings: a row a token, floating. */
  readonly embed: Tensor;
  /** The output head, `[tokens, any]`. Default: the embeddings themselves. */
  readonly lmHead?: Tensor | undefined;
}

/** Options of {@link transplantTables}: those of {@link transplant} that are not about files. */
export type TransplantTablesOptions = Omit<
  TransplantOptions,
  'base' | 'donor' | 'out' | 'tensors' | 'device' | 'followLinks' | 'dryRun' | 'restart'
>;

/** The new tables; the caller disposes them. */
export interface TransplantedTables {
  /** Input embeddings in the dtype of the base's, by id of the donor. */
  readonly embed: Tensor;
  /** The output head; undefined where the base has none of its own. */
  readonly lmHead: Tensor | undefined;
  /** As of {@link transplant}; `out` is empty. */
  readonly report: TransplantReport;
}

const fileOptions = ['base', 'donor', 'out', 'tensors', 'device', 'followLinks', 'dryRun', 'restart'];

/**
 * The tables of `base` rebuilt for the vocabulary of `donor`, from tensors to tensors: what {@link transplant} does, without
 * its files. The method `subword` needs merges, which {@link readTokenizer} leaves out, and is refused for BPE.
 *
 * @example
 * const { embed, report } = await transplantTables({ tokenizer: a, embed: x }, { tokenizer: b, embed: y }, { k: 64 });
 *
 * @throws `ERR_ARGUMENT`, `ERR_SHAPE`, `ERR_DTYPE`, `ERR_DEVICE`, `ERR_UNSUPPORTED`, `ERR_MEMORY`; the signal's reason when
 * aborted
 */
export async function transplantTables(
  base: ModelTables,
  donor: ModelTables,
  options: TransplantTablesOptions = {},
): Promise<TransplantedTables> {
  if (isRecord(options))
    for (const name of fileOptions)
      if (Object.hasOwn(options, name)) throw new OrthokitError('ERR_ARGUMENT', `${op}: ${name} is not an option`);
  const { device } = checkTables('base', base).embed;
  checkTables('donor', donor, device);
  checkTables('base', base, device);
  const settings = settle(op, { ...options, base: 'base', donor: 'donor', out: 'out', device });
  const prepare = findMethod(op, settings.method);
  if (settings.method === 'subword' && base.tokenizer.model === 'bpe' && !base.tokenizer.merges)
    throw new OrthokitError('ERR_UNSUPPORTED', `${op}: method subword is for transplant, which reads the merges`);
  settings.signal?.throwIfAborted();
  const { signal } = settings;
  const job = await inTurns(planJob(op, settings, sideOf(device, base, signal), sideOf(device, donor, signal)), signal);
  checkJob(job);
  for (const table of job.tables) table.store = new MemoryRows(table.base.rowBytes, job.rows);
  const made: Tensor[] = [];
  try {
    for (const table of await computeRows(job, device, prepare)) made.push(await tensorOf(device, table));
    const { out: _, ...report } = await job.report(false);
    const [embed, lmHead] = made;
    return { embed: embed as Tensor, lmHead, report: { ...report, out: '' } };
  } catch (error) {
    for (const tensor of made) tensor.dispose();
    throw error;
  }
}

function checkTables(side: string, tables: ModelTables, device?: Device): ModelTables {
  checkOptions(`${op}: ${side}`, tables, ['tokenizer', 'embed', 'lmHead']);
  const { tokenizer, embed, lmHead } = tables;
  if (!isRecord(tokenizer) || !Array.isArray(tokenizer.tokens))
    throw new OrthokitError('ERR_ARGUMENT', `${op}: ${side}.tokenizer must be a Tokenizer, got ${shown(tokenizer)}`);
  for (const [name, tensor] of Object.entries({ embed, lmHead })) {
    const field = `${side}.${name}`;
    if (name === 'lmHead' && tensor === undefined) continue;
    if (!isTensor(tensor))
      throw new OrthokitError('ERR_ARGUMENT', `${op}: ${field} must be a Tensor, got ${shown(tensor)}`);
    if (!isFloating(tensor.dtype))
      throw new OrthokitError('ERR_DTYPE', `${op}: ${field} must be floating, got ${tensor.dtype}`);
    if (tensor.shape.length !== 2 || tensor.size === 0 || tensor.shape[0] !== embed.shape[0])
      throw new OrthokitError(
        'ERR_SHAPE',
        `${op}: ${field} must be a matrix with a row a token, got [${tensor.shape.join(', ')}]`,
      );
    if (device && tensor.device !== device)
      throw new OrthokitError('ERR_DEVICE', `${op}: ${field} must be on the device of base.embed, got another one`);
  }
  return tables;
}

function sideOf(device: Device, { tokenizer, embed, lmHead }: ModelTables, signal: AbortSignal | undefined): Side {
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
        const { buffer, byteOffset, byteLength } = await abortable(out.read(), signal);
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

async function tensorOf(device: Device, made: NewTable): Promise<Tensor> {
  const { table, plan } = made;
  const bytes = new Uint8Array(plan.from.length * table.rowBytes);
  let at = 0;
  for await (const part of newRows(made)) {
    bytes.set(part, at);
    at += part.length;
  }
  const shape = [plan.from.length, table.columns];
  return Tensor.from(device, typedArray(table.dtype, bytes.buffer), shape, { dtype: table.dtype });
}
