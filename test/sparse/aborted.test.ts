// Devices: cpu, cuda
import { afterAll, describe, expect, it } from 'vitest';
import { Device, Dictionary, type OmpOptions, omp, type SparseCode, Tensor } from '../../lib/index.ts';
import { expectSoonOver } from '../support/abort-work.ts';
import { devices, onlyCpu } from '../support/devices.ts';
import { workTime } from '../support/processor.ts';
import { settledMemory } from '../support/settled.ts';

const tensorsOf = (code: SparseCode): Tensor[] => [code.indices, code.coefficients, code.residuals, code.counts];
const valuesOf = async (code: SparseCode) => Promise.all(tensorsOf(code).map((tensor) => tensor.read()));

describe.each(devices)('omp that is aborted, on %s', { timeout: 180_000 }, (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const [size, length, count] = kind === 'cpu' ? [1000, 64, 120] : [100, 16, 24];
  const atoms = Tensor.randn(device, [size, length], { seed: 1 });
  const signals = Tensor.randn(device, [count, length], { seed: 2 });
  const memoryLimit = 4 * size * 80;
  const forms: [string, () => Dictionary, OmpOptions][] = [
    ['the Gram matrix', () => new Dictionary(atoms), { algorithm: 'gram' }],
    ['Gram rows', () => new Dictionary(atoms, { memoryLimit }), { algorithm: 'gram' }],
    ['products', () => new Dictionary(atoms), { algorithm: 'gemm' }],
  ];
  const k = 4;

  it.each(forms)('by %s: the same dictionary then gives the right code', async (_, make, options) => {
    using fresh = make();
    using right = await omp(fresh, signals, { ...options, k });
    const expected = await valuesOf(right);
    const { live } = await settledMemory(device);
    {
      using dictionary = make();
      await dictionary.norms();
      for (let turns = 0; turns < 8; turns++) {
        const controller = new AbortController();
        const call = omp(dictionary, signals, { ...options, k, signal: controller.signal });
        for (let i = 0; i < turns; i++) await new Promise(setImmediate);
        controller.abort();
        const ended = await call.catch((error: unknown) => error);
        if (ended instanceof Error) expect(ended.name).toBe('AbortError');
        else (ended as SparseCode).dispose();
        if (turns % 4 !== 3) continue;
        using code = await omp(dictionary, signals, { ...options, k });
        expect(await valuesOf(code)).toEqual(expected);
      }
    }
    expect(device.info.memory.live).toBe(live);
  });

  it.each(forms)('by %s: another call with the same dictionary goes on', async (_, make, options) => {
    using fresh = make();
    using right = await omp(fresh, signals, { ...options, k });
    const expected = await valuesOf(right);
    for (let turns = 0; turns < 6; turns++) {
      using dictionary = make();
      await dictionary.norms();
      const controller = new AbortController();
      const aborted = omp(dictionary, signals, { ...options, k, signal: controller.signal }).catch(() => undefined);
      const other = omp(dictionary, signals, { ...options, k });
      for (let i = 0; i < turns; i++) await new Promise(setImmediate);
      controller.abort();
      (await aborted)?.dispose();
      using code = await other;
      expect(await valuesOf(code)).toEqual(expected);
    }
  });
});

describe.each(onlyCpu)('a device whose omp is aborted', { timeout: 180_000 }, () => {
  const device = Device.open('cpu');
  afterAll(() => device.close());
  const atoms = Tensor.randn(device, [4000, 256], { seed: 1 });
  const signals = Tensor.randn(device, [1600, 256], { seed: 2 });

  it.each([['gram'], ['gemm']] as const)('is free soon, by %s', async (algorithm) => {
    const options = { k: 8, algorithm };
    await expectSoonOver(async () => {
      const [start, begun] = [performance.now(), workTime()];
      using dictionary = new Dictionary(atoms);
      (await omp(dictionary, signals, options)).dispose();
      const [whole, work] = [performance.now() - start, workTime() - begun];

      using another = new Dictionary(atoms);
      await another.norms();
      const controller = new AbortController();
      const before = workTime();
      let aborted = Infinity;
      const call = omp(another, signals, { ...options, signal: controller.signal });
      const timer = setTimeout(() => {
        aborted = workTime();
        controller.abort();
      }, whole / 10);
      const error: unknown = await call.then(
        (code) => code.dispose(),
        (thrown: unknown) => thrown,
      );
      clearTimeout(timer);
      await device.synchronize();
      if (error !== undefined) expect(error).toMatchObject({ name: 'AbortError' });
      return {
        whole: work,
        before: error === undefined ? Infinity : aborted - before,
        after: workTime() - aborted,
      };
    });
  });
});
