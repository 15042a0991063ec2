// Gradients and variables that calls give by name, looked at before anything changes.
import { OrthokitError, refusal, shown } from '../core/errors.ts';
import { isRecord } from '../core/options.ts';
import type { Tfjs, TfjsNamedTensor, TfjsTensor, TfjsVariable } from './peer.ts';

/** Gradients by variable: a list of names and tensors, or a map of them. */
export type TfjsGradients = Readonly<Record<string, TfjsTensor | null | undefined>> | readonly TfjsNamedTensor[];

/** A gradient and where it goes. */
export interface Entry {
  readonly variable: TfjsVariable;
  readonly gradient: TfjsTensor | null;
}

/** The variables of a TensorFlow.js, for one call. */
export interface Look {
  readonly where: string;
  readonly tf: Tfjs;
  /** Names of variables that there were before. */
  readonly known: { has(name: string): boolean };
}

/** The variable that lives under a name, if there is one. */
export function registered(tf: Tfjs, name: string): TfjsVariable | undefined {
  const { registeredVariables: all } = tf.engine();
  return Object.hasOwn(all, name) ? all[name] : undefined;
}

function variableOf({ where, tf, known }: Look, name: string): TfjsVariable {
  const variable = registered(tf, name);
  if (variable) return variable;
  if (known.has(name)) throw new OrthokitError('ERR_DISPOSED', `${where}: variable ${shown(name)} has been disposed`);
  throw refusal(where, 'names', 'be those of variables', shown(name));
}

function checkFloat(where: string, { name, dtype }: TfjsVariable): void {
  if (dtype !== 'float32') throw refusal(where, `variable ${shown(name)}`, 'be float32', dtype, 'ERR_DTYPE');
}

/** The variables of a list: themselves, or whatever has the name of one. */
export function variablesOf(look: Look, names: unknown): TfjsVariable[] {
  const { where } = look;
  if (!Array.isArray(names)) throw refusal(where, 'variables', 'be a list', shown(names));
  return Array.from(names, (one: unknown, i) => {
    const name = isRecord(one) ? one['name'] : one;
    if (typeof name !== 'string') throw refusal(where, `variables[${i}]`, 'have a name', shown(name));
    const variable = variableOf(look, name);
    checkFloat(where, variable);
    if (!variable.trainable) throw refusal(where, `variable ${shown(name)}`, 'be trainable', 'one that is not');
    return variable;
  });
}

/** The gradients of a call. @throws ERR_ARGUMENT, ERR_SHAPE, ERR_DTYPE, ERR_DISPOSED */
export function entriesOf(look: Look, gradients: unknown): Entry[] {
  const { where } = look;
  if (!Array.isArray(gradients) && !isRecord(gradients))
    throw refusal(where, 'gradients', 'be tensors by name, or a list of { name, tensor }', shown(gradients));
  const list: readonly unknown[] = Array.isArray(gradients)
    ? gradients
    : Object.entries(gradients).map(([name, tensor]) => ({ name, tensor }));
  const seen = new Set<string>();
  return Array.from(list, (one, i) => {
    const { name, tensor } = isRecord(one) ? one : ({} as Record<string, unknown>);
    if (typeof name !== 'string') throw refusal(where, `gradients[${i}]`, 'be { name, tensor }', shown(one));
    if (seen.has(name)) throw refusal(where, 'names', 'be unique', shown(name));
    seen.add(name);
    const variable = variableOf(look, name);
    return { variable, gradient: gradientOf(where, variable, tensor) };
  });
}

function gradientOf(where: string, variable: TfjsVariable, tensor: unknown): TfjsTensor | null {
  if (tensor === null || tensor === undefined) return null;
  const field = `gradient of ${shown(variable.name)}`;
  const gradient = tensor as TfjsTensor;
  if (!isRecord(tensor) || typeof gradient.dataSync !== 'function')
    throw refusal(where, field, 'be a tensor of TensorFlow.js', shown(tensor));
  if (gradient.isDisposed) throw new OrthokitError('ERR_DISPOSED', `${where}: ${field} has been disposed`);
  if (!variable.trainable) throw refusal(where, field, 'be missing', 'one of a variable that is not trainable');
  checkFloat(where, variable);
  if (gradient.dtype !== 'float32') throw refusal(where, field, 'be float32', gradient.dtype, 'ERR_DTYPE');
  if (gradient.shape.join() !== variable.shape.join())
    throw refusal(where, field, `have shape [${variable.shape}]`, `[${gradient.shape}]`, 'ERR_SHAPE');
  return gradient;
}
