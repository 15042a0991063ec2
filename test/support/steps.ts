// Runs an optimizer step and its reference side by side.
import { afterAll, describe, expect, it } from 'vitest';
import { Device, type Dtype, type Ops, ops, Tensor } from '../../lib/index.ts';
import type { Parameter, Statistics, WeightDecayMode } from '../reference/step.ts';
import { sumOfSquares } from '../reference/sums.ts';
import { expectClose, expectSame, largest } from './compare.ts';
import { normal, sizeOf } from './data.ts';
import { devices } from './devices.ts';
import { arrayOf, type Floating, rounded, spacing } from './dtypes.ts';
import { tensorOf, thrownBy, valuesOf } from './tensors.ts';

/** Operations that step lists of parameters. */
type StepOp = {
  [K in keyof Ops]: Parameters<Ops[K]>[1] extends { weights: readonly Tensor[]; grads: readonly Tensor[] } ? K : never;
}[keyof Ops];
type States = Record<string, Float64Array>;
type Options = Record<string, unknown> & { lr: number };
type Shape = readonly number[];

/** All parameters one step further: weights and states change in place. `step` counts from 1. */
export type ListReference = (list: Parameter[], states: States[], step: number, options: never) => Statistics[];

/** The reference of a method that treats every parameter by itself. */
export const each =
  (one: (p: Parameter, state: never, options: never, index: number) => Statistics): ListReference =>
  (list, states, step, options) =>
    list.map((p, i) => one(p, { ...states[i], step } as never, options, i));

export interface Method {
  op: StepOp;
  reference: ListReference;
  options: Options;
  /** Lists of state tensors; each like the weights unless a shape and dtype are given, which may be that computed in. */
  states: Record<string, 'like' | ((shape: Shape, computed: Floating) => { shape: Shape; dtype: Dtype })>;
  /** True if there is a list of step counters. */
  counts?: boolean;
  shapes?: readonly Shape[];
  /** Units in the last place of f64, where a step makes more of its own rounding. Default: 16, as of other dtypes. */
  ulpsOfF64?: number;
  /** The value of all elements of a state at the start of {@link checkValues}. Default: 0. */
  start?: Record<string, number>;
}

export interface Run {
  dtype?: Floating;
  gradDtype?: Floating;
  stateDtype?: Floating;
  masters?: 'none' | 'f32' | 'split';
  options?: Record<string, unknown>;
  gradScale?: number;
  shapes?: readonly Shape[];
  steps?: number;
  /** Units in the last place of the dtype that is computed in. */
  ulps?: number;
}

const smallShapes: readonly Shape[] = [[33, 31], [31], [], [0]];
// More than one block and more than one chunk.
const largeShapes: readonly Shape[] = [...smallShapes, [40, 421]];

/** Tensors and fields of a step on the device. */
class Bench {
  readonly weights: Tensor[] = [];
  readonly masters: Tensor[] = [];
  readonly grads: Tensor[] = [];
  readonly states: Record<string, Tensor[]> = {};
  readonly steps: Tensor[] = [];
  readonly statistics: Tensor;
  readonly fields: Record<string, unknown>;

  constructor(device: Device, method: Method, run: Run, weights: Float64Array[]) {
    const { dtype = 'f32', masters = 'none' } = run;
    const shapes = method.shapes ?? run.shapes ?? smallShapes;
    for (const [i, shape] of shapes.entries()) {
      const values = weights[i]!;
      if (masters === 'split') {
        const bits = new Uint32Array(Float32Array.from(values).buffer);
        const half = (shift: number) => Uint16Array.from(bits, (b) => (b >>> shift) & 0xffff);
        this.weights.push(Tensor.from(device, half(16), shape, { dtype: 'bf16' }));
        this.masters.push(Tensor.from(device, half(0), shape, { dtype: 'bf16' }));
      } else {
        this.weights.push(tensorOf(device, values, shape, dtype));
        if (masters === 'f32') this.masters.push(tensorOf(device, values, shape, 'f32'));
      }
      this.grads.push(new Tensor(device, shape, run.gradDtype ?? dtype));
      this.steps.push(Tensor.zeros(device, [1], { dtype: 'i32' }));
    }
    for (const [name, kind] of Object.entries(method.states))
      this.states[name] = shapes.map((shape) => {
        const like = kind === 'like' ? { shape, dtype: stateDtypeOf(run) } : kind(shape, computedOf(run));
        return Tensor.full(device, like.shape, method.start?.[name] ?? 0, { dtype: like.dtype });
      });
    this.statistics = Tensor.full(device, [shapes.length, 3], NaN, { dtype: 'f64' });
    this.fields = {
      ...{ weights: this.weights, grads: this.grads, statistics: this.statistics },
      ...(masters === 'none' ? {} : { masters: this.masters }),
      ...this.states,
      ...(method.counts ? { steps: this.steps } : {}),
      ...method.options,
      ...run.options,
    };
  }

  /** The weights at the precision that they are stepped in. */
  async current(run: Run): Promise<Float64Array[]> {
    if (run.masters === 'f32') return Promise.all(this.masters.map(valuesOf));
    if (run.masters !== 'split') return Promise.all(this.weights.map(valuesOf));
    return Promise.all(
      this.weights.map(async (tensor, i) => {
        const [high, low] = [await tensor.read(), await this.masters[i]!.read()];
        const bits = Uint32Array.from(high, (h, j) => h * 0x10000 + low[j]!);
        return Float64Array.from(new Float32Array(bits.buffer));
      }),
    );
  }

  get all(): Tensor[] {
    return [...this.weights, ...this.masters, ...Object.values(this.states).flat(), ...this.steps];
  }
}

const computedOf = ({ dtype }: Run): Floating => (dtype === 'f64' ? 'f64' : 'f32');
const stateDtypeOf = (run: Run): Floating => run.stateDtype ?? (run.dtype === 'f64' ? 'f64' : 'f32');
const apply = (device: Device, op: StepOp, fields: object): void => ops[op](device, fields as never);

/** Three steps of the method and of its reference; throws where they differ by more than rounding. */
export async function checkSteps(device: Device, method: Method, run: Run = {}): Promise<void> {
  const { dtype = 'f32', masters = 'none', gradScale = 1, steps = 3 } = run;
  const ulps = run.ulps ?? ((dtype === 'f64' && method.ulpsOfF64) || 16);
  const shapes = method.shapes ?? run.shapes ?? smallShapes;
  const stored: Floating = masters === 'none' ? dtype : 'f32';
  const computed = computedOf(run);
  const list = shapes.map((shape, i): Parameter => {
    const weights = Float64Array.from(arrayOfFloats(normal(sizeOf(shape), 10 + i, 0.5), stored));
    return { shape, weights, grads: new Float64Array(weights.length) };
  });
  const bench = new Bench(device, method, run, list.map((p) => p.weights)); // biome-ignore format: one line
  const states = shapes.map(
    (shape): States =>
      Object.fromEntries(
        Object.entries(method.states).map(([name, kind]) => [
          name,
          new Float64Array(sizeOf(kind === 'like' ? shape : kind(shape, computedOf(run)).shape)),
        ]),
      ),
  );
  const sizes = list.map((p) => p.weights.map(Math.abs));
  const moves = list.map(() => 0);
  const stateSizes = states.map((s) => Object.fromEntries(Object.keys(s).map((name) => [name, 0])));
  for (let step = 1; step <= steps; step++) {
    for (const [i, p] of list.entries()) {
      const gradDtype = run.gradDtype ?? dtype;
      p.grads = Float64Array.from(arrayOfFloats(normal(p.weights.length, 100 * step + i, gradScale), gradDtype));
      bench.grads[i]!.write(arrayOf(p.grads, gradDtype));
    }
    apply(device, method.op, bench.fields);
    const before = list.map((p) => Float64Array.from(p.weights));
    const statistics = method.reference(list, states, step, { ...method.options, ...run.options } as never);
    for (const [i, p] of list.entries()) {
      moves[i] = Math.max(moves[i]!, largest(p.weights.map((w, j) => w - before[i]![j]!)));
      for (let j = 0; j < p.weights.length; j++) {
        p.weights[j] = rounded(p.weights[j]!, stored);
        sizes[i]![j] = Math.max(sizes[i]![j]!, Math.abs(p.weights[j]!));
      }
      for (const [name, values] of Object.entries(states[i]!)) {
        if (method.states[name] === 'like') values.set(arrayOfFloats(values, stateDtypeOf(run)));
        stateSizes[i]![name] = Math.max(stateSizes[i]![name]!, largest(values));
      }
    }
    checkStatistics(await valuesOf(bench.statistics), statistics, computed, stateDtypeOf(run));
  }
  // One unit a step where the result is rounded to 16 bits. A step may use the state as it is stored.
  const coarse = (kind: Floating) => kind === 'f16' || kind === 'bf16';
  const current = await bench.current(run);
  for (const [i, p] of list.entries()) {
    const magnitude = sizes[i]!.map((x) => x + moves[i]!);
    const allowed = coarse(stored) ? steps + 1 : ulps * steps;
    const inState = spacing(1, stateDtypeOf(run)) > spacing(1, stored);
    if (inState) expectClose(current[i]!, p.weights, { dtype: stateDtypeOf(run), ulps: steps, magnitude: moves[i]! });
    else expectClose(current[i]!, p.weights, { dtype: stored, ulps: allowed, magnitude });
    for (const [name, values] of Object.entries(states[i]!)) {
      const state = stateDtypeOf(run);
      const likeOthers = Object.values(method.states).includes('like') && coarse(state);
      const own = method.states[name] === 'like' || likeOthers ? state : 'f64';
      // Sums kept in f64 are of gradients, and of l2 decay in the type that is computed in; or of a state in 16 bits.
      const kind = own === 'f64' ? computed : own;
      const tolerance = { dtype: kind, ulps: coarse(own) ? steps : ulps * steps, magnitude: stateSizes[i]![name]! };
      expectClose(await valuesOf(bench.states[name]![i]!), values, tolerance);
    }
    if (masters === 'f32') expectSame(await bench.weights[i]!.read(), arrayOf(current[i]!, dtype));
    if (method.counts) expect(await bench.steps[i]!.read()).toEqual(Int32Array.from([steps]));
  }
}

const arrayOfFloats = (values: Float64Array, dtype: Floating): Float64Array => values.map((x) => rounded(x, dtype));

// Σg² has no part of the state. An element of the update may be off by half a unit of the state's dtype, as it is stored,
// and its square by a whole one; what is computed in f32 adds less than 2e-5.
function checkStatistics(actual: Float64Array, expected: Statistics[], computed: Floating, state: Floating): void {
  const rounding = computed === 'f64' ? 1e-12 : 2e-5;
  const stored = state === computed ? rounding : Math.max(rounding, spacing(1, state));
  for (const [i, row] of expected.entries())
    for (const [j, y] of row.entries()) {
      const x = actual[3 * i + j]!;
      if (!(Math.abs(x - y) <= (j === 0 ? rounding : stored) * Math.abs(y)))
        throw new Error(`statistics [${i}, ${j}]: expected ${y}, got ${x}`);
    }
}

/** Duties of every step: all dtypes, decay modes, sizes of gradients, guard, checks. */
export function describeStep(method: Method): void {
  describe.each(devices)(`${method.op} on %s`, (kind) => {
    const device = Device.open(kind);
    afterAll(() => device.close());

    const runs: Run[] = [
      { dtype: 'f32' },
      { dtype: 'f64' },
      { dtype: 'f16' },
      { dtype: 'bf16' },
      { dtype: 'f32', gradDtype: 'bf16' },
      { dtype: 'bf16', gradDtype: 'f32' },
      { dtype: 'f64', gradDtype: 'f32' },
      { dtype: 'f16', masters: 'f32' },
      { dtype: 'bf16', masters: 'f32' },
      { dtype: 'bf16', masters: 'split' },
    ];
    it.each(runs)('three steps: %j', (run) => checkSteps(device, method, { shapes: largeShapes, ...run }));

    if (Object.values(method.states).includes('like')) {
      const mixed: Run[] = [
        { dtype: 'f32', stateDtype: 'bf16' },
        { dtype: 'bf16', stateDtype: 'bf16' },
        { dtype: 'f64', stateDtype: 'f32' },
        { dtype: 'f16', stateDtype: 'f64' },
      ];
      it.each(mixed)('state of another dtype: %j', (run) => checkSteps(device, method, run));
    }

    const modes: WeightDecayMode[] = ['decoupled', 'independent', 'palm', 'cautious'];
    if (method.op !== 'applyUpdate') modes.push('l2');
    const decays = modes.flatMap((weightDecayMode) =>
      (['none', 'f32', 'split'] as const).map((masters) => ({ weightDecayMode, masters })),
    );
    it.each(decays)('weight decay $weightDecayMode, masters $masters', async ({ weightDecayMode, masters }) => {
      const options = { weightDecay: 0.1, weightDecayMode };
      // Gradients in f32: sums of 16-bit ones cancel to 0 too often, where the cautious mode looks at a sign.
      const dtype = masters === 'none' ? 'f32' : 'bf16';
      await checkSteps(device, method, { dtype, gradDtype: 'f32', masters, options });
      if (masters === 'none') await checkSteps(device, method, { dtype: 'f64', options });
    });

    it.each([1e-30, 1e30])('gradients of size %d', async (gradScale) => {
      await checkSteps(device, method, { gradScale });
      await checkSteps(device, method, { gradScale, dtype: 'f64' });
    });

    it('takes no gradients at all, or zeros, without NaN', async () => {
      const options = 'eps' in method.options ? { eps: 0 } : {};
      await checkSteps(device, method, { gradScale: 0, options });
      const empty = Object.fromEntries(Object.keys(method.states).map((name) => [name, []]));
      const counts = method.counts ? { steps: [] } : {};
      const { scales, ...values } = method.options;
      apply(device, method.op, { ...values, weights: [], grads: [], ...empty, ...counts });
      await device.synchronize();
    });

    it('a guard holds everything back', async () => {
      const shapes = method.shapes ?? smallShapes;
      const run: Run = { dtype: 'bf16', masters: 'split', options: { weightDecay: 0.1 } };
      const weights = shapes.map((shape, i) => arrayOfFloats(normal(sizeOf(shape), i), 'f32'));
      const bench = new Bench(device, method, run, weights);
      for (const [i, g] of bench.grads.entries()) g.write(arrayOf(normal(g.size, i), 'bf16'));
      const guard = tensorOf(device, [0], [1], 'f64');
      const fields = { ...bench.fields, guard };
      apply(device, method.op, fields);
      const before = await Promise.all([...bench.all, bench.statistics].map((t) => t.read()));
      guard.write([2]);
      for (const g of bench.grads) g.write(arrayOf(new Float64Array(g.size).fill(NaN), 'bf16'));
      apply(device, method.op, fields);
      for (const [i, t] of [...bench.all, bench.statistics].entries()) expectSame(await t.read(), before[i]!);
    });

    it('refuses what does not fit', () => {
      const bench = new Bench(
        device,
        method,
        {},
        (method.shapes ?? smallShapes).map((s) => new Float64Array(sizeOf(s))),
      );
      const { fields } = bench;
      const thrown = (more: object) => thrownBy(() => apply(device, method.op, { ...fields, ...more }));
      const [first, ...rest] = bench.weights;
      const few = bench.grads.slice(1);
      expect(thrown({ grads: few }).code).toBe('ERR_ARGUMENT');
      expect(thrown({ grads: few }).message).toContain(
        `${method.op}: grads must be as many as weights, got ${few.length}`,
      );
      expect(thrown({ grads: bench.weights }).code).toBe('ERR_ARGUMENT');
      const like = (shape: readonly number[], dtype: Dtype) => [
        new Tensor(device, shape, dtype),
        ...bench.grads.slice(1),
      ];
      expect(thrown({ grads: like(first!.shape, 'i32') }).code).toBe('ERR_DTYPE');
      expect(thrown({ grads: like([...first!.shape, 1], 'f32') }).code).toBe('ERR_SHAPE');
      expect(thrown({ masters: rest.map((w) => w.copy()) }).code).toBe('ERR_ARGUMENT');
      expect(thrown({ masters: bench.weights.map((w) => w.copy()) }).code).toBe('ERR_DTYPE');
      expect(thrown({ guard: Tensor.zeros(device, [2], { dtype: 'f64' }) }).code).toBe('ERR_SHAPE');
      expect(thrown({ guard: Tensor.zeros(device, [1]) }).code).toBe('ERR_DTYPE');
      expect(thrown({ statistics: Tensor.zeros(device, [3], { dtype: 'f64' }) }).code).toBe('ERR_SHAPE');
      expect(thrown({ lr: NaN }).code).toBe('ERR_ARGUMENT');
      expect(thrown({ weightDecay: Infinity }).code).toBe('ERR_ARGUMENT');
      expect(thrown({ weightDecayMode: 'l1' }).code).toBe('ERR_ARGUMENT');
      expect(thrown({ learningRate: 1 }).code).toBe('ERR_ARGUMENT');
      for (const state of Object.keys(method.states)) {
        expect(thrown({ [state]: bench.states[state]!.slice(1) }).code).toBe('ERR_ARGUMENT');
        expect(thrown({ [state]: bench.weights }).code).toBe('ERR_ARGUMENT');
      }
      if (method.counts) expect(thrown({ steps: bench.steps.slice(1) }).code).toBe('ERR_ARGUMENT');
    });
  });
}

/** ‖x‖. */
export const frobenius = (x: ArrayLike<number>): number => Math.sqrt(sumOfSquares(x));

/** W₃[0,0], W₃[m−1,n−1] and ‖W₃ − W₀‖ after three steps in f64 on the weights and gradients of the check values. */
export async function checkValues(device: Device, method: Method, rows: number, columns: number): Promise<number[]> {
  const at = (f: (i: number, j: number) => number) =>
    Float64Array.from({ length: rows * columns }, (_, k) => f(Math.floor(k / columns), k % columns));
  const start = at((i, j) => 0.5 * Math.cos(0.9 * i + 0.4 * j + 0.2));
  const bench = new Bench(device, { ...method, shapes: [[rows, columns]] }, { dtype: 'f64' }, [start]);
  for (let t = 0; t < 3; t++) {
    bench.grads[0]!.write(at((i, j) => Math.sin(0.7 * (i + 1) * (t + 1) + 1.3 * (j + 1) + 0.1 * i * j)));
    apply(device, method.op, bench.fields);
  }
  const w = await valuesOf(bench.weights[0]!);
  return [w[0]!, w[w.length - 1]!, frobenius(w.map((x, i) => x - start[i]!))];
}
