import { cnn, mlp } from './digits.mjs';
import { gpt } from './gpt.mjs';

/**
 * @typedef {object} Size
 * @property {number} samples that a run takes in all
 * @property {number} batch samples of a step
 *
 * @typedef {object} Data
 * @property {number} count samples to train
 * @property {(index: Int32Array) => import('orthokit').Tensor[]} batch arguments of the loss after the model, to be disposed
 * @property {(model: any) => Promise<number>} test mean loss on samples that are not trained
 *
 * @typedef {object} Task
 * @property {string} name
 * @property {string} title
 * @property {boolean} curved the Hessian of its loss is measured
 * @property {boolean} tuned rates are chosen by short runs of one seed, and the best two are run whole
 * @property {Record<'full' | 'quick', Size & Record<string, any>>} sizes
 * @property {(make: import('orthokit/nn').Init, size: any) => any} model
 * @property {(model: any, ...batch: any[]) => any} loss
 * @property {(path: string) => boolean} isMatrix of the path of a parameter that has two axes or more
 * @property {(device: import('orthokit').Device, size: any, loss: any) => Data} data
 */

/** @type {readonly Task[]} */
export const tasks = [mlp, cnn, gpt];

/** @param {string} name @returns {Task} */
export function taskOf(name) {
  const found = tasks.find((task) => task.name === name);
  if (!found) throw new Error(`no task is named ${name}`);
  return found;
}
