// Devices: cpu, cuda
// Source: formula of the authors' program "weighted mean of clients, factored by period after a warm-up"
import { afterAll, describe, expect, it } from 'vitest';
import { type ClientUpdate, FedSvdServer, refactorLora } from '../../lib/adapters/index.ts';
import { Device, Tensor } from '../../lib/index.ts';
import { normal } from '../support/data.ts';
import { devices } from '../support/devices.ts';
import { settledMemory } from '../support/settled.ts';
import { dense, distance, identity, largestOf, product, sum, transposed } from './matrices.ts';

const [outputs, inputs, rank] = [12, 20, 3];

describe.each(devices)('FedSvdServer on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const tensor = (shape: [number, number], seed: number) =>
    Tensor.from(device, Float32Array.from(normal(shape[0] * shape[1], seed)), shape);
  const layer = (seed: number) => ({ a: tensor([rank, inputs], seed), b: tensor([outputs, rank], seed + 1) });
  const client = (layers: number, seed: number, weight: number): ClientUpdate => ({
    updates: Array.from({ length: layers }, (_, i) => tensor([outputs, rank], 100 * seed + i)),
    weight,
  });
  const read = async (x: Tensor) => dense(x.shape[0]!, x.shape[1]!, await x.read());

  it('adds the weighted mean of what clients have learnt: the mean of their products', async () => {
    const given = [layer(1), layer(3)];
    using server = new FedSvdServer(given, { period: 2 });
    const clients = [client(2, 1, 1), client(2, 2, 3), client(2, 3, 0)];
    expect(await server.aggregate(clients)).toEqual({ round: 1 });
    for (const [i, { a, b }] of given.entries()) {
      const first = await read(a);
      const products = await Promise.all(
        clients.map(async ({ updates }) => product(sum(await read(b), await read(updates[i]!)), first)),
      );
      const mean = sum(sum(products[0]!, products[0]!, 0.25 - 1), products[1]!, 0.75);
      const own = server.layers[i]!;
      expect(distance(product(await read(own.b), await read(own.a)), mean)).toBeLessThan(1e-6);
      expect(await own.a.read()).toEqual(await a.read());
    }
  });

  it('factors after warmup + period, warmup + 2 · period, … in the tensors that it has', async () => {
    using server = new FedSvdServer([layer(1)], { period: 2, warmup: 1 });
    const [{ a, b }] = server.layers as [{ a: Tensor; b: Tensor }];
    const factored: number[] = [];
    for (let round = 1; round <= 6; ++round) {
      using before = new FedSvdServer([{ a, b }], { period: 100 });
      await before.aggregate([client(1, round, 2)]);
      const { a: expectedA, b: expectedB } = before.layers[0]!;
      const { singularValues, round: told } = await server.aggregate([client(1, round, 7)]);
      expect([told, server.round]).toEqual([round, round]);
      expect(server.layers[0]).toEqual({ a, b });
      if (!singularValues) {
        expect([await a.read(), await b.read()]).toEqual([await expectedA.read(), await expectedB.read()]);
        continue;
      }
      factored.push(round);
      const alone = await refactorLora(expectedA, expectedB);
      expect([await a.read(), await b.read()]).toEqual([await alone.a.read(), await alone.b.read()]);
      expect(singularValues).toEqual([alone.singularValues]);
      const own = await read(a);
      expect(largestOf(sum(product(own, transposed(own)), identity(rank), -1))).toBeLessThan(1e-6);
    }
    expect(factored).toEqual([3, 5]);
  });

  it('ends rounds in the order of their calls, with updates as they were then', async () => {
    const given = layer(1);
    using one = new FedSvdServer([given]);
    using other = new FedSvdServer([given]);
    const clients = [1, 2, 3].map((seed) => client(1, seed, seed));
    const rounds = clients.map((each) => one.aggregate([each]));
    for (const { updates } of clients.slice(1)) updates[0]!.write(new Float32Array(outputs * rank).fill(NaN));
    expect((await Promise.all(rounds)).map(({ round }) => round)).toEqual([1, 2, 3]);
    for (const seed of [1, 2, 3]) await other.aggregate([client(1, seed, 1)]);
    expect(await one.layers[0]!.b.read()).toEqual(await other.layers[0]!.b.read());
  });

  it('refuses bad rounds, names what is wrong and stays as it was', async () => {
    using server = new FedSvdServer([layer(1), layer(3)]);
    await server.aggregate([client(2, 1, 1)]);
    const state = () => Promise.all(server.layers.flatMap(({ a, b }) => [a.read(), b.read()]));
    const before = await state();
    const good = client(2, 1, 1);
    const nan = tensor([outputs, rank], 1);
    nan.write(new Float32Array(outputs * rank).fill(NaN));
    const wrong: [unknown, RegExp][] = [
      [[], /clients must be a list of updates, got an empty one/],
      [good, /clients must be a list of updates, got an object/],
      [[null], /clients\[0\] must be an object/],
      [[good, { ...good, weight: -1 }], /clients\[1\]\.weight must be finite and not negative, got -1/],
      [[good, { ...good, weight: NaN }], /clients\[1\]\.weight must/],
      [[{ ...good, weight: 0 }], /weights must have a sum above 0, and finite, got 0/],
      [[{ ...good, updates: [] }], /clients\[0\]\.updates must be a list of 2, one a layer, got 0/],
      [[{ ...good, updates: [good.updates[0], layer(1).a] }], /clients\[0\]\.updates\[1\] must have shape \[12,3\]/],
      [[good, { ...good, updates: [good.updates[0], nan] }], /clients\[1\]\.updates\[1\] must be finite, got NaN/],
    ];
    for (const [clients, message] of wrong)
      await expect(server.aggregate(clients as ClientUpdate[])).rejects.toThrow(message);
    expect([await state(), server.round]).toEqual([before, 1]);
    for (const [layers, message] of [
      [[], /layers must be a list of factors, got an empty one/],
      [[null], /layers\[0\] must be an object/],
      [[layer(1), { a: layer(1).a }], /layers\[1\]\.b must be a Tensor/],
    ] as [never, RegExp][])
      expect(() => new FedSvdServer(layers)).toThrow(message);
  });

  it.each([
    [1, /the product of layers\[0\]\.b and layers\[0\]\.a must stay in the range of f32/],
    [2, /layers\[0\]\.b must stay in the range of f32, got numbers beyond it/],
  ])('refuses finite updates whose result is not, and stays as it was, at a period of %d', async (period, message) => {
    const large = (rows: number, columns: number): Tensor =>
      Tensor.from(device, new Float32Array(rows * columns).fill(3e38), [rows, columns]);
    const { a, b } = layer(1);
    using server = new FedSvdServer([period === 1 ? { a: large(a.shape[0]!, a.shape[1]!), b } : { a, b: large(outputs, rank) }], { period }); // biome-ignore format: one line
    const state = () => Promise.all(server.layers.flatMap((own) => [own.a.read(), own.b.read()]));
    const before = await state();
    await expect(server.aggregate([{ updates: [large(outputs, rank)], weight: 1 }])).rejects.toMatchObject({
      code: 'ERR_ARGUMENT',
      message: expect.stringMatching(message),
    });
    expect([await state(), server.round]).toEqual([before, 0]);
  });

  it('gives back all that it made', async () => {
    const given = [layer(1)];
    const each = client(1, 1, 1);
    const before = (await settledMemory(device)).live;
    const server = new FedSvdServer(given);
    for (let round = 0; round < 3; ++round) await server.aggregate([each]);
    await device.synchronize();
    expect(device.info.memory.live).toBe(before + 2);
    server.dispose();
    expect(device.info.memory.live).toBe(before);
    await expect(server.aggregate([each])).rejects.toMatchObject({ code: 'ERR_DISPOSED' });
  });
});
