// Checks of what callers pass, one way for all: `<op>: <name> must be …, got <value>`, each with its code.
import { Device } from './device.ts';
import type { Dtype } from './dtypes.ts';
import { OrthokitError, refusal, shown } from './errors.ts';
import { kind, type Option } from './schema.ts';
import { isTensor, type Tensor } from './tensor.ts';

/** Dtypes that hold fractions. */
export const floating: readonly ('f32' | 'f64' | 'f16' | 'bf16')[] = ['f32', 'f64', 'f16', 'bf16'];
/** Dtypes that arithmetic is done in. */
export const arithmetic: readonly ('f32' | 'f64')[] = ['f32', 'f64'];

/** Demands on a tensor; those that are left out are not made. */
export interface TensorDemands<D extends Dtype = Dtype> {
  readonly dtypes?: readonly D[];
  readonly rank?: number;
  /** Sizes, outermost first; undefined where any will do. */
  readonly shape?: readonly (number | undefined)[];
  /** The demand on the sizes in words, after "must". Default: `have shape [4, any]`. */
  readonly shapeIs?: string;
  /** True: a tensor without elements is refused. */
  readonly filled?: boolean;
  readonly device?: Device;
}

/** True for a tensor as demanded, found without the words for one that is not. */
export function isFit(x: unknown, { dtypes, shape, rank, filled, device }: TensorDemands): boolean {
  if (!isTensor(x) || x.disposed) return false;
  const sizes = x.shape;
  if (rank !== undefined && sizes.length !== rank) return false;
  if (dtypes && !dtypes.includes(x.dtype)) return false;
  if ((filled && x.size === 0) || (device && x.device !== device)) return false;
  if (shape === undefined) return true;
  if (rank === undefined && sizes.length !== shape.length) return false;
  for (let i = 0; i < shape.length; ++i) if (shape[i] !== undefined && shape[i] !== sizes[i]) return false;
  return true;
}

/** @throws ERR_ARGUMENT for no tensor; ERR_DISPOSED, ERR_SHAPE, ERR_DTYPE, ERR_DEVICE for one not as demanded */
export function tensor<D extends Dtype = Dtype>(
  op: string,
  name: string,
  x: unknown,
  demands: TensorDemands<D> = {},
): asserts x is Tensor<D> {
  if (isFit(x, demands)) return;
  if (!isTensor(x)) throw refusal(op, name, 'be a Tensor', shown(x));
  alive(op, name, x);
  const { dtypes, shape, rank = shape?.length, filled, device } = demands;
  const words = (): string =>
    `${rank === undefined ? 'be a tensor' : (ranks[rank] ?? `have rank ${rank}`)}${filled ? ' with elements' : ''}`;
  const sizes = (): string | undefined => shape && `have shape [${shape.map((size) => size ?? 'any')}]`;
  const wrongShape = (must: string): OrthokitError => refusal(op, name, must, `[${x.shape}]`, 'ERR_SHAPE');
  if (rank !== undefined && x.shape.length !== rank) throw wrongShape(demands.shapeIs ? words() : (sizes() ?? words()));
  if (dtypes && !(dtypes as readonly Dtype[]).includes(x.dtype))
    throw refusal(op, name, `be ${dtypeWords(dtypes)}`, x.dtype, 'ERR_DTYPE');
  if (filled && x.size === 0) throw wrongShape(words());
  if (shape?.some((size, i) => size !== undefined && size !== x.shape[i]))
    throw wrongShape(demands.shapeIs ?? sizes()!);
  if (device && x.device !== device) throw new OrthokitError('ERR_DEVICE', `${op}: ${name} is on another device`);
}

const ranks = ['be a single number', 'be a vector', 'be a matrix'];

function dtypeWords(dtypes: readonly Dtype[]): string {
  if (floating.every((dtype) => dtypes.includes(dtype)) && dtypes.length === floating.length) return 'floating';
  return dtypes.length === 1 ? dtypes[0]! : `${dtypes.slice(0, -1).join(', ')} or ${dtypes.at(-1)}`;
}

/** @throws ERR_DISPOSED for what has been disposed */
export function alive(op: string, name: string, thing: { readonly disposed: boolean }): void {
  if (thing.disposed) throw new OrthokitError('ERR_DISPOSED', `${op}: ${name} has been disposed`);
}

/** @throws ERR_ARGUMENT for what is no device */
export function device(op: string, name: string, value: unknown): asserts value is Device {
  instance(op, name, value, Device);
}

interface Class<T> {
  readonly prototype: T;
  readonly name: string;
  [Symbol.hasInstance](value: unknown): boolean;
}

/** @throws ERR_ARGUMENT for what is of another class */
export function instance<T>(op: string, name: string, value: unknown, kind: Class<T>): asserts value is T {
  if (kind[Symbol.hasInstance](value)) return;
  throw refusal(op, name, `be a ${kind.name}`, shown(value));
}

/** @throws ERR_ARGUMENT for what is no function */
export function callable(op: string, name: string, value: unknown): void {
  if (typeof value !== 'function') throw refusal(op, name, 'be a function', shown(value));
}

/** An option that is a tensor; it may be left out. */
export const tensorOption: Option<Tensor | undefined> = kind(isTensor, 'a Tensor');
