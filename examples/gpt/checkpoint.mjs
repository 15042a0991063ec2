import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { loadTensors, saveTensors } from 'orthokit';
import * as nn from 'orthokit/nn';

/** @import { AdamW } from 'orthokit' */

/**
 * All that a step depends on beside the data.
 *
 * @typedef {object} State
 * @property {number} step steps taken
 * @property {number} calls the place of the random numbers, of dropout
 * @property {number} epoch the place in the data
 * @property {number} position
 * @property {number[]} losses of each step
 */

/**
 * Saves into a folder of the step's own, which counts once `latest.json` names it: whoever is killed on the way goes on
 * from the one before.
 *
 * @param {string} folder
 * @param {object} model
 * @param {AdamW} optimizer
 * @param {State} state
 */
export async function save(folder, model, optimizer, state) {
  const before = latest(folder);
  const name = `step-${state.step}`;
  mkdirSync(path.join(folder, name), { recursive: true });
  const file = (/** @type {string} */ own) => path.join(folder, name, own);
  await Promise.all([
    saveTensors(file('model.safetensors'), nn.named(model)),
    optimizer.save(file('optimizer.safetensors')),
  ]);
  writeFileSync(file('state.json'), JSON.stringify(state));
  writeFileSync(path.join(folder, 'next.json'), JSON.stringify({ name }));
  renameSync(path.join(folder, 'next.json'), path.join(folder, 'latest.json'));
  if (before !== undefined && before !== name) rmSync(path.join(folder, before), { recursive: true, force: true });
}

/** @param {string} folder @returns {string | undefined} */
function latest(folder) {
  const file = path.join(folder, 'latest.json');
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')).name : undefined;
}

/**
 * @param {string} folder
 * @param {object} model
 * @param {AdamW} optimizer
 * @returns {Promise<State | undefined>} nothing where nothing was saved
 */
export async function resume(folder, model, optimizer) {
  const name = latest(folder);
  if (name === undefined) return undefined;
  const file = (/** @type {string} */ own) => path.join(folder, name, own);
  await nn.assign(model, await loadTensors(file('model.safetensors'), optimizer.groups[0].params[0].device));
  await optimizer.load(file('optimizer.safetensors'));
  return JSON.parse(readFileSync(file('state.json'), 'utf8'));
}
