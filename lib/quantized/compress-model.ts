import path from 'node:path';
import type { Device } from '../core/device.ts';
import { Task } from '../core/task.ts';
import { attempt, calls } from '../files/calls.ts';
import { makeFolder } from '../files/model-folder/job.ts';
import { closeDevice, openDevice } from '../files/model-folder/job-device.ts';
import { filesOf } from '../files/model-folder/known-files.ts';
import { checkMemory } from '../files/model-folder/needs.ts';
import { type RunRecord, statesOf } from '../files/model-folder/run-record.ts';
import { Workspace } from '../files/model-folder/workspace.ts';
import { type OpenTensorFile, openTensorFile } from '../files/safetensors/file.ts';
import { type Model, openModel } from '../merging/internal.ts';
import { type Choice, type Chosen, choiceOf } from './folders/choice.ts';
import { layoutKey, metadataOf } from './folders/layout.ts';
import { type CompressOptions, type CompressProgress, type Settings, settle } from './folders/options.ts';
import { packed, packingBytes } from './folders/packed.ts';
import { type CompressReport, type Known, reportOf } from './folders/report.ts';
import { measuredBytes, Store, scratchBytesOf, storeBytes } from './folders/store.ts';
import { newTexts } from './folders/texts.ts';

const op = 'compressModel';
/** The version of the work in the workspace. */
const format = 2;
/** Arrays that nobody has any more, and blocks that the device keeps to use them again. */
const garbage = 1 << 27;

/**
 * Compresses the matrices of a model into the new folder `out`, tensor by tensor: as whole numbers of few bits with a
 * scale for each group of neighbours, or as codes of codebooks by k-means. Embeddings, heads, norms, what is not a
 * matrix and what is tied stay as they are, byte for byte, and the report says why. What a matrix becomes is said in
 * the layout of docs/design/packed-codes.md; {@link loadCompressed} reads it.
 *
 * The new folder appears at once and whole; a run that was killed or aborted goes on after the last tensor that was
 * finished when it is repeated.
 *
 * Memory: one matrix at a time, in f32 about seven times for `codebook`, and seventeen times with `calibration`; the
 * report of a dry run says how much.
 *
 * @example
 * const report = await compressModel({ base: 'model', out: 'small', method: 'group', bits: 4 });
 * console.log(report.bitsPerWeight, report.kept);
 *
 * @throws ERR_ARGUMENT for options, a model without matrices to compress, and for NaN; ERR_SHAPE with `strict` for
 * matrices that do not fit; ERR_FORMAT for folders that are not what they say; ERR_UNSUPPORTED for adapters and for
 * what is quantized already; ERR_STATE for the remains of another run; ERR_IO with the system's error as `cause`, and
 * without free space; ERR_MEMORY; ERR_BACKEND; the signal's reason when aborted
 */
export async function compressModel(options: CompressOptions): Promise<CompressReport> {
  const settings = settle(op, options);
  const { signal, restart, dryRun } = settings;
  signal?.throwIfAborted();
  const out = path.resolve(settings.out);
  const workspace = await Workspace.at(op, out);
  let model: Model | undefined;
  let calibration: OpenTensorFile | undefined;
  let task: Task<CompressProgress> | undefined;
  let device: Device | undefined;
  try {
    const base = await openModel(op, 'base', settings.base, settings);
    model = base;
    workspace.refuseInside(base.folder.path);
    if (settings.calibration !== undefined) calibration = await openTensorFile(settings.calibration, { op, signal });
    const inputs = calibration;
    const choice = await choiceOf(op, settings, base, inputs);
    const needs = needsOf(choice, settings.memoryLimit);
    const files = await filesOf(base);
    const known: Known = { settings, out, choice, needs, files };
    const record = await recordOf(settings, base);
    // A dry run, too, says that a device cannot be had.
    const opened = openDevice(settings.device);
    device = opened;
    let store: Store | undefined;
    return await makeFolder({
      ...{ op, workspace, weights: base.weights, inputs: [base.folder] },
      ...{ record, restart, dryRun, needs, signal, shardBytes: settings.shardSize },
      metadataOf: (names) => {
        const own = new Set(names);
        const inFile = choice.chosen.filter(({ name }) => own.has(name));
        return metadataOf(new Map(inFile.map(({ name, form }) => [name, form])));
      },
      onBytes: (done, total) => {
        settings.onProgress?.({ stage: 'write', done, total });
        signal?.throwIfAborted();
      },
      async tensors(open) {
        task = new Task<CompressProgress>(opened, settings);
        store = new Store(await open('parts', storeBytes), await open('measured', measuredBytes), choice.chosen);
        await compressAll(task, settings, choice.chosen, store, inputs);
        const finished = store;
        return new Map(choice.chosen.map(({ name }, i) => [name, finished.newParts(i)]));
      },
      files: () => newTexts(base, files.copied, () => reportOf(known, { dryRun: false, resumed: false }, store)),
      report: (run) => reportOf(known, run, store),
    });
  } finally {
    task?.[Symbol.dispose]();
    await calibration?.giveUp();
    await model?.weights.close();
    await closeDevice(device, settings.device, signal);
  }
}

/** The tensors that an earlier run has not finished. */
async function compressAll(
  task: Task<CompressProgress>,
  settings: Settings,
  chosen: readonly Chosen[],
  store: Store,
  calibration: OpenTensorFile | undefined,
): Promise<void> {
  const total = chosen.reduce((sum, { info }) => sum + info.byteLength, 0);
  let done = 0;
  for (const [i, one] of chosen.entries()) {
    if (i >= store.done) await store.add(i, await packed(op, task, one, settings, calibration));
    done += one.info.byteLength;
    task.report({ stage: 'compress', done, total });
  }
}

/** @throws ERR_MEMORY where `memoryLimit` does not hold the largest tensor's work */
function needsOf({ chosen, bytes }: Choice, memoryLimit: number): Known['needs'] {
  const own = process.memoryUsage().rss;
  let most = 0;
  let largest = '';
  for (const one of chosen) {
    const needed = packingBytes(one);
    if (needed > most) [most, largest] = [needed, one.name];
  }
  const needs = { bytes, scratchBytes: scratchBytesOf(chosen), memoryBytes: own + most + garbage };
  checkMemory(op, needs, largest, memoryLimit);
  return needs;
}

/** Only a run of the same inputs and options goes on with the work of an earlier one. */
async function recordOf(settings: Settings, { folder, weights }: Model): Promise<RunRecord> {
  const { out, device, memoryLimit, followLinks, dryRun, restart, signal, onProgress, ...rest } = settings;
  const files = await statesOf(folder, weights.shards);
  const { calibration } = settings;
  if (calibration !== undefined) {
    const { size, mtimeMs } = await attempt(op, calibration, 'examined', calls.stat(calibration));
    files.push([path.resolve(calibration), String(size), String(mtimeMs)]);
  }
  return { format, options: { ...rest, layout: layoutKey }, files };
}
