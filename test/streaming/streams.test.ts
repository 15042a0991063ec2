// Devices: cpu, cuda
// Values: streams that begin at another time are streams of their own, whose steps are those of a layer for them alone.
import { afterAll, describe, expect, it, vi } from 'vitest';
import { Device, Tensor } from '../../lib/index.ts';
import { ContinualAttention } from '../../lib/streaming/attention.ts';
import { type ContinualLayer, continual } from '../../lib/streaming/index.ts';
import { Folder } from '../files/folder.ts';
import { normal, uniform } from '../support/data.ts';
import { devices, onlyCpu } from '../support/devices.ts';
import { settledMemory } from '../support/settled.ts';
import { apart } from './offline.ts';

describe.each(devices)('streams on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const randn = (shape: number[], seed: number) => Tensor.randn(device, shape, { seed });
  const net = (): ContinualLayer =>
    continual.sequential(
      continual.conv1d(randn([4, 3, 3], 1), randn([4], 2), { padding: 1 }),
      continual.residual(continual.conv1d(randn([4, 4, 3], 3), randn([4], 4), { padding: 2, dilation: 2 })),
      continual.map('sigmoid'),
      continual.positional(randn([5, 4], 5)),
      continual.conv1d(randn([4, 4, 2], 6), randn([4], 7)),
      continual.maxPool1d(2),
      continual.delay(2),
      continual.parallel(
        continual.linear(randn([2, 4], 8), randn([2], 9)),
        continual.conv1d(randn([2, 4, 3], 10), undefined, { padding: 1 }),
      ),
    );
  /** Input of a stream at one of its own times. */
  const inputAt = (stream: number, time: number, channels: number) => normal(channels, 7919 * stream + time + 1);
  const inputs = (streams: readonly (readonly [number, number])[], channels: number): Tensor =>
    Tensor.from(device, Float32Array.from(streams.flatMap(([stream, time]) => [...inputAt(stream, time, channels)])), [streams.length, channels]); // biome-ignore format: one line

  it('begin anew one by one, among a thousand of them', async () => {
    const [streams, steps] = kind === 'cpu' ? [1000, 60] : [40, 30];
    using all = net();
    const next = uniform(5);
    // The name and the age of what each place has: a reset gives it another name.
    const names = Array.from({ length: streams }, (_, i) => i);
    const ages = names.map(() => 0);
    const watched = [0, 3, 17, streams - 1];
    const histories = new Map<number, number>();
    let fresh = streams;
    for (let t = 0; t < steps; ++t) {
      const some = t === 0 ? [] : Array.from({ length: 5 }, () => Math.floor(next() * streams));
      if (t === 9) some.push(17);
      if (t === 12) some.push(3, 3, streams - 1);
      all.reset(some);
      for (const place of some) [names[place], ages[place]] = [fresh++, 0];
      using x = inputs(
        names.map((name, i) => [name, ages[i]!] as const),
        3,
      );
      using y = all.step(x);
      for (const [i, age] of ages.entries()) ages[i] = age + 1;
      expect(y === null).toBe(t < all.delay);
      if (!y) continue;
      const found = await y.read();
      for (const place of watched) {
        const row = [...found.slice(2 * place, 2 * place + 2)];
        if (ages[place]! <= all.delay) expect(row).toEqual([0, 0]);
        else if (t > steps - 6) histories.set(place, t);
        if (t !== steps - 1 || ages[place]! <= all.delay) continue;
        using alone = net();
        let last: Tensor | null = null;
        for (let age = 0; age < ages[place]!; ++age) {
          using own = inputs([[names[place]!, age]], 3);
          last?.dispose();
          last = alone.step(own);
        }
        const expected = await last!.read();
        expect(apart(row, expected) / Math.max(1, ...expected.map(Math.abs))).toBeLessThan(1e-6);
      }
    }
    expect(histories.size).toBeGreaterThan(1);
  });

  it('attend to their own places alone after a reset', async () => {
    for (const mode of ['single', 'retroactive'] as const) {
      using both = continual.attention({ heads: 2, length: 4, mode });
      using alone = continual.attention({ heads: 2, length: 4, mode });
      const size = mode === 'single' ? 4 : 16;
      for (let t = 0; t < 12; ++t) {
        if (t === 6) both.reset(Int32Array.of(1));
        const own = t < 6 ? ([1, t] as const) : ([2, t - 6] as const);
        using x = inputs([[0, t], own], 4);
        using y = both.step(x, x, x);
        using z = t < 6 ? null : inputs([own], 4);
        using expected = z && alone.step(z, z, z);
        if (t < 6) continue;
        const row = (await y!.read()).slice(size);
        expect(apart(row, expected ? await expected.read() : new Float32Array(size))).toBeLessThan(1e-6);
      }
    }
  });

  it('count their places anew before 32 bits end', async () => {
    for (const mode of ['single', 'retroactive'] as const) {
      const window = { heads: 1, length: 3, mode, refreshEvery: undefined, exact: false };
      using counted = new ContinualAttention(window, 5);
      using plain = new ContinualAttention(window);
      for (let t = 0; t < 40; ++t) {
        if (t === 13 || t === 24) for (const layer of [counted, plain]) layer.reset([1]);
        using x = inputs([[0, t], [1, t]], 2); // biome-ignore format: one line
        using y = counted.step(x, x, x);
        using expected = plain.step(x, x, x);
        expect(y && (await y.read())).toEqual(expected && (await expected.read()));
      }
    }
  });

  it('stay as they were where a step is a look', async () => {
    using layer = net();
    using other = net();
    using attention = continual.attention({ length: 3, mode: 'retroactive' });
    using others = continual.attention({ length: 3, mode: 'retroactive' });
    for (let t = 0; t < 24; ++t) {
      if (t === 15) for (const one of [layer, other, attention, others]) one.reset([1]);
      using x = inputs([[0, t], [1, t]], 3); // biome-ignore format: one line
      using look = layer.step(x, { update: false });
      using looks = attention.step(x, x, x, { update: false });
      using y = layer.step(x);
      using z = attention.step(x, x, x);
      using expected = other.step(x);
      using expecteds = others.step(x, x, x);
      for (const [found, right] of [[y, expected], [look, expected], [z, expecteds], [looks, expecteds]] as const) // biome-ignore format: one line
        expect(found && (await found.read())).toEqual(right && (await right.read()));
    }
    using unborn = net();
    using x = inputs([[0, 0]], 3);
    expect(unborn.step(x, { update: false })).toBe(null);
    expect([unborn.streams, unborn.stateBytes]).toEqual([0, 0]);
  });

  it('are saved and go on in another layer bit for bit, some of them young', async () => {
    using folder = new Folder();
    const make = [net, () => continual.attention({ heads: 2, length: 3 }), () => continual.attention({ length: 3, mode: 'retroactive' })] as const; // biome-ignore format: one line
    for (const one of make) {
      using layer = one();
      using other = one();
      const step = (of: ReturnType<typeof one>, t: number): Tensor | null => {
        using x = inputs([[0, t], [1, t], [2, t]], of instanceof ContinualAttention ? 4 : 3); // biome-ignore format: one line
        return of instanceof ContinualAttention ? of.step(x, x, x) : of.step(x);
      };
      for (let t = 0; t < 21; ++t) {
        if (t === 18) layer.reset([2]);
        step(layer, t)?.dispose();
      }
      await layer.save(folder.file('state'), { metadata: { of: 'mine' } });
      expect(await other.load(folder.file('state'), { device })).toEqual({ metadata: { of: 'mine' } });
      expect([other.streams, other.stateBytes]).toEqual([3, layer.stateBytes]);
      for (let t = 21; t < 40; ++t) {
        using y = step(layer, t);
        using z = step(other, t);
        expect(await z!.read()).toEqual(await y!.read());
      }
      // A stream that has not begun is a state, too.
      using unborn = one();
      await unborn.save(folder.file('empty'));
      await other.load(folder.file('empty'), { device });
      expect(other.streams).toBe(0);
    }
  });

  it('take no more memory the longer they last', async () => {
    using layer = net();
    using x = inputs([[0, 0], [1, 0]], 3); // biome-ignore format: one line
    const step = () => layer.step(x)?.dispose();
    for (let t = 0; t < 30; ++t) step();
    await device.synchronize();
    const { live } = await settledMemory(device);
    for (let t = 0; t < 300; ++t) step();
    await device.synchronize();
    expect((await settledMemory(device)).live).toBe(live);
    layer.dispose();
    expect(layer.stateBytes).toBe(0);
  });
});

describe.each(onlyCpu)('streams', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const zeros = (shape: number[], dtype: 'f32' | 'f64' = 'f32') => Tensor.zeros(device, shape, { dtype });
  const message = (call: () => unknown): string => {
    try {
      call();
    } catch (error) {
      return `${(error as { code: string }).code} ${(error as Error).message}`;
    }
    return 'nothing';
  };
  const rejection = async (call: Promise<unknown>): Promise<string> => {
    try {
      await call;
    } catch (error) {
      return `${(error as { code: string }).code} ${(error as Error).message}`;
    }
    return 'nothing';
  };

  it('refuse layers that cannot be', () => {
    const conv =
      (options: object, taps = 3) =>
      () =>
        continual.conv1d(zeros([2, 2, taps]), undefined, options);
    expect(message(conv({ padding: 3 }))).toBe(
      'ERR_ARGUMENT continual.conv1d: padding must be less than the receptive field, 3, got 3',
    );
    expect(message(conv({ padding: 5, dilation: 2 }))).toMatch(/less than the receptive field, 5, got 5$/);
    expect(message(conv({ padding: -1 }))).toMatch(/^ERR_ARGUMENT/);
    expect(message(conv({ stride: 0 }))).toMatch(/^ERR_ARGUMENT/);
    expect(message(conv({ dilation: 2 ** 14 + 1 }))).toMatch(
      /^ERR_ARGUMENT .*dilation must be at most 16384, got 16385$/,
    );
    expect(message(() => continual.maxPool1d(2 ** 50, { dilation: 2 ** 14 }))).toMatch(/receptive field below 2⁵³/);
    expect(message(conv({ pads: 1 }))).toMatch(/^ERR_ARGUMENT/);
    expect(message(() => continual.conv1d(zeros([2, 2, 0])))).toMatch(/^ERR_SHAPE/);
    expect(message(() => continual.conv1d(zeros([2, 2])))).toMatch(/^ERR_SHAPE/);
    expect(message(() => continual.linear(zeros([2, 2]), zeros([3])))).toMatch(/^ERR_SHAPE/);
    expect(message(() => continual.linear(zeros([2, 2]), zeros([2], 'f64')))).toMatch(/^ERR_DTYPE/);
    expect(message(() => continual.averagePool1d(0))).toMatch(/kernel must be a whole number from 1 on, got 0$/);
    expect(message(() => continual.maxPool1d(2.5))).toMatch(/^ERR_ARGUMENT/);
    expect(message(() => continual.maxPool1d(2, { padding: 1 } as never))).toMatch(/^ERR_ARGUMENT/);
    expect(message(() => continual.map('sine' as never))).toMatch(
      /^ERR_ARGUMENT continual.map: word must be one of 'relu', /,
    );
    expect(message(() => continual.delay(-1))).toMatch(/^ERR_ARGUMENT/);
    expect(message(() => continual.sequential())).toMatch(/layers must be at least one layer, got none$/);
    expect(message(() => continual.residual(conv({})()))).toBe(
      'ERR_ARGUMENT continual.residual: layer must leave the length of a sequence, by padding of half its receptive ' +
        'field, got padding 0 of 3',
    );
    expect(message(() => continual.residual(conv({ padding: 1, stride: 2 })()))).toMatch(
      /layer must have stride 1, got 2$/,
    );
    expect(message(() => continual.parallel(conv({})(), conv({ padding: 1 })()))).toMatch(
      /layers\[1\] must shorten sequences by 2 as the first, got 0$/,
    );
    expect(message(() => continual.parallel(conv({})(), conv({ stride: 2 })()))).toMatch(
      /have stride 1 as the first, got 2$/,
    );
    const mine = conv({})();
    expect(message(() => continual.sequential(mine, mine))).toMatch(
      /layers\[1\] must be a layer of its own, got layers\[0\]$/,
    );
    using whole = continual.sequential(mine);
    expect(message(() => continual.sequential(mine))).toMatch(
      /layers\[0\] must be no part of another layer, got conv1d$/,
    );
    expect(message(() => mine.step(zeros([1, 2])))).toMatch(/^ERR_STATE .*be called by what it is a part of/);
    mine.dispose();
    expect(mine.disposed).toBe(false);
    whole.dispose();
    expect([mine.disposed, message(() => mine.reset())]).toEqual([true, 'ERR_DISPOSED ContinualLayer.reset: the layer has been disposed']); // biome-ignore format: one line
    const double = continual.linear(zeros([2, 2], 'f64'));
    expect(message(() => continual.sequential(conv({})(), double))).toMatch(/^ERR_DTYPE .*layers\[1\] must be f32 as those before, got f64$/); // biome-ignore format: one line
  });

  it('refuse layers whose channels do not fit, as far as weights settle them', () => {
    const linear = (outer: number, inner: number) => continual.linear(zeros([outer, inner]));
    expect(
      message(() => continual.sequential(continual.map('relu'), linear(3, 2), continual.delay(1), linear(2, 4))),
    ).toBe('ERR_SHAPE continual.sequential: layers[3] must take the 3 channels that come to it, got 4');
    const inner = continual.sequential(continual.delay(1), linear(3, 2));
    expect(message(() => continual.sequential(inner, continual.positional(zeros([5, 2]))))).toMatch(
      /^ERR_SHAPE .*layers\[1\] must take the 3 channels that come to it, got 2$/,
    );
    expect(message(() => continual.residual(linear(3, 2)))).toBe(
      'ERR_SHAPE continual.residual: layer must give the 2 channels that it takes, got 3',
    );
    expect(message(() => continual.parallel(linear(3, 2), linear(3, 4)))).toMatch(
      /^ERR_SHAPE .*layers\[1\] must take the 2 channels that come to it, got 4$/,
    );
    expect(message(() => continual.parallel(continual.map('relu'), linear(3, 2)))).toMatch(
      /^ERR_SHAPE .*layers\[1\] must give 2 channels as the first, got 3$/,
    );
    // They belong to none then.
    using free = continual.sequential(inner, linear(2, 3));
    expect(free.step(zeros([1, 2]))).toBe(null);
    expect(free.step(zeros([1, 2]))!.shape).toEqual([1, 2]);
  });

  it('have one ring where a kernel has one tap, whatever its dilation', async () => {
    for (const dilation of [1, 5e9]) {
      using weight = Tensor.full(device, [1, 1, 1], 2);
      using layer = continual.sequential(continual.conv1d(weight, undefined, { dilation }), continual.maxPool1d(1, { dilation })); // biome-ignore format: one line
      using x = Tensor.full(device, [3, 1], 4);
      using y = layer.step(x);
      expect(await y!.read()).toEqual(Float32Array.of(8, 8, 8));
      // A number and the age of each stream in each of both.
      expect([layer.delay, layer.stateBytes]).toEqual([0, 48]);
    }
  });

  it('make no tensor for each of many that were reset', async () => {
    const streams = 200;
    using layer = continual.sequential(...[1, 2].map(() => continual.conv1d(Tensor.full(device, [1, 1, 3], 1))));
    using x = Tensor.full(device, [streams, 1], 1);
    for (let t = 0; t < 5; ++t) layer.step(x)?.dispose();
    const all = Array.from({ length: streams - 1 }, (_, i) => i);
    for (const some of [all, all.filter((i) => i % 3 === 1)]) {
      const rows = vi.spyOn(Tensor.prototype, 'rows');
      layer.reset(some);
      if (some === all) expect(rows.mock.calls.length).toBe(2);
      for (let t = 0; t < 5; ++t) {
        rows.mockClear();
        using y = layer.step(x);
        expect(rows.mock.calls.length).toBeLessThanOrEqual(2);
        const young = new Set(t < 4 ? some : []);
        expect(await y!.read()).toEqual(Float32Array.from({ length: streams }, (_, i) => (young.has(i) ? 0 : 9)));
      }
      rows.mockRestore();
    }
  });

  it('refuse another batch, channels and dtypes, and what is no stream; nothing has happened then', async () => {
    using layer = continual.sequential(continual.averagePool1d(2), continual.delay(1));
    expect(message(() => layer.reset([0]))).toMatch(/streams must be some of 0, from 0 on, got 0$/);
    const step = (shape: number[], dtype: 'f32' | 'f64' = 'f32') => message(() => layer.step(zeros(shape, dtype)));
    expect(step([0, 3])).toMatch(/^ERR_SHAPE/);
    expect(step([2, 3, 1])).toMatch(/^ERR_SHAPE/);
    expect(message(() => layer.step(5 as never))).toMatch(/^ERR_ARGUMENT/);
    layer.step(zeros([2, 3]));
    expect(step([3, 3])).toBe('ERR_SHAPE ContinualLayer.step: x must have 2 streams as before, got 3');
    layer.reset();
    expect(step([3, 3])).toMatch(/must have 2 streams as before, got 3$/);
    expect(step([2, 4])).toMatch(/must have 3 channels as before, got 4$/);
    expect(step([2, 3], 'f64')).toMatch(/^ERR_DTYPE/);
    expect(message(() => layer.steps(zeros([3, 3, 5])))).toMatch(/2 streams as before, got 3$/);
    for (const streams of [[2], [-1], [0.5], [NaN], ['0'], 'all', 1, [undefined, 1]])
      expect(message(() => layer.reset(streams as never))).toMatch(/^ERR_ARGUMENT/);
    expect(message(() => layer.forward(zeros([2, 3, 1])))).toMatch(/x must have places enough for one output, got 1$/);
    expect(message(() => layer.step(zeros([2, 3]), { update: 1 } as never))).toMatch(/^ERR_ARGUMENT/);
    const gone = zeros([2, 3]);
    gone.dispose();
    expect(message(() => layer.step(gone))).toMatch(/^ERR_DISPOSED/);
    await using other = Device.open('cpu');
    expect(message(() => layer.step(Tensor.zeros(other, [2, 3])))).toMatch(/^ERR_DEVICE/);
    // Delay 2: the third step is the first to give something.
    expect([1, 2, 3].map(() => layer.step(zeros([2, 3]))?.shape)).toEqual([undefined, undefined, [2, 3]]);
  });

  it('do not outlive NaN by more than the receptive field', async () => {
    using layer = continual.sequential(continual.averagePool1d(3), continual.conv1d(Tensor.full(device, [1, 1, 2], 1), undefined)); // biome-ignore format: one line
    const seen: boolean[] = [];
    for (let t = 0; t < 12; ++t) {
      using x = Tensor.full(device, [1, 1], t === 5 ? NaN : 1);
      using y = layer.step(x);
      if (y) seen.push(Number.isNaN((await y.read())[0]!));
    }
    expect(layer.receptiveField).toBe(4);
    expect(seen).toEqual([false, false, true, true, true, true, false, false, false]);
    // A stream that is reset has nothing left of it.
    using x = Tensor.full(device, [1, 1], NaN);
    layer.step(x);
    layer.reset([0]);
    using one = Tensor.full(device, [1, 1], 1);
    const after = [];
    for (let t = 0; t < 4; ++t) after.push((await layer.step(one)!.read())[0]);
    expect(after).toEqual([0, 0, 0, 2]);
  });

  it('refuse states that are not theirs, and calls while one is loaded', async () => {
    using folder = new Folder();
    const make = (padding = 0, taps = 3) => continual.conv1d(Tensor.randn(device, [2, 2, taps], { seed: 1 }), undefined, { padding }); // biome-ignore format: one line
    using layer = make();
    layer.step(zeros([3, 2]));
    await layer.save(folder.file('state'));
    for (const other of [make(1), make(0, 2), continual.linear(zeros([2, 2]))])
      expect(await rejection(other.load(folder.file('state')))).toMatch(/^ERR_STATE/);
    using narrow = make();
    narrow.step(zeros([2, 2]));
    expect(await rejection(narrow.load(folder.file('state')))).toMatch(/the state must have 2 streams as here, got 3$/);
    expect(narrow.streams).toBe(2);
    using pool = continual.averagePool1d(2);
    expect(await rejection(pool.load(folder.file('state')))).toMatch(/^ERR_ARGUMENT .*device must be given/);
    using same = make();
    const loading = same.load(folder.file('state'));
    expect(message(() => same.step(zeros([3, 2])))).toMatch(/^ERR_STATE/);
    expect(message(() => same.reset())).toMatch(/^ERR_STATE/);
    expect(message(() => continual.sequential(same))).toMatch(/^ERR_STATE/);
    await loading;
    same.step(zeros([3, 2]));
    const gone = same.load(folder.file('state'));
    same.dispose();
    expect(await rejection(gone)).toMatch(/^ERR_DISPOSED/);
    const aborted = new AbortController();
    aborted.abort(new Error('enough'));
    expect(await rejection(layer.load(folder.file('state'), { signal: aborted.signal }))).toMatch(/enough$/);
    expect(layer.step(zeros([3, 2]))).toBe(null);
    const saving = layer.save(folder.file('last'));
    layer.dispose();
    await saving;
  });
});
