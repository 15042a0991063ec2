import path from 'node:path';
import type { Device } from '../core/device.ts';
import { refusal } from '../core/errors.ts';
import { Task } from '../core/task.ts';
import { inTurns } from '../core/turns.ts';
import type { Folder } from '../files/model-folder/folder.ts';
import { makeFolder } from '../files/model-folder/job.ts';
import { closeDevice, openDevice } from '../files/model-folder/job-device.ts';
import { Workspace } from '../files/model-folder/workspace.ts';
import type { NewTensor } from '../files/model-folder/write-weights.ts';
import { readTokenizerOf } from '../tokenizers/internal.ts';
import { findMethod } from './methods/index.ts';
import { settle, type TransplantOptions, type TransplantProgress } from './options.ts';
import { recordOf } from './output/fingerprint.ts';
import { needsOf } from './output/needs.ts';
import { newTexts, patchSteps } from './output/texts.ts';
import type { TransplantReport } from './report.ts';
import { checkJob, computeRows } from './tables/compute.ts';
import { type Job, jobSteps, type MadeTable, reportOf } from './tables/job.ts';
import { type Model, openModel } from './tables/model.ts';
import { refusePerToken } from './tables/names.ts';
import { newRows } from './tables/new-table.ts';

const op = 'transplant';

/**
 * Gives a model the tokenizer of another one: the weights of `base` with embeddings and output head rebuilt, row by
 * row, for the vocabulary of `donor`, in the new folder `out`. Tokens that both know keep the base's rows, bit for bit;
 * the others are approximated from the donor's rows. Every other tensor is copied byte for byte.
 *
 * Folders hold safetensors files and tokenizer.json. Of the models, only the rows in use are read: memory is needed for
 * the rows of shared tokens in f32, `memoryLimit` for Gram rows, and one batch. The new folder appears at once and
 * whole; a run that was killed or aborted goes on where it stood when it is repeated.
 *
 * Source: arXiv 2506.06607, and mergekit-tokensurgeon for the other methods.
 *
 * @example
 * const report = await transplant({ base: 'llama', donor: 'qwen', out: 'llama-qwen' });
 * console.log(report.match, report.warnings);
 *
 * @throws ERR_ARGUMENT; ERR_FORMAT for folders that are not what they say; ERR_SHAPE; ERR_UNSUPPORTED for models
 * and methods that are not handled; ERR_STATE for the remains of another run; ERR_IO with the system's error as
 * `cause`, and without free space; ERR_MEMORY; ERR_BACKEND; the signal's reason when aborted
 */
export async function transplant(options: TransplantOptions): Promise<TransplantReport> {
  const settings = settle(op, options);
  const { signal } = settings;
  const { needs } = findMethod(op, settings.method);
  signal?.throwIfAborted();
  const out = path.resolve(settings.out);
  const workspace = await Workspace.at(op, out);
  const { followLinks, tensors } = settings;
  const common = { op, followLinks, signal };
  const wantMerges = needs === 'merges';
  const base = await openModel(settings.base, { ...common, side: 'base', tensors: tensors.base, wantMerges });
  let donor: Model | undefined;
  let device: Device | undefined;
  try {
    await inTurns(refusePerToken(base.weights), signal);
    donor = await openModel(settings.donor, { ...common, side: 'donor', tensors: tensors.donor, wantMerges: false });
    const begun = await inTurns(jobSteps(op, settings, base, donor), signal);
    const patches = await inTurns(patchSteps(base, donor, begun), signal);
    const job = { ...begun, warnings: [...begun.warnings, ...patches.warnings] };
    checkJob(job);
    let tables: readonly MadeTable[] | undefined;
    const texts = newTexts(base, donor, patches);
    return await makeFolder({
      ...{ op, workspace, weights: base.weights, inputs: [base.folder, donor.folder] },
      ...{ restart: settings.restart, dryRun: settings.dryRun, signal },
      record: await recordOf(settings, [base, donor]),
      needs: await needsOf(job, base.weights),
      onBytes: (done, total) => {
        settings.onProgress?.({ stage: 'write', done, total });
        signal?.throwIfAborted();
      },
      tensors: async (records) => {
        device = openDevice(settings.device);
        using task = new Task<TransplantProgress>(device, settings);
        tables = await computeRows(job, task, records);
        return new Map(tables.map(newTensor));
      },
      files: () => texts,
      report: (run) => reportOf(job, { ...run, out }, tables),
      verify: (folder) => checkTokens(folder, job),
    });
  } finally {
    await base.weights.close();
    await donor?.weights.close();
    await closeDevice(device, settings.device);
  }
}

const newTensor = (made: MadeTable): [string, NewTensor] => {
  const { base, origins } = made;
  return [base.name, { shape: [origins.from.length, base.columns], data: () => newRows(made) }];
};

/** No token lies beyond the tables. */
async function checkTokens(folder: Folder, { rows, tables }: Job): Promise<void> {
  const { tokens } = await readTokenizerOf(folder, { wantMerges: false });
  if (rows >= tokens.length) return;
  throw refusal(op, tables[0]!.base.name, `have ${tokens.length} rows`, rows, 'ERR_STATE');
}
