// The part of TensorFlow.js that is used, by its shape: whoever does not have it need not install its types.
import { refusal, shown } from '../core/errors.ts';

/** A tensor of TensorFlow.js. */
export interface TfjsTensor {
  /** Changes when a variable is assigned to. */
  readonly dataId: object;
  /** `float32`, `int32`, `bool`, `complex64` or `string`. */
  readonly dtype: string;
  /** Sizes, outermost first. */
  readonly shape: readonly number[];
  /** True once it has been disposed. */
  readonly isDisposed: boolean;
  /** The elements; on some backends those of the tensor itself. */
  dataSync(): unknown;
  /** The elements, when they are there. */
  data(): Promise<unknown>;
  /** Gives the memory back. */
  dispose(): void;
}

/** A variable of TensorFlow.js, which is registered there by its name. */
export interface TfjsVariable extends TfjsTensor {
  /** Unique among the variables that live. */
  readonly name: string;
  /** True if optimizers may change it. */
  readonly trainable: boolean;
  /** Takes the value of a tensor. */
  assign(value: never): void;
}

/** A tensor and the name of its variable, as `tf.NamedTensor`. */
export interface TfjsNamedTensor {
  /** The name of the variable, or of a tensor of its state. */
  readonly name: string;
  /** The gradient; none counts as a missing one. */
  readonly tensor: TfjsTensor | null | undefined;
}

/** A loss and its gradients. */
export interface TfjsLoss {
  /** The loss. */
  value: TfjsTensor;
  /** Gradients by the names of the variables; `null` for one that is not trainable. */
  grads: Readonly<Record<string, TfjsTensor | null>>;
}

/** Engine of TensorFlow.js, with its variables. */
export interface TfjsEngine {
  /** The variables that live, by name. */
  readonly registeredVariables: Readonly<Record<string, TfjsVariable>>;
}

/** The base class of optimizers of TensorFlow.js, as far as it is used. */
export interface TfjsBase {
  /** Steps so far. */
  readonly iterations: number;
  /** The loss, and its gradients by the names of the variables. */
  computeGradients(f: never, variables?: never): TfjsLoss;
  /** One step; the loss, if it is asked for. */
  minimize(f: never, returnCost?: boolean, variables?: never): TfjsTensor | null;
  /** The number of steps as a tensor under the name `iter`. */
  saveIterations(): Promise<TfjsNamedTensor>;
}

/** The class that optimizers of TensorFlow.js derive from. */
export type TfjsBaseClass = abstract new () => TfjsBase;

/** TensorFlow.js: the module `@tensorflow/tfjs`, `@tensorflow/tfjs-core` or `@tensorflow/tfjs-node`. */
export interface Tfjs {
  /** The class that its optimizers derive from. */
  readonly Optimizer: TfjsBaseClass;
  /** Classes that a stored model may name. */
  readonly serialization: {
    /** Makes a class known by its `className`. */
    registerClass(optimizer: never): unknown;
  };
  /** The variables that live. */
  engine(): TfjsEngine;
  /** The backend in use. */
  backend(): object;
  /** A tensor of the elements. */
  tensor(values: Float32Array | Int32Array, shape: never, dtype: 'float32' | 'int32'): TfjsTensor;
  /** Disposes all tensors in it. */
  dispose(container: never): void;
}

/** @throws ERR_ARGUMENT for what is not TensorFlow.js */
export function checkTfjs(where: string, tf: unknown): asserts tf is Tfjs {
  const members = ['Optimizer', 'engine', 'backend', 'tensor', 'dispose'] as const;
  const isOne =
    ((typeof tf === 'object' && tf !== null) || typeof tf === 'function') &&
    members.every((name) => typeof (tf as unknown as Record<string, unknown>)[name] === 'function') &&
    typeof (tf as Partial<Tfjs>).serialization?.registerClass === 'function';
  if (!isOne) throw refusal(where, 'tf', 'be the module of TensorFlow.js', shown(tf));
}

interface WasmBackend {
  typedArrayFromHeap(tensor: TfjsTensor): unknown;
  readonly dataIdMap: { has(dataId: object): boolean };
}

const isWasm = (backend: object): backend is WasmBackend =>
  typeof (backend as Partial<WasmBackend>).typedArrayFromHeap === 'function' &&
  typeof (backend as Partial<WasmBackend>).dataIdMap?.has === 'function';

/** The elements as f32; they belong to the tensor, and stay as they are until something else of TensorFlow.js runs. */
export function borrowed(tf: Tfjs, tensor: TfjsTensor): Float32Array {
  const backend = tf.backend();
  const values =
    isWasm(backend) && backend.dataIdMap.has(tensor.dataId) ? backend.typedArrayFromHeap(tensor) : tensor.dataSync();
  return floats(values);
}

/** Numbers of a tensor, as f32. */
export const floats = (values: unknown): Float32Array =>
  values instanceof Float32Array ? values : Float32Array.from(values as ArrayLike<number>);
