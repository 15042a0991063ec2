// New values come back to the variables of TensorFlow.js.
import { OrthokitError } from '../core/errors.ts';
import type { Change } from './parameters.ts';
import type { Tfjs, TfjsTensor } from './peer.ts';

/**
 * Assigns to variables. All values become tensors before one is assigned: there may be no memory for them.
 * @throws ERR_BACKEND with the error of TensorFlow.js as `cause`
 */
export function assign(tf: Tfjs, where: string, changes: readonly (Change & { readonly value: Float32Array })[]): void {
  const values: TfjsTensor[] = [];
  try {
    for (const { parameter, value } of changes) values.push(tf.tensor(value, [...parameter.shape] as never, 'float32'));
    for (const [i, { parameter, variable }] of changes.entries()) {
      variable.assign(values[i] as never);
      parameter.dataId = variable.dataId;
    }
  } catch (cause) {
    const text = `${where}: TensorFlow.js did not take the new values: ${(cause as Error).message}`;
    throw new OrthokitError('ERR_BACKEND', text, { cause });
  } finally {
    for (const value of values) value.dispose();
  }
}
