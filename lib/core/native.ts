// The only file that loads the binary.
import { createRequire } from 'node:module';
import path from 'node:path';
import { OrthokitError } from './errors.ts';
import { binariesIn, findBinary, type System, thisSystem } from './find-binary.ts';
import type { SharedMemory, SharedSource } from './shared.ts';

/** Description of a device, and how much of its memory is in use. */
export interface DeviceInfo {
  /** The kind of hardware. */
  readonly kind: 'cpu' | 'cuda';
  /** The number of the device among those of its kind, from 0. */
  readonly index: number;
  /** The processor or the GPU. */
  readonly name: string;
  /** Instruction set of the kernels in use: `portable`, `avx2`, `avx512`; compute capability on CUDA. */
  readonly isa: string;
  /** The code of matrix products: built-in kernels, or on CUDA cuBLAS and its version. */
  readonly blas: string;
  /** The version of CUDA that the driver supports, and that of the plug-in: `'CUDA 13.1, runtime 13.0'`. */
  readonly driver?: string;
  /** Threads, or streaming multiprocessors. */
  readonly units: number;
  /** All memory of the device, in bytes. */
  readonly memoryBytes: number;
  /** Memory that tensors of this device hold. */
  readonly memory: {
    /** Tensors alive. */
    readonly live: number;
    /** Their bytes. */
    readonly bytes: number;
    /** The most bytes so far. */
    readonly peak: number;
    /**
     * Bytes of freed blocks that the device keeps for the next tensors: at most as many as are alive, or 64 MiB where
     * that is more, once queued work has ended that uses them.
     */
    readonly pooled: number;
  };
  /** Launches that go to the device as one on CUDA: a step of training that comes again, for example. */
  readonly graphs?: {
    /** Graphs that were made. */
    readonly made: number;
    /** The number of times that one was launched. */
    readonly launched: number;
    /** The reason why none are made, or none any more. Absent where they are. */
    readonly refused?: string;
  };
}

/** The arrays that tensors are read into and written from. */
export type TypedArray = Float32Array | Float64Array | Uint16Array | Int32Array | Uint8Array;

/**
 * Checks the values of its fields, which stand in the order of its description, and queues an operation. Without
 * arguments: those that are written on the sheet; false if they cannot be read there, and nothing has happened then.
 */
export type Operation = (device?: object, ...values: unknown[]) => boolean;

interface Native {
  /** Makes a device of a name; or of a device a lane of its queue, whose work can be given up. */
  Device: new (
    nameOrDevice: string | object,
    threads?: number,
  ) => object;
  /** Skips what was queued through a lane, or is; what runs ends early. */
  giveUp(lane: object): void;
  info(device: object): DeviceInfo;
  /** The number of the last work that has been queued. */
  last(device: object): number;
  /** Undefined: there is nothing to wait for. */
  synchronize(device: object): Promise<void> | undefined;
  /** Undefined where the queue is short; else resolves when it is. */
  flow(device: object): Promise<void> | undefined;
  /** Work that is queued until the end, or the next begin, may go to the device as one. Of a closed device: nothing. */
  beginStep(device: object): void;
  endStep(device: object): void;
  close(device: object): Promise<void>;
  /** Makes a handle that holds nothing; its place is on the sheet then. */
  Tensor: new () => object;
  /**
   * Fills a handle with a tensor of a device, a shape and a dtype, and memory of another process; or of another tensor,
   * whose bytes it shares, and a shape, or a range of rows. Without arguments: with what is written on the sheet; false
   * if that cannot be read there, and nothing has happened then.
   */
  fill(
    handle?: object,
    deviceOrTensor?: object,
    shapeOrFrom?: readonly number[] | number,
    dtypeOrTo?: string | number,
    source?: SharedSource,
  ): boolean;
  /** Lets go of what the handle holds whose place is on the sheet. */
  release(): void;
  /**
   * Takes the function that gives the place of a tensor's handle: −1 is no tensor, −2 a disposed one. Gives the one
   * before it.
   */
  setPlaceOf(placeOf: (value: unknown) => number): ((value: unknown) => number) | undefined;
  /** Copies the array, which must fit, before it returns. */
  write(tensor: object, data: TypedArray): void;
  /** The same without a copy: nobody may change the array any more, or move its memory. */
  give(tensor: object, data: TypedArray): void;
  /** Like `give` until the promise resolves, with the array, which is the caller's again then. */
  lendArray<T extends TypedArray>(tensor: object, data: T): Promise<T>;
  /** Resolves with the array, which must fit, when it has been filled. */
  read<T extends TypedArray>(tensor: object, into: T): Promise<T> | T;
  /**
   * Fills the array, which must fit, and waits for nothing: false unless the device is a CPU without a failure, the
   * tensor is small, and the work of that number has ended, the last that may write to the tensor.
   */
  look(tensor: object, into: TypedArray, work: number): boolean;
  /** Fills the arrays, which must fit, before it returns: this thread waits for the queue. */
  readNow(tensors: readonly object[], into: readonly TypedArray[]): void;
  /** Moves a tensor to memory that other processes can map; `done` once the elements are there. */
  share(tensor: object): SharedMemory & { done: Promise<void> };
  /** Memory of calls, and of places of new handles: see call-memory.ts. Gives the one that was lent first. */
  lendSheet(memory: Float64Array): Float64Array;
  numberOfWord(word: string): number;
  ops: Readonly<Record<string, Operation>>;
  describe(): string;
  unavailable(kind: string): string | undefined;
  setErrorClass(errorClass: typeof OrthokitError): void;
  group: NativeGroup;
}

/** The processes of a run, by way of an engine: one group a process. */
export interface NativeGroup {
  /** Tells of the library of an engine's plug-in and its version, or why there is none. */
  engine(name: string): { readonly library?: string; readonly reason?: string };
  /** Starts the engine; a wait of a call ends after so many seconds. */
  open(engine: string, seconds: number, bucketBytes: number): Promise<void>;
  /** The process waits no more for the promise of `open` or `close`, which stays as it is. */
  abandon(): void;
  /** `device`: of CUDA, between whose memory and that of other ranks the engine moves tensors by itself; −1: none. */
  world(): { readonly rank: number; readonly size: number; readonly host: string; readonly device: number };
  traffic(): { readonly moves: number; readonly received: number };
  /**
   * Announces a call to all ranks, and takes theirs: weights are filled, one a rank. A patient one waits without limit.
   */
  agree(
    number: number,
    tag: string,
    what: string,
    digest: string,
    weight: number,
    weights: Float64Array,
    isPatient: boolean,
  ): Promise<Float64Array>;
  /** Moves the elements of the array, which stays where it is until then; counts has the elements of each rank. */
  move(
    kind: 'sum' | 'part' | 'gather' | 'broadcast',
    array: TypedArray,
    dtype: number,
    counts: Float64Array,
    weights: Float64Array,
    isMean: boolean,
    isOrdered: boolean,
    root: number,
  ): Promise<unknown>;
  /**
   * Moves the elements of a tensor of the world's device, whose queued work has ended, and that of `into`: the sum of
   * all, in no order; of each rank its part; of one rank all; or of each rank's part, this rank's to `into`.
   */
  moveOnDevice(
    kind: 'sum' | 'exchange' | 'gather' | 'broadcast',
    tensor: object,
    into: object | undefined,
    counts: Float64Array,
    root: number,
  ): Promise<unknown>;
  close(): Promise<void>;
  /** Tells the other ranks that this one fails, and why; it waits for their answers for a moment. */
  fail(text: string): void;
  /** The failure that ended the run: of another rank, its text; of -1, found by this one. */
  failure(): { readonly rank: number; readonly text: string } | undefined;
}

const require = createRequire(import.meta.url);
const root = path.join(import.meta.dirname, '..', '..');

function find(root: string, system: System): string | undefined {
  let search: { resolve(root: string): string };
  try {
    search = require('node-gyp-build');
  } catch {
    // A bundle is without it.
    return findBinary(root, system);
  }
  try {
    return search.resolve(root);
  } catch {
    return undefined;
  }
}

function load(): Native {
  // node-gyp-build would look for a relative one from its own folder, and load what stands there.
  const folder = process.env['ORTHOKIT_PREBUILD'];
  if (folder && !path.isAbsolute(folder))
    throw new OrthokitError('ERR_NO_BINARY', `ORTHOKIT_PREBUILD must be an absolute path, got ${folder}`);
  const from = folder || root;
  const system = thisSystem();
  const file = find(from, system);
  if (file === undefined) {
    const { platform, arch, libc } = system;
    const others = binariesIn(from);
    const name = `${platform}-${arch}${platform === 'linux' ? ` with ${libc}` : ''}`;
    throw new OrthokitError(
      'ERR_NO_BINARY',
      `no binary of orthokit for ${name}: ${path.join(from, 'prebuilds')} has ${others.join(', ') || 'none'}; ` +
        'compile one with `npx orthokit build`; ' +
        'in a bundle, mark orthokit as external, or let ORTHOKIT_PREBUILD name the folder that holds its prebuilds',
    );
  }
  try {
    return require(file);
  } catch (cause) {
    throw new OrthokitError(
      'ERR_NO_BINARY',
      `${file} does not load here (${(cause as Error).message}): compile one with \`npx orthokit build\``,
      { cause },
    );
  }
}

export const native: Native = load();
native.setErrorClass(OrthokitError);
