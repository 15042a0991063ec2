// Devices: cpu, cuda
// Axes: products
// Convolutions near orthogonal ones: the loss, what it says of singular values, and the regularizer.
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, SGD, Tensor } from '../../lib/index.ts';
import * as nn from '../../lib/nn/index.ts';
import { descents, kernelOf, problems } from '../support/conv-orth.ts';
import { normal, sizeOf } from '../support/data.ts';
import { devices, onlyCpu } from '../support/devices.ts';
import { floatingDtypes } from '../support/dtypes.ts';
import { settledMemory } from '../support/settled.ts';
import { singularValues } from '../support/singular-values.ts';
import { tensorOf, valuesOf } from '../support/tensors.ts';

const failed = async (call: () => unknown) => {
  const error: unknown = await (async () => call())().then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  const { code, message } = (error ?? {}) as { code?: string; message?: string };
  return { code, message };
};

describe.each(devices)('orthogonal convolutions on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const zeros = (shape: readonly number[], dtype: 'f32' | 'f64' = 'f32') => Tensor.zeros(device, shape, { dtype });

  // The emulated device takes its time over each frequency.
  const some = kind === 'cpu' ? problems : [problems[0]!, problems[7]!];
  it.each(some)('(size / stride)² L of $shape, stride $stride, is of its singular values', async (problem) => {
    for (const [dtype, tolerance] of [
      ['f32', 1e-5],
      ['f64', 1e-12],
    ] as const) {
      const kernel = kernelOf(device, problem, dtype);
      const { stride, size } = problem;
      const { loss, mode } = await nn.convOrthLoss(kernel, { stride });
      const [outputs, channels] = problem.shape;
      expect(mode).toBe(outputs > channels * stride ** 2 ? 'column' : 'row');
      const values = await nn.convSingularValues(kernel, { stride, size });
      expect(values).toBeInstanceOf(Float64Array);
      expect(values.length).toBe(problem.singularValues.length);
      const most = problem.singularValues[0]!;
      for (const [i, value] of values.entries())
        expect(Math.abs(value - problem.singularValues[i]!) / most).toBeLessThan(dtype === 'f32' ? 2e-6 : 1e-13);
      const distance = values.reduce((sum, value) => sum + (value ** 2 - 1) ** 2, 0);
      const frequencies = (size / stride) ** 2;
      expect(Math.abs(distance / (frequencies * loss) - 1)).toBeLessThan(tolerance);
      for (const value of values) expect(Math.abs(value - 1)).toBeLessThan(Math.sqrt(frequencies * loss));
    }
  });

  it('weight is a factor of loss and gradient, which is written over what was there', async () => {
    const problem = problems[0]!;
    const kernel = kernelOf(device, problem);
    const gradOut = Tensor.full(device, kernel.shape, NaN, { dtype: 'f64' });
    const { loss } = await nn.convOrthLoss(kernel, { weight: 0.25, gradOut });
    expect(loss / problem.loss).toBeCloseTo(0.25, 13);
    for (const [i, value] of (await valuesOf(gradOut)).entries())
      expect(value).toBeCloseTo(0.25 * problem.gradient[i]!, 12);
  });

  it.each(floatingDtypes)('takes kernels of %s, whose sums are exact to f32', async (dtype) => {
    const problem = problems[7]!;
    const { stride, size } = problem;
    const kernel = kernelOf(device, problem).cast(dtype);
    const gradOut = zeros(kernel.shape).cast(dtype);
    const same = kernel.cast('f64');
    const { loss } = await nn.convOrthLoss(kernel, { stride, gradOut });
    expect(Math.abs(loss / (await nn.convOrthLoss(same, { stride })).loss - 1)).toBeLessThan(2e-6);
    const [values, exact] = [kernel, same].map((one) => nn.convSingularValues(one, { stride, size }));
    for (const [i, value] of (await values!).entries()) expect(value).toBeCloseTo((await exact!)[i]!, 5);
  });

  it.each([
    ['one number', [1, 1, 1, 1], 1],
    ['one output', [1, 3, 3, 2], 1],
    ['one channel', [2, 3, 3, 1], 1],
    ['a kernel of zeros', [3, 3, 3, 2], 1],
    ['a stride beyond the kernel', [2, 2, 2, 3], 5],
  ] as const)('takes %s', async (name, shape, stride) => {
    const scale = name === 'a kernel of zeros' ? 0 : 1;
    const kernel = tensorOf(device, normal(sizeOf(shape), 1, scale), shape, 'f64');
    const { loss } = await nn.convOrthLoss(kernel, { stride });
    const values = await nn.convSingularValues(kernel, { stride, size: 5 * stride });
    const distance = values.reduce((sum, value) => sum + (value ** 2 - 1) ** 2, 0);
    expect(distance).toBeCloseTo(25 * loss, 9);
    expect(values.length).toBe(25 * Math.min(shape[0], shape[3] * stride ** 2));
  });

  it('is 0 for a permutation of channels, whose singular values are 1', async () => {
    const kernel = Tensor.from(device, [0, 1, 0, 0, 0, 1, 1, 0, 0], [3, 1, 1, 3]);
    const gradOut = zeros(kernel.shape);
    expect(await nn.convOrthLoss(kernel, { gradOut })).toEqual({ loss: 0, mode: 'row' });
    expect(await valuesOf(gradOut)).toEqual(new Float64Array(9));
    for (const value of await nn.convSingularValues(kernel, { size: 3 })) expect(value).toBeCloseTo(1, 6);
  });

  it('has the singular values of the dense matrix, whatever the size of the images', async () => {
    const shape = [2, 2, 2, 3];
    const kernel = tensorOf(device, normal(24, 5), shape, 'f64');
    const data = await valuesOf(kernel);
    for (const size of [3, 4, 5]) {
      const matrix = new Float64Array(2 * size ** 2 * 3 * size ** 2);
      for (let o = 0; o < 2; ++o)
        for (let i = 0; i < size ** 2; ++i)
          for (let tap = 0; tap < 4; ++tap)
            for (let c = 0; c < 3; ++c) {
              const row = (Math.floor(i / size) + (tap >> 1)) % size;
              const column = ((i % size) + (tap & 1)) % size;
              matrix[(o * size ** 2 + i) * 3 * size ** 2 + (row * size + column) * 3 + c]! +=
                data[(o * 4 + tap) * 3 + c]!;
            }
      const expected = singularValues(matrix, 2 * size ** 2, 3 * size ** 2);
      const values = await nn.convSingularValues(kernel, { size });
      expect(values.length).toBe(expected.length);
      for (const [i, value] of values.entries()) expect(value).toBeCloseTo(expected[i]!, 12);
    }
  });

  const made = () => {
    const make = nn.init(device, { seed: 1, dtype: 'f64' });
    return { conv1: make.conv2d(2, 3, 3), deep: { conv2: make.conv2d(3, 5, 2) } };
  };

  it('the regularizer adds to gradients what the loss gives, each layer by its stride and weight', async () => {
    const model = made();
    using regularizer = new nn.ConvOrthRegularizer(
      { first: model.conv1.weight, second: { kernel: model.deep.conv2.weight, stride: 2, weight: 3 } },
      { weight: 0.5 },
    );
    expect(regularizer.modes).toEqual({ first: 'column', second: 'row' });
    const before = nn.parameters(model).map((parameter) => parameter.copy());
    const grads = new Map<Tensor, Tensor>(nn.parameters(model).map((parameter, i) => [parameter, before[i]!.copy()]));
    const [total] = await regularizer.addTo(grads).read();
    const each = [
      { kernel: model.conv1.weight, stride: 1, weight: 0.5 },
      { kernel: model.deep.conv2.weight, stride: 2, weight: 3 },
    ];
    let sum = 0;
    for (const { kernel, ...options } of each) {
      const gradOut = new Tensor(device, kernel.shape, 'f64');
      sum += (await nn.convOrthLoss(kernel, { ...options, gradOut })).loss;
      const [start, own] = [await valuesOf(kernel), await valuesOf(gradOut)];
      for (const [i, value] of (await valuesOf(grads.get(kernel)!)).entries())
        expect(value).toBeCloseTo(start[i]! + own[i]!, 12);
    }
    expect(total).toBeCloseTo(sum, 10);
    for (const [i, parameter] of nn.parameters(model).entries()) {
      expect(await parameter.read()).toEqual(await before[i]!.read());
      if (parameter.shape.length === 1) expect(await grads.get(parameter)!.read()).toEqual(await before[i]!.read());
    }
  });

  it('trains beside a loss, with the same memory in every step', async () => {
    const model = made();
    const loss = (m: nn.Traced<typeof model>, x: Tensor) =>
      nn.mean(nn.conv2d(m.deep.conv2, nn.conv2d(m.conv1, x), { stride: 2, padding: 1 }));
    using step = nn.valueAndGrad(loss);
    using regularizer = new nn.ConvOrthRegularizer({
      conv1: model.conv1.weight,
      conv2: { kernel: model.deep.conv2.weight, stride: 2 },
    });
    using optimizer = new SGD(nn.select(model, '**'), { lr: 0.01 });
    const x = tensorOf(device, normal(2 * 6 * 6 * 2, 1), [2, 6, 6, 2], 'f64');
    const train = (): Tensor => {
      const { grads } = step(model, x);
      const penalty = regularizer.addTo(grads);
      optimizer.step(grads);
      return penalty;
    };
    const [first] = await train().read();
    train();
    const { live, bytes } = await settledMemory(device);
    for (let i = 0; i < (kind === 'cpu' ? 20 : 2); ++i) {
      train();
      expect(device.info.memory).toMatchObject({ live, bytes });
    }
    expect((await train().read())[0]).toBeLessThan(first!);
  });

  it('a kernel without a gradient stands still and counts', async () => {
    const model = made();
    using regularizer = new nn.ConvOrthRegularizer(nn.select(model, '**.weight'));
    const grad = zeros(model.conv1.weight.shape, 'f64');
    const [total] = await regularizer
      .addTo(
        new Map([
          [model.conv1.weight, grad],
          [model.deep.conv2.weight, null],
        ]),
      )
      .read();
    let sum = 0;
    for (const kernel of [model.conv1.weight, model.deep.conv2.weight]) sum += (await nn.convOrthLoss(kernel)).loss;
    expect(total).toBeCloseTo(sum, 10);
    expect((await valuesOf(grad)).some((value) => value !== 0)).toBe(true);
  });
});

describe.each(onlyCpu)('orthogonal convolutions', () => {
  const device = Device.open('cpu');
  afterAll(() => device.close());
  /** A device of a test's own, where tensors that others have left cannot go meanwhile. */
  const opened = () => {
    const own = Device.open('cpu');
    const zeros = (...shape: number[]) => Tensor.zeros(own, shape);
    return { device: own, zeros, [Symbol.asyncDispose]: () => own.close() };
  };

  it('give the same values in parts, and tell of them', async () => {
    const kernel = tensorOf(device, normal(20 * 4 * 20, 3), [20, 2, 2, 20]);
    const told: nn.ConvSingularValuesProgress[] = [];
    const values = await nn.convSingularValues(kernel, { size: 18, onProgress: (progress) => told.push(progress) });
    expect(told.length).toBeGreaterThan(1);
    expect(told.at(-1)).toEqual({ done: 324, total: 324 });
    const { loss } = await nn.convOrthLoss(kernel);
    const distance = values.reduce((sum, value) => sum + (value ** 2 - 1) ** 2, 0);
    expect(Math.abs(distance / (324 * loss) - 1)).toBeLessThan(1e-5);
    for (let i = 1; i < values.length; ++i) expect(values[i]!).toBeLessThanOrEqual(values[i - 1]!);
  });

  it.each(descents)('descend with $shape, stride $stride, as PyTorch does', async (descent) => {
    const kernel = kernelOf(device, descent);
    const gradOut = new Tensor(device, kernel.shape, 'f64');
    const loss = new Tensor(device, [1], 'f64');
    for (let step = 0; step < descent.steps; ++step) {
      ops.convOrthLoss(device, { kernel, loss, gradKernel: gradOut, stride: descent.stride });
      ops.linearCombination(device, { out: [kernel], terms: [kernel, gradOut], coefficients: [1, -descent.rate] });
    }
    const { loss: last } = await nn.convOrthLoss(kernel, { stride: descent.stride });
    expect(last / descent.losses[2]).toBeCloseTo(1, 6);
    const values = await nn.convSingularValues(kernel, { stride: descent.stride, size: descent.size });
    expect(values.at(-1)).toBeCloseTo(descent.last[0], 8);
    expect(values[0]).toBeCloseTo(descent.last[1], 8);
  });

  it('refuse kernels that are none, and leave nothing behind', async () => {
    await using own = opened();
    const { device, zeros } = own;
    const { live: before } = await settledMemory(device);
    const loss = (kernel: Tensor, options?: object) => failed(() => nn.convOrthLoss(kernel, options));
    const values = (kernel: Tensor, options?: object) =>
      failed(() => nn.convSingularValues(kernel, { size: 8, ...options }));
    using kernel = zeros(2, 3, 3, 4);
    for (const [one, where] of [
      [loss, 'nn.convOrthLoss'],
      [values, 'nn.convSingularValues'],
    ] as const) {
      using flat = zeros(2, 27);
      using wide = zeros(2, 3, 5, 4);
      using empty = zeros(0, 3, 3, 4);
      expect(await one(flat)).toEqual({
        code: 'ERR_SHAPE',
        message: `${where}: kernel must have rank 4 with elements, got [2,27]`,
      });
      expect(await one(wide)).toEqual({
        code: 'ERR_SHAPE',
        message: `${where}: kernel must be [O, k, k, C], as wide as high, got [2,3,5,4]`,
      });
      expect((await one(empty)).code).toBe('ERR_SHAPE');
      expect((await one([1] as never)).code).toBe('ERR_ARGUMENT');
      expect(await one(kernel, { stride: 0 })).toEqual({
        code: 'ERR_ARGUMENT',
        message: `${where}: stride must be a whole number from 1 on, got 0`,
      });
      expect((await one(kernel, { stride: 1.5 })).code).toBe('ERR_ARGUMENT');
      expect((await one(kernel, { padding: 1 })).code).toBe('ERR_ARGUMENT');
      for (const bad of [NaN, Infinity, -Infinity]) {
        using broken = Tensor.from(
          device,
          Float32Array.from({ length: 72 }, (_, i) => (i === 40 ? bad : 1)),
          [2, 3, 3, 4],
        );
        expect(await one(broken)).toEqual({
          code: 'ERR_ARGUMENT',
          message: `${where}: kernel must be finite, got NaN or infinity`,
        });
      }
      const gone = zeros(2, 3, 3, 4);
      gone.dispose();
      expect((await one(gone)).code).toBe('ERR_DISPOSED');
    }
    using other = zeros(2, 3, 3, 5);
    using f64 = Tensor.zeros(device, [2, 3, 3, 4], { dtype: 'f64' });
    expect((await loss(kernel, { gradOut: other })).code).toBe('ERR_SHAPE');
    expect((await loss(kernel, { gradOut: f64 })).code).toBe('ERR_DTYPE');
    expect(await loss(kernel, { gradOut: kernel })).toEqual({
      code: 'ERR_ARGUMENT',
      message: 'nn.convOrthLoss: gradOut must be another tensor than kernel, got kernel',
    });
    expect((await loss(kernel, { weight: Infinity })).code).toBe('ERR_ARGUMENT');
    expect(await values(kernel, { size: 4 })).toEqual({
      code: 'ERR_ARGUMENT',
      message: 'nn.convSingularValues: size must be at least 2 k − 1 = 5, got 4',
    });
    expect(await values(kernel, { size: 7, stride: 2 })).toEqual({
      code: 'ERR_ARGUMENT',
      message: 'nn.convSingularValues: size must be a multiple of stride 2, got 7',
    });
    expect((await values(kernel, { size: undefined })).code).toBe('ERR_ARGUMENT');
    for (const tensor of [kernel, other, f64]) tensor.dispose();
    expect(device.info.memory.live).toBe(before);
  });

  it('end where they are aborted', async () => {
    await using own = opened();
    const { device } = own;
    const kernel = tensorOf(device, normal(20 * 4 * 20, 3), [20, 2, 2, 20]);
    await device.synchronize();
    const { live: before } = await settledMemory(device);
    const controller = new AbortController();
    const call = nn.convSingularValues(kernel, {
      ...{ size: 18, signal: controller.signal },
      onProgress: () => controller.abort(new Error('enough')),
    });
    await expect(call).rejects.toThrow('enough');
    await device.synchronize();
    expect(device.info.memory.live).toBe(before);
    kernel.dispose();
  });

  it('exist for some sizes alone; others are taken where that is allowed', async () => {
    const zeros = (...shape: number[]) => Tensor.zeros(device, shape);
    const make = (kernel: Tensor, options?: object) =>
      failed(() => new nn.ConvOrthRegularizer({ conv: kernel }, options).dispose());
    const where = 'nn.ConvOrthRegularizer: conv must';
    expect(await make(zeros(9, 2, 2, 2), { stride: 3 })).toEqual({
      code: 'ERR_ARGUMENT',
      message: `${where} have at most C · k² = 8 outputs, or allowInfeasible be true, got 9`,
    });
    expect(await make(zeros(18, 2, 2, 2), { stride: 3 })).toEqual({
      code: 'ERR_ARGUMENT',
      message: `${where} have at most C · k² = 8 outputs, or allowInfeasible be true, got 18`,
    });
    expect(await make(zeros(19, 2, 2, 2), { stride: 3 })).toEqual({
      code: 'ERR_ARGUMENT',
      message: `${where} have a stride up to its side 2, or allowInfeasible be true, got 3`,
    });
    for (const outputs of [9, 18, 19])
      expect(await make(zeros(outputs, 2, 2, 2), { stride: 3, allowInfeasible: true })).toEqual({});
    for (const [outputs, stride] of [
      [8, 3],
      [8, 2],
      [100, 2],
      [1, 7],
    ] as const)
      expect(await make(zeros(outputs, 2, 2, 2), { stride })).toEqual({});
    // No step leads a loss without an orthogonal kernel to 0, and of its descent none ends there.
    const kernel = tensorOf(device, normal(9 * 4 * 2, 1, 0.3), [9, 2, 2, 2], 'f64');
    const gradOut = new Tensor(device, kernel.shape, 'f64');
    for (let i = 0; i < 300; ++i) {
      await nn.convOrthLoss(kernel, { stride: 3, gradOut });
      ops.linearCombination(device, { out: [kernel], terms: [kernel, gradOut], coefficients: [1, -0.02] });
    }
    expect((await nn.convOrthLoss(kernel, { stride: 3 })).loss).toBeCloseTo(1, 6);
  });

  it('the regularizer refuses gradients that share bytes with a kernel or with another, and changes nothing', async () => {
    const shape = [2, 2, 2, 2];
    const both = tensorOf(device, normal(32, 1), [4, 2, 2, 2]);
    const [first, second] = [both.rows(0, 2), both.rows(2, 4)];
    const grad = tensorOf(device, normal(16, 2), shape);
    const before = await Promise.all([both.read(), grad.read()]);
    using regularizer = new nn.ConvOrthRegularizer({ first, second, again: first });
    const where = 'nn.ConvOrthRegularizer.addTo:';
    const kernelMet = (path: string) => `${where} ${path} must not share its bytes with a gradient, got one that does`;
    for (const [ofFirst, ofSecond, message] of [
      [grad, second, kernelMet('second')],
      [grad, first, kernelMet('first')],
      [both.rows(1, 3), grad, kernelMet('first')],
      [grad, grad, `${where} gradient of second must not share its bytes with another, got one that does`],
    ] as const) {
      const grads = new Map([
        [first, ofFirst],
        [second, ofSecond],
      ]);
      expect(await failed(() => regularizer.addTo(grads))).toEqual({ code: 'ERR_ARGUMENT', message });
      expect(await Promise.all([both.read(), grad.read()])).toEqual(before);
    }
    regularizer.addTo(new Map([[first, grad]]));
    expect(await grad.read()).not.toEqual(before[1]);
  });

  it('the regularizer refuses what does not fit, and changes nothing', async () => {
    await using own = opened();
    const { device, zeros } = own;
    const kernel = Tensor.full(device, [2, 3, 3, 2], 1);
    const { live: before } = await settledMemory(device);
    const make = (layers: unknown, options?: object) =>
      failed(() => new nn.ConvOrthRegularizer(layers as never, options));
    expect(await make({})).toEqual({
      code: 'ERR_ARGUMENT',
      message: 'nn.ConvOrthRegularizer: layers must hold a kernel, got none',
    });
    expect(await make([kernel])).toEqual({
      code: 'ERR_ARGUMENT',
      message: 'nn.ConvOrthRegularizer: layers must be kernels by path, got a list',
    });
    expect((await make(kernel)).code).toBe('ERR_ARGUMENT');
    expect((await make({ conv: { stride: 2 } })).code).toBe('ERR_ARGUMENT');
    expect(await make({ conv: { kernel, strid: 2 } })).toEqual({
      code: 'ERR_ARGUMENT',
      message: 'nn.ConvOrthRegularizer: conv: strid is not an option, did you mean stride?',
    });
    expect(await make({ conv: { kernel, weight: -1 } })).toEqual({
      code: 'ERR_ARGUMENT',
      message: 'nn.ConvOrthRegularizer: conv.weight must be finite and not negative, got -1',
    });
    expect((await make({ conv: kernel }, { allowInfeasible: 1 })).code).toBe('ERR_ARGUMENT');
    const elsewhere = Device.open('cpu');
    expect((await make({ conv: kernel, other: Tensor.zeros(elsewhere, [2, 3, 3, 2]) })).code).toBe('ERR_DEVICE');
    expect(device.info.memory.live).toBe(before);

    const regularizer = new nn.ConvOrthRegularizer({ conv: kernel });
    const grad = zeros(2, 3, 3, 2);
    const add = (grads: unknown) => failed(() => regularizer.addTo(grads as never));
    expect((await add(undefined)).code).toBe('ERR_ARGUMENT');
    expect((await add([grad])).code).toBe('ERR_ARGUMENT');
    expect(await add(new Map([[grad, grad]]))).toEqual({
      code: 'ERR_ARGUMENT',
      message: 'nn.ConvOrthRegularizer.addTo: grads must have one of 1 kernels, got 1 others',
    });
    expect((await add(new Map([[kernel, zeros(2, 3, 3, 3)]]))).code).toBe('ERR_SHAPE');
    expect((await add(new Map([[kernel, grad.cast('f64')]]))).code).toBe('ERR_DTYPE');
    expect((await add(new Map([[kernel, Tensor.zeros(elsewhere, [2, 3, 3, 2])]]))).code).toBe('ERR_DEVICE');
    expect(await valuesOf(grad)).toEqual(new Float64Array(36));
    regularizer.dispose();
    regularizer.dispose();
    expect((await add(new Map([[kernel, grad]]))).code).toBe('ERR_DISPOSED');
    using late = new nn.ConvOrthRegularizer({ conv: kernel });
    kernel.dispose();
    expect((await failed(() => late.addTo(new Map([[kernel, grad]])))).code).toBe('ERR_DISPOSED');
    await elsewhere.close();
  });
});
