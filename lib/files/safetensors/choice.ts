// The tensors of a file that are loaded; those that exist already must fit them.
import * as check from '../../core/check.ts';
import type { Device } from '../../core/device.ts';
import { refusal, shown } from '../../core/errors.ts';
import type { Tensor } from '../../core/tensor.ts';
import type { Turns } from '../../core/turns.ts';
import { few, quote } from '../quote.ts';
import { fileDtypes, tensorDtype } from './dtypes.ts';
import type { TensorInfo } from './header.ts';

/** Names of tensors, or a function that answers whether one is wanted. */
export type TensorNames = readonly string[] | ((name: string, info: TensorInfo) => boolean);

/** Tensors of one call: each takes some kilobytes, whatever it holds. */
const mostTensors = 65_536;

export function checkNames(op: string, names: readonly string[] | ((...args: never[]) => boolean) | undefined): void {
  if (names === undefined || typeof names === 'function') return;
  if (names.length > mostTensors) throw refusal(op, 'names', `be at most ${mostTensors}`, names.length);
  for (const [i, name] of (names as readonly unknown[]).entries())
    if (typeof name !== 'string') throw refusal(op, `names[${i}]`, 'be a string', shown(name));
}

/** The tensors of `into` as they are now, each alive and of the device. */
export function checkInto(op: string, into: Readonly<Record<string, Tensor>>, device: Device): Map<string, Tensor> {
  const tensors = new Map(Object.entries(into));
  for (const [name, tensor] of tensors) check.tensor(op, `into[${quote(name)}]`, tensor, { device });
  return tensors;
}

/** @throws ERR_DISPOSED unless all of the tensors can be written into */
export function checkAlive(op: string, tensors: ReadonlyMap<string, Tensor>): void {
  for (const [name, tensor] of tensors) check.alive(op, `into[${quote(name)}]`, tensor);
}

/** The wanted tensors of a file, in its order, all of which can live on a device. */
export async function chosenOf(
  op: string,
  path: string,
  tensors: ReadonlyMap<string, TensorInfo>,
  names: TensorNames | undefined,
  turns: Turns,
): Promise<Map<string, TensorInfo>> {
  const listed = Array.isArray(names) ? new Set<string>(names) : undefined;
  const isWanted = typeof names === 'function' ? names : (name: string) => listed?.has(name) ?? true;
  const chosen = new Map<string, TensorInfo>();
  for (const [name, info] of tensors) {
    if (turns.isDue) await turns.next();
    if (!isWanted(name, info)) continue;
    tensorDtype(op, name, info);
    if (chosen.size === mostTensors)
      throw refusal(op, 'file', `have at most ${mostTensors} tensors to load`, `more in ${path}`, 'ERR_UNSUPPORTED');
    chosen.set(name, info);
  }
  const missing = [...(listed ?? [])].filter((name) => !chosen.has(name));
  if (missing.length > 0)
    throw refusal(op, 'file', 'have the tensors of names', `none of ${few(missing, quote)} in ${path}`, 'ERR_STATE'); // biome-ignore format: one line
  return chosen;
}

/** @throws ERR_STATE unless the tensors of the file and those of `into` have the same names, dtypes and shapes */
export function checkFit(
  op: string,
  path: string,
  chosen: ReadonlyMap<string, TensorInfo>,
  into: ReadonlyMap<string, Tensor>,
): void {
  const missing = [...into.keys()].filter((name) => !chosen.has(name));
  const extra = [...chosen.keys()].filter((name) => !into.has(name));
  if (missing.length > 0 || extra.length > 0) {
    const parts: string[] = [];
    if (missing.length > 0) parts.push(`${few(missing, quote)} not in the file`);
    if (extra.length > 0) parts.push(`${few(extra, quote)} in the file alone`);
    throw refusal(op, 'into', 'have the tensors that are loaded', `${parts.join(' and ')}: ${path}`, 'ERR_STATE'); // biome-ignore format: one line
  }
  for (const [name, { dtype, shape }] of chosen) {
    const tensor = into.get(name) as Tensor;
    const own = `${fileDtypes[tensor.dtype]} [${tensor.shape.join(', ')}]`;
    const other = `${dtype} [${shape.join(', ')}]`;
    if (own !== other)
      throw refusal(op, `into[${quote(name)}]`, `be ${other} as in the file`, `${own}: ${path}`, 'ERR_STATE'); // biome-ignore format: one line
  }
}
