// Devices: cpu
// The bits of methods of two levels depend neither on the number of threads nor on where a run was stopped: vectors of
// several chunks, on one, two and three threads, and from a file halfway.
import { describe, expect, it } from 'vitest';
import { type BlockOracles, BoRep, LvHba, Maid, MaidState, MultiBlockBilevel } from '../../lib/bilevel/index.ts';
import { Device, ops, type Stateful, Tensor } from '../../lib/index.ts';
import { Folder } from '../files/folder.ts';

const size = 50_000;

/** A method on a device: a step, its state, and the tensors beside it. */
interface Made {
  readonly step: () => Promise<unknown>;
  readonly state: Stateful;
  readonly beside: readonly Tensor[];
}

/** The step at which a run was stopped. */
interface Stopped {
  readonly file: string;
  readonly beside: readonly Float32Array[];
}

const sum = (device: Device, out: Tensor, ...terms: (readonly [number, Tensor])[]) =>
  ops.linearCombination(device, { out: [out], terms: terms.map(([, x]) => x), coefficients: terms.map(([c]) => c) });
const drawn = (device: Device, seed: number, shape: number[] = [size]) => Tensor.randn(device, shape, { seed });

/** Many lower problems; of v1 smaller ones, whose Hessians are kept. */
async function ofBlocks(device: Device, variant: 'v1' | 'v2', updates: 'all' | 'lazy'): Promise<Made> {
  const dim = variant === 'v1' ? 5 : 100;
  const [x, y] = [drawn(device, 1, [dim]), drawn(device, 2, [size / dim, dim])];
  const minus = Tensor.zeros(device, [dim]);
  using root = drawn(device, 3, [dim, dim]);
  // Of a factor's square, and of another size in each block.
  const hessian = Tensor.zeros(device, [1, dim * dim]);
  using matrix = hessian.reshape([dim, dim]);
  ops.gemm(device, { a: root, b: root, c: matrix, transB: 'transposed' });
  const state = new MultiBlockBilevel(
    {
      ...{ count: size / dim, dim, x, y },
      lowerGradientY(_, at, of, out) {
        sum(device, minus, [-1, at]);
        ops.addBias(device, { x: of, bias: minus, out });
      },
      upperGradientY: (_, _at, of, out) => ops.copy(device, { x: [of], out: [out] }),
      ...(variant === 'v2' && { lowerHessianYY: (_, _at, _of, v, out) => ops.copy(device, { x: [v], out: [out] }) }),
      ...(variant === 'v1' && {
        lowerHessian(ids, _at, _of, out) {
          using scale = Tensor.from(device, Float32Array.from(ids, (id) => 1 + (id % 7)), [ids.length, 1]); // biome-ignore format: one line
          using rows = out.reshape([ids.length, dim * dim]);
          ops.gemm(device, { a: scale, b: hessian, c: rows });
        },
      }),
      lowerJacobianXY(_, _at, _of, v, out) {
        ops.columnSum(device, { x: v, out });
        sum(device, out, [-1, out]);
      },
    } as BlockOracles,
    { variant, blocksPerStep: 250, alpha: 0.5, beta: 0.5, lr: 0.02, lowerLr: 0.02, seed: 1, updates },
  );
  return { step: () => state.step(), state, beside: [x, y] };
}

const methods: Record<string, (device: Device, isNew: boolean) => Promise<Made>> = {
  async BoRep(device) {
    const [x, y, b] = [drawn(device, 1), drawn(device, 2), drawn(device, 3)];
    const oracle = {
      x: [x],
      y: [y],
      lowerGradientY: ([out]: readonly Tensor[]) => sum(device, out!, [1, y], [-1, x]),
      lowerHessianYY: ([v]: readonly Tensor[], [out]: readonly Tensor[]) => ops.copy(device, { x: [v!], out: [out!] }),
      lowerJacobianXY: ([v]: readonly Tensor[], [out]: readonly Tensor[]) => sum(device, out!, [-1, v!]),
      upperGradientX: ([out]: readonly Tensor[]) => sum(device, out!, [0.1, x]),
      upperGradientY: ([out]: readonly Tensor[]) => sum(device, out!, [1, y], [-1, b]),
    };
    const state = new BoRep(oracle, { lr: 0.1, lowerLr: 0.5, nu: 0.5, radius: 1 });
    return { step: () => state.step(), state, beside: [x, y] };
  },
  async LvHba(device, isNew) {
    const [x, y, b, half] = [drawn(device, 1), drawn(device, 2), drawn(device, 3), drawn(device, 4)];
    const state = new LvHba(
      {
        x,
        y,
        upper: {
          gradientX: (at, _, out) => sum(device, out, [0.1, at]),
          gradientY: (_, of, out) => sum(device, out, [1, of], [-1, b]),
        },
        lower: {
          gradientX: (at, of, out) => sum(device, out, [1, at], [-1, of]),
          gradientY: (at, of, out) => sum(device, out, [1, of], [-1, at]),
        },
        constraint: {
          count: size,
          kind: 'inequality',
          value: (at, of, out) => sum(device, out, [1, of], [-1, at]),
          jacobianTX: (_at, _of, lambda, out) => sum(device, out, [-1, lambda]),
          jacobianTY: (_at, _of, lambda, out) => ops.copy(device, { x: [lambda], out: [out] }),
        },
        project(at, of) {
          sum(device, half, [0.5, of], [-0.5, at]);
          ops.relu(device, { x: half, out: half });
          sum(device, at, [1, at], [1, half]);
          sum(device, of, [1, of], [-1, half]);
        },
      },
      { alpha: 0.1, beta: 0.1, eta: 0.1 },
    );
    if (isNew) await state.init();
    return { step: () => state.step(), state, beside: [x, y] };
  },
  'MultiBlockBilevel, v2': (device) => ofBlocks(device, 'v2', 'lazy'),
  'MultiBlockBilevel, v2 of all updates': (device) => ofBlocks(device, 'v2', 'all'),
  'MultiBlockBilevel, v1': (device) => ofBlocks(device, 'v1', 'lazy'),
  'MultiBlockBilevel, v1 of all updates': (device) => ofBlocks(device, 'v1', 'all'),
  async Maid(device) {
    const [theta, x0, target] = [drawn(device, 1), drawn(device, 2), drawn(device, 3)];
    const state = new MaidState(theta, x0);
    const off = Tensor.zeros(device, [size]);
    const maid = new Maid(
      {
        lower: {
          gradient: (x, at, out) => sum(device, out, [1.1, x], [-1, at]),
          hessianProduct: (_x, _at, v, out) => sum(device, out, [1.1, v]),
          jacobianTransposed: (_x, _at, v, out) => sum(device, out, [-1, v]),
        },
        upper: {
          lipschitz: 1,
          value(x, out) {
            sum(device, off, [1, x], [-1, target]);
            ops.dots(device, { x: [off], y: [off], out });
            ops.linearCombination(device, { out: [out], terms: [out], coefficients: [0.5] });
          },
          gradient: (x, out) => sum(device, out, [1, x], [-1, target]),
        },
      },
      { mu: 1.1, lipschitz: 1.1, step0: 0.1, maxIterations: 1 },
    );
    const step = async () => (await maid.run(theta, x0, { state })).x.dispose();
    return { step, state, beside: [theta] };
  },
};

describe.each(Object.entries(methods))('%s', (_, make) => {
  it('has the same bits on any number of threads, and from a file on another one', async () => {
    using folder = new Folder();
    const run = async (threads: number, steps: number, from?: Stopped): Promise<Stopped> => {
      await using device = Device.open('cpu', { threads });
      const made = await make(device, from === undefined);
      if (from) {
        for (const [i, tensor] of made.beside.entries()) tensor.write(from.beside[i]!);
        await made.state.load(from.file);
      }
      for (let t = 0; t < steps; ++t) await made.step();
      const file = folder.file(`${threads} ${steps} ${from ? 'again' : 'new'}`);
      await made.state.save(file);
      const beside = await Promise.all(made.beside.map((tensor) => tensor.read() as Promise<Float32Array>));
      return { file, beside };
    };
    const whole = await run(1, 5);
    for (const threads of [2, 3]) expect((await run(threads, 5)).beside).toEqual(whole.beside);
    for (const first of [1, 2, 3]) {
      const again = await run(3, 5 - first, await run(2, first));
      expect(again.beside).toEqual(whole.beside);
    }
  });
});
