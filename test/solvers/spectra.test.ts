// Devices: cpu, cuda
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, type Tensor } from '../../lib/index.ts';
import { lanczos, slq } from '../../lib/solvers/index.ts';
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
