// Devices: cpu
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { Tokenizer as Oracle } from '@huggingface/tokenizers';
import { describe, expect, it } from 'vitest';
import { type MethodName, type TransplantOptions, type TransplantProgress, transplant } from '../../lib/index.ts';
import { Folder } from '../files/folder.ts';
import { splitmix } from '../support/splitmix.ts';
import {
  byteLevelTokenizer,
  type Dtype,
  type ModelParts,
  type Rows,
  readJson,
  readModel,
  rowsOf,
  sentencePieceTokenizer,
  tensorOf,
  wordPieceTokenizer,
  writeModel,
} from './models.ts';

const embedName = 'model.embed_tokens.weight';
const headName = 'lm_head.weight';

/** Numbers that all dtypes hold exactly. */
function numbers(rows: number, columns: number, seed: number): Rows {
  const next = splitmix(seed);
  return Array.from({ length: rows }, () => Array.from({ length: columns }, () => Math.floor(next() * 127 - 63) / 64));
}

interface Case {
  base?: Partial<ModelParts>;
  donor?: Partial<ModelParts>;
  options?: Partial<TransplantOptions>;
}

const shared = [' a', ' b', ' c', ' d', ' e', ' f'];
const plainBase = (): ModelParts => ({ tokenizer: byteLevelTokenizer([...shared, 'old']), embed: numbers(7, 4, 1) });
const plainDonor = (): ModelParts => ({
  tokenizer: byteLevelTokenizer(['x', ...shared, 'y']),
  embed: numbers(8, 3, 2),
});

async function run({ base, donor, options }: Case) {
  using folder = new Folder();
  const parts = { base: { ...plainBase(), ...base }, donor: { ...plainDonor(), ...donor } };
  writeModel(folder.file('base'), parts.base);
  writeModel(folder.file('donor'), parts.donor);
  const out = folder.file('out');
  const report = await transplant({
    base: folder.file('base'),
    donor: folder.file('donor'),
    out,
    device: 'cpu',
    ...options,
  });
  const { tensors, files } = readModel(out);
  const rows = (name: string): Rows => rowsOf(tensors.get(name)!);
  const texts = new Map(
    readdirSync(out).map((name) => [name, name.endsWith('.json') ? readJson(out, name) : undefined]),
  );
  return { report, tensors, files, embed: rows(embedName), rows, parts, json: (name: string) => texts.get(name) };
}

describe('rows', () => {
  it.each<Dtype>(['F32', 'F16', 'BF16'])('of %s are copied bit for bit, in the order of the donor', async (dtype) => {
    const { embed, parts, tensors, report } = await run({ base: { dtype }, options: { k: 3 } });
    expect(tensors.get(embedName)!.dtype).toBe(dtype);
    expect(embed.slice(1, 7)).toEqual(parts.base.embed.slice(0, 6));
    expect(report.tables).toEqual([
      expect.objectContaining({ tensor: embedName, from: [7, 4], to: [8, 4], copied: 6, approximated: 2, anchors: 6 }),
    ]);
  });

  it('of a token in the span of shared ones are the same combination of the base', async () => {
    const known = numbers(6, 3, 3);
    const combined = known[0]!.map((value, j) => 2 * value - 0.5 * known[4]![j]!);
    const { embed, parts, report } = await run({
      donor: { embed: [combined, ...known, known[1]!] },
      options: { k: 6, normClip: false },
    });
    // Three dimensions: what three atoms give exactly need not be the two that it was made of, but its base is.
    expect(report.tables[0]!.residuals!.max).toBeLessThan(1e-5);
    expect(embed[7]).toEqual(parts.base.embed[1]); // a duplicate of one shared token takes that one atom
  });

  it('beyond the base stay in the dtype of the base whatever the dtype of the donor', async () => {
    const one = await run({ donor: { dtype: 'BF16' }, options: { k: 2 } });
    const two = await run({ donor: { dtype: 'F32' }, options: { k: 2 } });
    expect(one.embed).toEqual(two.embed);
  });

  it('do not depend on the size of batches', async () => {
    const options = { k: 2 };
    const donor = { tokenizer: byteLevelTokenizer([...shared, 'p', 'q', 'r', 's', 't']), embed: numbers(11, 3, 5) };
    const { embed } = await run({ donor, options });
    expect((await run({ donor, options: { ...options, batchSize: 1 } })).embed).toEqual(embed);
    expect((await run({ donor, options: { ...options, batchSize: 2 } })).embed).toEqual(embed);
  });

  it.each<MethodName>([
    'omp',
    'mean',
    'zero',
    'randn',
    'john_hewitt',
    'common_interpolation',
    'subword',
    'landmark_pca',
  ])('are finite with %s', async (method) => {
    const { embed, report } = await run({ options: { method, k: 2 } });
    expect(embed.flat().every(Number.isFinite)).toBe(true);
    expect(embed).toHaveLength(8);
    expect(report.method).toBe(method);
  });
});

describe('the head', () => {
  const head = { lmHead: numbers(7, 5, 7) };
  it('of its own follows the head of the donor', async () => {
    const donor = { embed: numbers(8, 3, 2), lmHead: numbers(8, 3, 8) };
    const { rows, embed, parts } = await run({ base: head, donor, options: { k: 2 } });
    expect(rows(headName).slice(1, 7)).toEqual(parts.base.lmHead!.slice(0, 6));
    const swapped = await run({ base: head, donor: { ...donor, embed: donor.lmHead }, options: { k: 2 } });
    expect(rows(headName)).toEqual(swapped.rows(headName));
    expect(embed).not.toEqual(swapped.embed);
  });

  it('follows the embeddings of a donor without one', async () => {
    const tied = await run({ base: head, options: { k: 2 } });
    const untied = await run({ base: head, donor: { lmHead: numbers(8, 3, 2) }, options: { k: 2 } });
    expect(tied.rows(headName)).toEqual(untied.rows(headName));
    expect(tied.embed).toEqual(untied.embed);
  });

  it('of a tied base stays away', async () => {
    const { tensors } = await run({ donor: { lmHead: numbers(8, 3, 8) }, options: { k: 2 } });
    expect([...tensors.keys()]).toEqual([embedName]);
  });

  it('has scopes of its own for prefixes', async () => {
    const tokenizer = byteLevelTokenizer([...shared, ' ab']);
    const donor = { tokenizer, embed: numbers(7, 3, 2) };
    const copied = async (prefixMatch: TransplantOptions['prefixMatch']) => {
      const { report } = await run({ base: head, donor, options: { k: 2, prefixMatch } });
      return report.tables.map((table) => table.copied);
    };
    expect(await copied('none')).toEqual([6, 6]);
    expect(await copied('embed')).toEqual([7, 6]);
    expect(await copied('lm-head')).toEqual([6, 7]);
    expect(await copied('both')).toEqual([7, 7]);
  });
});

describe('guards', () => {
  it('leave out zero rows, rows that are not finite, and duplicates of the donor', async () => {
    const embed = numbers(8, 3, 2);
    embed[1] = [0, 0, 0];
    embed[3] = [...embed[2]!];
    const base = numbers(7, 4, 1);
    base[3] = [0, 0, 0, 0];
    base[4] = [1, Number.NaN, 0, 0];
    const { report, embed: made } = await run({ base: { embed: base }, donor: { embed }, options: { k: 3 } });
    expect(report.tables[0]).toMatchObject({ anchors: 2, skippedAnchors: { zero: 2, nonFinite: 1, duplicate: 1 } });
    expect(made[0]!.every(Number.isFinite)).toBe(true);
    expect(made[4]).toEqual([0, 0, 0, 0]); // copied all the same: it is the base's
  });

  it('take a row of the donor that is not finite as zero', async () => {
    const embed = numbers(8, 3, 2);
    embed[0] = [Number.NaN, 1, 2];
    const { report, embed: made } = await run({ donor: { embed }, options: { k: 3 } });
    expect(made[0]).toEqual([0, 0, 0, 0]);
    expect(report.tables[0]!.nonFinite).toBe(1);
  });

  it('cut rows that are longer than those of the base, unless told not to', async () => {
    const embed = numbers(8, 3, 2);
    embed[0] = embed[0]!.map((value) => 1000 * value);
    const norms = ({ embed: rows }: { embed: Rows }): number[] => rows.map((row) => Math.hypot(...row));
    const cut = await run({ donor: { embed }, options: { k: 3 } });
    const longest = Math.max(...norms({ embed: cut.parts.base.embed }));
    expect(norms(cut)[0]).toBeLessThanOrEqual(longest * 1.00001);
    expect(cut.report.tables[0]!.clipped).toBeGreaterThan(0);
    const free = await run({ donor: { embed }, options: { k: 3, normClip: false } });
    expect(norms(free)[0]).toBeGreaterThan(10 * longest);
  });

  it('never write infinity, in f16 either', async () => {
    const embed = numbers(8, 3, 2);
    embed[0] = embed[0]!.map((value) => 1e7 * value);
    const { embed: made } = await run({ base: { dtype: 'F16' }, donor: { embed }, options: { k: 3, normClip: false } });
    expect(made.flat().every(Number.isFinite)).toBe(true);
    expect(Math.hypot(...made[0]!)).toBeGreaterThan(60_000);
  });

  it('keep coefficients small on a dictionary of duplicates', async () => {
    // Nearly the same rows again and again, as unused tokens of real models have them.
    const one = [1, 0.5, 0.25];
    const embed = Array.from({ length: 8 }, (_, id) =>
      id === 0 ? [0.25, 1, -1] : one.map((value, j) => value + (j === id % 3 ? 2 ** -20 : 0)),
    );
    const { report, embed: made } = await run({ donor: { embed }, options: { k: 6, normClip: false } });
    expect(report.tables[0]!.coefficientNorms!.max).toBeLessThan(1e4);
    expect(made.flat().every((value) => Math.abs(value) < 1e4)).toBe(true);
  });

  it('approximate again what looks never trained, and drop what neither side has trained', async () => {
    const count = 300;
    const words = Array.from({ length: count }, (_, i) => ` w${i}`);
    const unused = ['reserved_special_token_0', 'reserved_special_token_1'];
    const tokenizer = byteLevelTokenizer([...words, ...unused]);
    // Unused rows share a direction, and the base never moved word 5 away from it.
    const base = numbers(count + 2, 4, 1).map(([a = 0, b = 0, c = 0, d = 0]) => [a, b, c, -Math.abs(d)]);
    base[count] = [0, 0, 0, 2];
    base[count + 1] = [0, 0, 0, 1.5];
    base[5] = [0, 0, 0, 1.75];
    const donor = numbers(count + 2, 3, 2).map(([a = 0, b = 0]) => [a, b, 0]);
    donor[count] = [0, 0, 1];
    donor[count + 1] = [0, 0, 1.5];
    const plain = await run({
      base: { tokenizer, embed: base },
      donor: { tokenizer, embed: donor },
      options: { k: 3 },
    });
    expect(plain.report.tables[0]).toMatchObject({ copied: count + 2, approximated: 0 });
    const { report, embed } = await run({
      base: { tokenizer, embed: base },
      donor: { tokenizer, embed: donor },
      options: { k: 3, magikarp: true },
    });
    expect(report.tables[0]).toMatchObject({ copied: count - 1, approximated: 1, unused: 2 });
    expect(embed[5]).not.toEqual(base[5]);
    expect(embed[count]).toEqual([0, 0, 0, 0]);
  });

  it('say so where no token is shared', async () => {
    const donor = { tokenizer: byteLevelTokenizer(['q']), embed: numbers(1, 3, 2) };
    await expect(run({ donor })).rejects.toMatchObject({
      code: 'ERR_ARGUMENT',
      message: expect.stringMatching(/must share tokens/),
    });
  });

  it('refuse tables beyond the memory limit', () =>
    expect(run({ options: { memoryLimit: 100 } })).rejects.toMatchObject({ code: 'ERR_MEMORY' }));
});

describe('sizes', () => {
  it('keep the padding of the base', async () => {
    const base = { embed: numbers(16, 4, 1) }; // 7 tokens padded to 16
    const { embed, json } = await run({ base, options: { method: 'zero' } });
    expect(embed).toHaveLength(16);
    expect(json('config.json')).toMatchObject({ vocab_size: 16 });
  });

  it('follow padToMultiple, with rows of no token as asked', async () => {
    const base = { embed: numbers(9, 4, 1) };
    const options = { method: 'mean', padToMultiple: 5 } as const;
    const zero = await run({ base, options });
    expect(zero.embed).toHaveLength(10);
    expect(zero.embed.slice(8)).toEqual([
      [0, 0, 0, 0],
      [0, 0, 0, 0],
    ]);
    const mean = await run({ base, options: { ...options, unusedRows: 'mean' } });
    expect(mean.embed[9]).toEqual(mean.embed[0]);
    const copy = await run({ base, options: { ...options, unusedRows: 'copy' } });
    expect(copy.embed.slice(8)).toEqual([base.embed[7], base.embed[8]]);
  });

  it('follow a donor with holes and with tokens beyond its table', async () => {
    const tokenizer = byteLevelTokenizer(shared, [
      { id: 8, content: '<hole before>' },
      { id: 9, content: '<beyond>' },
    ]);
    const { embed, report } = await run({ donor: { tokenizer, embed: numbers(9, 3, 2) }, options: { k: 2 } });
    expect(embed).toHaveLength(10);
    expect(embed[6]).toEqual([0, 0, 0, 0]);
    expect(embed[8]).not.toEqual([0, 0, 0, 0]);
    expect(embed[9]).toEqual([0, 0, 0, 0]);
    expect(report.warnings).toContainEqual(
      expect.stringContaining('1 added tokens of the donor lie beyond its 9 rows'),
    );
  });
});

describe('the folder', () => {
  const others = Object.fromEntries(
    ['a', 'b', 'c', 'd'].map((name, i) => [
      `model.${name}.weight`,
      tensorOf(numbers(5 + i, 3, i), (['F32', 'F16', 'BF16'] as const)[i % 3]),
    ]),
  );
  const odd = { dtype: 'F8_E4M3', shape: [2, 3], bytes: Buffer.from([1, 2, 3, 4, 5, 6]) };

  it.each([0, 3])('keeps every other tensor byte for byte, in %i shards', async (shards) => {
    const all = { ...others, 'model.odd': odd, 'model.empty': { dtype: 'F32', shape: [0], bytes: Buffer.alloc(0) } };
    const { tensors, files, json } = await run({
      base: { others: all, shards, lmHead: numbers(7, 4, 9) },
      options: { k: 2 },
    });
    expect(files).toHaveLength(Math.max(1, shards));
    for (const [name, tensor] of Object.entries(all)) expect(tensors.get(name)).toEqual(tensor);
    if (shards > 0) {
      const total = [...tensors.values()].reduce((sum, { bytes }) => sum + bytes.length, 0);
      expect(json('model.safetensors.index.json')).toMatchObject({
        metadata: { total_size: total, total_parameters: 1000 + 4 + 4 }, // a row more in each table
      });
    }
  });

  it('has the ids of the donor in its configuration, and the rest as it stood', async () => {
    const base = {
      config: {
        model_type: 'x',
        vocab_size: 7,
        bos_token_id: 0,
        eos_token_id: [1, 2],
        image_token_index: 3,
        sep_token_id: 6,
        rope_theta: 1e4,
      },
      generationConfig: { eos_token_id: 1, temperature: 0.6 },
      tokenizerConfig: { bos_token: 'Ġa' },
    };
    const donor = {
      tokenizer: byteLevelTokenizer(['x', ...shared, 'y'], [{ id: 8, content: '<|end|>' }]),
      embed: numbers(9, 3, 2),
      config: { eos_token_id: [8, 7], vocab_size: 9 },
      generationConfig: { eos_token_id: 7 },
      tokenizerConfig: { eos_token: '<|end|>', bos_token: 'x', chat_template: '{{ x }}' },
    };
    const { json, report } = await run({ base, donor, options: { method: 'zero' } });
    expect(json('config.json')).toEqual({
      model_type: 'x',
      vocab_size: 9,
      bos_token_id: 0, // the token that the donor's tokenizer names
      eos_token_id: [8, 7],
      image_token_index: 4, // " d", wherever the donor has it
      sep_token_id: null,
      rope_theta: 1e4,
    });
    expect(json('generation_config.json')).toEqual({ eos_token_id: 7, temperature: 0.6 });
    expect(json('tokenizer_config.json')).toEqual(donor.tokenizerConfig);
    expect(report.warnings).toContainEqual(expect.stringMatching(/sep_token_id was 6 .* null now/));
  });

  it('keeps numbers of config.json as they were written, and finds sizes in text_config', async () => {
    using folder = new Folder();
    const base = writeModel(folder.file('base'), plainBase());
    const donor = writeModel(folder.file('donor'), plainDonor());
    const text = '{\n  "rope_theta": 500000.0,\n  "text_config": {"vocab_size": 7, "eps": 1e-05}\n}\n';
    writeFileSync(path.join(base, 'config.json'), text);
    await transplant({ base, donor, out: folder.file('out'), method: 'zero', device: 'cpu' });
    expect(readFileSync(path.join(folder.file('out'), 'config.json'), 'utf8')).toBe(text.replace('7,', '8,'));
  });

  it('holds a tokenizer that opens elsewhere and fits the table', async () => {
    using folder = new Folder();
    const models = path.join(import.meta.dirname, '..', '..', 'node_modules', '@lenml', 'tokenizer-llama2', 'models');
    const donor = writeModel(folder.file('donor'), {
      tokenizer: JSON.parse(readFileSync(path.join(models, 'tokenizer.json'), 'utf8')),
      tokenizerConfig: JSON.parse(readFileSync(path.join(models, 'tokenizer_config.json'), 'utf8')),
      embed: numbers(32_000, 2, 11),
    });
    const bases: [object, string[]][] = [
      [byteLevelTokenizer([' the', ' and', 'ing', 'é', '\n']), []],
      [wordPieceTokenizer(['[UNK]', 'the', 'and', '##ing', 'é']), []],
      [sentencePieceTokenizer(['<unk>', '▁the', '▁and', 'ing', 'é']), []],
    ];
    for (const [i, [tokenizer]] of bases.entries()) {
      const base = writeModel(folder.file(`base${i}`), { tokenizer, embed: numbers(5, 3, 12) });
      const out = folder.file(`out${i}`);
      const report = await transplant({ base, donor, out, method: 'mean', device: 'cpu' });
      expect(report.match.exact).toBeGreaterThanOrEqual(4);
      const oracle = new Oracle(
        readJson(out, 'tokenizer.json') as object,
        readJson(out, 'tokenizer_config.json') as object,
      );
      const { ids } = oracle.encode('Tokens of another model: naïve, 数学, 🦙');
      const rows = readModel(out).tensors.get(embedName)!.shape[0]!;
      expect(ids.length).toBeGreaterThan(8);
      expect(Math.max(...ids)).toBeLessThan(rows);
      expect(oracle.decode(ids, { skip_special_tokens: true }).trim()).toBe('Tokens of another model: naïve, 数学, 🦙');
    }
  });
});

describe('while it runs', () => {
  it('tells how far it is, stage by stage', async () => {
    const seen: TransplantProgress[] = [];
    await run({ options: { k: 2, batchSize: 1, onProgress: (progress) => seen.push(progress) } });
    expect([...new Set(seen.map(({ stage }) => stage))]).toEqual(['scan', 'approximate', 'write']);
    for (const stage of ['scan', 'approximate', 'write'] as const) {
      const own = seen.filter((progress) => progress.stage === stage);
      expect(own.map(({ done }) => done)).toEqual(own.map(({ done }) => done).sort((a, b) => a - b));
      expect(own.at(-1)!.done).toBe(own.at(-1)!.total);
    }
  });

  it('a dry run reports and leaves nothing', async () => {
    using folder = new Folder();
    const base = writeModel(folder.file('base'), plainBase());
    const donor = writeModel(folder.file('donor'), plainDonor());
    const report = await transplant({ base, donor, out: folder.file('out'), dryRun: true });
    expect(report).toMatchObject({
      dryRun: true,
      match: { exact: 6, none: 2 },
      tables: [{ to: [8, 4], approximated: 2 }],
    });
    expect(folder.names).toEqual(['base', 'donor']);
  });

  it('an abort rejects with its reason, and the next run goes on to the same bytes', async () => {
    using folder = new Folder();
    const tokens = Array.from({ length: 50 }, (_, i) => `n${i}`);
    const base = writeModel(folder.file('base'), { ...plainBase(), others: { 'model.x': tensorOf(numbers(9, 9, 4)) } });
    const donor = writeModel(folder.file('donor'), {
      tokenizer: byteLevelTokenizer([...shared, ...tokens]),
      embed: numbers(56, 3, 2),
    });
    const common = { base, donor, k: 3, device: 'cpu' } as const;
    await transplant({ ...common, out: folder.file('whole') });
    const expected = readFileSync(path.join(folder.file('whole'), 'model.safetensors'));
    const out = folder.file('out');
    for (const at of [0, 20, 49]) {
      const stop = new AbortController();
      const reason = new Error('enough');
      const onProgress = ({ stage, done }: TransplantProgress): void => {
        if (stage === 'approximate' && done > at) stop.abort(reason);
      };
      await expect(transplant({ ...common, out, batchSize: 4, signal: stop.signal, onProgress })).rejects.toBe(reason);
      expect(folder.names).toEqual(['base', 'donor', 'out.partial', 'whole']);
    }
    const report = await transplant({ ...common, out });
    expect(report.resumed).toBe(true);
    expect(readFileSync(path.join(out, 'model.safetensors'))).toEqual(expected);
    expect(folder.names).toEqual(['base', 'donor', 'out', 'whole']);
  });

  it('what another run has left is refused, and discarded on request', async () => {
    using folder = new Folder();
    const base = writeModel(folder.file('base'), plainBase());
    const donor = writeModel(folder.file('donor'), plainDonor());
    const out = folder.file('out');
    const common = { base, donor, out, device: 'cpu' } as const;
    const stop = new AbortController();
    const onProgress = ({ stage, done }: TransplantProgress): void => {
      if (stage === 'approximate' && done > 0) stop.abort();
    };
    const interrupted = { ...common, k: 2, batchSize: 1, signal: stop.signal, onProgress };
    await expect(transplant(interrupted)).rejects.toThrow(/abort/);
    await expect(transplant({ ...common, k: 3, seed: 7, padToMultiple: 4 })).rejects.toMatchObject({
      code: 'ERR_STATE',
      message: expect.stringMatching(/got another run: k 2 for 3, padToMultiple no for 4, seed 0 for 7$/),
    });
    const report = await transplant({ ...common, k: 3, restart: true });
    expect(report.resumed).toBe(false);
    expect(folder.names).toEqual(['base', 'donor', 'out']);
  });

  it('rejects with the reason of a signal that is aborted already', async () => {
    const reason = new Error('never');
    await expect(run({ options: { signal: AbortSignal.abort(reason) } })).rejects.toBe(reason);
  });
});
