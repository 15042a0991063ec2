// State of an optimizer by the names of variables, and its form as tensors of TensorFlow.js.
import type { Dtype } from '../core/dtypes.ts';
import { OrthokitError } from '../core/errors.ts';
import type { TypedArray } from '../core/native.ts';
import type { Tensor } from '../core/tensor.ts';
import { few } from '../files/quote.ts';
import { skippedName } from '../optimizers/base/guard.ts';
import { stateName } from '../optimizers/base/params.ts';
import type { TfjsTensor } from './peer.ts';
import { type Made, partsOf } from './spec.ts';

/** The word in the place of a variable, for the counter of steps held back. */
const ofNone = 'orthokit';
/** That counter may be missing, or left over. A variable may have its name, and has other state. */
export const isOptional = (name: string): boolean => name === `${ofNone}/${skippedName}`;

/** The tensors of an optimizer's state by `variable/slot`. */
export function statesOf(made: Made, names: ReadonlyMap<Tensor, string>): Map<string, Tensor> {
  const states = new Map<string, Tensor>();
  for (const { groups, paths, tensors } of partsOf(made)) {
    const prefixes = groups.flatMap((group, g) =>
      group.params.map((weight, i): [string, string] => [
        `${stateName(group.name, paths?.[g], i)}.`,
        names.get(weight)!,
      ]),
    );
    // If two fit, one name is the beginning of the other.
    prefixes.sort(([a], [b]) => b.length - a.length);
    for (const [name, tensor] of Object.entries(tensors)) {
      const [prefix, variable] = prefixes.find(([start]) => name.startsWith(start)) ?? ['', ofNone];
      states.set(`${variable}/${name.slice(prefix.length)}`, tensor);
    }
  }
  return states;
}

/** One tensor of state off the device. */
export interface StoredState {
  readonly dtype: 'float32' | 'int32';
  readonly shape: readonly number[];
  readonly data: Float32Array | Int32Array;
}

/** TensorFlow.js has f32 and i32: everything else goes as its bits, f64 as two numbers an element. */
export function encoded(dtype: Dtype, shape: readonly number[], data: TypedArray): StoredState {
  if (data instanceof Float32Array) return { dtype: 'float32', shape, data };
  if (data instanceof Int32Array) return { dtype: 'int32', shape, data };
  if (dtype === 'f64')
    return {
      dtype: 'int32',
      shape: [...shape, 2],
      data: new Int32Array(data.buffer, data.byteOffset, 2 * data.length),
    };
  return { dtype: 'int32', shape, data: Int32Array.from(data) };
}

/** The opposite of {@link encoded}; undefined for what is of another dtype or shape. */
export function decoded({ dtype, shape }: Tensor, stored: StoredState): TypedArray | undefined {
  const { data } = stored;
  const like = dtype === 'f64' ? [...shape, 2] : shape;
  const isFit = (dtype === 'f32') === data instanceof Float32Array && stored.shape.join() === like.join();
  if (!isFit) return undefined;
  if (dtype === 'f32' || dtype === 'i32') return data;
  if (dtype === 'f64') return new Float64Array(data.slice().buffer);
  return dtype === 'u8' ? Uint8Array.from(data) : Uint16Array.from(data);
}

/** The state in a tensor, which TensorFlow.js may go on with. */
export const storedOf = async (tensor: TfjsTensor): Promise<StoredState> => {
  const data = await tensor.data();
  const isInteger = tensor.dtype === 'int32';
  return {
    dtype: isInteger ? 'int32' : 'float32',
    shape: [...tensor.shape],
    data: isInteger ? Int32Array.from(data as Int32Array) : Float32Array.from(data as Float32Array),
  };
};

/** The variable of a name of state. */
export const variableOf = (name: string): string => name.slice(0, name.lastIndexOf('/'));
const slotOf = (name: string): string => name.slice(name.lastIndexOf('/') + 1);
/** TensorFlow.js numbers the names of variables that are there already. */
const plain = (variable: string): string => variable.replace(/_\d+$/, '');

/** The stored name that belongs to each of `names`: the same, or the only one but for such a number. */
function matched(
  where: string,
  names: Iterable<string>,
  stored: ReadonlySet<string>,
  isFresh: (variable: string) => boolean,
): Map<string, string> {
  const byPlain = new Map<string, string[]>();
  const plainName = (name: string): string => `${plain(variableOf(name))}/${slotOf(name)}`;
  for (const name of stored) {
    const key = plainName(name);
    byPlain.set(key, [...(byPlain.get(key) ?? []), name]);
  }
  const result = new Map<string, string>();
  const missing: string[] = [];
  for (const name of names) {
    const near = byPlain.get(plainName(name)) ?? [];
    const found = stored.has(name) ? name : near.length === 1 ? near[0] : undefined;
    if (found !== undefined) result.set(name, found);
    else if (!isOptional(name) && !isFresh(variableOf(name))) missing.push(name);
  }
  if (missing.length > 0) throw new OrthokitError('ERR_STATE', `${where}: the weights lack state ${few(missing)}`);
  if (new Set(result.values()).size < result.size)
    throw new OrthokitError(
      'ERR_STATE',
      `${where}: two variables would have one state: their names differ by a number`,
    );
  return result;
}

/** Stored state that fits an optimizer's, and the stored names that belong to nothing of it. */
export interface Fit {
  readonly values: ReadonlyMap<Tensor, TypedArray>;
  readonly left: readonly string[];
}

/**
 * Finds the places of stored state; nothing is written.
 * @param isFresh True of a variable that may do without stored state.
 * @throws ERR_STATE for state that is missing, or of another shape or dtype
 */
export function fitted(
  where: string,
  states: ReadonlyMap<string, Tensor>,
  stored: ReadonlyMap<string, StoredState>,
  isFresh: (variable: string) => boolean = () => false,
): Fit {
  const places = matched(where, states.keys(), new Set(stored.keys()), isFresh);
  const values = new Map<Tensor, TypedArray>();
  for (const [name, place] of places) {
    const [tensor, one] = [states.get(name)!, stored.get(place)!];
    const value = decoded(tensor, one);
    if (!value)
      throw new OrthokitError(
        'ERR_STATE',
        `${where}: state ${place} is ${one.dtype} [${one.shape}] in the weights, and ${tensor.dtype} [${tensor.shape}] here`,
      );
    values.set(tensor, value);
  }
  const used = new Set(places.values());
  return { values, left: [...stored.keys()].filter((name) => !used.has(name) && !isOptional(name)) };
}
