// Devices: cpu, cuda
// Axes: products
// Shapes, heads and scales of optimizers of matrices.
import { afterAll, describe, expect, it } from 'vitest';
import { Device, Tensor } from '../../lib/index.ts';
import { settledMemory } from '../support/settled.ts';
import {
  bits,
  classes,
  gradsOf,
  knownMatrixClasses,
  numbers,
  type OptimizerClass,
  shapesFor,
  takesVectors,
  tensor,
  values,
  weightsOf,
} from './classes.ts';
import { code, eachDevice } from './each-class.ts';

eachDevice(({ device, alone }) => {
  describe.each(
    classes.filter(([name]) => ['AdamW', 'AdaGrad', 'Lion', 'Trion', ...knownMatrixClasses].includes(name)),
  )('%s moves the same whatever the scale of gradients', (name, Class: OptimizerClass) => {
    const variants: Record<string, object[]> = {
      AuON: [{}, { variant: 'rms' }],
      HybridAuON: [{}, { variant: 'rms' }],
      NorMuon: [{ nsEps: 0 }, { nsEps: 0, variant: 'paper' }],
      NorDion2: [{ nsEps: 0 }],
    };
    it.each(variants[name] ?? [{}])('%j', async (options) => {
      const shapes = shapesFor(device, Class);
      const run = async (scale: number): Promise<number[][]> => {
        const weights = weightsOf(device, shapes);
        const withoutEps = name === 'Lion' ? {} : { eps: 0 };
        const optimizer = new Class(weights, { lr: 0.02, ...withoutEps, ...options });
        for (let step = 1; step <= 4; ++step) optimizer.step(gradsOf(device, shapes, step, scale));
        return Promise.all(weights.map(numbers));
      };
      const expected = await run(1);
      for (const scale of [1e-30, 1e30])
        for (const [i, weight] of (await run(scale)).entries())
          for (const [k, x] of weight.entries())
            expect(Math.abs(x - (expected[i]?.[k] ?? 0)), `${scale}`).toBeLessThan(2e-5);
    });
  });

  describe('matrix optimizers', () => {
    const probe = Device.open('cpu', { threads: 1 });
    const matrixClasses = classes.filter(([, Class]) => !takesVectors(probe, Class));
    afterAll(() => probe.close());

    it('are found', () => {
      expect(matrixClasses.map(([name]) => name)).toEqual(expect.arrayContaining(knownMatrixClasses));
    });

    describe.each(matrixClasses)('%s', (name, Class) => {
      const options = { weightDecay: 0.1 };

      it.each([[[]], [[5]]])('refuses shape %j and names combine', (shape) =>
        alone(async (device) => {
          using matrix = tensor(device, [3, 3], 1);
          using other = tensor(device, shape, 1);
          const { live } = await settledMemory(device);
          expect(() => new Class([matrix, other])).toThrow(/combine/);
          expect(() => new Class([matrix, other])).toThrow(code('ERR_SHAPE'));
          expect(device.info.memory.live).toBe(live);
        })(),
      );

      it('takes heads for matrices of their own', async () => {
        const whole = tensor(device, [12, 5], 1);
        const blocks = [0, 1, 2].map((h) => Tensor.from(device, values(60, 1).slice(h * 20, h * 20 + 20), [4, 5]));
        const [one, two] = [new Class([whole], { ...options, heads: 3 }), new Class(blocks, options)];
        for (let step = 1; step <= 3; ++step) {
          one.step([tensor(device, [12, 5], 10 + step)]);
          two.step([0, 1, 2].map((h) => Tensor.from(device, values(60, 10 + step).slice(h * 20, h * 20 + 20), [4, 5])));
        }
        expect((await bits([whole])).join('')).toBe((await bits(blocks)).join(''));
        expect(whole.shape).toEqual([12, 5]);
        const own: Record<string, number[][]> = {
          NorMuon: [[12, 5], [12]],
          NorDion2: [[12, 5], [12]],
          Dion: [[12, 5], [3, 5, 4]], // biome-ignore format: one line
          DCTAdamW: [[3, 4, 5], [3, 4, 5], [3, 4], [1]], // biome-ignore format: one line
          Conda: [[12, 5], [1], [12, 5], [3, 4, 4]], // biome-ignore format: one line
        };
        expect(Object.values(one.part().tensors).map(({ shape }) => shape)).toEqual(own[name] ?? [[12, 5]]);
        const before = await bits([whole]);
        one.dispose();
        expect(await bits([whole])).toEqual(before);
      });

      it(
        'does not keep gradients that went through heads',
        alone(async (device) => {
          const weight = tensor(device, [4, 4], 1);
          const optimizer = new Class([weight], { heads: 2 });
          using first = tensor(device, [4, 4], 2); // collected in between, it would be missing below
          optimizer.step([first]);
          await device.synchronize();
          const { bytes } = await settledMemory(device);
          for (let i = 0; i < 5; ++i) {
            using grad = tensor(device, [4, 4], i);
            optimizer.step([grad]);
          }
          await device.synchronize();
          expect(device.info.memory.bytes).toBe(bytes);
        }),
      );

      it('takes a convolution for its flattened matrix', async () => {
        const [a, b] = [tensor(device, [4, 3, 2, 2], 1), tensor(device, [4, 12], 1)];
        const [one, two] = [new Class([a], options), new Class([b], options)];
        for (let step = 1; step <= 3; ++step) {
          one.step([tensor(device, [4, 3, 2, 2], step)]);
          two.step([tensor(device, [4, 12], step)]);
        }
        expect(await bits([a])).toEqual(await bits([b]));
      });

      it('takes rank 3 for a batch', async () => {
        const whole = tensor(device, [3, 4, 5], 1);
        const blocks = [0, 1, 2].map((i) => Tensor.from(device, values(60, 1).slice(i * 20, i * 20 + 20), [4, 5]));
        const [one, two] = [new Class([whole], options), new Class(blocks, options)];
        for (let step = 1; step <= 3; ++step) {
          one.step([tensor(device, [3, 4, 5], 10 + step)]);
          two.step([0, 1, 2].map((i) => Tensor.from(device, values(60, 10 + step).slice(i * 20, i * 20 + 20), [4, 5])));
        }
        expect((await bits([whole])).join('')).toBe((await bits(blocks)).join(''));
      });

      it('refuses heads that do not divide, and options that polar would ignore', () => {
        const w = [tensor(device, [6, 5], 1)];
        expect(() => new Class(w, { heads: 4 })).toThrow(code('ERR_SHAPE'));
        expect(() => new Class([tensor(device, [2, 2, 2], 1)], { heads: 2 })).toThrow(code('ERR_SHAPE'));
        for (const heads of [0, -1, 1.5, '2']) expect(() => new Class(w, { heads })).toThrow(code('ERR_ARGUMENT'));
        if (!('nsMethod' in (new Class(w).groups[0] as object))) return;
        for (const wrong of [
          { nsSteps: 3 },
          { coefficients: 'you5' },
          { nsDtype: 'bf16' },
          { nsScaling: 'aol' },
          { nsRestarts: [2] },
        ])
          expect(() => new Class(w, { nsMethod: 'polar', ...wrong })).toThrow(code('ERR_ARGUMENT'));
        expect(() => new Class(w, { nsDtype: 'i32' })).toThrow(code('ERR_ARGUMENT'));
        for (const nsDtype of ['f32', 'f64', 'f16', 'bf16']) new Class(w, { nsDtype, nsMethod: 'gram' }).dispose();
      });
    });
  });
});
