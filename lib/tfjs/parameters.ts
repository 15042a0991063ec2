// Variables of TensorFlow.js as parameters on a device of orthokit.
import type { Device } from '../core/device.ts';
import { refusal, shown } from '../core/errors.ts';
import type { Owned } from '../core/owned.ts';
import { give, Tensor } from '../core/tensor.ts';
import { registered } from './gradients.ts';
import { borrowed, type Tfjs, type TfjsVariable } from './peer.ts';
import type { Made } from './spec.ts';

/** A variable, and its tensors on the device. */
export interface Parameter {
  readonly name: string;
  readonly shape: readonly number[];
  readonly weight: Tensor<'f32'>;
  readonly gradient: Tensor<'f32'>;
  /** That of the value which `weight` has; undefined where it has none of the variable's. */
  dataId: object | undefined;
}

/** A variable that a step may change, and its parameter. */
export interface Change {
  readonly parameter: Parameter;
  readonly variable: TfjsVariable;
}

/** Tensors of a variable, which belong to `owned`. */
export function parameterOf(tf: Tfjs, device: Device, owned: Owned<Tensor>, variable: TfjsVariable): Parameter {
  const { name, shape, dataId } = variable;
  const weight = owned.add(Tensor.from(device, borrowed(tf, variable), shape));
  return { name, shape: [...shape], weight, gradient: owned.add(new Tensor(device, shape)), dataId };
}

export const namesOf = (parameters: Iterable<Parameter>): Map<Tensor, string> =>
  new Map([...parameters].map(({ weight, name }): [Tensor, string] => [weight, name]));

/** True for a variable that a step may change without a gradient of it. */
const isFree = ({ shape }: Parameter, variable: TfjsVariable | undefined): boolean =>
  variable?.trainable === true && variable.dtype === 'float32' && variable.shape.join() === shape.join();

/** The variables that a step changes: those with a gradient, and where missing ones are zeros, all that may be. */
export function changesOf(
  tf: Tfjs,
  parameters: Iterable<Parameter>,
  { optimizer }: Made,
  present: ReadonlySet<Parameter>,
): Change[] {
  const zeroed = optimizer.groups.flatMap(({ missingGrad, params }) => (missingGrad === 'zero' ? params : []));
  const withZeros = new Set<Tensor>(zeroed);
  return [...parameters].flatMap((parameter): Change[] => {
    const variable = registered(tf, parameter.name);
    const isChanging = present.has(parameter) || (withZeros.has(parameter.weight) && isFree(parameter, variable));
    return isChanging ? [{ parameter, variable: variable! }] : [];
  });
}

/** @throws ERR_SHAPE for variables that have come back in another shape */
export function checkShapes(
  where: string,
  known: ReadonlyMap<string, Parameter>,
  variables: readonly TfjsVariable[],
): void {
  for (const { name, shape } of variables) {
    const before = known.get(name)?.shape;
    if (before && before.join() !== shape.join())
      throw refusal(where, `variable ${shown(name)}`, `have shape [${before}] as before`, `[${shape}]`, 'ERR_SHAPE');
  }
}

/** Elements from which an array is read where it lies, off the event loop; fewer are copied at once. */
const few = 1 << 14;

export function send(tensor: Tensor, values: Float32Array): void {
  if (values.length < few) tensor.write(values);
  else give(tensor, values);
}
