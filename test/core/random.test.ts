// Devices: cpu, cuda
// Axes: node
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, type RandomState, RandomStream, Tensor } from '../../lib/index.ts';
import { devices, onlyCpu } from '../support/devices.ts';
import { sameBits } from '../support/same-bits.ts';
import { settledMemory } from '../support/settled.ts';
import { thrownBy } from '../support/tensors.ts';

describe.each(devices)('random tensors on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  it.each([
    ['randn', 'normal'],
    ['rand', 'uniform'],
  ] as const)('Tensor.%s holds %s numbers by position', async (name, distribution) => {
    const at = { seed: 7, stream: 2, offset: 5 };
    const expected = Tensor.zeros(device, [3, 11], { dtype: 'f64' });
    ops.random(device, { x: [expected], distribution, ...at });
    const actual = Tensor[name](device, [3, 11], { dtype: 'f64', ...at });
    expect(actual.shape).toEqual([3, 11]);
    expect(await actual.read()).toEqual(await expected.read());
    const plain = Tensor[name](device, [33], { seed: 7 });
    expect(plain.dtype).toBe('f32');
    expect(await plain.read()).not.toEqual(await Tensor[name](device, [33], { seed: 8 }).read());
  });

  it.each(['randn', 'rand'] as const)(
    'Tensor.%s refuses a missing seed and integers, and keeps no memory',
    async (name) => {
      const { live } = await settledMemory(device);
      expect(thrownBy(() => Tensor[name](device, [3], {} as { seed: number }))).toEqual({
        code: 'ERR_ARGUMENT',
        message: `Tensor.${name}: seed is missing`,
      });
      expect(thrownBy(() => Tensor[name](device, [3], { seed: 1, dtype: 'i32' })).code).toBe('ERR_DTYPE');
      expect(thrownBy(() => Tensor[name](device, [3], { seed: -1 })).code).toBe('ERR_ARGUMENT');
      expect(device.info.memory.live).toBe(live);
    },
  );

  const draw = (random: RandomStream): Tensor[] => [
    random.normal(device, [33]),
    random.uniform(device, [5, 5], { dtype: 'f64' }),
    random.normal(device, [7], { dtype: 'f64' }),
    random.uniform(device, [1], { dtype: 'bf16' }),
    random.normal(device, [4097]),
  ];

  it('a restored stream continues bit for bit, unlike a fresh one', async () => {
    const random = new RandomStream(42, { stream: 3 });
    draw(random);
    const state: RandomState = JSON.parse(JSON.stringify(random.state));
    expect(state).toEqual({ seed: 42, stream: 3, offset: 36 + 52 + 16 + 4 + 4100 });
    const [expected, actual] = [draw(random), draw(RandomStream.restore(state))];
    const fresh = draw(new RandomStream(42, { stream: 3 }));
    for (const [i, tensor] of expected.entries()) {
      expect(sameBits(await actual[i]!.read(), await tensor.read())).toBe(true);
      expect(sameBits(await fresh[i]!.read(), await tensor.read())).toBe(false);
    }
  });

  it('no two calls share a word, whatever their sizes and dtypes', async () => {
    const random = new RandomStream(1);
    const used = new Set<number>();
    for (const [size, dtype] of [
      [1, 'f64'],
      [3, 'f32'],
      [5, 'f64'],
      [0, 'f32'],
      [2, 'f16'],
      [4, 'f32'],
    ] as const) {
      const { offset } = random.state;
      const x = random.normal(device, [size], { dtype });
      // A normal number takes a pair of words, in f64 a block of four for two elements.
      const [elements, perElement] = dtype === 'f64' ? [offset / 2, 2] : [offset, 1];
      const expected = Tensor.randn(device, [size], { seed: 1, offset: elements, dtype });
      expect(await x.read()).toEqual(await expected.read());
      const end = 2 * Math.ceil((elements + size) / 2) * perElement;
      for (let word = offset; size > 0 && word < end; word++) {
        expect(used.has(word)).toBe(false);
        used.add(word);
      }
      expect(random.state.offset).toBeGreaterThanOrEqual(end);
    }
  });

  it('fills lists of tensors in one call', async () => {
    const [random, again] = [new RandomStream(9), new RandomStream(9)];
    const parts = [Tensor.zeros(device, [3]), Tensor.zeros(device, [30])];
    random.fillNormal(parts);
    const whole = again.normal(device, [33]);
    const values = await Promise.all(parts.map((x) => x.read()));
    expect([...values[0]!, ...values[1]!]).toEqual([...(await whole.read())]);
    expect(random.state).toEqual(again.state);
    random.fillUniform(parts.slice(0, 1));
    expect(await parts[0]!.read()).toEqual(await again.uniform(device, [3]).read());
    random.fillUniform([]);
    expect(random.state).toEqual(again.state);
  });

  it('a call that fails uses no numbers and keeps no memory', async () => {
    const random = new RandomStream(9);
    const { live } = await settledMemory(device);
    expect(thrownBy(() => random.normal(device, [3], { dtype: 'i32' })).code).toBe('ERR_DTYPE');
    expect(random.state.offset).toBe(0);
    expect(device.info.memory.live).toBe(live);
    const used = RandomStream.restore({ seed: 0, stream: 0, offset: 2 ** 53 - 4 });
    expect(thrownBy(() => used.uniform(device, [5]))).toEqual({
      code: 'ERR_ARGUMENT',
      message: expect.stringMatching(/^RandomStream: offset must stay below 2\^53, got \d+$/),
    });
  });
});

describe.each(onlyCpu)('RandomStream', () => {
  it.each([-1, 0.5, NaN, 2 ** 53, '1', undefined])('refuses %s as a seed or a stream', (value) => {
    for (const [name, make] of [
      ['seed', () => new RandomStream(value as number)],
      ['stream', () => new RandomStream(1, { stream: value as number })],
    ] as const) {
      if (name === 'stream' && value === undefined) continue;
      expect(thrownBy(make)).toEqual({
        code: 'ERR_ARGUMENT',
        message: `RandomStream: ${name} must be whole and from 0 to 2^53 - 1, got ${typeof value === 'string' ? `'${value}'` : value}`,
      });
    }
  });

  it.each([
    undefined,
    {},
    { seed: 1, stream: 0 },
    { seed: 1, stream: 0, offset: 2 },
    { seed: 1, stream: 0, offset: -4 },
    { seed: '1', stream: 0, offset: 4 },
    null,
    5,
  ])('does not restore %j', (state) => {
    expect(thrownBy(() => RandomStream.restore(state as RandomState)).code).toBe('ERR_STATE');
  });

  it('does not restore what JSON cannot say', () => {
    const state = { seed: 1n, stream: 0, offset: 4 } as unknown as RandomState;
    expect(thrownBy(() => RandomStream.restore(state)).code).toBe('ERR_STATE');
  });

  it('refuses lists that are not of tensors', async () => {
    const device = Device.open('cpu', { threads: 1 });
    const random = new RandomStream(1);
    const calls = [() => random.fillNormal(null as never), () => random.fillUniform([null as never])];
    for (const call of calls) expect(thrownBy(call).code).toBe('ERR_ARGUMENT');
    expect(random.state.offset).toBe(0);
    expect(device.info.memory.live).toBe(0);
    await device.close();
  });
});
