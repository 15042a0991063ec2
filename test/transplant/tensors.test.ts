// Devices: cpu
import { afterAll, describe, expect, it } from 'vitest';
import {
  Device,
  loadTensors,
  type ModelTables,
  readTokenizer,
  Tensor,
  transplant,
  transplantTables,
} from '../../lib/index.ts';
import { Folder } from '../files/folder.ts';
import { settledMemory } from '../support/settled.ts';
import { splitmix } from '../support/splitmix.ts';
import { byteLevelTokenizer, type Rows, writeModel } from './models.ts';

const device = Device.open('cpu');
afterAll(() => device.close());

function numbers(rows: number, columns: number, seed: number): Rows {
  const next = splitmix(seed);
  return Array.from({ length: rows }, () => Array.from({ length: columns }, () => Math.floor(next() * 127 - 63) / 64));
}
const shared = [' a', ' b', ' c', ' d', ' e'];

async function sides(folder: Folder, on = device): Promise<{ base: ModelTables; donor: ModelTables }> {
  const base = writeModel(folder.file('base'), {
    tokenizer: byteLevelTokenizer([...shared, 'old']),
    embed: numbers(6, 4, 1),
    lmHead: numbers(6, 5, 2),
    dtype: 'BF16',
  });
  const donor = writeModel(folder.file('donor'), {
    tokenizer: byteLevelTokenizer(['x', ...shared, 'y']),
    embed: numbers(7, 3, 3),
  });
  const tables = async (path: string): Promise<ModelTables> => {
    const tensors = await loadTensors(`${path}/model.safetensors`, on);
    const embed = tensors['model.embed_tokens.weight']!;
    const lmHead = tensors['lm_head.weight'];
    return { tokenizer: await readTokenizer(path), embed, ...(lmHead && { lmHead }) };
  };
  return { base: await tables(base), donor: await tables(donor) };
}

describe('transplantTables', () => {
  it('gives the bits that transplant writes', async () => {
    using folder = new Folder();
    const { base, donor } = await sides(folder);
    const { embed, lmHead, report } = await transplantTables(base, donor, { k: 3 });
    const out = folder.file('out');
    const other = await transplant({ base: folder.file('base'), donor: folder.file('donor'), out, k: 3, device });
    const written = await loadTensors(`${out}/model.safetensors`, device);
    for (const [made, name] of [
      [embed, 'model.embed_tokens.weight'],
      [lmHead!, 'lm_head.weight'],
    ] as const) {
      expect(made.dtype).toBe('bf16');
      expect(await made.read()).toEqual(await written[name]!.read());
    }
    const plain = (tables: typeof report.tables) => tables.map(({ tensor, ...rest }) => rest);
    expect(plain(report.tables)).toEqual(plain(other.tables));
    expect(report.match).toEqual(other.match);
  });

  it('leaves its inputs alone and keeps no tensor', async () => {
    using folder = new Folder();
    // Tensors that other tests have left are collected at any time, on their device.
    await using own = Device.open('cpu');
    const { base, donor } = await sides(folder, own);
    const inputs = [base.embed, base.lmHead!, donor.embed];
    const contents = () => Promise.all(inputs.map((tensor) => tensor.read()));
    const before = await contents();
    const { live } = await settledMemory(own);
    for (const method of ['omp', 'landmark_pca', 'john_hewitt', 'common_interpolation'] as const) {
      const { embed, lmHead } = await transplantTables(base, donor, { method, k: 2 });
      embed.dispose();
      lmHead?.dispose();
    }
    expect(own.info.memory.live).toBe(live);
    expect(await contents()).toEqual(before);
  });

  it('refuses what is no pair of models', async () => {
    using folder = new Folder();
    const { base, donor } = await sides(folder);
    const refused = (more: object, options: object, error: object) =>
      expect(transplantTables({ ...base, ...more }, donor, options)).rejects.toMatchObject(error);
    await refused({ embed: 3 }, {}, { code: 'ERR_ARGUMENT' });
    await refused({ tokenizer: {} }, {}, { code: 'ERR_ARGUMENT' });
    await refused({ extra: 1 }, {}, { code: 'ERR_ARGUMENT' });
    await refused({ embed: Tensor.zeros(device, [6, 2], { dtype: 'i32' }) }, {}, { code: 'ERR_DTYPE' });
    await refused({ lmHead: Tensor.zeros(device, [5, 2]) }, {}, { code: 'ERR_SHAPE' });
    await refused({}, { k: 0 }, { code: 'ERR_ARGUMENT' });
    await refused({}, { method: 'subword' }, { code: 'ERR_UNSUPPORTED' });
  });
});
