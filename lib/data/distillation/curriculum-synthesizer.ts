import { callback, checkFinite } from '../../core/callbacks.ts';
import * as check from '../../core/check.ts';
import type { Device } from '../../core/device.ts';
import { OrthokitError, refusal, shown } from '../../core/errors.ts';
import type { TypedArray } from '../../core/native.ts';
import { ops } from '../../core/native-ops.ts';
import { Owned } from '../../core/owned.ts';
import { count, flag, type Option, optional, positive, readOptions, type Schema, whole } from '../../core/schema.ts';
import { Tensor } from '../../core/tensor.ts';
import { loadState, saveState } from '../../files/state.ts';
import type { LoadResult, SaveOptions, Stateful } from '../../files/stateful.ts';
import type { TransferOptions } from '../../files/transfer.ts';
import { draw } from './crop.ts';
import { type CurriculumScaleOptions, curriculumSchema, scaleAt } from './curriculum-scale.ts';

/** Options of {@link CurriculumSynthesizer}. */
export interface CurriculumSynthesizerOptions extends CurriculumScaleOptions {
  /** Images, rows, columns and channels, all from 1 on. It has no default. */
  shape: readonly [number, number, number, number];
  /** The class of each image, whole, from 0 on. It has no default. */
  labels: Int32Array | readonly number[];
  /** Classes that there are: labels are below. Default: as many as labels may be. */
  classes?: number | undefined;
  /** The rate of the first step, which falls by half a cosine to 0: positive. Default: 0.25. */
  lr?: number | undefined;
  /** Pixels that images are rolled by, at most, each way: whole, from 0 on. Default: 32. */
  jitter?: number | undefined;
  /**
   * True: images are turned around with chance 1/2. False for images of which the mirrored ones are others, such as
   * digits and letters. Default: true.
   */
  flip?: boolean | undefined;
  /** The mean of each channel by which the teacher's images are normalized, of pixels in [0, 1]. It has no default. */
  mean: readonly number[];
  /** The deviation of each channel, positive. It has no default. */
  std: readonly number[];
  /** Seed of the first noise and of all draws: whole, from 0 to 2⁵³. Default: 0. */
  seed?: number | undefined;
}

/** Options of {@link CurriculumSynthesizer.images}. */
export interface SynthesizedImagesOptions {
  /** True: as pixels in [0, 1]; false: normalized, as the teacher sees them. Default: false. */
  denormalize?: boolean | undefined;
}

/** The result of {@link CurriculumSynthesizer.step}. */
export interface CurriculumStep {
  /** The teacher's loss, before the step. */
  readonly loss: number;
  /** The least share of the images that the crop could take. */
  readonly minCrop: number;
  /** The rate of the step. */
  readonly lr: number;
}

/**
 * A teacher: it gives the loss of augmented images f32 `[N, H, W, C]` under their labels, and writes the gradient by
 * the images into `gradOut`. It must not keep the tensors.
 */
export type SynthesisTeacher = (
  augmented: Tensor<'f32'>,
  labels: Int32Array,
  gradOut: Tensor<'f32'>,
) => number | Promise<number>;

const listOf = (words: string, is: (x: unknown) => boolean): Option<readonly number[]> => ({
  default: undefined as unknown as readonly number[],
  wrong: (x) => (Array.isArray(x) && x.every(is) ? undefined : `must be a list of ${words}`),
});
const finiteNumber = (x: unknown): boolean => Number.isFinite(x);
const schema: Schema<{
  shape: readonly number[];
  labels: Int32Array | readonly number[];
  classes: number | undefined;
  lr: number;
  iterations: number;
  mode: 'cosine' | 'linear' | 'step';
  milestone: number;
  jitter: number;
  flip: boolean;
  mean: readonly number[];
  std: readonly number[];
  seed: number;
}> = {
  shape: listOf('whole numbers from 1 on', (x) => Number.isSafeInteger(x) && (x as number) >= 1),
  labels: {
    default: undefined as unknown as Int32Array,
    wrong: (x) => (x instanceof Int32Array || Array.isArray(x) ? undefined : 'must be an Int32Array or a list of numbers'), // biome-ignore format: one line
  },
  classes: optional(count(1)),
  lr: positive(0.25),
  ...curriculumSchema,
  jitter: count(32, 0),
  flip: flag(true),
  mean: listOf('finite numbers', finiteNumber),
  std: listOf('positive numbers', (x) => finiteNumber(x) && (x as number) > 0),
  seed: whole(0, 0, 2 ** 53),
};
const imagesSchema: Schema<{ denormalize: boolean }> = { denormalize: flag(false) };

const where = 'CurriculumSynthesizer';
/** Adam's, of the authors' program. */
const adam = { beta1: 0.5, beta2: 0.9, eps: 1e-8 };

/**
 * Images that stand for a data set, made from noise so that a teacher knows them as their labels: in each step one crop
 * for all images, resized to their size, turned around with chance 1/2 and rolled; the teacher's gradient comes back
 * through all that, exactly; a step of Adam (0.5, 0.9); and pixels are kept within [0, 1]. By the curriculum crops take
 * the whole image at first and ever smaller parts later.
 *
 * One step waits for the teacher, and for one number that says whether its gradient is finite. A step that fails has
 * changed nothing, and the next one is the same.
 *
 * State: the images and twice their size for Adam; twice their size more while it lives.
 *
 * Source: Yin and Shen, "Dataset Distillation via Curriculum Data Synthesis in Large Data Era" (TMLR 2024), the recover
 * step. The default milestone of the authors' program is 0, no curriculum; here it is 1, as in their settings.
 *
 * @example
 * const shape = [10, 32, 32, 3] as const;
 * const synthesizer = new CurriculumSynthesizer(device, { shape, labels, iterations: 2000, mean, std });
 * for (let t = 0; t < 2000; ++t) await synthesizer.step(teacher);
 */
export class CurriculumSynthesizer implements Stateful {
  readonly #device: Device;
  readonly #options: Omit<CurriculumSynthesizerOptions, 'classes'> & Parameters<typeof scaleAt>[1] & { lr: number; jitter: number; flip: boolean; seed: number }; // biome-ignore format: one line
  readonly #labels: Int32Array;
  readonly #owned: Owned<Tensor>;
  readonly #images: Tensor<'f32'>;
  readonly #augmented: Tensor<'f32'>;
  readonly #gradient: Tensor<'f32'>;
  readonly #guard: Tensor<'f64'>;
  readonly #state: Readonly<Record<'images' | 'momenta' | 'roots' | 'steps' | 'labels', Tensor>>;
  #iteration = 0;
  #busy = false;
  #disposed = false;

  /**
   * @throws ERR_ARGUMENT for options out of range, labels that are none, other numbers of labels, means or deviations
   * than of images and channels; ERR_DISPOSED, ERR_MEMORY
   */
  constructor(device: Device, options: CurriculumSynthesizerOptions) {
    check.device(where, 'device', device);
    const { shape, labels, classes = 2 ** 31, mean, std, ...given } = readOptions(where, options, schema);
    if (shape.length !== 4) throw refusal(where, 'shape', 'be images, rows, columns and channels', shown(shape));
    const [n, , , channels] = shape as [number, number, number, number];
    if (labels.length !== n) throw refusal(where, 'labels', `have ${n} elements, one an image`, labels.length);
    for (const [i, label] of labels.entries())
      if (!(Number.isInteger(label) && label >= 0 && label < classes))
        throw refusal(where, `labels[${i}]`, `be a whole number from 0 to ${classes - 1}`, shown(label));
    for (const [name, list] of Object.entries({ mean, std }))
      if (list.length !== channels) throw refusal(where, name, `have ${channels} numbers, one a channel`, list.length);
    this.#device = device;
    this.#labels = Int32Array.from(labels);
    const kept = [...shape] as [number, number, number, number];
    this.#options = { ...given, shape: kept, labels: this.#labels, mean: [...mean], std: [...std] };
    using owned = new Owned<Tensor>();
    this.#images = owned.add(Tensor.randn(device, kept, { seed: given.seed }));
    this.#augmented = owned.add(new Tensor(device, kept, 'f32'));
    this.#gradient = owned.add(new Tensor(device, kept, 'f32'));
    this.#guard = owned.add(new Tensor(device, [1], 'f64'));
    const zeros = () => owned.add(Tensor.zeros(device, kept));
    this.#state = {
      images: this.#images,
      momenta: zeros(),
      roots: zeros(),
      steps: owned.add(Tensor.zeros(device, [1], { dtype: 'i32' })),
      labels: owned.add(Tensor.from(device, this.#labels, [n])),
    };
    this.#owned = owned.move();
  }

  /** Steps that have been made. */
  get iteration(): number {
    return this.#iteration;
  }

  /**
   * One step of all images.
   * @throws ERR_ARGUMENT for a teacher that is no function, for what it throws, a loss that is not finite, and a
   * gradient that it has not written or that is not finite; ERR_STATE while another step or call runs, and after the
   * last iteration; ERR_DISPOSED, also if it disposes of what it is given. Nothing has changed then
   */
  async step(teacher: SynthesisTeacher): Promise<CurriculumStep> {
    const own = `${where}.step`;
    this.#checkAlive(own);
    check.callable(own, 'teacher', teacher);
    if (this.#busy) throw new OrthokitError('ERR_STATE', `${own}: must be called alone, got a call within another`);
    const { iterations, lr: first, shape, mean, std } = this.#options;
    if (this.#iteration >= iterations)
      throw new OrthokitError('ERR_STATE', `${own}: all ${iterations} iterations are done`);
    this.#busy = true;
    try {
      const minCrop = scaleAt(this.#iteration, this.#options);
      const lr = (first / 2) * (1 + Math.cos((Math.PI * this.#iteration) / iterations));
      const augmentation = draw([shape[1], shape[2]], minCrop, this.#options, this.#iteration);
      const [device, images] = [this.#device, this.#images];
      const [augmented, gradient, guard] = [this.#augmented, this.#gradient, this.#guard];
      ops.augmentImages(device, { x: images, out: augmented, ...augmentation });
      // NaN stays where the teacher does not write.
      ops.fill(device, { x: [gradient], value: NaN });
      let loss = NaN;
      const name = `${own}: teacher at iteration ${this.#iteration}`;
      using view = augmented.reshape(shape) as Tensor<'f32'>;
      using gradOut = gradient.reshape(shape) as Tensor<'f32'>;
      await callback(undefined, name, [view, gradOut], async () => {
        loss = await teacher(view, this.#labels.slice(), gradOut);
      });
      this.#checkAlive(own);
      checkFinite(name, loss);
      ops.checkFinite(device, { x: [gradient], guard });
      const [bad] = await guard.read();
      this.#checkAlive(own);
      if (bad !== 0)
        throw new OrthokitError('ERR_ARGUMENT', `${name} must write a finite gradient, got NaN or infinity`);
      ops.augmentImagesBackward(device, { grad: gradient, gradX: augmented, ...augmentation });
      const { momenta, roots, steps } = this.#state;
      ops.adamw(device, { weights: [images], grads: [augmented], momenta: [momenta], roots: [roots], steps: [steps], ...adam, lr }); // biome-ignore format: one line
      const [low, high] = [mean.map((m, c) => -m / std[c]!), mean.map((m, c) => (1 - m) / std[c]!)];
      ops.clampChannels(device, { x: images, out: images, low, high });
      this.#iteration += 1;
      return { loss, minCrop, lr };
    } finally {
      this.#busy = false;
    }
  }

  /**
   * A copy of the images as they are, f32 `[N, H, W, C]`; the caller's. Before the first step they are noise, which may
   * lie beyond [0, 1].
   * @throws ERR_ARGUMENT, ERR_DISPOSED, ERR_MEMORY
   */
  images(options: SynthesizedImagesOptions = {}): Tensor<'f32'> {
    const own = `${where}.images`;
    this.#checkAlive(own);
    const { denormalize } = readOptions(own, options, imagesSchema);
    const copy = this.#images.copy();
    if (!denormalize) return copy;
    try {
      const device = this.#device;
      const { mean, std } = this.#options;
      using scale = Tensor.from(device, Float32Array.from(std), [std.length]);
      using bias = Tensor.from(device, Float32Array.from(mean), [mean.length]);
      ops.scaleAxis(device, { x: copy, scale, out: copy, axis: 3 });
      using rows = copy.reshape([copy.size / mean.length, mean.length]);
      ops.addBias(device, { x: rows, bias, out: rows });
      return copy;
    } catch (error) {
      copy.dispose();
      throw error;
    }
  }

  /** Bytes of state on the device: images, moments and labels; 0 once disposed. */
  get stateBytes(): number {
    return this.#disposed ? 0 : Object.values(this.#state).reduce((sum, { byteLength }) => sum + byteLength, 0);
  }

  /**
   * Stores images, moments and the number of steps in a safetensors file.
   * @throws ERR_ARGUMENT; ERR_STATE while a step or another call runs; ERR_DISPOSED, ERR_IO; the signal's reason when
   * aborted
   */
  async save(path: string, options: SaveOptions = {}): Promise<void> {
    const own = `${where}.save`;
    await this.#alone(own, () => saveState(path, own, this.#kept, options));
  }

  /**
   * Brings back what `save` stored; with the same options and teacher, steps go on bit for bit. The file is checked
   * whole before anything changes.
   * @throws ERR_STATE for a state that does not fit, of other options or labels, and while a step or another call runs,
   * ERR_FORMAT, ERR_ARGUMENT, ERR_DISPOSED, ERR_IO; the signal's reason when aborted
   */
  load(path: string, options: TransferOptions = {}): Promise<LoadResult> {
    const own = `${where}.load`;
    return this.#alone(own, () =>
      loadState(path, own, this.#kept, options, ({ iteration }) => {
        this.#iteration = iteration;
      }),
    );
  }

  /** Gives the memory of images and state back; later use throws `ERR_DISPOSED`. */
  dispose(): void {
    this.#disposed = true;
    this.#owned.dispose();
  }

  /** Disposes: `using synthesizer = new CurriculumSynthesizer(device, options)`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  get #kept() {
    const { shape, lr, iterations, mode, milestone, jitter, flip, mean, std, seed } = this.#options;
    return {
      of: where,
      settings: { shape, lr, iterations, mode, milestone, jitter, flip, mean, std, seed },
      tensors: this.#state,
      schema: { iteration: whole(0, 0, iterations) },
      numbers: { iteration: this.#iteration },
      wrongData: (data: ReadonlyMap<string, TypedArray>): string | undefined => {
        const i = data.get('labels')!.findIndex((label: number | bigint, at: number) => label !== this.#labels[at]);
        return i < 0 ? undefined : `state 'labels' must be those of the options, got ${data.get('labels')![i]} at ${i}`;
      },
    };
  }

  /** Runs a call during which there is no step and no other one. */
  async #alone<T>(own: string, call: () => Promise<T>): Promise<T> {
    this.#checkAlive(own);
    if (this.#busy) throw new OrthokitError('ERR_STATE', `${own}: must be called between steps, got a call within one`);
    this.#busy = true;
    try {
      return await call();
    } finally {
      this.#busy = false;
    }
  }

  #checkAlive(own: string): void {
    check.alive(own, 'it', { disposed: this.#disposed });
  }
}
