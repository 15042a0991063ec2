// Devices: cpu, cuda
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, type Tensor } from '../../lib/index.ts';
import { blockLanczos, lanczos, slq } from '../../lib/solvers/index.ts';
import { devices } from '../support/devices.ts';
import { codeOf, dense, diagonal, vector } from './problems.ts';

const largest = (x: Iterable<number>): number => Math.max(...[...x].map(Math.abs));

describe.each(devices)('lanczos on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  it('finds outer eigenvalues among a thousand', async () => {
    const n = 300;
    const inner = Array.from({ length: n - 3 }, (_, i) => 0.01 + (0.99 * i) / (n - 4));
    const operator = dense(device, diagonal([...inner, 5, 8, 12]));
    const { ritz, alpha, beta, weights, status, iterations } = await lanczos(operator, { steps: 12 });
    expect(largest([ritz.at(-1)! - 12, ritz.at(-2)! - 8, ritz.at(-3)! - 5])).toBeLessThan(1e-6);
    expect([alpha.length, beta.length, ritz.length, iterations, status]).toEqual([12, 11, 12, 12, 'max-iterations']);
    expect(Math.abs(weights.reduce((sum, x) => sum + x, 0) - 1)).toBeLessThan(1e-13);
  });

  it('says it where fewer steps say all, and takes no more than rows', async () => {
    const operator = dense(device, diagonal([1, 1, 4, 4, -9]));
    const { ritz, status } = await lanczos(operator, { steps: 50 });
    expect(status).toBe('breakdown');
    expect(largest([ritz[0]! + 9, ritz[1]! - 1, ritz[2]! - 4])).toBeLessThan(1e-12);
    expect(ritz).toHaveLength(3);
    const v0 = vector(device, [0, 0, 2, 0, 0]);
    expect([...(await lanczos(operator, { v0 })).ritz]).toEqual([4]);
    expect([...(await v0.read())]).toEqual([0, 0, 2, 0, 0]);
    expect((await lanczos(dense(device, diagonal([3, 7])), { steps: 9 })).iterations).toBe(2);
    expect([...(await lanczos(dense(device, [[0]]))).ritz]).toEqual([0]);
    const single = await lanczos(dense(device, diagonal([1, 2, 3]), 'f32'), { steps: 3 });
    expect(largest(single.ritz.map((x, i) => x - i - 1))).toBeLessThan(1e-5);
  });

  it.each([1e-200, 1e200])('is the same of any scale: %f', async (scale) => {
    const values = [-3, 1, 1, 2, 5];
    const operator = dense(device, diagonal(values.map((x) => x * scale)));
    const distinct = [-3, 1, 2, 5];
    const { ritz, status } = await lanczos(operator, {
      v0: vector(
        device,
        [1, 1, 1, 1, 1].map((x) => x * scale),
      ),
    });
    expect([status, ritz.length]).toEqual(['breakdown', 4]);
    expect(largest(ritz.map((x, i) => x / scale - distinct[i]!))).toBeLessThan(1e-12);
    const block = await blockLanczos(operator, { block: 2 });
    expect(block.iterations).toBe(5);
    expect(largest(block.ritz.map((x, i) => x / scale - values[i]!))).toBeLessThan(1e-12);
  });

  it('tells nothing of products after a breakdown, and of those before NaN', async () => {
    const good = dense(device, diagonal(Array.from({ length: 20 }, (_, i) => i % 3)));
    const until = (last: number) => {
      let count = 0;
      const apply = (x: Tensor, out: Tensor) =>
        ++count > last ? ops.fill(device, { x: [out], value: NaN }) : good.apply(x, out);
      return { ...good, apply };
    };
    const told: number[] = [];
    const onProgress = ({ iterations }: { iterations: number }): void => void told.push(iterations);
    const [whole, other] = [await lanczos(good), await lanczos(until(3), { onProgress })];
    expect([whole.status, whole.iterations]).toEqual(['breakdown', 3]);
    expect(other).toEqual(whole);
    expect(told).toEqual([1, 2, 3]);
    await expect(lanczos(until(2), { onProgress })).rejects.toThrow('operator.apply must give numbers, got NaN');
    expect(told).toEqual([1, 2, 3, 1, 2]);
  });

  it('keeps vectors orthogonal where eigenvalues have long been found', async () => {
    const values = Array.from({ length: 60 }, (_, i) => 0.8 ** i);
    const { ritz } = await lanczos(dense(device, diagonal(values)), { steps: 60 });
    const sorted = values.toReversed();
    // Without it, copies of the largest eigenvalue turn up.
    expect(largest(ritz.slice(-20).map((x, i) => x - sorted.slice(-20)[i]!))).toBeLessThan(1e-9);
  });

  it('estimates traces within their errors, that of a diagonal exactly', async () => {
    const exact = await slq(dense(device, diagonal([1, 2, 3, 4])), (x) => x, { steps: 4, probes: 3 });
    expect(Math.abs(exact.value - 10)).toBeLessThan(1e-12);
    expect(exact.stderr).toBeLessThan(1e-12);
    const n = 80;
    const a = Array.from({ length: n }, (_, i) => Array.from({ length: n }, (_, j) => (i === j ? 3 : Math.abs(i - j) === 1 ? -1 : 0))); // biome-ignore format: one line
    const trace = Array.from({ length: n }, (_, k) => Math.log(3 - 2 * Math.cos(((k + 1) * Math.PI) / (n + 1)))).reduce((s, x) => s + x, 0); // biome-ignore format: one line
    const { value, stderr, iterations } = await slq(dense(device, a), Math.log, { probes: 8, steps: 12 });
    expect(Math.abs(value - trace)).toBeLessThan(4 * stderr);
    expect(stderr).toBeLessThan(0.05 * trace);
    expect(iterations).toBe(96);
    expect((await slq(dense(device, a), Math.log, { probes: 1, steps: 2 })).stderr).toBeNaN();
  });

  it('names what goes wrong', async () => {
    const good = dense(device, diagonal([1, 2]));
    const nan = { ...good, apply: (_: Tensor, out: Tensor) => ops.fill(device, { x: [out], value: NaN }) };
    await expect(lanczos(nan)).rejects.toMatchObject({ message: 'lanczos: operator.apply must give numbers, got NaN' });
    await expect(slq(nan, Math.log)).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
    expect(await codeOf(lanczos(good, { v0: vector(device, [0, 0]) }))).toBe('ERR_ARGUMENT');
    expect(await codeOf(lanczos(good, { v0: vector(device, [0, NaN]) }))).toBe('ERR_ARGUMENT');
    expect(await codeOf(lanczos(good, { v0: vector(device, [1]) }))).toBe('ERR_SHAPE');
    expect(await codeOf(lanczos(good, { steps: 0 }))).toBe('ERR_ARGUMENT');
    expect(await codeOf(lanczos(dense(device, [[1, 2]])))).toBe('ERR_SHAPE');
    expect(await codeOf(slq(good, 1 as never))).toBe('ERR_ARGUMENT');
    const indefinite = slq(dense(device, diagonal([1, -2])), Math.log);
    await expect(indefinite).rejects.toMatchObject({ message: 'slq: f must give numbers, got NaN' });
    const thrown = slq(good, () => {
      throw new Error('no');
    });
    await expect(thrown).rejects.toMatchObject({ code: 'ERR_ARGUMENT', message: 'slq: f has failed: no' });
    expect(await codeOf(slq(good, Math.log, { probes: 0 }))).toBe('ERR_ARGUMENT');
  });
});

describe.each(devices)('blockLanczos on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  it('finds eigenvalues as often as they stand, where one vector finds each once', async () => {
    const inner = Array.from({ length: 60 }, (_, i) => i / 59);
    const operator = dense(device, diagonal([...inner, 7, 7, 7, 9]));
    const { ritz, weights, status, iterations } = await blockLanczos(operator, { block: 3, steps: 36 });
    expect(largest(ritz.slice(-4).map((x, i) => x - [7, 7, 7, 9][i]!))).toBeLessThan(1e-8);
    expect([ritz.length, weights.length, status, iterations]).toEqual([36, 36, 'max-iterations', 36]);
    expect(Math.abs(weights.reduce((sum, x) => sum + x, 0) - 1)).toBeLessThan(1e-12);
    // More steps would find the others in what rounding leaves of them.
    const single = (await lanczos(operator, { steps: 14 })).ritz;
    expect(single.filter((x) => Math.abs(x - 7) < 1e-3)).toHaveLength(1);
  });

  it('with a block of one it is the method with one vector', async () => {
    const values = Array.from({ length: 40 }, (_, i) => Math.sin(i) * i);
    for (const dtype of ['f64', 'f32'] as const) {
      const operator = dense(device, diagonal(values), dtype);
      const [one, other] = [await blockLanczos(operator, { block: 1, steps: 12, seed: 3 }), await lanczos(operator, { steps: 12, seed: 3 })]; // biome-ignore format: one line
      const most = dtype === 'f64' ? 1e-10 : 1e-3;
      expect(largest(one.ritz.map((x, i) => x - other.ritz[i]!))).toBeLessThan(most);
      expect(largest(one.weights.map((x, i) => x - other.weights[i]!))).toBeLessThan(most);
    }
  });

  it('says it where fewer products say all, and takes no more than rows', async () => {
    const { ritz, status, iterations } = await blockLanczos(dense(device, diagonal([1, 1, 1, 1, 4, 4, 4, -9])), { block: 2, steps: 50 }); // biome-ignore format: one line
    expect([status, iterations]).toEqual(['breakdown', 5]);
    expect(largest(ritz.map((x, i) => x - [-9, 1, 1, 4, 4][i]!))).toBeLessThan(1e-12);
    const whole = await blockLanczos(dense(device, diagonal([3, 7, 7])), { block: 9 });
    expect([whole.status, whole.iterations]).toEqual(['max-iterations', 3]);
    expect(largest(whole.ritz.map((x, i) => x - [3, 7, 7][i]!))).toBeLessThan(1e-12);
    expect([...(await blockLanczos(dense(device, diagonal([0, 0, 0])), { block: 2 })).ritz]).toEqual([0, 0]);
  });

  it('names what goes wrong', async () => {
    const good = dense(device, diagonal([1, 2]));
    const nan = { ...good, apply: (_: Tensor, out: Tensor) => ops.fill(device, { x: [out], value: NaN }) };
    await expect(blockLanczos(nan)).rejects.toThrow('blockLanczos: operator.apply must give finite numbers, got NaN');
    await expect(blockLanczos(dense(device, [[1, 2], [5, 1]]), { checkSymmetry: true })).rejects.toThrow('symmetric'); // biome-ignore format: one line
    for (const options of [{ block: 0 }, { block: 101 }, { steps: 0 }, { seed: -1 }])
      expect(await codeOf(blockLanczos(good, options))).toBe('ERR_ARGUMENT');
  });
});
