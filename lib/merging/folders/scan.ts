// All inputs are read once before any work: what is wrong in them shows at once, and their hashes tell what was merged.
import { createHash } from 'node:crypto';
import path from 'node:path';
import { weightsName } from '../../adapters/internal.ts';
import type { Dtype } from '../../core/dtypes.ts';
import { refusal } from '../../core/errors.ts';
import { ops } from '../../core/native-ops.ts';
import { given, type Tensor } from '../../core/tensor.ts';
import { Turns } from '../../core/turns.ts';
import * as vectors from '../../core/vectors.ts';
import { spanBytes } from '../../files/contents.ts';
import type { Records } from '../../files/model-folder/journal.ts';
import { escaped, quote } from '../../files/quote.ts';
import { dtypeOfFile, typedArray } from '../../files/safetensors/dtypes.ts';
import type { OpenTensorFile } from '../../files/safetensors/file.ts';
import type { TensorInfo } from '../../files/safetensors/header.ts';
import type { Adapter } from './adapter.ts';
import type { Fit, SameBytes } from './fit.ts';
import type { Model } from './models.ts';
import type { MergeTask } from './spans.ts';
import { Update } from './update.ts';

/** Bytes of the record of a file: its SHA-256. */
export const scanBytes = 32;

/** A file of weights, and its SHA-256 in hexadecimal digits. */
export interface HashedFile {
  readonly label: string;
  readonly file: string;
  readonly sha256: string;
}

/**
 * Reads every file of the models, unless an earlier run has. Nothing is stored before all are found good: what is
 * refused leaves no work behind.
 * @throws ERR_ARGUMENT for a NaN or an infinity in what is merged, and for tensors that must be the same and are not
 */
export async function scan(
  op: string,
  task: MergeTask,
  models: readonly Model[],
  fit: Fit,
  records: Records,
): Promise<HashedFile[]> {
  const files: { model: Model; name: string; file: OpenTensorFile }[] = [];
  for (const model of models)
    for (const name of model.weights.shards) files.push({ model, name, file: await model.weights.shard(name) });
  if (records.count < files.length) {
    const turns = new Turns(task.signal);
    for (const pair of fit.same) {
      // Tensors without bytes wait for no file.
      if (turns.isDue) await turns.next();
      await checkSame(op, task, pair);
    }
    const merged = new Map<Model, Set<string>>();
    for (const { parts } of fit.merged)
      for (const part of parts) {
        const names = merged.get(part.model) ?? new Set();
        merged.set(part.model, names);
        for (const name of part instanceof Update ? (part.factors?.names ?? []) : [part.name]) names.add(name);
      }
    const total = files.reduce((sum, { file }) => sum + dataBytesOf(file), 0);
    let done = 0;
    const digests: Uint8Array[] = [];
    for (const { model, name, file } of files) {
      const before = done;
      const onBytes = (count: number): void => task.report({ stage: 'scan', done: before + count, total });
      const isMerged = (tensor: string): boolean => merged.get(model)?.has(tensor) ?? false;
      digests.push(await scanFile(op, task, { model, name, file, isMerged, onBytes }));
      done += dataBytesOf(file);
    }
    for (const model of models) if (model.adapter) await refuseZero(op, task, model, model.adapter);
    await records.write(0, Buffer.concat(digests));
  }
  const stored = Buffer.from(await records.read(0, files.length));
  return files.map(({ model, name }, i) => {
    const sha256 = stored.toString('hex', i * scanBytes, (i + 1) * scanBytes);
    return { label: model.label, file: name, sha256 };
  });
}

/** An adapter is 0 as long as all b are, with which training begins. */
async function refuseZero(
  op: string,
  task: MergeTask,
  { label, path, weights }: Model,
  adapter: Adapter,
): Promise<void> {
  const file = weights.opened(weightsName);
  for (const { b } of adapter.values()) {
    task.check();
    const dtype = dtypeOfFile(b.dtype)!;
    const isHalf = dtype === 'f16' || dtype === 'bf16';
    // Numbers of 16 bits are read as their bits, of which the first is the sign.
    for await (const { buffer, length } of spans(file, b))
      for (const x of typedArray(dtype, buffer, length)) if ((isHalf ? x & 0x7fff : x) !== 0) return;
  }
  throw refusal(op, label, 'have a lora_B that is not 0', `an adapter that does nothing at ${path}`);
}

const dataBytesOf = (file: OpenTensorFile): number =>
  [...file.tensors.values()].reduce((sum, { byteLength }) => sum + byteLength, 0);

interface Scanned {
  readonly model: Model;
  /** The name of the file. */
  readonly name: string;
  readonly file: OpenTensorFile;
  readonly isMerged: (tensor: string) => boolean;
  readonly onBytes: (count: number) => void;
}

async function scanFile(op: string, task: MergeTask, scanned: Scanned): Promise<Uint8Array> {
  const { model, file, isMerged, onBytes } = scanned;
  const hash = createHash('sha256');
  hash.update(await file.readStart());
  using guard = vectors.scalar(task.device);
  const buffers = twoSpans([...file.tensors.values()].reduce((most, { byteLength }) => Math.max(most, byteLength), 0));
  // Data have no gaps, so that tensors in their order are all that there is of the file.
  const ordered = [...file.tensors].sort(([, a], [, b]) => a.begin - b.begin || a.byteLength - b.byteLength);
  const turns = new Turns(task.signal);
  let done = 0;
  for (const [name, info] of ordered) {
    if (turns.isDue) await turns.next();
    for await (const bytes of spans(file, info, buffers)) {
      const checked = isMerged(name) ? countNotFinite(task, guard, dtypeOfFile(info.dtype)!, bytes) : undefined;
      // The device checks meanwhile.
      hash.update(bytes);
      const count = await checked;
      done += bytes.length;
      onBytes(done);
      if (!count) continue;
      const place = escaped(path.join(model.path, scanned.name));
      throw refusal(op, model.label, 'be finite', `NaN or infinity in tensor ${quote(name)} of ${place}`);
    }
  }
  return hash.digest();
}

async function countNotFinite(
  task: MergeTask,
  guard: Tensor,
  dtype: Dtype,
  bytes: Uint8Array<ArrayBuffer>,
): Promise<number | undefined> {
  const data = typedArray(dtype, bytes.buffer, bytes.length);
  using x = given(task.device, data as never, [data.length], dtype);
  ops.checkFinite(task.queue, { x: [x], guard });
  const [[count]] = await task.readAll(guard);
  return count;
}

type TwoSpans = readonly [ArrayBuffer, ArrayBuffer];

/** Memory of two spans of tensors that have so many bytes at most. */
function twoSpans(byteLength: number): TwoSpans {
  const size = Math.min(spanBytes, byteLength);
  return [new ArrayBuffer(size), new ArrayBuffer(size)];
}

/** Spans of a tensor, each read while the one before is worked on, whose memory the one after it takes. */
async function* spans(
  file: OpenTensorFile,
  info: TensorInfo,
  buffers: TwoSpans = twoSpans(info.byteLength),
): AsyncGenerator<Uint8Array<ArrayBuffer>, void> {
  const begin = (from: number) => {
    const left = info.byteLength - from;
    if (left <= 0) return undefined;
    const bytes = new Uint8Array(buffers[(from / spanBytes) % 2]!, 0, Math.min(spanBytes, left));
    const reading = file.readRange(info, from, bytes).then(() => bytes);
    // Whoever waits for it hears of an error.
    reading.catch(() => {});
    return reading;
  };
  let ahead = begin(0);
  try {
    for (let next = spanBytes; ahead; next += spanBytes) {
      const bytes = await ahead;
      ahead = begin(next);
      yield bytes;
    }
  } finally {
    await ahead?.catch(() => {});
  }
}

async function checkSame(op: string, task: MergeTask, { parts, must }: SameBytes): Promise<void> {
  const [a, b] = parts;
  const wrong = (what: string) =>
    refusal(op, `tensor ${quote(b.name)} of ${b.model.label}`, must, `${what} than ${a.model.label} has`);
  if (a.info.dtype !== b.info.dtype || a.info.byteLength !== b.info.byteLength)
    throw wrong(`another ${b.info.dtype} [${b.info.shape}]`);
  const others = spans(b.file, b.info);
  for await (const bytes of spans(a.file, a.info)) {
    task.check();
    const { value } = await others.next();
    if (Buffer.compare(bytes, value!) !== 0) throw wrong('other values');
  }
}
