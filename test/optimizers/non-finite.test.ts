// Devices: cpu, cuda
// Every optimizer takes a gradient that is not finite as its option says.
import { afterAll, describe, expect, it } from 'vitest';
import { Device, Muon, Tensor } from '../../lib/index.ts';
import { devices } from '../support/devices.ts';
import { bits, numbers, stateBits } from './classes.ts';
import { code, eachClass } from './each-class.ts';

eachClass('R10: ', ['R10'], ({ device, Class, start, grads }) => {
  describe('with a gradient that is not finite', () => {
    const spoil = async (grad: Tensor, value: number): Promise<Tensor> => {
      const data = await numbers(grad);
      data[data.length - 1] = value;
      return Tensor.from(device, data, grad.shape);
    };
    const bad = async (step: number, value: number): Promise<Tensor[]> => {
      const given = grads(step);
      return [...given.slice(0, 1), await spoil(given[1] as Tensor, value), ...given.slice(2)];
    };

    it('propagates it into its own parameter, and counts it', async () => {
      const [a, b] = [start(), start()];
      const [one, two] = [new Class(a), new Class(b)];
      one.step(await bad(1, Number.NaN));
      two.step(grads(1));
      expect((await numbers(a[1] as Tensor)).some(Number.isNaN)).toBe(true);
      expect(await one.report()).toMatchObject({ nonFinite: 1, skipped: 0, gradNorm: Number.NaN });
      const others = (all: Tensor[]): Tensor[] => all.filter((_, i) => i !== 1);
      expect(await bits(others(a))).toEqual(await bits(others(b)));
    });

    it.each([Number.NaN, Infinity, -Infinity])('skips the step with %d, as if it had never been', async (value) => {
      const [a, b] = [start(), start()];
      const [one, two] = [new Class(a, { nonFinite: 'skip' }), new Class(b, { nonFinite: 'skip' })];
      for (const optimizer of [one, two]) optimizer.step(grads(1));
      const before = [await bits(a), await stateBits(one)];
      one.step(await bad(2, value));
      const { skipped: _, ...state } = await stateBits(one);
      const { skipped: __, ...stateBefore } = before[1] as Record<string, string>;
      expect([await bits(a), state]).toEqual([before[0], stateBefore]);
      expect(await one.report()).toMatchObject({
        step: 2,
        nonFinite: 1,
        skipped: 1,
        updateRms: 0,
        gradNorm: Number.NaN,
      });
      for (let step = 3; step <= 4; ++step) for (const optimizer of [one, two]) optimizer.step(grads(step));
      expect(await bits(a)).toEqual(await bits(b));
      const report = await two.report();
      expect(await one.report()).toEqual({ ...report, step: 4, skipped: 1 });
    });

    it('throws at the next await, with nothing changed', async () => {
      const [a, b] = [start(), start()];
      const [one, two] = [new Class(a, { nonFinite: 'throw' }), new Class(b, { nonFinite: 'throw' })];
      for (const optimizer of [one, two]) optimizer.step(grads(1));
      const before = [await bits(a), await stateBits(one)];
      one.step(await bad(2, Number.NaN));
      await expect(device.synchronize()).rejects.toThrow(code('ERR_ARGUMENT'));
      expect([await bits(a), await stateBits(one)]).toEqual(before);
      for (const optimizer of [one, two]) optimizer.step(grads(3));
      expect(await bits(a)).toEqual(await bits(b));
      one.step(await bad(4, Infinity));
      await expect(one.report()).rejects.toThrow(code('ERR_ARGUMENT'));
      expect(await bits(a)).toEqual(await bits(b));
    });

    it('throws in the first step, and leaves nothing unset that later ones use', async () => {
      const [a, b] = [start(), start()];
      const options = { nonFinite: 'throw', missingGrad: 'zero' } as const;
      const [one, two] = [new Class(a, options), new Class(b, options)];
      // Memory that the step gets is memory that was given back.
      const used: Tensor[] = [...a, ...a].map((w) => Tensor.full(device, w.shape, 7));
      used.push(...a.map(() => Tensor.full(device, [a.length, 3], 7, { dtype: 'f64' })));
      for (const tensor of used) tensor.dispose();
      one.step([...(await bad(2, Number.NaN)).slice(0, -1), null]);
      await expect(device.synchronize()).rejects.toThrow(code('ERR_ARGUMENT'));
      expect(await one.report()).toMatchObject({ gradNorm: NaN, updateRms: 0, nonFinite: NaN, skipped: 0 });
      for (const optimizer of [one, two]) optimizer.step([...grads(3).slice(0, -1), null]);
      expect(await bits(a)).toEqual(await bits(b));
      expect(await one.report()).toEqual({ ...(await two.report()), step: 2 });
    });
  });
});

describe.each(devices)('gradients of f64 whose squares no f64 holds, on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  it.each(['propagate', 'skip', 'throw'] as const)(
    'step, and only %s may take them for bad ones',
    async (nonFinite) => {
      const weights = [Tensor.zeros(device, [4, 3], { dtype: 'f64' })];
      const optimizer = new Muon(weights, { nonFinite });
      optimizer.step([Tensor.full(device, [4, 3], 1e160, { dtype: 'f64' })]);
      const report = await optimizer.report();
      expect(report).toMatchObject({ gradNorm: Infinity, nonFinite: nonFinite === 'propagate' ? 1 : 0, skipped: 0 });
      expect(report.updateRms).toBeGreaterThan(0);
      expect((await weights[0]!.read()).every((x) => x !== 0)).toBe(true);
    },
  );
});
