// Devices: cpu, cuda
// Checkpoints whose state is of another dtype, or whose momentum is of the other form, than the optimizer that loads them.
import { afterAll, describe, expect, it } from 'vitest';
import { combine, DCTAdamW, Device, type Dtype, HybridAuON, Muon, NorMuon, SGD, Tensor } from '../../lib/index.ts';
import { Folder } from '../files/folder.ts';
import { devices } from '../support/devices.ts';
import { rounded } from '../support/dtypes.ts';
import { valuesOf } from '../support/tensors.ts';
import { everything } from './checkpoints.ts';
import { type AnyOptimizer, bits, fullState, gradsOf, tensor, weightsOf } from './classes.ts';
import { eachClass } from './each-class.ts';

const floating = (dtype: Dtype): boolean => dtype !== 'i32' && dtype !== 'u8';
const failure = (work: Promise<unknown>): Promise<Error> =>
  work.then(
    () => new Error('it was loaded'),
    (error) => error,
  );
const named = (name: string, text: string): object => ({ code: name, message: expect.stringContaining(text) });

/** A kind of state: the option, and the dtype of the weights. */
type Kind = [stateDtype: Dtype | undefined, weights: 'f32' | 'f64'];
const cases: { from: Kind; to: Kind }[] = [
  { from: ['f32', 'f32'], to: ['f64', 'f32'] },
  { from: ['f64', 'f32'], to: ['bf16', 'f32'] },
  { from: ['f32', 'f32'], to: ['f16', 'f32'] },
  { from: ['f16', 'f32'], to: ['bf16', 'f32'] },
  { from: ['bf16', 'f32'], to: [undefined, 'f32'] },
  { from: [undefined, 'f64'], to: [undefined, 'f32'] },
  { from: [undefined, 'f32'], to: [undefined, 'f64'] },
];

eachClass('', [], ({ device, name, Class, shapes }) => {
  const make = (weights: Tensor[], stateDtype: Dtype | undefined, lr: number): AnyOptimizer =>
    new Class(
      [
        { name: 'a', params: weights.slice(0, 1) },
        { name: 'b', params: weights.slice(1) },
      ],
      { lr, ...fullState[name], ...(stateDtype ? { stateDtype } : {}) },
    );

  it.each(cases)('takes state of $from for $to, rounded once', async ({ from, to }) => {
    using folder = new Folder();
    const weights = weightsOf(device, shapes, from[1]);
    const optimizer = make(weights, from[0], 0.02);
    for (let step = 1; step <= 3; ++step) optimizer.step(gradsOf(device, shapes, step));
    await optimizer.save(folder.file('x'));

    const other = weightsOf(device, shapes, to[1]);
    const loaded = make(other, to[0], 0.5);
    const before = await bits(other);
    await loaded.load(folder.file('x'));
    expect(await bits(other)).toEqual(before);
    expect(loaded.groups).toMatchObject([
      { lr: 0.02, stateDtype: to[0] },
      { lr: 0.02, stateDtype: to[0] },
    ]);
    expect((await loaded.report()).step).toBe(3);
    const [given, taken] = [optimizer.part().tensors, loaded.part().tensors];
    expect(Object.keys(taken)).toEqual(Object.keys(given));
    let converted = 0;
    for (const [key, state] of Object.entries(taken)) {
      const source = await valuesOf(given[key]!);
      expect(await valuesOf(state), key).toEqual(source.map((x) => rounded(x, state.dtype)));
      if (state.dtype !== given[key]!.dtype) {
        expect([floating(state.dtype), floating(given[key]!.dtype)], key).toEqual([true, true]);
        converted += 1;
      }
    }
    if (name !== 'AdaGradNorm') expect(converted).toBeGreaterThan(0);

    for (const one of [optimizer, loaded]) one.step(gradsOf(device, shapes, 4));
    const after = await Promise.all(other.map(valuesOf));
    expect(after.every((w) => w.every(Number.isFinite))).toBe(true);
    expect(await bits(other)).not.toEqual(before);
  });
});

describe.each(devices)('on %s', (kind) => {
  const device = Device.open(kind);
  const folder = new Folder();
  afterAll(async () => {
    folder[Symbol.dispose]();
    await device.close();
  });

  /** An optimizer that must not take the file, and stays as it was. */
  async function refuses(optimizer: AnyOptimizer, weights: Tensor[], message: string): Promise<void> {
    const before = await everything(optimizer, weights);
    expect(await failure(optimizer.load(folder.file('x')))).toMatchObject(named('ERR_STATE', message));
    expect(await everything(optimizer, weights)).toEqual(before);
  }
  const sgd = (weights: Tensor[], options: object) =>
    new SGD(weights, { momentum: 0.75, ...options }) as unknown as AnyOptimizer;

  it('rounds f64 to 16 bits once, and not by way of f32', async () => {
    // Half a unit above 1 and a little: in f32 a tie, which goes to even.
    const value = 1 + 2 ** -8 + 2 ** -30;
    const optimizer = sgd([Tensor.zeros(device, [2], { dtype: 'f64' })], {});
    optimizer.step([Tensor.from(device, Float64Array.of(value, -value), [2])]);
    await optimizer.save(folder.file('x'));
    const loaded = sgd([Tensor.zeros(device, [2])], { stateDtype: 'bf16' });
    await loaded.load(folder.file('x'));
    expect(await valuesOf(loaded.part().tensors['0.0.momenta']!)).toEqual(Float64Array.of(1 + 2 ** -7, -(1 + 2 ** -7)));
  });

  it('refuses numbers that the dtype cannot hold, but takes what was not finite before', async () => {
    const w = [Tensor.zeros(device, [2])];
    const [optimizer, loaded] = [sgd([Tensor.zeros(device, [2])], {}), sgd(w, { stateDtype: 'f16' })];
    optimizer.step([Tensor.from(device, [7e4, 1], [2])]);
    await optimizer.save(folder.file('x'));
    await refuses(loaded, w, 'state 0.0.momenta has numbers in the checkpoint that f16 cannot hold');
    optimizer.step([Tensor.from(device, [Infinity, 1], [2])]);
    await optimizer.save(folder.file('x'));
    await loaded.load(folder.file('x'));
    expect(await valuesOf(loaded.part().tensors['0.0.momenta']!)).toEqual(Float64Array.of(Infinity, 1.75));
  });

  it.each(['8bit', '4bit'] as const)('keeps codes of %s as they are, and says why', async (errorFeedback) => {
    const make = (dtype: Dtype, more: object = {}): [AnyOptimizer, Tensor[]] => {
      const weights = [tensor(device, [6, 4], 1, 1, dtype)];
      return [new DCTAdamW(weights, { rank: 2, errorFeedback, ...more }) as unknown as AnyOptimizer, weights];
    };
    const [optimizer] = make('f64');
    optimizer.step([tensor(device, [6, 4], 2)]);
    await optimizer.save(folder.file('x'));
    await refuses(...make('f32'), 'codes stand for other numbers once the ends of their ranges are rounded');
    await refuses(...make('f64', { errorFeedback: true }), 'codes and numbers of another kind');
    // Moments beside codes are converted, as the ends of the ranges stay what they are.
    const [half] = make('f64', { stateDtype: 'bf16' });
    await half.load(folder.file('x'));
    const [given, taken] = [optimizer.part().tensors, half.part().tensors];
    expect(await bits([taken['0.0.feedback']!, taken['0.0.ranges']!])).toEqual(
      await bits([given['0.0.feedback']!, given['0.0.ranges']!]),
    );
    expect(taken['0.0.momenta']!.dtype).toBe('bf16');
  });

  it.each([
    ['f32', { stateDtype: 'bf16' }, 'bf16'],
    ['f64', {}, 'f32'],
  ] as const)('converts what is left of gradients from %s by %j', async (from, more, to) => {
    const make = (dtype: Dtype, own: object): AnyOptimizer =>
      new DCTAdamW([tensor(device, [6, 4], 1, 1, dtype)], {
        rank: 2,
        errorFeedback: true,
        ...own,
      }) as unknown as AnyOptimizer;
    const [given, taken] = [make(from, {}), make('f32', more)];
    given.step([tensor(device, [6, 4], 2, 1, from)]);
    await given.save(folder.file('x'));
    await taken.load(folder.file('x'));
    const feedback = taken.part().tensors['0.0.feedback']!;
    expect(feedback.dtype).toBe(to);
    const source = await valuesOf(given.part().tensors['0.0.feedback']!);
    expect(Math.max(...source.map(Math.abs))).toBeGreaterThan(0.1);
    expect(await valuesOf(feedback)).toEqual(source.map((x) => rounded(x, to)));
  });

  it('refuses other masters, and says why', async () => {
    const half = () => [tensor(device, [4], 1, 1, 'bf16')];
    const optimizer = sgd(half(), { masterWeights: 'fp32' });
    await optimizer.save(folder.file('x'));
    const w = half();
    await refuses(sgd(w, { masterWeights: 'split16' }), w, 'masters hold what rounding took from the weights');
    const two = sgd([...half(), ...half()], { masterWeights: 'fp32' });
    await two.save(folder.file('x'));
    const mixed = [...half(), tensor(device, [4], 1)];
    await refuses(sgd(mixed, { masterWeights: 'fp32' }), mixed, 'state that the optimizer lacks: ');
  });

  it('converts the parts of a combination', async () => {
    const make = (stateDtype?: Dtype) =>
      combine([
        { optimizer: Muon, params: [tensor(device, [3, 4], 1)], ...(stateDtype ? { stateDtype } : {}) },
        { optimizer: SGD, params: [tensor(device, [4], 2)], momentum: 0.75, momentumForm: stateDtype ? 'ema' : 'heavy-ball' },
      ]); // biome-ignore format: one line
    const [one, two] = [make(), make('f64')];
    one.step([tensor(device, [3, 4], 3), tensor(device, [4], 4)]);
    await one.save(folder.file('x'));
    await two.load(folder.file('x'));
    const momenta = (of: typeof one) =>
      Promise.all(of.parts.map((part) => valuesOf((part as unknown as AnyOptimizer).part().tensors['0.0.momenta']!)));
    const [[a, b], [c, d]] = [await momenta(one), await momenta(two)];
    expect(c).toEqual(a);
    expect(d).toEqual(b!.map((x) => x / 4));
  });

  describe('the form of a momentum', () => {
    const shape = [6, 5];
    const grad = (step: number) => tensor(device, shape, step, 1, 'f64');
    const classes = {
      Muon: (w: Tensor[], form: 'ema' | 'heavy-ball') => new Muon(w, { momentumForm: form, momentum: 0.75, eps: 0 }),
      NorMuon: (w: Tensor[], form: 'ema' | 'heavy-ball') =>
        new NorMuon(w, { momentumForm: form, momentum: 0.75, nsEps: 0 }),
      'HybridAuON by heads': (w: Tensor[], form: 'ema' | 'heavy-ball') =>
        new HybridAuON(w, { momentumForm: form, momentum: 0.75, eps: 0, split: { axis: 1, sizes: [2, 3] } }),
    };

    it.each(Object.entries(classes))('%s goes on with the other one as if it had been that', async (_name, make) => {
      for (const [from, to] of [
        ['ema', 'heavy-ball'],
        ['heavy-ball', 'ema'],
      ] as const) {
        // biome-ignore format: one line
        const [a, b] = [tensor(device, shape, 9, 1, 'f64'), tensor(device, shape, 9, 1, 'f64')];
        const [one, two] = [make([a], from), make([b], to)] as unknown as AnyOptimizer[];
        for (let step = 1; step <= 3; ++step) for (const each of [one!, two!]) each.step([grad(step)]);
        await one!.save(folder.file('x'));
        const states = await Promise.all(Object.values(two!.part().tensors).map(valuesOf));
        await two!.load(folder.file('x'));
        // The state is that of a run in the other form, but for rounding.
        for (const [i, state] of Object.values(two!.part().tensors).entries())
          for (const [k, x] of (await valuesOf(state)).entries()) expect(x).toBeCloseTo(states[i]![k]!, 12);
        expect(two!.groups[0]).toMatchObject({ momentumForm: to });
        for (let step = 4; step <= 6; ++step) for (const each of [one!, two!]) each.step([grad(step)]);
        const [x, y] = [await valuesOf(a), await valuesOf(b)];
        for (const [k, value] of x.entries()) expect(y[k]).toBeCloseTo(value, 10);
      }
    });

    it('of SGD is a factor of 1 − momentum, in each dtype', async () => {
      for (const stateDtype of ['f64', 'f32', 'f16'] as const) {
        const w = () => [tensor(device, shape, 9, 1, 'f64')];
        const [ball, ema] = [
          sgd(w(), { momentum: 0.7, momentumForm: 'heavy-ball' }),
          sgd(w(), { momentum: 0.2, momentumForm: 'ema', stateDtype }),
        ];
        for (let step = 1; step <= 2; ++step) ball.step([grad(step)]);
        await ball.save(folder.file('x'));
        await ema.load(folder.file('x'));
        expect(ema.groups[0]).toMatchObject({ momentum: 0.7, momentumForm: 'ema' });
        const source = await valuesOf(ball.part().tensors['0.0.momenta']!);
        expect(await valuesOf(ema.part().tensors['0.0.momenta']!)).toEqual(
          source.map((x) => rounded((1 - 0.7) * x, stateDtype)),
        );
      }
    });

    it('with a dampening is refused', async () => {
      const w = [tensor(device, [4], 1)];
      const optimizer = sgd([tensor(device, [4], 1)], { dampening: 0.5 });
      optimizer.step([tensor(device, [4], 2)]);
      await optimizer.save(folder.file('x'));
      await refuses(sgd(w, { momentumForm: 'ema' }), w, 'a momentum with a dampening of 0.5 is no ema');
    });
  });
});
