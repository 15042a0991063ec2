import path from 'node:path';
import { Device, type DeviceKind } from '../core/device.ts';
import { Task } from '../core/task.ts';
import { inTurns } from '../core/turns.ts';
import { Workspace } from '../files/model-folder/workspace.ts';
import { findMethod, needsMerges } from './methods/index.ts';
import { settle, type TransplantOptions, type TransplantProgress } from './options.ts';
import { fingerprint } from './output/fingerprint.ts';
import { run } from './output/run.ts';
import { planTexts } from './output/texts.ts';
import type { TransplantReport } from './report.ts';
import { checkJob } from './tables/compute.ts';
import { planJob } from './tables/job.ts';
import { type Model, openModel } from './tables/model.ts';
import { refusePerToken } from './tables/names.ts';

const op = 'transplant';

/**
 * Gives a model the tokenizer of another one: the weights of `base` with embeddings and output head rebuilt, row by row,
 * for the vocabulary of `donor`, in the new folder `out`. Tokens that both know keep the base's rows, bit for bit; the
 * others are approximated from the donor's rows. Every other tensor is copied byte for byte.
 *
 * Folders hold safetensors files and tokenizer.json. Of the models, only the rows in use are read: memory is needed for
 * the rows of shared tokens in f32, `memoryLimit` for Gram rows, and one batch. The new folder appears at once and whole;
 * a run that was killed or aborted goes on where it stood when it is repeated.
 *
 * Source: arXiv 2506.06607, and mergekit-tokensurgeon for the other methods.
 *
 * @example
 * const report = await transplant({ base: 'llama', donor: 'qwen', out: 'llama-qwen' });
 * console.log(report.match, report.warnings);
 *
 * @throws `ERR_ARGUMENT`; `ERR_FORMAT` for folders that are not what they say; `ERR_SHAPE`; `ERR_UNSUPPORTED` for models
 * and methods that are not handled; `ERR_STATE` for the remains of another run; `ERR_IO` with the system's error as
 * `cause`; `ERR_MEMORY`; `ERR_BACKEND`; the signal's reason when aborted
 */
export async function transplant(options: TransplantOptions): Promise<TransplantReport> {
  const settings = settle(op, options);
  const { signal } = settings;
  const prepare = findMethod(op, settings.method);
  signal?.throwIfAborted();
  const workspace = await Workspace.at(op, path.resolve(settings.out));
  const { followLinks, tensors } = settings;
  const common = { op, followLinks, signal };
  const base = await openModel(settings.base, {
    ...common,
    side: 'base',
    tensors: tensors.base,
    wantMerges: needsMerges(settings.method),
  });
  let donor: Model | undefined;
  let device: Device | undefined;
  try {
    await inTurns(refusePerToken(base.weights), signal);
    donor = await openModel(settings.donor, { ...common, side: 'donor', tensors: tensors.donor, wantMerges: false });
    for (const { folder } of [base, donor]) workspace.refuseInside(folder.path);
    const job = await inTurns(planJob(op, settings, base, donor), signal);
    const patches = await inTurns(planTexts(base, donor, job), signal);
    job.warnings.push(...patches.warnings);
    checkJob(job);
    if (settings.dryRun) return await job.report(false);
    device = settings.device instanceof Device ? settings.device : Device.open(settings.device as DeviceKind);
    using task = new Task<TransplantProgress>(device, settings);
    const resumed = await workspace.begin(await fingerprint(settings, [base, donor]), settings.restart);
    return await run({ job, base, donor, patches, workspace, task, prepare, resumed });
  } finally {
    await base.weights.close();
    await donor?.weights.close();
    if (device && device !== settings.device) await device.close();
  }
}
