// Devices: cpu
// Checkpoints of every class in every way to keep state load, and go on to the recorded bits: of weights and of all state.
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { combine, Device, type Dtype, Tensor } from '../../lib/index.ts';
import { type AnyOptimizer, classes } from './classes.ts';

interface Golden {
  blas: string;
  dtype: Dtype;
  parts: { class: string; options: Record<string, unknown>; shapes: number[][] }[];
  weights: string[];
  grads: (string | null)[][];
  results: { sets: string[]; weights: string[]; state: Record<string, string>; skipped: number }[];
}

const folder = path.join(import.meta.dirname, '..', 'golden');
const files = readdirSync(folder)
  .filter((name) => /^states-v\d+$/.test(name))
  .flatMap((states) => readdirSync(path.join(folder, states)).map((file) => path.join(states, file)))
  .flatMap((file) => (file.endsWith('.json') ? file.slice(0, -'.json'.length) : []));
const goldenOf = (file: string): Golden => JSON.parse(readFileSync(path.join(folder, `${file}.json`), 'utf8'));

const settings = ['f32', 'f64', 'f16', 'bf16', 'masters-fp32', 'masters-split16', 'no-masters'];

it('there is a file of format version 1 for every class in every setting, and one of a combination', () => {
  const wanted = classes.flatMap(([name]) => settings.map((setting) => `states-v1/${name.toLowerCase()}-${setting}`));
  expect(files).toEqual(expect.arrayContaining([...wanted, 'states-v1/combine']));
});

const arrays = {
  f32: Float32Array,
  f64: Float64Array,
  f16: Uint16Array,
  bf16: Uint16Array,
  i32: Int32Array,
  u8: Uint8Array,
};
type Values = InstanceType<(typeof arrays)[Dtype]>;
const valuesOf = (word: string, dtype: Dtype): Values =>
  new arrays[dtype](new Uint8Array(Buffer.from(word, 'base64')).buffer);
const wordOf = (data: ArrayBufferView): string =>
  Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('base64');

interface Started {
  weights: Tensor[];
  parts: readonly AnyOptimizer[];
  load(file: string): Promise<unknown>;
  skipped(): Promise<number>;
  goOn(): void;
}

function start(golden: Golden, device: Device): Started {
  const shapes = golden.parts.flatMap((part) => part.shapes);
  const { dtype } = golden;
  const weights = shapes.map((shape, i) => Tensor.from(device, valuesOf(golden.weights[i]!, dtype), shape, { dtype }));
  let at = 0;
  const made = golden.parts.map((part) => {
    const [, optimizer] = classes.find(([name]) => name === part.class)!;
    const params = weights.slice(at, at + part.shapes.length);
    at += part.shapes.length;
    return { optimizer, params, ...part.options };
  });
  const [{ optimizer: Class, params, ...options }] = made as [(typeof made)[number]];
  const nonFinite = 'skip';
  const whole = made.length > 1 ? combine(made, { nonFinite }) : new Class(params, { ...options, nonFinite });
  return {
    weights,
    parts: 'parts' in whole ? (whole.parts as unknown as AnyOptimizer[]) : [whole],
    load: (file) => whole.load(path.join(folder, `${file}.safetensors`)),
    skipped: async () => (await whole.report()).skipped,
    goOn: () => {
      for (const grads of golden.grads)
        whole.step(
          grads.map((word, i) => (word === null ? null : Tensor.from(device, valuesOf(word, 'f32'), shapes[i]!))),
        );
    },
  };
}

const stateOf = (parts: readonly AnyOptimizer[]): [string, Tensor][] =>
  parts.flatMap((part, i) =>
    Object.entries(part.part().tensors).map(([name, x]): [string, Tensor] => [`${i}.${name}`, x]),
  );

/** The growth of a rounding more or less in f32, in f64, or in 16 bits in three steps. */
const rounding: Record<Dtype, number> = { f64: 1e-13, f32: 2e-5, f16: 4e-3, bf16: 3e-2, i32: 0, u8: 0 };

async function expectClose(device: Device, x: Tensor, word: string, allowed: number, name: string): Promise<void> {
  using expected = Tensor.from(device, valuesOf(word, x.dtype), x.shape, { dtype: x.dtype });
  const [got, wanted] = await Promise.all(
    [x, expected].map(async (one) => {
      if (one.dtype === 'i32') return [...(await one.read())];
      using wide = one.cast('f64');
      return [...(await wide.read())];
    }),
  );
  for (const [k, value] of wanted!.entries())
    expect(Math.abs(got![k]! - value), `${name}[${k}]`).toBeLessThanOrEqual(allowed * Math.max(1, Math.abs(value)));
}

describe.each(files)('R6: checkpoint %s', { tags: ['R6'] }, (file) => {
  it('loads, and goes on to the recorded bits', async () => {
    const golden = goldenOf(file);
    const device = Device.open('cpu');
    const optimizer = start(golden, device);
    await optimizer.load(file);
    expect(await optimizer.skipped()).toBe(1);
    optimizer.goOn();

    const { isa, blas } = device.info;
    // The bits of products are those of a BLAS on a processor, the others those of an instruction set. Trion's few products
    // have the recorded ones where they are fused with their sums.
    const products = ['Muon', 'NorMuon', 'Dion', 'Dion2', 'NorDion2', 'Conda', 'HybridAuON'];
    if (isa === 'portable') products.push('Trion');
    const isProduct = golden.parts.some((part) => products.includes(part.class));
    const own = golden.results.find(({ sets }) => sets.includes(isa));
    const state = stateOf(optimizer.parts);
    if (own && (!isProduct || blas === golden.blas)) {
      expect(await Promise.all(optimizer.weights.map(async (w) => wordOf(await w.read())))).toEqual(own.weights);
      const words = await Promise.all(state.map(async ([name, x]) => [name, wordOf(await x.read())] as const));
      expect(Object.fromEntries(words)).toEqual(own.state);
    } else {
      const [near] = golden.results;
      const least = Math.max(rounding[golden.dtype], ...state.map(([, x]) => rounding[x.dtype]));
      for (const [i, w] of optimizer.weights.entries()) await expectClose(device, w, near!.weights[i]!, least, `w${i}`);
      // The 16 low bits of a number are near to nothing.
      const comparable = state.filter(([name, x]) => !(name.endsWith('.master') && x.dtype === 'bf16'));
      for (const [name, x] of comparable) await expectClose(device, x, near!.state[name]!, least, name);
    }
    expect(await optimizer.skipped()).toBe(golden.results[0]!.skipped);

    // A start without the file goes elsewhere, if there is any state that steps depend on.
    const cold = start(golden, device);
    cold.goOn();
    const isStateless = stateOf(cold.parts).every(([name]) => name.endsWith('skipped'));
    const bits = async (of: Started): Promise<string[]> =>
      Promise.all(of.weights.map(async (w) => wordOf(await w.read())));
    if (isStateless) expect(await bits(cold)).toEqual(await bits(optimizer));
    else expect(await bits(cold)).not.toEqual(await bits(optimizer));
    await device.close();
  });
});
