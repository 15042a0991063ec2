import type { Device } from '../core/device.ts';
import { count, flag, kind, optional, type Resolved, required, type Schema, watchers, word } from '../core/schema.ts';
import type { Progress, TransferOptions } from '../files/transfer.ts';
import type { Window } from './parts/attention.ts';
import type { Taps } from './parts/conv1d.ts';

/** Options of `continual.conv1d`. */
export interface Conv1dOptions {
  /** Inputs from one output to the next, at least 1. Default: 1. */
  stride?: number | undefined;
  /** Places of zeros before the first input and behind the last; fewer than the receptive field has. Default: 0. */
  padding?: number | undefined;
  /** Inputs from one tap to the next, from 1 to 16 384; of a single tap without effect, whatever it is. Default: 1. */
  dilation?: number | undefined;
}

/** Options of `continual.averagePool1d` and `continual.maxPool1d`. */
export interface Pool1dOptions {
  /** Inputs from one output to the next, at least 1. Default: 1. */
  stride?: number | undefined;
  /** Inputs from one place of the kernel to the next, as for `conv1d`. Default: 1. */
  dilation?: number | undefined;
}

/** Options of `continual.attention`. */
export interface ContinualAttentionOptions {
  /** Parts of the channels that attend by themselves, of at most 256 channels each. Default: 1. */
  heads?: number | undefined;
  /** Places of the window. It has no default. */
  length: number;
  /** `'single'`: results of the newest place; `'retroactive'`: of all places of the window. Default: `'single'`. */
  mode?: 'single' | 'retroactive' | undefined;
  /** Steps after which all rows of a retroactive window are summed anew. Default: never, but those in need. */
  refreshEvery?: number | undefined;
  /** True: all rows of a retroactive window are summed anew each step, at `length` times the cost. Default: false. */
  exact?: boolean | undefined;
}

/** Options of a step. */
export interface ContinualStepOptions {
  /** False: the states are afterwards as they were, as if the step had not been. Default: true. */
  update?: boolean | undefined;
}

/** Options of `load`. */
export interface ContinualLoadOptions extends TransferOptions {
  /** The device of a state, of layers without weights and not yet stepped. Default: that of weights or streams. */
  device?: Device | undefined;
}

export const convSchema: Schema<Omit<Taps, 'kernel'>> = { stride: count(1), padding: count(0, 0), dilation: count(1) };
export const poolSchema: Schema<Resolved<Pool1dOptions>> = { stride: count(1), dilation: count(1) };
export const windowSchema: Schema<Window> = {
  heads: count(1),
  length: required(count(1)),
  mode: word<'single' | 'retroactive'>(['single', 'retroactive'], 'single'),
  refreshEvery: optional(count(1)),
  exact: flag(false),
};
export const stepSchema: Schema<Resolved<ContinualStepOptions>> = { update: flag(true) };
export const loadSchema: Schema<Resolved<ContinualLoadOptions, 'signal' | 'onProgress' | 'device'>> = {
  ...watchers<Progress>(),
  device: kind((x) => x !== null && typeof x === 'object' && 'defaultDtype' in x, 'a Device'),
};
