import { mkdir, open, readFile, rm, stat, statfs } from 'node:fs/promises';
import path from 'node:path';
import { loadTensors, saveTensors } from 'orthokit';
import * as nn from 'orthokit/nn';
import { replaceJson } from '../runs/files.mjs';
import { JobError } from './job-error.mjs';

/** @import { AnyOptimizer, Device } from 'orthokit' */

/**
 * All that a step depends on beside model and optimizer.
 *
 * @typedef {object} State
 * @property {number} step steps taken
 * @property {number} calls the place of the random numbers of the network
 * @property {number} epoch the place in the data
 * @property {number} position
 * @property {{ lr: number, otherLr: number, weightDecay: number }} rates before the schedule
 * @property {number} seconds of training so far
 * @property {number} request the last change of them
 */

/** @param {string} folder of the run @param {number} step */
export const checkpointFolder = (folder, step) => path.join(folder, 'checkpoints', `${step}`);

/** Bytes that a job's journal may take before its disk is looked at again. */
const journalBytes = 2 ** 20;

/**
 * A disk that is full at the first checkpoint is known at the start.
 *
 * @param {string} run folder of the run
 * @param {object} model
 * @param {AnyOptimizer} optimizer
 */
export async function checkSpace(run, model, optimizer) {
  const weights = Object.values(nn.named(model)).reduce((sum, { byteLength }) => sum + byteLength, 0);
  const needed = 2 * (weights + optimizer.stateBytes) + journalBytes;
  const { bavail, bsize } = await statfs(run);
  if (bavail * bsize >= needed) return;
  const mb = (/** @type {number} */ bytes) => (bytes / 2 ** 20).toFixed(1);
  throw new JobError('ERR_IO', `the disk must have ${mb(needed)} MB for two checkpoints, got ${mb(bavail * bsize)} MB`);
}

/**
 * Weights that are NaN or infinite must not push those that are well out of the checkpoints that are kept.
 *
 * @param {object} model
 * @param {number} step
 * @param {number | undefined} saved the step of the last checkpoint
 */
export async function refuseNonFinite(model, step, saved) {
  for (const [name, tensor] of Object.entries(nn.named(model)))
    for (const value of await tensor.read())
      if (!Number.isFinite(value)) {
        const last = saved === undefined ? 'there is no checkpoint before' : `the checkpoint of step ${saved} is well`;
        throw new JobError(
          'ERR_STATE',
          `weights must be finite to be saved, got ${value} in ${name} after step ${step}: ${last}`,
        );
      }
}

/** True for a disk, or a share of it, that is full. @param {unknown} error @returns {boolean} */
export function isFull(error) {
  const { code, cause } = /** @type {NodeJS.ErrnoException} */ (error ?? {});
  return ['ENOSPC', 'EDQUOT'].includes(code ?? '') || (cause != null && isFull(cause));
}

/**
 * Saves into a folder of the step's own. It counts once the journal names it, which is after all numbers of the steps
 * before: whoever is killed on the way goes on from the one before.
 *
 * @param {string} run folder of the run
 * @param {{ model: object, optimizer: AnyOptimizer, state: State }} what
 * @returns {Promise<number>} bytes
 */
export async function saveCheckpoint(run, { model, optimizer, state }) {
  const folder = checkpointFolder(run, state.step);
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const [weights, moments] = ['model.safetensors', 'optimizer.safetensors'].map((name) => path.join(folder, name));
  try {
    await whole([saveTensors(weights, nn.named(model)), optimizer.save(moments)]);
    await replaceJson(path.join(folder, 'state.json'), state);
  } catch (error) {
    await rm(folder, { recursive: true, force: true }).catch(() => {});
    throw error;
  }
  const parent = await open(path.dirname(folder), 'r');
  await parent.sync();
  await parent.close();
  return (await Promise.all([weights, moments].map((file) => stat(file)))).reduce((sum, { size }) => sum + size, 0);
}

/** All of them, or the first failure once none is under way. @param {Promise<unknown>[]} parts */
async function whole(parts) {
  for (const part of await Promise.allSettled(parts)) if (part.status === 'rejected') throw part.reason;
}

/**
 * @param {string} run
 * @param {number} step
 * @param {{ model: object, optimizer: AnyOptimizer, device: Device }} what
 * @returns {Promise<State>}
 */
export async function loadCheckpoint(run, step, { model, optimizer, device }) {
  const folder = checkpointFolder(run, step);
  await nn.assign(model, await loadTensors(path.join(folder, 'model.safetensors'), device));
  await optimizer.load(path.join(folder, 'optimizer.safetensors'));
  return JSON.parse(await readFile(path.join(folder, 'state.json'), 'utf8'));
}
