// Devices: cpu, cuda
// Axes: node
// Duties of a step of every optimizer. The classes are found in the library; a new one needs no change here.
import { expect, it } from 'vitest';
import { Device, Tensor, type WeightDecayMode } from '../../lib/index.ts';
import { sizeOf } from '../support/data.ts';
import { onlyCpu } from '../support/devices.ts';
import {
  type AnyOptimizer,
  bits,
  classes,
  gradsOf,
  knownMatrixClasses,
  numbers,
  type OptimizerClass,
  otherScalars,
  refusedShapes,
  stateBits,
  tensor,
  values,
  variantsOf,
  weightsOf,
} from './classes.ts';
import { code, eachClass, eachDevice } from './each-class.ts';

/** Options that a class refuses without another one beside them. */
const needCompany: Record<string, string[]> = {
  SGD: ['nesterov', 'dampening'],
  EG: ['dampening', 'nesterov'],
  Muon: ['dampening'],
  NorMuon: ['dampening'],
  HybridAuON: ['dampening'],
  Dion: ['initialBasis'], // a seed that is not whole
  DCTAdamW: ['gap'], // half a step
};

/** True if the class has an eps with these options. */
function takesEps(Class: OptimizerClass, weights: Tensor[], options: object): boolean {
  try {
    new Class(weights, { ...options, eps: 0 }).dispose();
    return true;
  } catch (error) {
    expect(error).toEqual(code('ERR_ARGUMENT'));
    return false;
  }
}

it.each(onlyCpu)('finds the classes', () => {
  const names = classes.map(([name]) => name);
  const known = ['SGD', 'AdamW', 'AdaGrad', 'AdaGradNorm', 'Lion', 'DiffGrad', 'EG', ...knownMatrixClasses];
  expect(names).toEqual(expect.arrayContaining(known));
});

eachClass('R10: ', ['R10'], ({ device, name, Class, shapes, start, grads }) => {
  it('moves the weights and leaves gradients as they are', async () => {
    const weights = start();
    const before = await bits(weights);
    const optimizer = new Class(weights);
    const given = grads(1);
    const bitsBefore = await bits(given);
    for (let i = 0; i < 3; ++i) expect(optimizer.step(given)).toBe(undefined);
    expect(await bits(given)).toEqual(bitsBefore);
    for (const [i, now] of (await bits(weights)).entries()) expect(now).not.toBe(before[i]);
    expect((await optimizer.report()).step).toBe(3);
  });

  it('lets a missing gradient skip the parameter and its state', async () => {
    const [weights, without] = [start(), start().slice(1)];
    const optimizer = new Class(weights, { weightDecay: 0.1 });
    const other = new Class(without, { weightDecay: 0.1 });
    const first = await bits(weights.slice(0, 1));
    const initial = await stateBits(optimizer);
    for (let step = 1; step <= 3; ++step) {
      const given = grads(step);
      optimizer.step([null, ...given.slice(1)]);
      other.step(given.slice(1));
    }
    expect(await bits(weights.slice(0, 1))).toEqual(first);
    for (const [key, now] of Object.entries(await stateBits(optimizer)))
      if (key.startsWith('0.0.')) expect(now, key).toBe(initial[key]);
    expect(await bits(weights.slice(1))).toEqual(await bits(without));
    // The parameter that was left out has lost nothing: it starts like a fresh one.
    const [late] = weightsOf(device, shapes.slice(0, 1)) as [Tensor];
    const fresh = new Class([late], { weightDecay: 0.1 });
    const given = grads(9);
    optimizer.step(weights.map((_, i) => (i === 0 ? (given[0] ?? null) : null)));
    fresh.step(given.slice(0, 1));
    expect(await bits(weights.slice(0, 1))).toEqual(await bits([late]));
  });

  it('steps with nothing at all', async () => {
    const weights = start();
    const optimizer = new Class(weights, { weightDecay: 0.1 });
    const before = [await bits(weights), await stateBits(optimizer)];
    optimizer.step(weights.map(() => null));
    expect([await bits(weights), await stateBits(optimizer)]).toEqual(before);
    expect(await optimizer.report()).toMatchObject({ step: 1, gradNorm: 0, updateRms: 0, nonFinite: 0 });
  });

  it('takes a missing gradient for zeros if told so', async () => {
    const [a, b] = [start(), start()];
    const options = { weightDecay: 0.1, missingGrad: 'zero' } as const;
    const [one, two] = [new Class(a, options), new Class(b, options)];
    for (let step = 1; step <= 3; ++step) {
      const given = grads(step);
      one.step(given.map((g, i) => (step > 1 && i === 0 ? null : g)));
      two.step(given.map((g, i) => (step > 1 && i === 0 ? Tensor.zeros(device, g.shape) : g)));
    }
    expect(await bits(a)).toEqual(await bits(b));
    expect(await stateBits(one)).toEqual(await stateBits(two));
  });

  it.each([
    ['decoupled', (lr: number, decay: number) => 1 - lr * decay],
    ['independent', (_: number, decay: number) => 1 - decay],
    ['palm', (lr: number, decay: number) => 1 - decay * lr * lr],
    ['cautious', (lr: number, decay: number) => 1 - lr * decay],
  ] as const)('decays %s, and no more, with gradients of zero', async (weightDecayMode, keep) => {
    const weights = weightsOf(device, shapes, 'f64');
    const before = await Promise.all(weights.map(numbers));
    const optimizer = new Class(weights, { lr: 0.3, weightDecay: 0.2, weightDecayMode });
    const zeros = shapes.map((shape) => Tensor.zeros(device, shape));
    for (let i = 0; i < 2; ++i) optimizer.step(zeros);
    for (const [i, weight] of weights.entries())
      for (const [k, x] of (await numbers(weight)).entries())
        expect(x).toBeCloseTo((before[i]?.[k] ?? 0) * keep(0.3, 0.2) ** 2, 13);
  });

  it('decays l2 as if the weights were part of the gradient', async () => {
    const [a, b] = [weightsOf(device, shapes, 'f64'), weightsOf(device, shapes, 'f64')];
    const [decay, none] = [{ weightDecay: 0.2, weightDecayMode: 'l2' } as const, { weightDecay: 0 }];
    const [one, two] = [new Class(a, decay), new Class(b, none)];
    for (let step = 0; step < 3; ++step) {
      const scaled = await Promise.all(
        b.map(async (w) =>
          Tensor.from(
            device,
            Float64Array.from(await numbers(w), (x) => 0.2 * x),
            w.shape,
          ),
        ),
      );
      one.step(shapes.map((shape) => Tensor.zeros(device, shape)));
      two.step(scaled);
    }
    expect(await bits(a)).toEqual(await bits(b));
  });

  it('stays finite with gradients of zero, without an eps too', async () => {
    for (const eps of [undefined, 0]) {
      const weights = start();
      const options = eps === 0 && takesEps(Class, weights, {}) ? { eps } : {};
      const optimizer = new Class(weights, options);
      for (let i = 0; i < 2; ++i) optimizer.step(shapes.map((shape) => Tensor.zeros(device, shape)));
      for (const weight of weights) expect((await numbers(weight)).every(Number.isFinite)).toBe(true);
    }
  });

  it('stays finite with subnormal gradients, in every variant, without an eps too', async () => {
    for (const variant of [undefined, ...(variantsOf[name] ?? [])])
      for (const eps of [undefined, 0]) {
        const weights = start();
        const given = variant === undefined ? {} : { variant };
        const options = { ...given, ...(eps === 0 && takesEps(Class, weights, given) ? { eps } : {}) };
        const optimizer = new Class(weights, options);
        for (let step = 1; step <= 2; ++step) optimizer.step(grads(step, 1e-42));
        for (const weight of weights)
          expect((await numbers(weight)).every(Number.isFinite), JSON.stringify(options)).toBe(true);
      }
  });

  it.each([[[1, 1]], [[1, 6]], [[6, 1]], [[0, 5]], [[5, 0]], [[2, 3, 4]], [[3, 2, 2, 2]], [[3, 0, 2, 2]]])(
    'takes shape %j',
    async (shape) => {
      const weight = tensor(device, shape, 1);
      const before = await bits([weight]);
      if (refusedShapes[name]?.some((refused) => refused.join() === shape.join())) {
        expect(() => new Class([weight])).toThrow(code('ERR_SHAPE'));
        return;
      }
      const optimizer = new Class([weight]);
      for (let i = 0; i < 3; ++i) optimizer.step([tensor(device, shape, 2 + i)]);
      const after = await numbers(weight);
      expect(after.every(Number.isFinite)).toBe(true);
      if (sizeOf(shape) > 0) expect(await bits([weight])).not.toEqual(before);
      const report = await optimizer.report();
      expect(Number.isFinite(report.updateRms)).toBe(true);
    },
  );

  it.each([1e-30, 1e30])('stays finite with gradients × %d', async (scale) => {
    const weights = start();
    const optimizer = new Class(weights);
    for (let step = 1; step <= 5; ++step) optimizer.step(grads(step, scale));
    for (const weight of weights) expect((await numbers(weight)).every(Number.isFinite)).toBe(true);
    for (const t of Object.values(optimizer.part().tensors))
      expect((await numbers(t)).every(Number.isFinite)).toBe(true);
    const { gradNorm } = await optimizer.report();
    const squares = shapes.flatMap((shape, i) => values(sizeOf(shape), 50 + i).map((x) => Math.fround(x * scale) ** 2));
    expect(gradNorm / Math.sqrt(squares.reduce((a, b) => a + b, 0))).toBeCloseTo(1, 6);
  });

  it('leaves the weights alone at a rate of 0', async () => {
    const weights = start();
    const before = await bits(weights);
    const optimizer = new Class(weights, { lr: 0, weightDecay: 0 });
    for (let step = 1; step <= 3; ++step) optimizer.step(grads(step));
    expect(await bits(weights)).toEqual(before);
  });

  it('takes no value from a weight at a rate of 0, but may take the sign of a zero', async () => {
    const signed = [-0, 0, 1e-40, -1e-40, 3, -3];
    const w = Tensor.from(device, signed, [2, 3]);
    const optimizer = new Class([w], { lr: 0, weightDecay: 0 });
    for (let step = 1; step <= 3; ++step) optimizer.step([tensor(device, [2, 3], step)]);
    for (const [i, x] of (await w.read()).entries()) expect(x === Math.fround(signed[i]!)).toBe(true);
  });

  it('does not care about the order of parameters', async () => {
    const [a, b] = [start(), start()];
    const [one, two] = [new Class(a), new Class(b.toReversed())];
    for (let step = 1; step <= 3; ++step) {
      const given = grads(step);
      one.step(given);
      two.step(given.toReversed());
    }
    expect(await bits(a)).toEqual(await bits(b));
  });

  it('honours the options of a group', async () => {
    const [a, b] = [start(), start()];
    const optimizer = new Class(
      [
        { name: 'first', params: a.slice(0, 1), lr: 0.003, weightDecay: 0.5 },
        { params: a.slice(1) },
        { name: 'none', params: [] },
      ],
      { lr: 0.007 },
    );
    expect(optimizer.groups.map((group) => group.name)).toEqual(['first', '1', 'none']);
    const first = new Class(b.slice(0, 1), { lr: 0.003, weightDecay: 0.5 });
    const rest = new Class(b.slice(1), { lr: 0.007 });
    for (let step = 1; step <= 3; ++step) {
      const given = grads(step);
      optimizer.step(given);
      first.step(given.slice(0, 1));
      rest.step(given.slice(1));
    }
    expect(await bits(a)).toEqual(await bits(b));
  });

  it('steps scalars that were set later like scalars from the start', async () => {
    const refused: string[] = [];
    const compared: string[] = [];
    for (const [option, value] of otherScalars(new Class(start()))) {
      const [a, b] = [start(), start()];
      let made: AnyOptimizer;
      try {
        made = new Class(b, { [option]: value });
      } catch (error) {
        expect(error, option).toEqual(code('ERR_ARGUMENT'));
        refused.push(option);
        continue;
      }
      const scheduled = new Class(a);
      const group = scheduled.groups[0] as unknown as Record<string, unknown>;
      group[option] = value;
      if (Object.keys(made.part().tensors).length !== Object.keys(scheduled.part().tensors).length) {
        expect(() => scheduled.step(grads(1)), option).toThrow(code('ERR_ARGUMENT')); // needs state
        continue;
      }
      for (let step = 1; step <= 2; ++step) {
        const given = grads(step);
        made.step(given);
        scheduled.step(given);
      }
      expect(await bits(a), option).toEqual(await bits(b));
      compared.push(option);
    }
    expect(compared).toEqual(expect.arrayContaining(['lr', 'weightDecay']));
    expect(refused).toEqual(needCompany[name] ?? []);
  });

  it.each(onlyCpu)('gives the same bits on 1, 2 and 3 threads', async () => {
    const large = [
      [130, 260],
      [70, 65],
    ];
    const runs = await Promise.all(
      [1, 2, 3].map(async (threads) => {
        const own = Device.open('cpu', { threads });
        const weights = weightsOf(own, large);
        const optimizer = new Class(weights, { weightDecay: 0.1 });
        for (let step = 1; step <= 2; ++step) optimizer.step(gradsOf(own, large, step));
        const result = [await bits(weights), await stateBits(optimizer), await optimizer.report()];
        await own.close();
        return result;
      }),
    );
    expect(runs[1]).toEqual(runs[0]);
    expect(runs[2]).toEqual(runs[0]);
  });
});

eachDevice(({ device }) => {
  it('keeps every mode of decay by its name', () => {
    const modes: WeightDecayMode[] = ['decoupled', 'independent', 'l2', 'palm', 'cautious'];
    for (const [, Class] of classes)
      for (const weightDecayMode of modes)
        expect(new Class([tensor(device, [2, 2], 1)], { weightDecayMode }).groups[0]?.weightDecayMode).toBe(
          weightDecayMode,
        );
  });
});
