// Devices: cpu, cuda
// Promises of training: memory that stays, numbers that are kept in order, messages that say where.
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { AdamW, Device, OrthokitError, Tensor } from '../../lib/index.ts';
import * as nn from '../../lib/nn/index.ts';
import { Folder } from '../files/folder.ts';
import { normal } from '../support/data.ts';
import { devices, onlyCpu, kind as runs } from '../support/devices.ts';
import { goal } from '../support/goal.ts';
import { leavesMemory, settledMemory } from '../support/settled.ts';
import { cases, count, labels } from './cases.ts';

/** Steps after which nothing may have grown; the emulated device takes a thousand times as long for one. */
const many = runs === 'cpu' ? 300 : 40;
/** Steps of a hundred lengths. */
const lengths = runs === 'cpu' ? 500 : 200;
/** Values of which the deep run keeps so many in each of its two sittings. */
const kept = goal('R17', { ci: many, deep: 20_000 });

const thrownBy = (call: () => unknown): unknown => {
  try {
    call();
  } catch (error) {
    return error;
  }
  return undefined;
};

describe.each(devices)('promises of orthokit/nn on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const make = nn.init(device, { seed: 1 });
  const made = () => ({ up: make.linear(16, 64), norm: make.norm(64), down: make.linear(64, 16) });
  type Model = ReturnType<typeof made>;
  const loss = (m: nn.Traced<Model>, x: Tensor) => {
    const h = nn.dropout(nn.gelu(nn.layerNorm(m.norm, nn.linear(m.up, x))), { rate: 0.3 });
    return nn.squaredError(nn.linear(m.down, h), x);
  };
  const input = (rows: number, seed = 3) => Tensor.from(device, Float32Array.from(normal(rows * 16, seed)), [rows, 16]);

  it('memory is the same from the second step on, with nothing disposed of', async () => {
    const model = made();
    using step = nn.valueAndGrad(loss, { seed: 1 });
    using optimizer = new AdamW(nn.select(model, '**'));
    const x = input(20);
    const train = () => optimizer.step(step(model, x).grads);
    train();
    train();
    const { live, bytes } = await settledMemory(device);
    for (let i = 0; i < many; ++i) {
      train();
      expect(device.info.memory).toMatchObject({ live, bytes });
    }
  });

  it('a loop that is aborted between steps has taken whole ones, leaves no memory, and goes on from there', async () => {
    const x = input(20);
    const trainer = () => {
      const own = nn.init(device, { seed: 5 });
      const model = { up: own.linear(16, 64), norm: own.norm(64), down: own.linear(64, 16) };
      const step = nn.valueAndGrad(loss, { seed: 1 });
      const optimizer = new AdamW(nn.select(model, '**'), { lr: 0.01 });
      const train = async (from: number, to: number, signal?: AbortSignal) => {
        for (let i = from; i < to; ++i) {
          signal?.throwIfAborted();
          optimizer.step(step(model, x).grads);
          await new Promise((resolve) => setImmediate(resolve));
        }
      };
      const weights = () => Promise.all(nn.parameters(model).map((tensor) => tensor.read()));
      const dispose = () => {
        for (const tensor of nn.parameters(model)) tensor.dispose();
        step.dispose();
        optimizer.dispose();
      };
      return { step, train, weights, [Symbol.dispose]: dispose };
    };
    await leavesMemory(device, async () => {
      using whole = trainer();
      using cut = trainer();
      const controller = new AbortController();
      await whole.train(0, 3);
      await cut.train(0, 2);
      const rest = cut.train(2, 7, controller.signal);
      // The third step is queued at this moment, and the loop waits.
      controller.abort(new Error('enough'));
      await expect(rest).rejects.toThrow('enough');
      expect(cut.step.calls).toBe(3);
      expect(await cut.weights()).toEqual(await whole.weights());
      await whole.train(3, 7);
      await cut.train(3, 7);
      expect(await cut.weights()).toEqual(await whole.weights());
    });
  });

  it('a hundred lengths take at most half as much again as the longest alone', async () => {
    const model = made();
    using step = nn.valueAndGrad(loss, { seed: 1 });
    const { bytes: before } = await settledMemory(device);
    const run = (rows: number): number => {
      using x = Tensor.zeros(device, [rows, 16]);
      step(model, x);
      return device.info.memory.bytes - x.byteLength - before;
    };
    const longest = run(100);
    for (let i = 0; i < lengths; ++i) expect(run(1 + ((37 * i) % 100))).toBeLessThanOrEqual(1.5 * longest);
  });

  it('values that are kept cost nothing, and each read gives the number of its own step', kept.tagged, async () => {
    const model = made();
    using step = nn.valueAndGrad(loss, { seed: 1 });
    const x = input(4);
    const values: Tensor[] = [];
    const reads: Promise<ArrayLike<number>>[] = [];
    const expected: number[] = [];
    for (let i = 0; i < 3; ++i) values.push(step(model, x).value);
    const { live, bytes } = await settledMemory(device);
    for (let i = 0; i < kept.count; ++i) {
      const { value } = step(model, x);
      values.push(value);
      reads.push(value.read());
    }
    expect(device.info.memory).toMatchObject({ live, bytes });
    expect(new Set(values).size).toBe(1);
    step.calls = 3;
    for (let i = 0; i < kept.count; ++i) expected.push((await step(model, x).value.read())[0]!);
    expect((await Promise.all(reads)).map((numbers) => numbers[0])).toEqual(expected);
    expect(new Set(expected).size).toBe(kept.count);
  });

  it('two calls in turn have the bits of one after the other', async () => {
    const [a, b] = [made(), made()];
    const [x, y] = [input(4, 1), input(9, 2)];
    using first = nn.valueAndGrad(loss, { seed: 1 });
    using second = nn.valueAndGrad(loss, { seed: 2 });
    const bits = async ({ grads }: nn.ValueAndGrads) => Promise.all([...grads.values()].map((tensor) => tensor.read()));
    const inTurn = [];
    for (let i = 0; i < 3; ++i) inTurn.push(await Promise.all([bits(first(a, x)), bits(second(b, y))]));
    [first.calls, second.calls] = [0, 0];
    const alone = [];
    for (let i = 0; i < 3; ++i) alone.push([await bits(first(a, x))]);
    for (let i = 0; i < 3; ++i) alone[i]!.push(await bits(second(b, y)));
    expect(inTurn).toEqual(alone);
  });

  it('a parameter that was disposed of is refused by its path, before and between steps', async () => {
    const model = made();
    using step = nn.valueAndGrad(loss, { seed: 1 });
    using optimizer = new AdamW(nn.select(model, '**'));
    const x = input(4);
    const { up, down, norm } = model;
    const { grads } = step(model, x);
    optimizer.step(grads);
    const before = await down.weight.read();
    up.weight.dispose();
    const refused = { code: 'ERR_DISPOSED', message: expect.stringContaining('up.weight') };
    expect(thrownBy(() => step(model, x))).toMatchObject(refused);
    expect(thrownBy(() => optimizer.step(grads))).toMatchObject({ code: 'ERR_DISPOSED' });
    expect(await down.weight.read()).toEqual(before);
    using first = nn.valueAndGrad(loss, { seed: 1 });
    expect(thrownBy(() => first(model, x))).toMatchObject(refused);
    // With another in its place it goes on.
    const weight = Tensor.zeros(device, [64, 16]);
    const whole = { up: { ...up, weight }, down, norm };
    expect((await step(whole, x).grads.get(weight)!.read()).some((value) => value !== 0)).toBe(true);
  });

  it.each(['propagate', 'skip', 'throw'] as const)('a loss of NaN is met as nonFinite says: %s', async (nonFinite) => {
    using step = nn.valueAndGrad(loss, { seed: 1 });
    const training = () => {
      const model = nn.mapTensors(initial, (tensor) => tensor.copy());
      const optimizer = new AdamW(nn.select(model, '**'), { nonFinite });
      const train = (x: Tensor, calls: number) => {
        step.calls = calls;
        const { value, grads } = step(model, x);
        optimizer.step(grads);
        return value.read();
      };
      const bits = () => Promise.all(nn.parameters(model).map((tensor) => tensor.read()));
      return { train, bits, optimizer };
    };
    const initial = made();
    const [one, other] = [training(), training()];
    const x = input(4);
    await one.train(x, 0);
    const before = await one.bits();
    const spoiled = one.train(Tensor.full(device, x.shape, Number.NaN), 1);
    if (nonFinite === 'throw') await expect(spoiled).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
    else expect((await spoiled)[0]).toBeNaN();
    const after = await one.bits();
    if (nonFinite === 'propagate') expect(after.flatMap((numbers) => [...numbers]).every(Number.isNaN)).toBe(true);
    else {
      expect(after).toEqual(before);
      // The next step is as if that one had not been.
      await one.train(x, 2);
      for (const calls of [0, 2]) await other.train(x, calls);
      expect(await one.bits()).toEqual(await other.bits());
    }
    for (const { optimizer } of [one, other]) optimizer.dispose();
  });

  it('state is saved by path: files do not grow, a fresh model takes it, and other paths are refused by name', async () => {
    using folder = new Folder();
    const x = input(4);
    using step = nn.valueAndGrad(loss, { seed: 1 });
    const started = (model: Model) => new AdamW(nn.select(model, '**'));
    let model = made();
    let optimizer = started(model);
    const sizes = new Set<number>();
    for (let i = 0; i < 3; ++i) {
      optimizer.step(step(model, x).grads);
      await optimizer.save(folder.file('state.safetensors'));
      sizes.add(readFileSync(folder.file('state.safetensors')).length);
      optimizer.dispose();
      model = nn.mapTensors(model, (tensor) => tensor.copy());
      optimizer = started(model);
      await optimizer.load(folder.file('state.safetensors'));
    }
    expect(sizes.size).toBe(1);
    using other = new AdamW(nn.select({ ...model, more: make.norm(3) }, '**'));
    await expect(other.load(folder.file('state.safetensors'))).rejects.toEqual(
      expect.objectContaining({ code: 'ERR_STATE', message: expect.stringContaining('more.weight') }),
    );
    optimizer.dispose();
  });

  it('no label that counts is a loss and a gradient of 0, beside others that are as they were', async () => {
    const model = { w: Tensor.from(device, normal(6, 1), [2, 3]) };
    using step = nn.valueAndGrad((m: nn.Traced<typeof model>, target: Tensor) => nn.crossEntropy(m.w, target));
    const of = async (...target: number[]) => {
      const { value, grads } = step(model, Tensor.from(device, Int32Array.from(target), [2]));
      return [...(await value.read()), ...(await grads.get(model.w)!.read())];
    };
    expect(await of(-1, -1)).toEqual([0, 0, 0, 0, 0, 0, 0]);
    const [, ...one] = await of(1, -1);
    expect(one.slice(3)).toEqual([0, 0, 0]);
    expect(one[1]).toBeLessThan(0);
  });

  it('micro-batches of unequal counts have the loss and the gradient of the whole batch, by `over`', async () => {
    const counts = [3, 17, 0, 64];
    const [rows, classes, width] = [70, 5, 7];
    const model = nn.init(device, { seed: 1, dtype: 'f64' }).linear(width, classes, { deviation: 0.5 });
    const x = Tensor.from(device, normal(4 * rows * width, 3), [4 * rows, width]);
    const target = Int32Array.from({ length: 4 * rows }, (_, i) =>
      i % rows < counts[Math.floor(i / rows)]! ? i % classes : -1,
    );
    const all = Tensor.from(device, target, [4 * rows]);
    const total = counts.reduce((a, b) => a + b, 0);
    const fn = (m: nn.Traced<typeof model>, input: Tensor, labelled: Tensor, over?: number) =>
      nn.crossEntropy(nn.linear(m, input), labelled, over === undefined ? {} : { over });
    using step = nn.valueAndGrad(fn);
    const read = async (grads: nn.PerParameter) =>
      (await Promise.all([...grads.values()].map((tensor) => tensor.read()))).flatMap((numbers) => [...numbers]);
    const whole = step(model, x, all);
    const [expected, [value]] = [await read(whole.grads), await whole.value.read()];
    let sum = 0;
    let grads: number[] = [];
    const parts = async (over?: number) => {
      sum = 0;
      for (const i of counts.keys()) {
        const [from, end] = [i * rows, (i + 1) * rows];
        const call = i === 0 ? step : step.accumulate;
        const part = call(model, x.rows(from, end), all.rows(from, end), over);
        sum += (await part.value.read())[0]!;
        grads = await read(part.grads);
      }
    };
    const error = () => Math.max(...grads.map((y, i) => Math.abs(y - expected[i]!)));
    await parts(total);
    expect(error()).toBeLessThan(1e-12);
    expect(sum).toBeCloseTo(value!, 12);
    // The mean of means is another number.
    await parts();
    grads = grads.map((y) => y / 4);
    expect(error()).toBeGreaterThan(1e-3);
  });

  const wrong = cases(31).filter(({ params }) => Object.keys(params).length > 1);
  it.each(wrong.map((one) => [one.name, one] as const))('%s says where a parameter does not fit', (_, one) => {
    const index = Tensor.zeros(device, [count], { dtype: 'i32' });
    const target = Tensor.from(device, labels, [count]);
    for (const name of Object.keys(one.params))
      for (const fault of ['size', 'rank', 'dtype'] as const) {
        const model = Object.fromEntries(
          Object.entries(one.params).map(([own, shape]) => {
            const isWrong = own === name;
            const others = { size: shape.map((side) => side + 2), rank: [2, ...shape], dtype: shape };
            const sides = isWrong ? others[fault] : shape;
            return [own, Tensor.zeros(device, sides, { dtype: isWrong && fault === 'dtype' ? 'f64' : 'f32' })];
          }),
        );
        using step = nn.valueAndGrad((m: nn.Traced<typeof model>) => {
          const y = one.call(m, index, target);
          return one.isLoss ? y : nn.sum(y);
        }, one.options);
        const thrown = thrownBy(() => step(model));
        // Leading axes of what layers are given are free, and rows may be as many as these.
        if (fault === 'rank' && 'xyr'.includes(name) && thrown === undefined) continue;
        expect(thrown, `${name} of another ${fault}`).toBeInstanceOf(OrthokitError);
        const { code, message, stack } = thrown as OrthokitError;
        // Queries, keys and values are one product, which is no parameter.
        const isOwn = !(one.name.startsWith('attention') && name === 'x' && fault === 'rank');
        expect([code, message]).toEqual([
          fault === 'dtype' ? 'ERR_DTYPE' : 'ERR_SHAPE',
          expect.stringMatching(isOwn ? /^nn\.\w+ of \w+: \w+: / : /^nn\.attention: attention: qkv must /),
        ]);
        const shapes = message.match(/\[[\d, ]+\]/g)?.length ?? 0;
        expect(shapes, message).toBeGreaterThanOrEqual({ size: 2, rank: 1, dtype: 0 }[fault]);
        // The line that called the function stands first.
        expect(stack!.slice(0, stack!.indexOf('\n'))).toBe(`OrthokitError: ${message}`);
        expect(/^ +at .*$/m.exec(stack!)?.[0]).toMatch(/[/\\]test[/\\]nn[/\\](cases|promises\.test)\.ts:\d+/);
      }
  });

  const alone = cases(31).filter(({ params }) => Object.keys(params).length === 1);
  it.each(alone.map((one) => [one.name, one] as const))('%s says where it is given whole numbers', (_, one) => {
    const index = Tensor.zeros(device, [count], { dtype: 'i32' });
    const target = Tensor.from(device, labels, [count]);
    const [[name, shape]] = Object.entries(one.params) as [[string, readonly number[]]];
    const model = { trained: Tensor.zeros(device, [1]), [name]: Tensor.zeros(device, shape, { dtype: 'i32' }) };
    using forward = nn.forward((m: nn.Traced<typeof model>) => one.call(m, index, target));
    const thrown = thrownBy(() => forward(model));
    // Rows of whole numbers are rows, and without a seed nothing drops out.
    if (one.name === 'embedding' || one.name === 'dropout') {
      expect(thrown).toBeUndefined();
      return;
    }
    expect(thrown).toBeInstanceOf(OrthokitError);
    const { code, message } = thrown as OrthokitError;
    expect([code, message]).toEqual([
      'ERR_DTYPE',
      expect.stringMatching(/^nn\.\w+: \w+: \w+ must be (?:of one )?floating.*, got '?i32/),
    ]);
  });
});

describe.each(onlyCpu)('sources of orthokit, seen from the %s', () => {
  it('draw no number that a seed does not give', () => {
    const root = path.join(import.meta.dirname, '..', '..', 'lib');
    const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));
    expect(files.filter((file) => readFileSync(path.join(root, file), 'utf8').includes('Math.random'))).toEqual([]);
    expect(files.length).toBeGreaterThan(100);
  });
});
