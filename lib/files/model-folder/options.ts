// Options that several jobs have which make a model folder.
import { Device } from '../../core/device.ts';
import { isListOf } from '../../core/options.ts';
import { kind, type Option, required } from '../../core/schema.ts';
import { isPath } from '../transfer.ts';
import type { JobDevice } from './job-device.ts';

const isText = (x: unknown): x is string => typeof x === 'string';

/** The path of a folder, which has no default. */
export const folder: Option<string> = required({
  default: '',
  wrong: (x) => {
    if (!isText(x)) return 'must be the path of a folder';
    return isPath(x) ? undefined : 'must be a non-empty string without NUL';
  },
});
/** Patterns of the names of tensors. */
export const patterns: Option<readonly string[] | undefined> = kind(
  (x) => isListOf(x, isText) && x.length > 0,
  'a list of patterns',
);
export const device: Option<JobDevice> = {
  default: 'auto',
  wrong: (x) => (x instanceof Device || isText(x) ? undefined : 'must be a Device or the name of one'),
};
export const memoryLimit: Option<number | undefined> = kind(
  (x) => Number.isFinite(x) && (x as number) > 0,
  'a number of bytes',
);
