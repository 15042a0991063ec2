// Devices: cpu, cuda
// Values: the schedule as the specification gives it; means and variances worked out by hand; students that are trained on
// synthesized images.
import { afterAll, describe, expect, it } from 'vitest';
import {
  bnStatisticsLoss,
  CurriculumSynthesizer,
  type CurriculumSynthesizerOptions,
  curriculumScale,
  type SynthesisTeacher,
} from '../../../lib/data/index.ts';
import { Device, ops, SGD, Tensor } from '../../../lib/index.ts';
import * as nn from '../../../lib/nn/index.ts';
import { Folder } from '../../files/folder.ts';
import { normal } from '../../support/data.ts';
import { devices, onlyCpu } from '../../support/devices.ts';
import { sameBits } from '../../support/same-bits.ts';
import { settledMemory } from '../../support/settled.ts';
import { valuesOf } from '../../support/tensors.ts';

const options = (more: object = {}): CurriculumSynthesizerOptions => ({
  shape: [4, 8, 6, 2],
  labels: [0, 1, 2, 0],
  iterations: 10,
  jitter: 3,
  mean: [0.5, 0.4],
  std: [0.2, 0.25],
  seed: 1,
  ...more,
});

describe.each(onlyCpu)('curriculumScale', () => {
  it.each([
    ['cosine', 1, [1, 0.865269, 0.54, 0.214731]],
    ['linear', 1, [1, 0.77, 0.54, 0.31]],
    ['cosine', 0.5, [1, 0.54, 0.08, 0.08]],
    ['step', 0.5, [1, 1, 0.08, 0.08]],
    ['cosine', 0, [0.08, 0.08, 0.08, 0.08]],
  ] as const)('%s with milestone %d has the values of the schedule', (mode, milestone, values) => {
    for (const [i, value] of values.entries())
      expect(curriculumScale(1000 * i, { iterations: 4000, mode, milestone })).toBeCloseTo(value, 6);
  });
  it('refuses iterations and milestones that are none', () => {
    expect(() => curriculumScale(-1, { iterations: 4 })).toThrow(/iteration must be a whole number from 0 on, got -1/);
    expect(() => curriculumScale(0, { iterations: 4, milestone: 1.5 })).toThrow(
      /milestone must be in \[0, 1\], got 1.5/,
    );
    expect(() => curriculumScale(0, { iterations: 0 })).toThrow(/iterations must be a whole number from 1 on/);
    expect(curriculumScale(9, { iterations: 4 })).toBe(0.08);
  });
});

describe.each(devices)('CurriculumSynthesizer on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  /** ½ ‖x‖² of the augmented images: each step draws their pixels to 0. */
  const quadratic: SynthesisTeacher = async (augmented, _labels, gradOut) => {
    ops.copy(device, { out: [gradOut], x: [augmented] });
    const x = await augmented.read();
    return x.reduce((sum, v) => sum + (v * v) / 2, 0);
  };

  it('bnStatisticsLoss is the distance of both moments, with its gradient', async () => {
    const x = Tensor.from(device, [1, 0, 3, 4], [2, 1, 1, 2]);
    const [mean, variance] = [Tensor.from(device, [2, 5], [2]), Tensor.from(device, [1, 1], [2])];
    const gradOut = Tensor.full(device, x.shape, NaN);
    const loss = bnStatisticsLoss(x, mean, variance, { gradOut });
    expect([...(await loss.read())]).toEqual([3 + 3]);
    expect([...(await gradOut.read())]).toEqual([0, -0.5 - 2, 0, -0.5 + 2]);
    expect([...(await bnStatisticsLoss(x, mean, variance, { weight: 0.5 }).read())]).toEqual([3]);
    expect(() => bnStatisticsLoss(x, Tensor.zeros(device, [3]), variance)).toThrow(/mean must have shape \[2\]/);
    expect(() => bnStatisticsLoss(x, mean, variance, { gradOut: mean })).toThrow(/gradOut must have shape/);
  });

  it('turns images around unless flip is false', async () => {
    /** The number of seeds, of eight, that show the images as they are, in the first step, whose crop is the whole image. */
    const asTheyAre = async (flip: boolean) => {
      let count = 0;
      for (let seed = 0; seed < 8; ++seed) {
        using synthesizer = new CurriculumSynthesizer(device, options({ seed, jitter: 0, flip }));
        const images = await synthesizer.images().read();
        await synthesizer.step(async (augmented, labels, gradOut) => {
          count += Number(sameBits(await augmented.read(), images));
          return quadratic(augmented, labels, gradOut);
        });
      }
      return count;
    };
    expect(await asTheyAre(false)).toBe(8);
    const some = await asTheyAre(true);
    expect(some).toBeGreaterThan(0);
    expect(some).toBeLessThan(8);
    expect(() => new CurriculumSynthesizer(device, options({ flip: 1 }))).toThrow(/flip must be true or false/);
  });

  it('keeps its schedule, its images within the bounds of pixels, and the same bits for a seed', async () => {
    const [one, other] = [new CurriculumSynthesizer(device, options()), new CurriculumSynthesizer(device, options())];
    for (let t = 0; t < 10; ++t) {
      const { loss, minCrop, lr } = await one.step(quadratic);
      expect(minCrop).toBe(curriculumScale(t, { iterations: 10 }));
      expect(lr).toBeCloseTo(0.125 * (1 + Math.cos((Math.PI * t) / 10)), 12);
      expect((await other.step(quadratic)).loss).toBe(loss);
      const images = await one.images().read();
      for (const [i, v] of images.entries()) {
        const [m, s] = [[0.5, 0.4][i % 2]!, [0.2, 0.25][i % 2]!]; // biome-ignore format: one line
        expect(v).toBeGreaterThanOrEqual(Math.fround(-m / s));
        expect(v).toBeLessThanOrEqual(Math.fround((1 - m) / s));
      }
    }
    expect(one.iteration).toBe(10);
    await expect(one.step(quadratic)).rejects.toMatchObject({ code: 'ERR_STATE' });
    expect(sameBits(await one.images().read(), await other.images().read())).toBe(true);
    const pixels = await valuesOf(one.images({ denormalize: true }));
    const normalized = await valuesOf(one.images());
    for (const [i, v] of pixels.entries()) {
      expect(v).toBeCloseTo(normalized[i]! * [0.2, 0.25][i % 2]! + [0.5, 0.4][i % 2]!, 5);
      expect(v >= -1e-6 && v <= 1 + 1e-6).toBe(true);
    }
    const third = new CurriculumSynthesizer(device, options({ seed: 2 }));
    await third.step(quadratic);
    // Beside images and moments a count of steps, and labels.
    expect(third.stateBytes).toBe(3 * one.images().byteLength + 4 + 4 * third.images().shape[0]!);
  });

  it('goes on from a file bit for bit, unless options or labels are others', async () => {
    using folder = new Folder();
    const file = folder.file('synthesis');
    using one = new CurriculumSynthesizer(device, options());
    for (let t = 0; t < 3; ++t) await one.step(quadratic);
    await one.save(file);
    using other = new CurriculumSynthesizer(device, options());
    await other.step(quadratic);
    await other.load(file);
    expect(other.iteration).toBe(3);
    for (let t = 3; t < 6; ++t) expect(await other.step(quadratic)).toEqual(await one.step(quadratic));
    expect(sameBits(await one.images().read(), await other.images().read())).toBe(true);
    const before = await other.images().read();
    const labels = [...options().labels];
    labels[1] = 7;
    for (const [change, words] of [
      [{ labels }, "state 'labels' must be those of the options"],
      [{ seed: 2 }, 'seed'],
    ] as const) {
      using foreign = new CurriculumSynthesizer(device, options(change));
      await expect(foreign.load(file)).rejects.toThrow(expect.objectContaining({ code: 'ERR_STATE', message: expect.stringContaining(words) })); // biome-ignore format: one line
      expect(foreign.iteration).toBe(0);
    }
    const running = other.step(quadratic);
    await expect(other.save(file)).rejects.toMatchObject({ code: 'ERR_STATE' });
    await running;
    expect(sameBits(await other.images().read(), before)).toBe(false);
  });

  it('a step whose teacher fails has changed nothing', async () => {
    const synthesizer = new CurriculumSynthesizer(device, options());
    await synthesizer.step(quadratic);
    const before = await synthesizer.images().read();
    const seen: Float32Array[] = [];
    const failing: [SynthesisTeacher, RegExp][] = [
      [() => { throw new Error('gone'); }, /teacher at iteration 1 has failed: gone/],
      [async () => 1, /must write a finite gradient/],
      [async (x, _l, g) => { await quadratic(x, _l, g); return NaN; }, /must give finite numbers, got NaN/],
      [async (x, _l, g) => { seen.push(await x.read()); g.write(new Float32Array(g.size).fill(Infinity)); return 1; }, /must write a finite gradient/],
      [async (_x, _l, g) => { g.dispose(); return 1; }, /has disposed of a tensor/],
    ]; // biome-ignore format: a line each
    for (const [teacher, message] of failing) await expect(synthesizer.step(teacher)).rejects.toThrow(message);
    await expect(synthesizer.step(undefined as never)).rejects.toThrow(/teacher must be a function/);
    expect(sameBits(await synthesizer.images().read(), before)).toBe(true);
    await synthesizer.step(async (x, l, g) => {
      seen.push(await x.read());
      return quadratic(x, l, g);
    });
    expect(sameBits(seen[0]!, seen[1]!)).toBe(true);
    const running = synthesizer.step(quadratic);
    await expect(synthesizer.step(quadratic)).rejects.toMatchObject({ code: 'ERR_STATE' });
    await running;
    const late = synthesizer.step(async () => {
      synthesizer.dispose();
      return 1;
    });
    await expect(late).rejects.toMatchObject({ code: 'ERR_DISPOSED' });
    expect(synthesizer.stateBytes).toBe(0);
    await expect(synthesizer.step(quadratic)).rejects.toMatchObject({ code: 'ERR_DISPOSED' });
  });

  it('gives back all that it took', async () => {
    const run = async () => {
      using synthesizer = new CurriculumSynthesizer(device, options());
      await synthesizer.step(quadratic);
      synthesizer.images({ denormalize: true }).dispose();
    };
    await run();
    const { live } = await settledMemory(device);
    await run();
    expect((await settledMemory(device)).live).toBeLessThanOrEqual(live);
  });
});

describe.each(onlyCpu)('images for a classifier of nn', () => {
  const size = 8;
  const pixels = size * size;
  /** Images whose upper or lower half is brighter, under much noise: pixels in [0, 1], normalized by 0.5 and 0.25. */
  const drawn = (count: number, seed: number) => {
    const noise = normal(count * pixels, seed, 0.25);
    const bright = (at: number) =>
      Math.floor((at % pixels) / (pixels / 2)) === Math.floor(at / pixels) % 2 ? 0.6 : 0.4;
    const x = noise.map((v, at) => (Math.max(0, Math.min(1, v + bright(at))) - 0.5) / 0.25);
    return { x, y: Int32Array.from({ length: count }, (_, i) => i % 2) };
  };

  it('a student of one synthesized image a class is better than one of a real image a class', async () => {
    await using device = Device.open('cpu', { threads: 1 });
    const place = ({ x, y }: { x: ArrayLike<number>; y: Int32Array }) => ({
      x: Tensor.from(device, Float32Array.from(x), [y.length, pixels]),
      y: Tensor.from(device, y, [y.length]),
    });
    const loss = nn.valueAndGrad((layer: nn.Traced<nn.Linear>, x: Tensor, y: Tensor) => nn.crossEntropy(nn.linear(layer, x), y)); // biome-ignore format: one line
    const trained = (data: { x: Tensor; y: Tensor }): nn.Linear => {
      const layer = { weight: Tensor.zeros(device, [2, pixels]), bias: Tensor.zeros(device, [2]) };
      const sgd = new SGD([layer.weight, layer.bias], { lr: 0.1 });
      for (let step = 0; step < 60; ++step) sgd.step(loss(layer, data.x, data.y).grads);
      return layer;
    };
    const test = place(drawn(400, 2));
    const lossOf = async (data: { x: Tensor; y: Tensor }) =>
      Number((await loss(trained(data), test.x, test.y).value.read())[0]);

    const layer = trained(place(drawn(400, 1)));
    const byImages = nn.valueAndGrad((of: nn.Traced<{ images: Tensor }>, y: Tensor) =>
      nn.crossEntropy(nn.linear(layer, nn.reshape(of.images, [2, pixels])), y),
    );
    const teacher: SynthesisTeacher = async (images, labels, gradOut) => {
      const { value, grads } = byImages({ images }, Tensor.from(device, labels, [2]));
      ops.copy(device, { out: [gradOut], x: [grads.get(images)!] });
      return Number((await value.read())[0]);
    };
    for (const milestone of [1, 0]) {
      const own = { shape: [2, size, size, 1] as const, labels: [0, 1], mean: [0.5], std: [0.25] };
      using synthesizer = new CurriculumSynthesizer(device, { ...own, iterations: 150, lr: 0.1, jitter: 0, milestone });
      const first = await synthesizer.step(teacher);
      let last = first;
      for (let step = 1; step < 150; ++step) last = await synthesizer.step(teacher);
      expect(last.loss).toBeLessThan(0.1 * first.loss);
      const made = {
        x: synthesizer.images().reshape([2, pixels]),
        y: Tensor.from(device, [0, 1], [2], { dtype: 'i32' }),
      };
      const synthesized = await lossOf(made);
      for (const seed of [3, 4, 5]) expect(synthesized).toBeLessThan(await lossOf(place(drawn(2, seed))));
    }
  });
});

describe.each(onlyCpu)('options of CurriculumSynthesizer', () => {
  const wrong: [object, RegExp][] = [
    [{ shape: [4, 8, 6] }, /shape must be images, rows, columns and channels/],
    [{ shape: [4, 8, 0, 2] }, /shape must be a list of whole numbers from 1 on/],
    [{ labels: [0, 1] }, /labels must have 4 elements, one an image, got 2/],
    [{ labels: [0, 1, -1, 0] }, /labels\[2\] must be a whole number from 0 to 2147483647, got -1/],
    [{ classes: 2 }, /labels\[2\] must be a whole number from 0 to 1, got 2/],
    [{ std: [0.2, 0] }, /std must be a list of positive numbers/],
    [{ std: [0.2, -1] }, /std must be a list of positive numbers/],
    [{ mean: [0.5] }, /mean must have 2 numbers, one a channel, got 1/],
    [{ mean: [0.5, NaN] }, /mean must be a list of finite numbers/],
    [{ milestone: 2 }, /milestone must be in \[0, 1\]/],
    [{ jitter: -1 }, /jitter must be a whole number from 0 on/],
    [{ lr: 0 }, /lr must be a positive number/],
    [{ iterations: undefined }, /iterations must be a whole number/],
    [{ seed: -1 }, /seed must be a whole number/],
  ];
  it.each(wrong)('%j is refused', async (change, message) => {
    await using device = Device.open('cpu');
    expect(() => new CurriculumSynthesizer(device, options(change))).toThrow(message);
  });
});
