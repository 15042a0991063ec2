import * as check from '../core/check.ts';
import type { Device } from '../core/device.ts';
import { refusal, shown } from '../core/errors.ts';
import { ops } from '../core/native-ops.ts';
import { isRecord } from '../core/options.ts';
import type { Owned } from '../core/owned.ts';
import { Tensor } from '../core/tensor.ts';
import { stepList } from './step-lists.ts';

/** Trajectories that were played with a policy, padded to one length; the padding may hold anything. */
export interface PolicyBatch {
  /** [trajectories, time, stateDim], of the policy's dtype. */
  readonly states: Tensor;
  /** [trajectories, time], i32, of a softmax policy; [trajectories, time, actionDim] of a Gaussian one. */
  readonly actions: Tensor;
  /** [trajectories, time], of the policy's dtype: the weight of each action, such as {@link rewardToGo} gives it. */
  readonly weights: Tensor;
  /**
   * The steps of each trajectory: whole, from 0 to time. Lists of the steps are made and uploaded once for an array,
   * and live as long as it; they are made anew where its numbers have changed.
   */
  readonly lengths: Int32Array | readonly number[];
}

/** @throws ERR_ARGUMENT unless there is a length for each trajectory, none beyond the padded one */
export function checkLengths(
  where: string,
  lengths: unknown,
  count: number,
  most: number,
): Int32Array | readonly number[] {
  if (!(lengths instanceof Int32Array) && !Array.isArray(lengths))
    throw refusal(where, 'lengths', 'be an Int32Array or a list of numbers', shown(lengths));
  if (lengths.length !== count) throw refusal(where, 'lengths', `have ${count} elements`, lengths.length, 'ERR_SHAPE');
  for (let i = 0; i < count; ++i)
    if (!(Number.isInteger(lengths[i]) && lengths[i]! >= 0 && lengths[i]! <= most))
      throw refusal(where, `lengths[${i}]`, `be a whole number from 0 to ${most}`, shown(lengths[i]));
  return lengths;
}

/** The steps of all trajectories one after the other, without padding. */
export interface PlayedSteps {
  readonly trajectories: number;
  readonly count: number;
  /** [count, stateDim] */
  readonly states: Tensor;
  /** [count] or [count, actionDim] */
  readonly actions: Tensor;
  /** [count] */
  readonly weights: Tensor;
  /** [count], i32: the trajectory of each step; not the caller's to dispose of. */
  readonly trajectory: Tensor;
}

/** Demands of a policy on its batches. */
export interface BatchDemands {
  readonly device: Device;
  readonly dtype: 'f32' | 'f64';
  readonly stateDim: number;
  /** Undefined: actions are numbers of a finite set. */
  readonly actionDim: number | undefined;
}

/** @throws ERR_ARGUMENT, ERR_SHAPE, ERR_DTYPE, ERR_DEVICE, ERR_DISPOSED for what is no batch of the policy */
export function playedSteps(where: string, batch: unknown, demands: BatchDemands, owned: Owned<Tensor>): PlayedSteps {
  const { device, dtype, stateDim, actionDim } = demands;
  if (!isRecord(batch)) throw refusal(where, 'batch', 'be an object', shown(batch));
  const { states, actions, weights } = batch as unknown as PolicyBatch;
  check.tensor(where, 'states', states, { shape: [undefined, undefined, stateDim], dtypes: [dtype], device });
  const [trajectories, time] = states.shape as [number, number];
  const shape = actionDim === undefined ? [trajectories, time] : [trajectories, time, actionDim];
  check.tensor(where, 'actions', actions, { shape, dtypes: [actionDim === undefined ? 'i32' : dtype], device });
  check.tensor(where, 'weights', weights, { shape: [trajectories, time], dtypes: [dtype], device });
  if (trajectories === 0) throw refusal(where, 'states', 'have a trajectory', `[${states.shape}]`, 'ERR_SHAPE');
  const lengths = checkLengths(where, batch['lengths'], trajectories, time);
  const list = (name: 'place' | 'trajectory') => stepList(name, device, lengths, time);
  const [place, trajectory] = [list('place'), list('trajectory')];
  const count = place.size;
  const taken = (x: Tensor, ...row: number[]): Tensor => {
    const flat = owned.add(x.reshape([trajectories * time, ...row]));
    const out = owned.add(new Tensor(device, [count, ...row], x.dtype));
    ops.gatherRows(device, { x: flat, index: place, out });
    return out;
  };
  return {
    trajectories,
    count,
    states: taken(states, stateDim),
    actions: actionDim === undefined ? taken(actions) : taken(actions, actionDim),
    weights: taken(weights),
    trajectory,
  };
}
