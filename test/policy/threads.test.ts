// Devices: cpu
// The bits of steps of policies and values depend neither on the number of threads nor on where a run was stopped: vectors
// of several chunks, on one, two and three threads, and from a file halfway.
import { describe, expect, it } from 'vitest';
import { Device, ops, type Stateful, Tensor } from '../../lib/index.ts';
import { Harpg, NPgIgt, OdiceValueLearner } from '../../lib/policy/index.ts';
import { Folder } from '../files/folder.ts';

const [size, rows] = [40_000, 200];
const drawn = (device: Device, seed: number, shape: number[] = [size]) => Tensor.randn(device, shape, { seed });
const sum = (device: Device, out: Tensor, ...terms: (readonly [number, Tensor])[]) =>
  ops.linearCombination(device, { out: [out], terms: terms.map(([, x]) => x), coefficients: terms.map(([c]) => c) });

interface Made {
  readonly step: (t: number) => Promise<unknown>;
  readonly state: Stateful;
  readonly theta: Tensor;
}
/** The step at which a run was stopped. */
interface Stopped {
  readonly file: string;
  readonly theta: Float32Array;
}

const ascent = (make: (theta: Tensor) => NPgIgt | Harpg) => (device: Device): Made => {
  const [theta, b] = [drawn(device, 1), drawn(device, 2)];
  const state = make(theta);
  const oracle = {
    gradient: ([at]: readonly Tensor[], [out]: readonly Tensor[]) => sum(device, out!, [1, b], [-1, at!]),
    hessianProduct: (_: unknown, [v]: readonly Tensor[], [out]: readonly Tensor[]) => sum(device, out!, [-1, v!]),
  };
  return { step: (t) => state.step(oracle, t), state, theta };
}; // biome-ignore format: one line

const methods: Record<string, (device: Device) => Made> = {
  'N-PG-IGT': ascent((theta) => new NPgIgt([theta])),
  HARPG: ascent((theta) => new Harpg([theta], { normalized: false })),
  'N-HARPG': ascent((theta) => new Harpg([theta])),
  'O-DICE'(device) {
    const theta = drawn(device, 1, [size / rows, rows]);
    const [states, nextStates] = [drawn(device, 2, [size / rows, size / rows]), drawn(device, 3, [size / rows, size / rows])]; // biome-ignore format: one line
    const [rewards, done] = [drawn(device, 4, [size / rows]), Tensor.zeros(device, [size / rows])];
    const middle = Tensor.zeros(device, [size / rows, rows]);
    const ones = Tensor.full(device, [rows, 1], 1);
    const state = new OdiceValueLearner(
      {
        params: [theta],
        forward(at, out) {
          ops.gemm(device, { a: at, b: theta, c: middle });
          using column = out.reshape([out.size, 1]);
          ops.gemm(device, { a: middle, b: ones, c: column });
        },
        vjp(at, cotangent, [grad]) {
          using column = cotangent.reshape([cotangent.size, 1]);
          ops.gemm(device, { a: column, b: ones, c: middle, transB: 'transposed' });
          ops.gemm(device, { a: at, b: middle, c: grad!, transA: 'transposed' });
        },
      },
      { lr: 1e-2 },
    );
    const step = async () => (await state.step({ states, nextStates, rewards, done })).policyWeights.dispose();
    return { step, state, theta };
  },
};

describe.each(Object.entries(methods))('%s', (_, make) => {
  it('has the same bits on any number of threads, and from a file on another one', async () => {
    using folder = new Folder();
    const run = async (threads: number, begin: number, end: number, from?: Stopped): Promise<Stopped> => {
      await using device = Device.open('cpu', { threads });
      const { step, state, theta } = make(device);
      if (from) {
        theta.write(from.theta);
        await state.load(from.file);
      }
      for (let t = begin; t < end; ++t) await step(t);
      const file = folder.file(`${threads} ${begin} ${end}`);
      await state.save(file);
      return { file, theta: (await theta.read()) as Float32Array };
    };
    const whole = await run(1, 0, 5);
    for (const threads of [2, 3]) expect((await run(threads, 0, 5)).theta).toEqual(whole.theta);
    for (const first of [1, 2, 3]) {
      const again = await run(3, first, 5, await run(2, 0, first));
      expect(again.theta).toEqual(whole.theta);
    }
  });
});
