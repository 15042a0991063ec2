// Devices: cpu, cuda
// Products of the gradients of samples are those of the gradients that perSample: true stores.
import { afterAll, describe, expect, it } from 'vitest';
import { AdaptiveBatch, Device, ops, Tensor } from '../../lib/index.ts';
import * as nn from '../../lib/nn/index.ts';
import { normal, sizeOf } from '../support/data.ts';
import { devices } from '../support/devices.ts';

describe.each(devices)('products of gradients of samples on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const samples = 6;
  const modelOf = (dtype: 'f32' | 'f64') => {
    const make = nn.init(device, { seed: 3, dtype });
    return {
      up: make.linear(7, 4, { deviation: 0.3 }),
      down: make.linear(4, 5, { deviation: 0.3 }),
      square: make.linear(7, 7, { deviation: 0.3 }),
      conv: make.conv2d(2, 3, 2, { deviation: 0.3 }),
      norm: { weight: make.normal([7], 0.5), bias: make.normal([7], 0.5) },
      rms: { weight: make.normal([4], 0.5) },
      words: make.table(9, 7),
      a: make.normal([2, 4], 0.3),
      b: make.normal([5, 2], 0.3),
      places: make.normal([3, 7], 0.3),
    };
  };
  type Model = nn.Traced<ReturnType<typeof modelOf>>;
  const model = modelOf('f64');
  const data = (shape: number[], dtype: 'f32' | 'f64' = 'f64') => {
    const values = normal(sizeOf(shape), 3);
    return Tensor.from(device, dtype === 'f64' ? values : Float32Array.from(values), shape);
  };
  const labels = Tensor.from(device, Int32Array.of(0, 1, 2, 3, -1, 0, -1, -1, -1, 4, -1, -1, 0, 0, 1, 2, 2, 2), [6, 3]);
  const hidden = (m: Model, input: nn.Arg) => nn.relu(nn.linear(m.up, input));
  const logits = (m: Model, input: nn.Arg) => nn.linear(m.down, hidden(m, input));

  type Loss = (m: Model, input: Tensor) => nn.Value;
  const cases: [string, number[], Loss][] = [
    ['vectors', [6, 7], (m, x) => nn.mean(nn.gelu(logits(m, x)))],
    ['sequences', [6, 3, 7], (m, x) => nn.sum(nn.gelu(logits(m, x)))],
    ['sequences of many rows', [6, 50, 7], (m, x) => nn.mean(nn.gelu(logits(m, x)))],
    ['labels of which some do not count', [6, 3, 7], (m, x) => nn.crossEntropy(logits(m, x), labels)],
    ['rows that are added', [6, 3, 7], (m, x) => nn.crossEntropy(nn.addRows(x, m.places), labels)],
    [
      'an adapter',
      [6, 3, 7],
      (m, x) => nn.crossEntropy(nn.linear({ ...m.down, lora: { a: m.a, b: m.b, scale: 0.5 } }, hidden(m, x)), labels),
    ],
    [
      'normalizations',
      [6, 3, 7],
      (m, x) => nn.mean(nn.gelu(nn.rmsNorm(m.rms, nn.linear(m.up, nn.layerNorm(m.norm, x))))),
    ],
    ['convolutions', [6, 4, 3, 2], (m, x) => nn.mean(nn.gelu(nn.conv2d(m.conv, x)))],
    [
      'what runs again',
      [6, 3, 7],
      (m, x) => nn.recompute((y: nn.Arg) => nn.crossEntropy(nn.linear(m.down, y), labels))(hidden(m, x)),
    ],
    [
      'losses together',
      [6, 3, 7],
      (m, x) => {
        const y = logits(m, x);
        return nn.weighted([[0.5, nn.crossEntropy(y, labels)], [2, nn.sum(nn.softmax(y))], [-1, nn.mean(y)]]); // biome-ignore format: one line
      },
    ],
  ];

  /** |gᵢ|², ⟨gᵢ, ḡ⟩ and ḡ of gradients `[samples, …]`. */
  async function expected(grads: nn.PerParameter) {
    const squares = new Float64Array(samples);
    const dots = new Float64Array(samples);
    const means = new Map<Tensor, Float64Array>();
    for (const [parameter, gradient] of grads) {
      const [all, size] = [await gradient.read(), parameter.size];
      const mean = new Float64Array(size);
      for (const [at, g] of all.entries()) mean[at % size]! += Number(g) / samples;
      for (const [at, value] of all.entries()) {
        const [i, g] = [Math.floor(at / size), Number(value)];
        squares[i]! += g * g;
        dots[i]! += g * mean[at % size]!;
      }
      means.set(parameter, mean);
    }
    return { squares, dots, means };
  }

  it.each(cases)('of %s', async (_, shape, loss) => {
    using each = nn.valueAndGrad(loss, { perSample: true });
    using sums = nn.valueAndGrad(loss, { perSample: 'products' });
    const x = data(shape);
    const stored = each(model, x);
    // @ts-expect-error: there are no products without that word.
    expect(stored.products).toBeUndefined();
    const { squares, dots, means } = await expected(stored.grads);
    for (let call = 0; call < 2; ++call) {
      const { products, grads } = sums(model, x);
      for (const [of, want] of [
        [products.squares, squares],
        [products.dots, dots],
      ] as const) {
        // biome-ignore format: one line
        const largest = Math.max(...want.map(Math.abs));
        for (const [i, value] of (await of.read()).entries())
          expect(Math.abs(Number(value) - want[i]!)).toBeLessThan(1e-13 * largest);
      }
      expect([...grads.keys()]).toEqual([...means.keys()]);
      for (const [parameter, mean] of means)
        for (const [j, value] of (await grads.get(parameter)!.read()).entries())
          expect(value).toBeCloseTo(mean[j]!, 13);
    }
  });

  it('of a table of rows, and of a function of one’s own that has perSample', async () => {
    const words = Tensor.from(device, Int32Array.of(1, 1, 3, 0, 8, 8, 2, 4, 4, 4, 5, 6), [6, 2]);
    const twice = nn.defineFunction('twice', (f, x: nn.Arg, w: nn.Arg) => {
      const out = f.buffer(x.shape, x.dtype);
      ops.scaleAxis(device, { x: f.tensor(x), scale: f.tensor(w), out });
      const each = (grad: Tensor) => {
        const product = f.scratch(x.shape, x.dtype);
        ops.multiply(device, { x: [grad], y: [f.tensor(x)], out: [product] });
        return product;
      };
      return {
        out,
        inputs: [x, w],
        backward: (grad, to) => {
          to.add(
            w,
            (dw, beta) => ops.columnSum(device, { x: each(grad), out: dw, beta }),
            (dw) => ops.columnReduce(device, { x: each(grad), out: dw }),
          );
          to.set(x, (dx) => ops.scaleAxis(device, { x: grad, scale: f.tensor(w), out: dx }));
        },
      };
    });
    const loss = (m: Model, index: Tensor) =>
      nn.mean(nn.gelu(twice(nn.linear(m.square, nn.embedding(m.words, index)), m.norm.weight)));
    using sums = nn.valueAndGrad(loss, { perSample: 'products' });
    using one = nn.valueAndGrad(loss);
    const { products } = sums(model, words);
    const [squares, dots] = [await products.squares.read(), await products.dots.read()];
    const whole = await Promise.all([...one(model, words).grads.values()].map((grad) => grad.read()));
    for (let i = 0; i < samples; ++i) {
      const own = await Promise.all([...one(model, words.rows(i, i + 1)).grads.values()].map((grad) => grad.read()));
      const sum = (f: (g: number, k: number, j: number) => number) =>
        own.reduce((total, values, k) => total + Array.from(values, Number).reduce((a, g, j) => a + f(g, k, j), 0), 0);
      expect(squares[i]).toBeCloseTo(
        sum((g) => g * g),
        13,
      );
      expect(dots[i]).toBeCloseTo(
        sum((g, k, j) => g * Number(whole[k]![j])),
        13,
      );
    }
  });

  it('of f32 keep their range', async () => {
    const small = modelOf('f32');
    const x = data([6, 3, 7], 'f32');
    const loss: Loss = (m, input) => nn.mean(nn.gelu(logits(m, input)));
    using one = nn.valueAndGrad(loss, { perSample: 'products' });
    const read = async ({ products }: nn.ValueGradsAndProducts) => [
      ...(await products.squares.read()),
      ...(await products.dots.read()),
    ];
    const plain = await read(one(small, x));
    for (const scale of [2 ** -100, 2 ** 100]) {
      using scaled = nn.valueAndGrad(loss, { perSample: 'products', scale });
      for (const [i, value] of (await read(scaled(small, x))).entries())
        expect(value / scale ** 2 / plain[i]!).toBeCloseTo(1, 6);
    }
  });

  it('make a batch as large as the gradients do', async () => {
    const loss: Loss = (m, x) => nn.crossEntropy(logits(m, x), labels);
    using each = nn.valueAndGrad(loss, { perSample: true });
    using sums = nn.valueAndGrad(loss, { perSample: 'products' });
    const x = data([6, 3, 7]);
    const options = { test: 'augmented', theta: 0.5, nu: 0.5, batchSize: 6, maxBatchSize: 10_000 } as const;
    const stored = await new AdaptiveBatch(options).observe(each(model, x).grads);
    const found = await new AdaptiveBatch(options).observe(sums(model, x).products);
    expect(found.batchSize).toBe(stored.batchSize);
    expect(found.batchSize).toBeGreaterThan(6);
    for (const [name, value] of Object.entries(stored.statistics!))
      expect(found.statistics![name as 'variance']).toBeCloseTo(value, 9);
  });

  it('are refused where a parameter is met twice, or by a function without them', () => {
    const thrown = (loss: Loss) => () => {
      using step = nn.valueAndGrad(loss, { perSample: 'products' });
      return step(model, data([6, 7]));
    };
    expect(thrown((m, x) => nn.mean(nn.linear(m.square, nn.gelu(nn.linear(m.square, x)))))).toThrow(
      "perSample 'products' must meet each parameter once, got square.weight again",
    );
    expect(thrown((m, x) => nn.mean(nn.matmul(x, m.square.weight)))).toThrow(
      expect.objectContaining({ code: 'ERR_UNSUPPORTED' }),
    );
    expect(() => nn.valueAndGrad(() => nn.sum(model.a), { perSample: 'sums' as never })).toThrow(
      "nn.valueAndGrad: perSample must be true, false or 'products', got 'sums'",
    );
    using step = nn.valueAndGrad((m: Model, x: Tensor) => nn.mean(nn.linear(m.up, x)), { perSample: 'products' });
    expect(() => step.accumulate(model, data([6, 7]))).toThrow('accumulate must come without perSample');
  });
});
