import path from 'node:path';
import { configName } from '../adapters/internal.ts';
import type { Device } from '../core/device.ts';
import { Task } from '../core/task.ts';
import { makeFolder } from '../files/model-folder/job.ts';
import { closeDevice, openDevice } from '../files/model-folder/job-device.ts';
import { filesOf } from '../files/model-folder/known-files.ts';
import { type RunRecord, statesOf } from '../files/model-folder/run-record.ts';
import { Workspace } from '../files/model-folder/workspace.ts';
import { newFiles } from '../files/model-folder/write-weights.ts';
import { fitOf, type MergedTensor } from './folders/fit.ts';
import { type Model, openModels } from './folders/models.ts';
import { needsOf } from './folders/needs.ts';
import { Ledger, ledgerBytes, newTensor, writtenAs } from './folders/new-tensors.ts';
import type { MergeReport } from './folders/report.ts';
import { Reporter } from './folders/reporter.ts';
import { scan, scanBytes } from './folders/scan.ts';
import { newTexts } from './folders/texts.ts';
import { Update } from './folders/update.ts';
import { methodOf, orderOf } from './methods/index.ts';
import { type MergeOptions, type MergeProgress, type Settings, settle } from './options.ts';

const op = 'mergeModels';
/** The version of the work in the workspace, whose sums are rounded in an order of their own. */
const format = 2;

/**
 * Merges models that were trained from one base into the new folder `out`, tensor by tensor: by the weighted mean, by
 * task arithmetic, by TIES, or by OPCM, where each model is projected away from the directions of those before. New
 * weights are summed in f32 or f64 and rounded once, to the element type of the base or to `dtype`.
 *
 * Folders hold safetensors files. Models must have the floating tensors of the base, in its shapes, and their other
 * tensors must be the same; vocabularies are compared. What is not merged is copied byte for byte. The new folder
 * appears at once and whole; a run that was killed or aborted goes on where it stood when it is repeated.
 *
 * A model may be a LoRA adapter of the base, in the files of peft: the base with scale · b·a added to the matrices that
 * it names. That product is its task vector, exactly, and is made a span at a time.
 *
 * Memory: a few spans of a tensor, the factors of adapters for it, and for `opcm` three matrices of the size of the
 * largest that is projected; the report of a dry run says how much.
 *
 * Source: arXiv 2501.09522 (OPCM, the split rank of the authors' program), arXiv 2212.04089 (task
 * arithmetic), arXiv 2306.01708 (TIES: elements are trimmed over the whole task vector, in f32).
 *
 * @example
 * const report = await mergeModels({ base: 'base', models: ['code', 'maths'], out: 'merged', method: 'average' });
 * console.log(report.formula, report.warnings);
 *
 * @throws ERR_ARGUMENT for options, for models that do not fit the base, and for NaN; ERR_SHAPE; ERR_FORMAT for folders
 * that are not what they say; ERR_UNSUPPORTED for adapters that are no plain LoRA; ERR_STATE for the remains of another
 * run; ERR_IO with the system's error as `cause`, and without free space; ERR_MEMORY; ERR_BACKEND; the signal's reason
 * when aborted
 */
export async function mergeModels(options: MergeOptions): Promise<MergeReport> {
  const given = settle(op, options);
  const { signal, restart, dryRun } = given;
  signal?.throwIfAborted();
  const order = orderOf(given);
  const settings = { ...given, models: order.map((i) => given.models[i]!) };
  const out = path.resolve(settings.out);
  const workspace = await Workspace.at(op, out);
  const models: Model[] = [];
  let merged: readonly MergedTensor[] = [];
  let task: Task<MergeProgress> | undefined;
  let device: Device | undefined;
  try {
    await openModels(op, settings, order, models);
    for (const { folder } of models) workspace.refuseInside(folder.path);
    const base = models[0]!;
    const method = methodOf(settings);
    const fit = await fitOf(op, settings, models);
    merged = fit.merged;
    const needs = needsOf(op, base, fit, method, settings.memoryLimit);
    const files = await filesOf(base);
    const record = await recordOf(settings, models);
    const reporter = await Reporter.of({ settings, out, models, method, fit, needs, files });
    // A dry run, too, says that a device cannot be had.
    const opened = openDevice(settings.device);
    device = opened;
    return await makeFolder({
      ...{ op, workspace, weights: base.weights, inputs: models.map(({ folder }) => folder) },
      ...{ record, restart, dryRun, needs, signal, shardBytes: settings.shardSize },
      onBytes: (done, total) => {
        settings.onProgress?.({ stage: 'write', done, total });
        signal?.throwIfAborted();
      },
      async tensors(open) {
        task = new Task<MergeProgress>(opened, settings);
        reporter.hashes = await scan(op, task, models, fit, await open('scan', scanBytes));
        const ready = await method.prepare(task, fit.merged, open);
        const shapes = new Map(fit.merged.map((tensor) => [tensor.name, writtenAs(tensor)]));
        const written = await newFiles(base.weights, shapes, settings.shardSize);
        const ledger = new Ledger(
          await open('written', ledgerBytes(models.length - 1)),
          written,
          shapes,
          models.length - 1,
        );
        reporter.ready = ready;
        reporter.ledger = ledger;
        const running = task;
        return new Map(fit.merged.map((tensor) => [tensor.name, newTensor(op, running, tensor, ready, ledger)]));
      },
      files: () =>
        newTexts(base, files.copied, settings.dtype, () => reporter.report({ dryRun: false, resumed: false })),
      report: (run) => reporter.report(run),
    });
  } finally {
    task?.[Symbol.dispose]();
    for (const { parts } of merged) for (const part of parts) if (part instanceof Update) part.dispose();
    for (const { weights } of models) await weights.close();
    await closeDevice(device, settings.device, signal);
  }
}

/** Only a run of the same inputs and options goes on with the work of an earlier one. */
async function recordOf(settings: Settings, models: readonly Model[]): Promise<RunRecord> {
  const { out, device, memoryLimit, followLinks, dryRun, restart, signal, onProgress, ...rest } = settings;
  const files: string[][] = [];
  for (const { folder, weights, adapter } of models)
    files.push(...(await statesOf(folder, [...weights.shards, ...(adapter ? [configName] : [])])));
  return { format, options: rest, files };
}
