// Devices: cpu, cuda
// Source: formula "decodes to whole numbers times scales, and to the nearest numbers of codebooks, by the words of the layout"
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, saveTensors, Tensor } from '../../../lib/index.ts';
import { CodebookLinear, compressModel, loadCompressed, QuantLinear } from '../../../lib/quantized/index.ts';
import { Folder } from '../../files/folder.ts';
import { valuesOf as stored } from '../../merging/folders.ts';
import { devices } from '../../support/devices.ts';
import { settledMemory } from '../../support/settled.ts';
import { valuesOf } from '../../support/tensors.ts';
import { readModel } from '../../transplant/models.ts';
import { modelOf } from './folders.ts';

/** The code of element k of a row, by docs/design/packed-codes.md. */
function codeOf(row: Uint8Array, columns: number, bits: number, k: number): number {
  const [block, lane, h] = [Math.floor(k / 128), k % 16, Math.floor((k % 128) / 16)];
  const laneBytes = Math.ceil((Math.ceil(Math.min(128, columns - 128 * block) / 16) * bits) / 8);
  let word = 0n;
  for (let done = 0; done < laneBytes; ) {
    const part = laneBytes - done >= 4 ? 4 : laneBytes - done >= 2 ? 2 : 1;
    for (let b = 0; b < part; ++b)
      word |= BigInt(row[16 * bits * block + 16 * done + part * lane + b]!) << BigInt(8 * (done + b));
    done += part;
  }
  return Number((word >> BigInt(h * bits)) & ((1n << BigInt(bits)) - 1n));
}

describe.each(devices)('compressModel on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  it('decodes to whole numbers times scales, and to the nearest numbers of codebooks, by the words of the layout', async () => {
    for (const method of ['group', 'codebook'] as const) {
      using folder = new Folder();
      const base = modelOf(folder);
      const out = folder.file('out');
      const more = method === 'group' ? { group: 32 } : { groups: 2 };
      const report = await compressModel({ base, out, method, bits: 3, device, ...more });
      const names = ['up', 'down'].map((name) => `model.layers.0.${name}.weight`);
      const all = method === 'group' ? names : [...names, 'model.layers.0.odd.weight'];
      expect(report.tensors.map(({ tensor }) => tensor).sort()).toEqual([...all].sort());
      expect(report.kept.map(({ tensor, reason }) => [tensor, reason])).toEqual(
        expect.arrayContaining([
          ['model.embed_tokens.weight', 'a table of tokens'],
          ['model.layers.0.norm.weight', 'a norm'],
          ['model.layers.0.bias', 'its rank is 1'],
          ...(method === 'group' ? [['model.layers.0.odd.weight', 'the group 32 does not divide 33']] : []),
        ]),
      );
      const { tensors } = readModel(out);
      const bytes = (name: string) => new Uint8Array(tensors.get(name)!.bytes);
      const floats = (name: string) => new Float32Array(bytes(name).slice().buffer);
      const weights = await loadCompressed(out, device);
      for (const { tensor: name, shape, error } of report.tensors) {
        const [rows, columns] = shape as [number, number];
        const codes = bytes(`${name}.codes`);
        const width = codes.length / rows;
        const exact = stored(base, name);
        const decoded = exact.map((_, i) => {
          const [r, k] = [Math.floor(i / columns), i % columns];
          const code = codeOf(codes.subarray(r * width, (r + 1) * width), columns, 3, k);
          if (method === 'group') {
            const scales = floats(`${name}.scales`);
            return (code > 3 ? code - 8 : code) * scales[(r * columns) / 32 + Math.floor(k / 32)]!;
          }
          const books = bytes(`${name}.row_books`);
          return floats(`${name}.codebooks`)[8 * (books[2 * r]! + 256 * books[2 * r + 1]!) + code]!;
        });
        const layer = weights[name] as QuantLinear | CodebookLinear;
        expect(layer).toBeInstanceOf(method === 'group' ? QuantLinear : CodebookLinear);
        using whole = layer.dequantize();
        for (const [i, value] of (await valuesOf(whole)).entries()) expect(value).toBeCloseTo(decoded[i]!, 6);
        const off = Math.hypot(...exact.map((x, i) => x - decoded[i]!)) / Math.hypot(...exact);
        expect(error! / off).toBeCloseTo(1, 3);
        // Parts are all that there is of the layer in the file.
        expect(layer.byteLength).toBe(report.tensors.find(({ tensor }) => tensor === name)!.bytes);
      }
      const embed = weights['model.embed_tokens.weight'] as Tensor;
      expect([...(await valuesOf(embed))]).toEqual(stored(base, 'model.embed_tokens.weight'));
      for (const one of Object.values(weights)) one.dispose();
      expect(JSON.parse(readFileSync(path.join(out, 'config.json'), 'utf8'))).toMatchObject({
        model_type: 'tiny',
        quantization_config: { quant_method: 'orthokit', version: 1, method, bits: 3 },
      });
      expect(readFileSync(path.join(out, 'vocab.txt'), 'utf8')).toBe('a\nb\n');
      expect(report.notCopied).toEqual(['notes.txt']);
      expect(existsSync(path.join(out, 'compress.json'))).toBe(true);
    }
  });

  it('refines matrices by inputs of calibration, as a layer by itself is', async () => {
    using folder = new Folder();
    const base = modelOf(folder);
    const name = 'model.layers.0.up.weight';
    using x = Tensor.randn(device, [256, 128], { seed: 5 });
    using mix = Tensor.randn(device, [8, 128], { seed: 6 });
    using few = Tensor.randn(device, [256, 8], { seed: 7 });
    // Directions that inputs have in common.
    ops.gemm(device, { a: few, b: mix, c: x, beta: 1 });
    const calibration = folder.file('inputs.safetensors');
    using half = x.cast('f16');
    using numbers = half.cast('f32');
    await saveTensors(calibration, { [name]: half, other: few });
    const options = { base, method: 'codebook', bits: 2, seed: 3, calibration, steps: 20, device } as const;
    const out = folder.file('out');
    const report = await compressModel({ ...options, out });
    expect(report.warnings).toEqual(['calibration has inputs of what is not compressed: "other"']);
    using weight = Tensor.from(device, Float32Array.from(stored(base, name)), [32, 128]);
    using own = await CodebookLinear.compress(weight, { codes: 4, seed: 3 });
    const { before, after } = await own.refine(numbers, { steps: 20 });
    expect(after).toBeLessThan(before);
    const told = Object.fromEntries(report.tensors.map(({ tensor, outputError }) => [tensor, outputError]));
    expect(told).toEqual({
      [name]: { before, after },
      'model.layers.0.down.weight': undefined,
      'model.layers.0.odd.weight': undefined,
    });
    expect(JSON.parse(readFileSync(path.join(out, 'compress.json'), 'utf8'))).toMatchObject({
      tensors: expect.arrayContaining([expect.objectContaining({ tensor: name, outputError: { before, after } })]),
    });
    const weights = await loadCompressed(out, device);
    using ours = own.dequantize();
    using theirs = (weights[name] as CodebookLinear).dequantize();
    expect(await theirs.read()).toEqual(await ours.read());
    for (const one of Object.values(weights)) one.dispose();

    const refused = (more: object) =>
      compressModel({ ...options, out: folder.file('none'), ...more }).then(
        () => 'none',
        ({ code, message }) => `${code} ${message}`,
      );
    expect(await refused({ strict: true })).toMatch(
      /^ERR_ARGUMENT .*calibration must have inputs of compressed matrices/,
    );
    expect(await refused({ calibration: folder.file('no') })).toMatch(/^ERR_IO /);
    expect(await refused({ method: 'group', seed: undefined, steps: undefined })).toMatch(
      /calibration must be left out/,
    );
    expect(await refused({ calibration: undefined })).toMatch(
      /^ERR_ARGUMENT .*steps must be left out without calibration/,
    );
    for (const [wrong, code] of [
      [Tensor.zeros(device, [4, 127]), 'ERR_SHAPE'],
      [Tensor.zeros(device, [128]), 'ERR_SHAPE'],
      [Tensor.zeros(device, [4, 128], { dtype: 'i32' }), 'ERR_DTYPE'],
      [Tensor.full(device, [4, 128], NaN), 'ERR_ARGUMENT'],
    ] as const) {
      await saveTensors(calibration, { [name]: wrong });
      wrong.dispose();
      expect(await refused({})).toMatch(new RegExp(`^${code} compressModel: calibration of "${name}"`));
    }
    expect(existsSync(folder.file('none'))).toBe(false);
    // Inputs without outputs leave nothing to refine.
    using nothing = Tensor.zeros(device, [4, 128]);
    await saveTensors(calibration, { [name]: nothing });
    const { tensors } = await compressModel({ ...options, out: folder.file('plain') });
    expect(tensors.find(({ tensor }) => tensor === name)!.outputError).toEqual({ before: 0, after: 0 });
  });

  it('keeps the parts of a matrix in one file, and says so in a new index', async () => {
    using folder = new Folder();
    const base = modelOf(folder, { shards: 3 });
    for (const [out, shardSize] of [
      ['same', undefined],
      ['other', 3000],
    ] as const) {
      // biome-ignore format: one line
      const place = folder.file(out);
      const report = await compressModel({
        base,
        out: place,
        method: 'group',
        group: 32,
        bits: 4,
        device,
        ...(shardSize && { shardSize }),
      });
      const index = JSON.parse(readFileSync(path.join(place, 'model.safetensors.index.json'), 'utf8'));
      const files = index.weight_map as Record<string, string>;
      const { tensors } = readModel(place);
      expect(Object.keys(files).sort()).toEqual([...tensors.keys()].sort());
      expect(index.metadata.total_size).toBe([...tensors.values()].reduce((sum, { bytes }) => sum + bytes.length, 0));
      expect(index.metadata.total_size).toBe(report.bytes);
      for (const { tensor } of report.tensors) expect(files[`${tensor}.codes`]).toBe(files[`${tensor}.scales`]);
      const weights = await loadCompressed(place, device);
      expect(Object.keys(weights).length).toBe(6);
      for (const one of Object.values(weights)) one.dispose();
    }
  });

  it('gives the memory of loaded layers back as they are disposed of', async () => {
    for (const method of ['group', 'codebook'] as const) {
      using folder = new Folder();
      const out = folder.file('out');
      await compressModel({ base: modelOf(folder), out, method, bits: 4, device });
      const before = await settledMemory(device);
      const weights = await loadCompressed(out, device);
      expect(device.info.memory.live).toBeGreaterThan(before.live);
      for (const one of Object.values(weights)) one.dispose();
      // At once: nothing is left for the garbage collector.
      expect(device.info.memory.live).toBe(before.live);
    }
  });

  it('loads to the same bits of products, and holds nothing after a failure', async () => {
    using folder = new Folder();
    const base = modelOf(folder);
    const { live } = await settledMemory(device);
    await compressModel({ base, out: folder.file('out'), method: 'codebook', bits: 4, device, seed: 3 });
    expect((await settledMemory(device)).live).toBe(live);
    const name = 'model.layers.0.up.weight';
    const values = Float32Array.from(stored(base, name));
    using weight = Tensor.from(device, values, [32, 128]);
    using x = Tensor.randn(device, [3, 128], { seed: 1 });
    using own = await CodebookLinear.compress(weight, { codes: 16, seed: 3 });
    const weights = await loadCompressed(folder.file('out'), device);
    const loaded = weights[name] as CodebookLinear;
    using y = own.apply(x);
    using z = loaded.apply(x);
    expect(await valuesOf(z)).toEqual(await valuesOf(y));
    for (const one of Object.values(weights)) one.dispose();
  });
});
