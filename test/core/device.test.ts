// Devices: cpu, cuda
// Axes: node
import { afterAll, describe, expect, it } from 'vitest';
import { Device, OrthokitError, ops, Tensor } from '../../lib/index.ts';
import { normal } from '../support/data.ts';
import { devices, onlyCpu } from '../support/devices.ts';
import { settledMemory } from '../support/settled.ts';
import { tensorOf, thrownBy, valuesOf } from '../support/tensors.ts';

/** Work of about a tenth of a second, on CUDA of the emulator's, so that what is queued behind it waits. */
function occupy(device: Device): void {
  const side = device.kind === 'cpu' ? 900 : 160;
  const a = Tensor.zeros(device, [side, side], { dtype: 'f64' });
  const c = Tensor.zeros(device, [side, side], { dtype: 'f64' });
  for (let i = 0; i < 3; i++) ops.gemm(device, { a, b: a, c });
  a.dispose();
  c.dispose();
}

describe.each(onlyCpu)('Device.open', () => {
  it('lists what can be used, and says why the rest cannot', () => {
    expect(Device.available).toContain('cpu');
    for (const kind of ['cpu', 'cuda'] as const) {
      const reason = Device.unavailable(kind);
      if (Device.available.includes(kind)) expect(reason).toBeUndefined();
      else expect(reason).toMatch(/\w+ \w+/);
    }
    expect(thrownBy(() => Device.unavailable('tpu' as never)).code).toBe('ERR_ARGUMENT');
  });

  it.each([
    'tpu',
    'CPU',
    '',
    'cuda:',
    'cuda:7x',
    'cuda:-1',
    'cuda:1.5',
    'cuda:99999999999',
    'cpu:0',
    undefined,
    3,
    null,
  ])('refuses the name %j', (name) => {
    const { code, message } = thrownBy(() => Device.open(name as never));
    expect(code).toBe('ERR_ARGUMENT');
    expect(message).toMatch(/^Device\.open: device must be cpu, cuda, cuda:<n> or auto/);
  });

  it('auto takes what there is', async () => {
    const device = Device.open('auto');
    expect(device.kind).toBe(Device.available.includes('cuda') ? 'cuda' : 'cpu');
    await device.close();
  });

  it.each([0, -1, 1.5, NaN, Infinity, 1025, '2', null])('refuses %j threads', (threads) => {
    const { code, message } = thrownBy(() => Device.open('cpu', { threads: threads as never }));
    expect(code).toBe('ERR_ARGUMENT');
    expect(message).toContain('Device.open: threads must be a whole number from 1 to 1024, got ');
  });

  it('refuses unknown options', () => {
    expect(thrownBy(() => Device.open('cpu', { thread: 1 } as never))).toEqual({
      code: 'ERR_ARGUMENT',
      message: 'Device.open: thread is not an option, did you mean threads?',
    });
  });

  it('throws OrthokitError, which is an Error with a code', () => {
    try {
      Device.open('tpu' as never);
      expect.unreachable();
    } catch (error) {
      expect(error).toBeInstanceOf(OrthokitError);
      expect(error).toBeInstanceOf(Error);
      expect(error).toMatchObject({ name: 'OrthokitError', code: 'ERR_ARGUMENT' });
      expect(Object.hasOwn(error as object, 'nativeCode')).toBe(false);
    }
  });

  it('takes up to 1,024 threads and tells their number', async () => {
    for (const threads of [1, 3, 200]) {
      const device = Device.open('cpu', { threads });
      expect(device.info.units).toBe(threads);
      const x = tensorOf(device, normal(100000, 1));
      expect((await x.copy().read()).length).toBe(100000);
      await device.close();
    }
  });
});

describe.each(onlyCpu)('flow()', { timeout: 60_000 }, () => {
  it('bounds what is queued by time: most of a long loop is done when it ends', async () => {
    const device = Device.open('cpu');
    const a = Tensor.zeros(device, [500, 500], { dtype: 'f64' });
    const c = Tensor.zeros(device, [500, 500], { dtype: 'f64' });
    await device.synchronize();
    const shares: number[] = [];
    // The machine may take its time from some of them.
    while (shares.length < 5 && !(Math.min(...shares) < 1)) {
      const start = performance.now();
      for (let i = 0; i < 100; i++) {
        ops.gemm(device, { a, b: a, c });
        await device.flow();
      }
      const looped = performance.now();
      await device.synchronize();
      shares.push((performance.now() - looped) / (looped - start));
    }
    expect(Math.min(...shares), shares.join(' ')).toBeLessThan(1);
    await device.close();
  });
});

describe.each(devices)('a %s device', (kind) => {
  it('describes itself', async () => {
    const device = Device.open(kind);
    expect(device).toMatchObject({ kind, index: 0 });
    const { info } = device;
    expect(info).toMatchObject({ kind, index: 0, memory: { live: 0, bytes: 0, peak: 0, pooled: 0 } });
    for (const word of [info.name, info.isa, info.blas]) expect(word).toMatch(/\w/);
    if (kind === 'cpu') expect(['portable', 'avx2', 'avx512']).toContain(info.isa);
    expect(info.units).toBeGreaterThanOrEqual(1);
    expect(info.memoryBytes).toBeGreaterThan(2 ** 28);
    await device.close();
  });

  it('is closed by `await using`, closed before or not', async () => {
    const device = Device.open(kind);
    const x = tensorOf(device, [1]);
    await device[Symbol.asyncDispose]();
    expect(thrownBy(() => x.read()).code).toBe('ERR_DISPOSED');
    await device[Symbol.asyncDispose]();
  });

  it('passes on why it could not be closed at the end of a block', async () => {
    const close = () => Promise.reject(new OrthokitError('ERR_BACKEND', 'the device is lost'));
    const lost: Device = Object.assign(Object.create(Device.prototype), { close });
    await expect(lost[Symbol.asyncDispose]()).rejects.toMatchObject({ code: 'ERR_BACKEND' });
  });

  it('closes once: what is queued finishes, later calls throw', async () => {
    const device = Device.open(kind);
    const x = tensorOf(device, [1, 2]);
    occupy(device);
    const read = x.read();
    const closed = device.close();
    expect(await read).toEqual(Float32Array.from([1, 2]));
    await closed;
    const calls = [
      () => device.close(),
      () => device.synchronize(),
      () => device.flow(),
      () => device.info,
      () => Tensor.zeros(device, [1]),
      () => ops.fill(device, { x: [x] }),
      () => x.read(),
      () => x.write([1, 2]),
      () => x.copy(),
    ];
    for (const call of calls) expect(thrownBy(call).code).toBe('ERR_DISPOSED');
    x.dispose();
    expect(x.disposed).toBe(true);
  });

  it('is closed by await using', async () => {
    let kept: Device;
    {
      await using device = Device.open(kind);
      kept = device;
      Tensor.zeros(device, [3]);
    }
    expect(thrownBy(() => kept.info).code).toBe('ERR_DISPOSED');
  });

  it('has a queue of its own, and takes no tensors of another', async () => {
    const [one, two] = [Device.open(kind), Device.open(kind)];
    const [a, b] = [Tensor.zeros(one, [2, 2]), Tensor.zeros(two, [2, 2])];
    const c = Tensor.zeros(one, [2, 2]);
    expect(thrownBy(() => ops.gemm(one, { a, b, c }))).toEqual({
      code: 'ERR_DEVICE',
      message: 'gemm: b is on another device',
    });
    expect(thrownBy(() => ops.copy(two, { out: [c], x: [b] })).code).toBe('ERR_DEVICE');
    const by = Tensor.zeros(two, [1]);
    const fields = { out: [c], terms: [a], coefficients: [by] };
    expect(thrownBy(() => ops.linearCombination(one, fields)).code).toBe('ERR_DEVICE');
    await one.close();
    expect(await b.read()).toEqual(new Float32Array(4));
    await two.close();
  });

  it('refuses what is no device and no object of fields', async () => {
    const device = Device.open(kind);
    const x = Tensor.zeros(device, [1]);
    const values: [unknown, string][] = [
      [undefined, 'undefined'],
      [null, 'null'],
      [3, '3'],
      [true, 'true'],
      ['cpu', "'cpu'"],
      [Symbol('s'), 'a symbol'],
      [3n, 'a bigint'],
      [() => 3, 'a function'],
    ];
    for (const [wrong, shown] of [...values, [{}, 'an object'], [[], 'a list'], [x, 'an object']])
      expect(thrownBy(() => ops.fill(wrong as never, { x: [x] }))).toEqual({
        code: 'ERR_ARGUMENT',
        message: `fill: device must be a Device, got ${shown}`,
      });
    for (const [wrong, shown] of values)
      expect(thrownBy(() => ops.fill(device, wrong as never))).toEqual({
        code: 'ERR_ARGUMENT',
        message: `fill: fields must be an object, got ${shown}`,
      });
    for (const wrong of [undefined, null, 3, {}, device])
      expect(thrownBy(() => ops.fill(device, { x: [wrong as never] })).message).toMatch(
        /^fill: x must be a Tensor, got /,
      );
    expect(thrownBy(() => ops.fill(device, { x: x as never })).message).toBe('fill: x must be an array, got an object');
    expect(thrownBy(() => ops.fill(device, {} as never)).message).toBe('fill: x is missing');
    expect(thrownBy(() => ops.fill(device, { x: [x], values: 1 } as never)).message).toBe(
      'fill: values is not a field, did you mean value?',
    );
    // A field that is not set is none; one that is unknown is found beside it.
    ops.fill(device, { x: [x], value: undefined } as never);
    const typo = { x: [x], value: undefined, valu: 1 };
    expect(thrownBy(() => ops.fill(device, typo as never)).code).toBe('ERR_ARGUMENT');
    const getter = {
      x: [x],
      get value(): number {
        throw new RangeError('from the getter');
      },
    };
    expect(() => ops.fill(device, getter)).toThrow(RangeError);
    const gone = tensorOf(device, [1]);
    const disposing = {
      x: [gone],
      get value(): number {
        gone.dispose();
        return 3;
      },
    };
    expect(thrownBy(() => ops.fill(device, disposing))).toEqual({
      code: 'ERR_DISPOSED',
      message: 'fill: x has been disposed',
    });
    const kept = tensorOf(device, [1]);
    // A long list is read once; one that is read a second time finds the tensor gone.
    for (const [length, message] of [
      [2, 'fill: x has been disposed'],
      [5000, 'fill: a tensor was disposed while the fields were read'],
    ] as const) {
      const read = tensorOf(device, [1]);
      const list = Object.defineProperty([read, ...Array(length - 1).fill(kept)], 1, {
        get() {
          read.dispose();
          return kept;
        },
      });
      expect(thrownBy(() => ops.fill(device, { x: list, value: 3 }))).toEqual({ code: 'ERR_DISPOSED', message });
    }
    ops.fill(device, { x: [x], value: 4 });
    expect(await x.read()).toEqual(Float32Array.from([4]));
    await device.close();
  });

  describe('when queued work fails', () => {
    const device = Device.open(kind);
    afterAll(() => device.close());
    const guard = Tensor.zeros(device, [1], { dtype: 'f64' });
    const bad = [tensorOf(device, [NaN])];
    const fail = () => ops.checkFinite(device, { x: bad, guard, action: 'throw' });
    const failure = { code: 'ERR_ARGUMENT', message: expect.stringContaining('checkFinite: ') };

    it('every read behind it rejects, and the work behind it is skipped', async () => {
      const x = tensorOf(device, [1, 2]);
      const before = x.read();
      fail();
      const behind = [x.read(), x.read()];
      ops.fill(device, { x: [x], value: 9 });
      x.write([7, 7]);
      behind.push(x.read());
      const synchronized = device.synchronize();
      expect(await before).toEqual(Float32Array.from([1, 2]));
      for (const read of [...behind, synchronized]) await expect(read).rejects.toMatchObject(failure);
      expect(await x.read()).toEqual(Float32Array.from([1, 2]));
    });

    it('what is queued after the report runs, though more reads are to be rejected', async () => {
      for (let round = 0; round < 20; round++) {
        const x = tensorOf(device, [1]);
        fail();
        const [first, second] = [x.read(), x.read()];
        second.catch(() => {});
        await expect(first).rejects.toMatchObject(failure);
        x.write([5]);
        expect(await x.read()).toEqual(Float32Array.from([5]));
        await expect(second).rejects.toMatchObject(failure);
      }
    });

    it('many reads behind it leave the device in order', async () => {
      const x = tensorOf(device, [0]);
      fail();
      const reads = Array.from({ length: 50 }, async (_, i) => {
        try {
          await x.read();
        } catch {
          x.write([i]);
          return (await x.read())[0];
        }
        return -1;
      });
      expect(await Promise.all(reads)).toEqual(Array.from({ length: 50 }, (_, i) => i));
    });

    it('the first of two failures is reported; a later one anew', async () => {
      const two = [tensorOf(device, [NaN]), tensorOf(device, [Infinity])];
      fail();
      ops.checkFinite(device, { x: two, guard, action: 'throw' });
      await expect(device.synchronize()).rejects.toMatchObject({ message: expect.stringContaining('in 1 of 1') });
      await device.synchronize();
      ops.checkFinite(device, { x: two, guard, action: 'throw' });
      await expect(device.synchronize()).rejects.toMatchObject({ message: expect.stringContaining('in 2 of 2') });
      await device.synchronize();
    });

    it('a device that is closed after a failure closes', async () => {
      const other = Device.open(kind);
      const x = [tensorOf(other, [NaN])];
      ops.checkFinite(other, { x, guard: Tensor.zeros(other, [1], { dtype: 'f64' }), action: 'throw' });
      await other.close();
    });
  });

  describe('memory', () => {
    it('counts tensors, and forgets them when they are disposed', async () => {
      const device = Device.open(kind);
      const tensors = [Tensor.zeros(device, [1000]), Tensor.zeros(device, [0]), tensorOf(device, [1], [1], 'f64')];
      const memory = await settledMemory(device);
      expect(memory.live).toBe(3);
      expect(memory.bytes).toBeGreaterThanOrEqual(4008);
      expect(memory.peak).toBe(memory.bytes);
      expect(memory.pooled).toBe(0);
      const same = tensors[0]!.reshape([10, 100]);
      expect(device.info.memory.live).toBe(3);
      for (const tensor of tensors) tensor.dispose();
      expect(device.info.memory.live).toBe(1);
      same.dispose();
      // All of them are kept for the next ones, which take them.
      const after = { live: 0, bytes: 0, peak: memory.peak, pooled: memory.bytes };
      expect(device.info.memory).toEqual(after);
      for (let i = 0; i < 100; i++) Tensor.zeros(device, [1000]).dispose();
      expect(device.info.memory).toEqual(after);
      await device.close();
    });

    it('a tensor that is disposed stays for the work that is queued', async () => {
      const device = Device.open(kind);
      const values = normal(5000, 1).map(Math.fround);
      const x = tensorOf(device, values);
      const out = Tensor.zeros(device, [5000]);
      occupy(device);
      ops.copy(device, { out: [out], x: [x] });
      const read = x.read();
      x.dispose();
      const next = Array.from({ length: 5 }, () => Tensor.full(device, [5000], 3));
      expect(await valuesOf(out)).toEqual(values);
      expect(Float64Array.from(await read)).toEqual(values);
      expect((await next[4]!.read())[4999]).toBe(3);
      await device.close();
    });

    it('64 MB of waiting work are too much: ERR_MEMORY, and the device goes on', async () => {
      const device = Device.open(kind);
      // Tensors without elements wait as long, and are filled sooner.
      const x = Array.from({ length: 2000 }, (_, i) => Tensor.zeros(device, [i % 1999 === 0 ? 1 : 0]));
      const square = Tensor.zeros(device, [128, 128]);
      let queued = 0;
      let thrown: { code: string; message: string } | undefined;
      // Behind work that takes longer than the calls; how much of it that needs is tried.
      for (let steps = kind === 'cpu' ? 1000 : 40; thrown === undefined && steps < 100_000; steps *= 4) {
        await device.synchronize();
        ops.newtonSchulz(device, { x: square, out: square, coefficients: new Array(3 * steps).fill(0) });
        try {
          for (queued = 0; queued < 600; queued++) ops.fill(device, { x, value: queued });
        } catch (error) {
          thrown = error as { code: string; message: string };
        }
      }
      expect(thrown?.code).toBe('ERR_MEMORY');
      expect(thrown?.message).toContain('device.flow()');
      // A call that waits keeps its place: reads may still be asked for.
      expect(await x[1999]!.read()).toEqual(Float32Array.from([queued - 1]));
      ops.fill(device, { x, value: -1 });
      expect(await x[0]!.read()).toEqual(Float32Array.from([-1]));
      await device.close();
    });

    it('more than the machine has is ERR_MEMORY or refused as a shape', async () => {
      const device = Device.open(kind);
      expect(thrownBy(() => new Tensor(device, [2 ** 32, 2 ** 32])).code).toBe('ERR_SHAPE');
      expect(thrownBy(() => new Tensor(device, [2 ** 43], 'f64')).code).toBe('ERR_MEMORY');
      expect(device.info.memory).toEqual({ live: 0, bytes: 0, peak: 0, pooled: 0 });
      expect(await Tensor.zeros(device, [2]).read()).toEqual(new Float32Array(2));
      await device.close();
    });
  });

  it('flow waits while the queue is long', async () => {
    const device = Device.open(kind);
    await device.flow();
    const x = Tensor.zeros(device, [1]);
    await device.synchronize();
    // Longer than it takes to queue the rest, also where others use the processors.
    for (let i = 0; i < 5; i++) occupy(device);
    for (let i = 0; i < 6000; i++) ops.fill(device, { x: [x], value: i });
    const order: string[] = [];
    const done = x.read().then((value) => order.push(`read ${value[0]}`));
    const short = device.flow().then(() => order.push('flow'));
    expect(await Promise.race([short.then(() => 'flow'), new Promise((resolve) => setImmediate(resolve, 'event loop'))])).toBe('event loop'); // biome-ignore format: one line
    await Promise.all([short, done]);
    expect(order).toEqual(['flow', 'read 5999']);
    await device.close();
  });
});
