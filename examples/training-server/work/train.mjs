import { mkdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { Device, loadTensors, saveTensors } from 'orthokit';
import * as nn from 'orthokit/nn';
import { limits } from '../limits.mjs';
import { replaceJson } from '../runs/files.mjs';
import { checkSpace, isFull, loadCheckpoint, refuseNonFinite, saveCheckpoint } from './checkpoint.mjs';
import { makeOptimizer } from './optimizers.mjs';
import { Reports } from './reports.mjs';
import { scheduleOf } from './schedule.mjs';

/**
 * @import { Tensor } from 'orthokit'
 * @import { Control, Job } from './worker.mjs'
 * @import { State } from './checkpoint.mjs'
 *
 * @typedef {object} Task what is trained
 * @property {object} model
 * @property {nn.Gradient<any, [Tensor, Tensor], nn.ValueAndGrads>} step
 * @property {number} count of samples
 * @property {(index: Int32Array) => [Tensor, Tensor]} inputs of a batch
 * @property {Record<string, unknown>} config of the model's folder
 * @property {() => Promise<Record<string, number>>} result on data that it was not trained on
 */

/**
 * Trains until the end, a pause or a cancel. What happens between two steps happens in one order: save, then change
 * rates, so that a run that goes on from there makes the same changes at the same places.
 *
 * @param {Job} job
 * @param {Control} control
 */
export async function train(job, control) {
  const { params, folder, changes, known } = job;
  const device = Device.open('cpu', { threads: job.threads });
  const task = await taskOf(device, job);
  const { model, step } = task;
  if (job.init !== undefined)
    await nn.assign(model, await loadTensors(path.join(job.init, 'model.safetensors'), device));
  const { optimizer, set } = makeOptimizer(model, params.optimizer);
  // Methods for all parameters have no other rate.
  const { lr, otherLr = lr, weightDecay } = params;
  /** @type {State} */
  const start = {
    step: 0,
    calls: 0,
    epoch: 0,
    position: 0,
    rates: { lr, otherLr, weightDecay },
    request: 0,
    seconds: 0,
  };
  const state =
    job.checkpoint === undefined ? start : await loadCheckpoint(folder, job.checkpoint, { model, optimizer, device });
  step.calls = state.calls;
  const schedule = scheduleOf(params);
  const reports = new Reports(device, optimizer, control);
  reports.seconds = state.seconds;
  // Changes that the steps after the checkpoint had, and those that have not come to any yet.
  const made = changes.filter((change) => change.step !== undefined);
  control.changes.unshift(...changes.filter((change) => change.step === undefined));

  let saved = job.checkpoint;
  const save = async () => {
    await reports.flush();
    // A finished save must not be taken apart to be saved again.
    if (state.step === saved) return;
    state.seconds = reports.seconds;
    await refuseNonFinite(model, state.step, saved);
    try {
      const bytes = await saveCheckpoint(folder, { model, optimizer, state });
      saved = state.step;
      control.post({ type: 'checkpoint', step: state.step, bytes, loss: reports.loss });
    } catch (error) {
      if (!isFull(error)) throw error;
      // Checkpoints before this one are as they were.
      const last = saved === undefined ? 'there is none before' : `the last one is of step ${saved}`;
      control.post({
        type: 'warning',
        step: state.step,
        text: `no space for the checkpoint of step ${state.step}: ${last}`,
      });
    }
  };
  // One that goes on has its checkpoint, and is warned where the next one has no space.
  if (job.checkpoint === undefined) await checkSpace(folder, model, optimizer);
  const first = state.step;
  const from = { epoch: state.epoch, position: state.position };
  for (const { index, ...place } of nn.batches({ count: task.count, size: params.batch, seed: params.seed, from })) {
    if (control.wish === 'cancel') break;
    const isDue = state.step > first && state.step % params.checkpointEvery === 0;
    if (control.wish === 'pause' || control.save || isDue || state.step >= params.steps) {
      control.save = false;
      await save();
    }
    if (control.wish === 'pause' || state.step >= params.steps) break;
    for (const change of made) if (change.step === state.step) apply(state, change);
    if (state.step >= known)
      for (const change of control.changes.splice(0)) {
        if (change.request <= state.request) continue;
        await reports.flush();
        apply(state, change);
        control.post({ type: 'applied', request: change.request, step: state.step });
      }

    const factor = schedule(state.step);
    const rates = { ...state.rates, lr: factor * state.rates.lr, otherLr: factor * state.rates.otherLr };
    set(rates);
    const inputs = task.inputs(index);
    const { value, grads } = step(model, ...inputs);
    optimizer.step(grads);
    reports.add(state.step + 1, value, rates.lr);
    for (const tensor of inputs) tensor.dispose();
    Object.assign(state, place, { step: state.step + 1, calls: step.calls });
    if (reports.isDue) await reports.flush();
  }
  await reports.flush();
  const isWhole = control.wish !== 'cancel' && state.step >= params.steps;
  if (isWhole) {
    await writeModel(folder, model, task.config);
    control.post({ type: 'result', result: { steps: state.step, ...(await task.result()) } });
  }
  await device.close();
  control.post({ type: 'ended', state: isWhole ? 'done' : control.wish === 'cancel' ? 'cancelled' : 'paused' });
}

/** @param {State} state @param {import('../runs/summary.mjs').Change} change */
function apply(state, { request, values }) {
  if (request <= state.request) return;
  Object.assign(state.rates, values);
  state.request = request;
}

/** @param {Device} device @param {Job} job */
async function taskOf(device, { kind, params, data }) {
  // A thread loads what its own kind needs.
  if (kind === 'gpt') return (await import('./writer.mjs')).letterWriter(device, params, data, limits.jobBytes);
  const { classifier } = await import('./classifier.mjs');
  return classifier(device, /** @type {'mlp' | 'cnn'} */ (kind), params, data, limits.jobBytes);
}

/**
 * The model as a folder that merges, and other jobs begin from.
 *
 * @param {string} folder of the run
 * @param {object} model
 * @param {Record<string, unknown>} config
 */
async function writeModel(folder, model, config) {
  const [aside, place] = [path.join(folder, '.model.new'), path.join(folder, 'model')];
  await rm(aside, { recursive: true, force: true });
  await mkdir(aside, { mode: 0o700 });
  await saveTensors(path.join(aside, 'model.safetensors'), nn.named(model));
  await replaceJson(path.join(aside, 'config.json'), config);
  await rm(place, { recursive: true, force: true });
  await rename(aside, place);
}
