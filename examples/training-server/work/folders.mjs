import { readFile, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { transplant } from 'orthokit';
import { mergeModels } from 'orthokit/merging';
import { compressModel } from 'orthokit/quantized';
import { replaceJson, syncFolder } from '../runs/files.mjs';

/** @import { Control, Job } from './worker.mjs' */

/** Milliseconds between two reports of progress. */
const period = 200;

/**
 * The function that makes a model, by the kind of job.
 *
 * @type {Record<string, (common: any, models: Job['models']) => Promise<unknown>>}
 */
const makers = {
  merge: (common, { models }) => mergeModels({ ...common, models }),
  transplant: (common, { donor }) => transplant({ ...common, donor }),
  compress: (common) => compressModel(common),
};

/**
 * A job from folders to a folder. A pause ends it; what is done stays for the next start. The model is made aside and
 * gets its place once its report lasts: whoever is killed between the two goes on from the report.
 *
 * @param {Job} job
 * @param {Control} control
 */
export async function makeModel({ kind, params, models, folder }, control) {
  const { base: _base, models: _models, donor: _donor, ...options } = params;
  const [aside, place, reportFile] = ['.model.new', 'model', 'report.json'].map((name) => path.join(folder, name));
  const finish = async (/** @type {Record<string, unknown>} */ result) => {
    // A model that has its place already: a start before this one has come that far.
    await rename(aside, place).catch((error) => {
      if (error.code !== 'ENOENT') throw error;
    });
    await syncFolder(folder);
    control.post({ type: 'result', result });
    control.post({ type: 'ended', state: 'done' });
  };
  const before = await readFile(reportFile, 'utf8').catch(() => undefined);
  if (before !== undefined) return finish(JSON.parse(before));
  await rm(aside, { recursive: true, force: true });
  let last = 0;
  const common = {
    ...options,
    base: models.base,
    out: aside,
    device: /** @type {const} */ ('cpu'),
    signal: control.signal,
    onProgress: (/** @type {{ stage: string, done: number, total: number }} */ progress) => {
      if (Date.now() - last < period && progress.done < progress.total) return;
      last = Date.now();
      control.post({ type: 'progress', progress: { ...progress } });
    },
  };
  let report;
  try {
    report = await makers[kind](common, models);
  } catch (error) {
    if (!control.signal.aborted) throw error;
    return control.post({ type: 'ended', state: control.wish === 'pause' ? 'paused' : 'cancelled' });
  }
  const result = resultOf(report);
  await replaceJson(reportFile, result);
  await finish(result);
}

/** @param {any} report the parts of it that name no folder */
function resultOf({ formula, method, bytes, bytesBefore, bitsPerWeight, tensors, kept, warnings }) {
  const counts = { tensors: tensors?.length, kept: kept?.length };
  return { method, formula, bytes, bytesBefore, bitsPerWeight, ...counts, warnings: (warnings ?? []).slice(0, 20) };
}
