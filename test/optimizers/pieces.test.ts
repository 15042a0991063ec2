// Devices: cpu, cuda
// Axes: products
// Weights that optimizers of matrices step in pieces: blocks of given sizes, other layouts, flattened or not.
import { afterAll, describe, expect, it } from 'vitest';
import { AuON, Device, type Dtype, HybridAuON, Tensor } from '../../lib/index.ts';
import { Folder } from '../files/folder.ts';
import { settledMemory } from '../support/settled.ts';
import { bits, classes, numbers, takesVectors, tensor, values } from './classes.ts';
import { code, eachDevice } from './each-class.ts';

interface Cut {
  split?: { axis: 0 | 1; sizes: number[] };
  flatten?: boolean;
  layout?: 'out_in' | 'in_out';
}
interface Piece {
  shape: number[];
  /** The place of each element in the weight. */
  places: number[];
}

/** The pieces of a weight, element by element. */
function piecesOf(shape: number[], { split, flatten, layout }: Cut): Piece[] {
  const isBatch = shape.length > 2 && !(flatten ?? shape.length > 3);
  const turned = layout === 'in_out';
  const product = (sizes: number[]): number => sizes.reduce((a, b) => a * b, 1);
  const at = isBatch ? shape.length - 2 : 0;
  const end = isBatch || turned ? shape.length - 1 : 1;
  const [batch, rows, columns] = [shape.slice(0, at), shape.slice(at, end), shape.slice(end)].map(product) as [
    number,
    number,
    number,
  ];
  const sides = turned ? [columns, rows] : [rows, columns];
  const { axis, sizes } = split ?? { axis: 0, sizes: [sides[0]!] };
  let from = 0;
  return sizes.map((size) => {
    const [height, width] = sides.with(axis, size) as [number, number];
    const places: number[] = [];
    for (let matrix = 0; matrix < batch; ++matrix)
      for (let row = 0; row < height; ++row)
        for (let column = 0; column < width; ++column) {
          const [r, c] = axis === 0 ? [row + from, column] : [row, column + from];
          places.push(matrix * rows * columns + (turned ? c * columns + r : r * columns + c));
        }
    from += size;
    return { shape: [...(isBatch ? [batch] : []), height, width], places };
  });
}

const cuts: [shape: number[], cut: Cut][] = [
  [[9, 4], { split: { axis: 0, sizes: [2, 4, 3] } }],
  [[4, 9], { split: { axis: 1, sizes: [2, 4, 3] } }],
  [[5, 8], { split: { axis: 1, sizes: [4, 4] } }],
  [[3, 10], { split: { axis: 1, sizes: [4, 2, 4] } }],
  [[2, 6, 4], { split: { axis: 0, sizes: [4, 2] } }],
  [[2, 3, 6], { split: { axis: 1, sizes: [2, 4] } }],
  [[5, 3, 2, 2], { split: { axis: 0, sizes: [3, 2] } }],
  [[3, 2, 2, 2], { split: { axis: 1, sizes: [3, 5] } }],
  [[3, 2, 4], { flatten: true }],
  [[2, 2, 3, 4], { flatten: false }],
  [[6, 4], { layout: 'in_out' }],
  [[2, 3, 5], { layout: 'in_out' }],
  [[2, 2, 2, 5], { layout: 'in_out' }],
  [[4, 7], { layout: 'in_out', split: { axis: 0, sizes: [3, 4] } }],
  [[6, 4], { layout: 'in_out', split: { axis: 1, sizes: [2, 4] } }],
  [[2, 4, 6], { layout: 'in_out', split: { axis: 0, sizes: [2, 4] } }],
  [[2, 6, 4], { layout: 'in_out', split: { axis: 1, sizes: [2, 4] } }],
];

eachDevice(({ device, alone }) => {
  const probe = Device.open('cpu', { threads: 1 });
  afterAll(() => probe.close());
  const matrixClasses = classes.filter(([, Class]) => !takesVectors(probe, Class));

  /** A weight, and its pieces as weights of their own. */
  const both = (on: Device, shape: number[], cut: Cut, seed: number, dtype: Dtype = 'f32') => {
    const size = shape.reduce((a, b) => a * b, 1);
    const data = values(size, seed).map((x) => x * 0.5);
    const whole = Tensor.from(on, data, shape, { dtype });
    const pieces = piecesOf(shape, cut).map(({ shape: own, places }) =>
      Tensor.from(
        on,
        places.map((place) => data[place]!),
        own,
        { dtype },
      ),
    );
    return { whole, pieces };
  };
  const valuesOf = async (whole: Tensor, cut: Cut): Promise<number[][]> => {
    const data = await numbers(whole);
    return piecesOf([...whole.shape], cut).map(({ places }) => places.map((place) => data[place]!));
  };

  it('a norm over the whole tensor has neither heads nor another shape', () => {
    const w = [tensor(device, [4, 3], 1)];
    for (const options of [{ heads: 2 }, { flatten: true }, { flatten: false }]) {
      expect(() => new AuON(w, { variant: 'head', ...options })).toThrow(code('ERR_ARGUMENT'));
      new HybridAuON(w, { variant: 'head', ...options }).dispose();
    }
    new AuON(w, { variant: 'head', split: { axis: 0, sizes: [1, 3] } }).dispose();
  });

  describe.each(matrixClasses)('%s', (_, Class) => {
    it.each(cuts)('steps pieces of %j by %j as weights of their own', async (shape, cut) => {
      const isWide = shape.length === 2;
      const options = isWide
        ? { weightDecay: 0.1 }
        : ({ weightDecay: 0.1, weightDecayMode: 'l2', masterWeights: 'split16' } as const);
      const { whole, pieces } = both(device, shape, cut, 1, isWide ? 'f32' : 'bf16');
      using one = new Class([whole], { ...options, ...cut });
      using two = new Class(pieces, options);
      for (let step = 1; step <= 2; ++step) {
        const grads = both(device, shape, cut, 10 + step);
        one.step([grads.whole]);
        two.step(grads.pieces);
      }
      expect(await valuesOf(whole, cut)).toEqual(await Promise.all(pieces.map(numbers)));
      expect(whole.shape).toEqual(shape);
      const [state, others] = [one, two].map((optimizer) => Object.values(optimizer.part().tensors));
      expect(await bits(state!)).toEqual(await bits(others!));
      expect(one.stateBytes).toBe(two.stateBytes);
      expect(await one.report()).toEqual(await two.report());
    });

    it('resumes pieces bit for bit, and refuses a checkpoint of others', async () => {
      using folder = new Folder();
      const split = { axis: 1, sizes: [2, 4] };
      const weights = [1, 2, 3].map((seed) => tensor(device, [4, 6], seed, 1, 'bf16'));
      const grads = (step: number, last: Tensor | null = tensor(device, [4, 6], 30 + step)) => [
        tensor(device, [4, 6], 10 + step),
        tensor(device, [4, 6], 20 + step),
        last,
      ];
      using saved = new Class(weights, { split, masterWeights: 'fp32' });
      saved.step(grads(1));
      saved.step(grads(2, null));
      await saved.save(folder.file('state'));
      const copies = weights.map((weight) => weight.copy());
      using loaded = new Class(copies, { split, masterWeights: 'fp32' });
      await loaded.load(folder.file('state'));
      for (const optimizer of [saved, loaded]) optimizer.step(grads(3));
      expect(await bits(copies)).toEqual(await bits(weights));
      const turned = { axis: 0, sizes: split.sizes };
      for (const other of [{}, { split: { axis: 1, sizes: [4, 2] } }, { split: turned, layout: 'in_out' }]) {
        using unlike = new Class(copies, { ...other, masterWeights: 'fp32' });
        await expect(unlike.load(folder.file('state'))).rejects.toMatchObject({ code: 'ERR_STATE' });
      }
    });

    it(
      'holds a step of pieces back, and keeps no memory',
      alone(async (on) => {
        const options = { split: { axis: 1, sizes: [2, 4] } };
        const weights = [tensor(on, [4, 6], 1), tensor(on, [4, 6], 2)];
        const optimizer = new Class(weights, { ...options, nonFinite: 'skip' });
        using good = tensor(on, [4, 6], 3); // collected in between, they would be missing below
        using bad = tensor(on, [4, 6], 3, Infinity);
        optimizer.step([good, good]);
        const before = await bits([...weights, ...Object.values(optimizer.part().tensors)]);
        const { bytes } = await settledMemory(on);
        for (let i = 0; i < 3; ++i) optimizer.step([good, bad]);
        const [w0, w1, ...state] = await bits([...weights, ...Object.values(optimizer.part().tensors)]);
        expect([w0, w1, ...state.slice(0, -1)]).toEqual(before.slice(0, -1)); // the last counts skipped steps
        expect(await optimizer.report()).toMatchObject({ nonFinite: 1, skipped: 3 });
        expect(on.info.memory.bytes).toBe(bytes);
        using propagating = new Class([tensor(on, [4, 6], 1)], options);
        propagating.step([bad]);
        expect(await propagating.report()).toMatchObject({ nonFinite: 1 });
      }),
    );

    it('refuses what does not fit, and leaves nothing behind', async () => {
      using weight = tensor(device, [6, 5], 1);
      using vector = tensor(device, [6], 1);
      using cubes = tensor(device, [2, 2, 2], 1);
      const { live } = await settledMemory(device); // collected in between, older ones would hide what is left
      const refused = (options: object, expected: string, message = /split/): void => {
        expect(() => new Class([weight], options), JSON.stringify(options)).toThrow(code(expected));
        expect(() => new Class([weight], options), JSON.stringify(options)).toThrow(message);
      };
      for (const sizes of [[2, 3], [2, 5], [7]]) refused({ split: { axis: 0, sizes } }, 'ERR_SHAPE', /add up to 6/);
      refused({ split: { axis: 1, sizes: [3, 3] } }, 'ERR_SHAPE', /add up to 5/);
      refused({ split: { axis: 0, sizes: [3, 3] }, layout: 'in_out' }, 'ERR_SHAPE', /add up to 5/);
      refused({ split: { axis: 0, sizes: [3, 3] }, heads: 2 }, 'ERR_ARGUMENT', /beside heads/);
      for (const split of [
        {},
        { axis: 0 },
        { axis: 2, sizes: [6] },
        { axis: 0, sizes: [] },
        { axis: 0, sizes: [6, 0] },
        { axis: 0, sizes: [7, -1] },
        { axis: 0, sizes: [2.5, 3.5] },
        { axis: 0, sizes: [6], heads: 2 },
        [6],
        6,
      ])
        refused({ split }, 'ERR_ARGUMENT');
      refused({ layout: 'rows' }, 'ERR_ARGUMENT', /layout/);
      refused({ flatten: 1 }, 'ERR_ARGUMENT', /flatten/);
      expect(() => new Class([vector], { split: { axis: 0, sizes: [6] } })).toThrow(code('ERR_SHAPE'));
      expect(() => new Class([cubes], { heads: 2, flatten: true }).dispose()).not.toThrow();
      expect(device.info.memory.live).toBe(live);
    });

    it('keeps its cut', () => {
      const sizes = [2, 4];
      using optimizer = new Class([tensor(device, [6, 5], 1)], { split: { axis: 0, sizes } });
      sizes[0] = 3;
      const { split } = optimizer.groups[0] as unknown as { split: { sizes: number[] } };
      expect(split).toEqual({ axis: 0, sizes: [2, 4] });
      expect(() => split.sizes.push(1)).toThrow(TypeError);
      expect(() => Object.assign(split, { axis: 1 })).toThrow(TypeError);
    });
  });
});
