import { mkdir, open, readFile, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { loadTensors, saveTensors } from 'orthokit';
import * as nn from 'orthokit/nn';
import { replaceJson } from '../runs/files.mjs';

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
  await Promise.all([saveTensors(weights, nn.named(model)), optimizer.save(moments)]);
  await replaceJson(path.join(folder, 'state.json'), state);
  const parent = await open(path.dirname(folder), 'r');
  await parent.sync();
  await parent.close();
  return (await Promise.all([weights, moments].map((file) => stat(file)))).reduce((sum, { size }) => sum + size, 0);
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
