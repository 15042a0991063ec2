// Devices: cpu
// The new folder around its merged tensors: files, configuration, card, report, and how a run goes on.
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { Device, readTensorInfo } from '../../lib/index.ts';
import { type MergeOptions, mergeModels } from '../../lib/merging/index.ts';
import { Folder } from '../files/folder.ts';
import { byteLevelTokenizer, readModel } from '../transplant/models.ts';
import { family, valuesOf } from './folders.ts';

const device = Device.open('cpu', { threads: 1 });
afterAll(() => device.close());
const read = (folder: string, name: string): string => readFileSync(path.join(folder, name), 'utf8');
const contents = (folder: string): Record<string, string> =>
  Object.fromEntries(readdirSync(folder).map((name) => [name, readFileSync(path.join(folder, name), 'latin1')]));

describe('the new folder', () => {
  it('has the known files of the base, byte for byte, and names the others', async () => {
    using folder = new Folder();
    const files = {
      'tokenizer.json': JSON.stringify(byteLevelTokenizer(['a', 'b'])),
      'generation_config.json': '{ "eos_token_id": 1 }\n',
      'chat_template.jinja': '{{ messages }}',
      LICENSE: 'as you like',
      'README.md': '---\nlicense: mit\n---\n# Base\n',
      'modeling_x.py': 'import os',
      'pytorch_model.bin': 'x',
    };
    const { base, models, out } = family(folder, 2, { files, shards: 2 });
    const report = await mergeModels({ base, models, out, method: 'average', device });
    const copied = ['LICENSE', 'chat_template.jinja', 'config.json', 'generation_config.json', 'tokenizer.json'];
    expect(report).toMatchObject({ copied, notCopied: ['README.md', 'modeling_x.py', 'pytorch_model.bin'] });
    for (const name of copied) expect(read(out, name)).toBe(read(base, name));
    const own = ['README.md', 'merge.json', 'model.safetensors.index.json'];
    const shards = ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors'];
    expect(readdirSync(out).sort()).toEqual([...copied, ...own, ...shards].sort());
    expect(read(out, 'README.md')).toContain(
      `base_model:\n- ${JSON.stringify(base)}\n- ${JSON.stringify(models[0])}\n`,
    );
    expect(read(out, 'README.md')).toContain('tags:\n- merge\n---\n');
    expect(read(out, 'README.md')).toContain('(models[0] + models[1]) / 2');
    expect(read(out, 'README.md')).not.toContain('# Base');
    expect(report.base.license).toBe('mit');
    const sha256 = (file: string) =>
      createHash('sha256')
        .update(readFileSync(path.join(base, file)))
        .digest('hex');
    expect(report.base.files).toEqual(Object.fromEntries(shards.map((name) => [name, sha256(name)])));
    expect(JSON.parse(read(out, 'merge.json'))).toMatchObject({ formula: report.formula, tensors: report.tensors });
    for (const shard of shards) expect((await readTensorInfo(path.join(out, shard))).metadata.get('format')).toBe('pt');
  });

  it('names the licences of its inputs, and warns where they differ', async () => {
    using folder = new Folder();
    const { base, models, out } = family(folder, 2);
    writeFileSync(path.join(base, 'README.md'), '---\nlicense: apache-2.0\n---\n');
    writeFileSync(path.join(models[1]!, 'README.md'), '---\nlicense: other | `x`\n---\n');
    const report = await mergeModels({ base, models, out, method: 'average', device });
    expect([report.base, ...report.models].map(({ license }) => license)).toEqual([
      'apache-2.0',
      undefined,
      'other | `x`',
    ]);
    expect(report.warnings).toEqual(['the models name different licences: "apache-2.0", "other | `x`"']);
    const card = read(out, 'README.md');
    expect(card).toContain(`| base | \`${base}\` | \`apache-2.0\` |`);
    expect(card).toContain(`| models[0] | \`${models[0]}\` | none |`);
    expect(card).toContain(`| models[1] | \`${models[1]}\` | \`other    x \` |`);
  });

  it('reads the licence of a README of any length', async () => {
    using folder = new Folder();
    const { base, models, out } = family(folder, 1);
    writeFileSync(path.join(models[0]!, 'README.md'), `---\nlicense: mit\n---\n${'word '.repeat(300_000)}`);
    const report = await mergeModels({ base, models, out, method: 'average', device });
    expect(report.models[0]!.license).toBe('mit');
  });

  it('says the element type in its configuration, and leaves the rest of that as it was', async () => {
    using folder = new Folder();
    const config = { torch_dtype: 'float32', hidden_size: 6 };
    const { base, models, out } = family(folder, 1, { config });
    await mergeModels({ base, models, out, method: 'average', dtype: 'bf16', device });
    expect(read(out, 'config.json')).toBe(read(base, 'config.json').replace('float32', 'bfloat16'));
  });

  it('says it in the configurations of parts', async () => {
    using folder = new Folder();
    const part = { dtype: 'float32', layers: 2 };
    const config = { text_config: part, vision_config: { torch_dtype: 'float32' }, dtype: 'float32', audio_config: {} };
    const { base, models, out } = family(folder, 1, { config });
    await mergeModels({ base, models, out, method: 'average', dtype: 'f16', device });
    expect(read(out, 'config.json')).toBe(read(base, 'config.json').replaceAll('float32', 'float16'));
  });

  it('says format pt in its files, whatever those of the base say', async () => {
    using folder = new Folder();
    const { base, models, out } = family(folder, 1);
    const file = path.join(base, 'model.safetensors');
    const bytes = readFileSync(file);
    writeFileSync(file, bytes.toString('latin1').replace('"format":"pt"', '"format":"tf"'), 'latin1');
    await mergeModels({ base, models, out, method: 'average', device });
    expect((await readTensorInfo(file)).metadata.get('format')).toBe('tf');
    expect((await readTensorInfo(path.join(out, 'model.safetensors'))).metadata.get('format')).toBe('pt');
  });

  it('shows no marks of strangers that move a cursor or turn writing round', async () => {
    using folder = new Folder();
    const { base, models, out } = family(folder, 1);
    writeFileSync(path.join(base, 'README.md'), '---\nlicense: a\u001b[2Jb\u009b1m\u202ec\n---\n');
    writeFileSync(path.join(models[0]!, 'README.md'), '---\nlicense: mit\n---\n');
    const { warnings } = await mergeModels({ base, models, out, method: 'average', device });
    for (const text of [...warnings, read(out, 'README.md').replaceAll('\n', '')])
      expect(text).not.toMatch(/[\p{Cc}\p{Cf}]/u);
    expect(warnings).toEqual([expect.stringContaining('different licences: "a\\u001b[2Jb\\u009b1m\\u202ec", "mit"')]);
  });

  it('has new files of at most so many bytes, and an index of them', async () => {
    using folder = new Folder();
    const { base, models, out } = family(folder, 1, { shards: 2 });
    await mergeModels({ base, models, out, method: 'average', shardSize: 250, device });
    const index = JSON.parse(read(out, 'model.safetensors.index.json'));
    const names = Object.keys(index.weight_map);
    expect(names.sort()).toEqual([...readModel(base).tensors.keys()].sort());
    expect(index.metadata.total_size).toBe(4 * (30 + 42 + 42 + 7));
    expect([...new Set(Object.values(index.weight_map))].sort()).toEqual(
      [1, 2, 3].map((i) => `model-0000${i}-of-00003.safetensors`),
    );
    for (const name of names) expect(valuesOf(out, name)).toEqual(valuesOf(models[0]!, name));
    await mergeModels({ base, models, out: folder.file('one'), method: 'average', shardSize: 1e6, device });
    expect(readdirSync(folder.file('one')).sort()).toEqual([
      'README.md',
      'config.json',
      'merge.json',
      'model.safetensors',
      'vocab.txt',
    ]);
  });

  it.each<[Partial<MergeOptions>, string[]]>([
    [{ only: ['layers.**'] }, ['layers.0.bias', 'layers.0.down.weight', 'layers.0.up.weight']],
    [{ skip: ['**.{up,down}.*', 'model.**'] }, ['layers.0.bias']],
  ])('keeps the bytes of what is not chosen by %j', async (options, chosen) => {
    using folder = new Folder();
    const { base, models, out } = family(folder, 1);
    const { tensors, kept } = await mergeModels({ base, models, out, method: 'average', ...options, device });
    expect(tensors.map(({ tensor }) => tensor).sort()).toEqual(chosen);
    for (const name of kept) expect(valuesOf(out, name)).toEqual(valuesOf(base, name));
    for (const name of chosen) expect(valuesOf(out, name)).toEqual(valuesOf(models[0]!, name));
    expect(kept.length).toBe(4 - chosen.length);
  });
});

describe('a run', () => {
  it('says beforehand what it needs, and reads headers alone', async () => {
    using folder = new Folder();
    const { base, models, out } = family(folder, 2);
    const dry = await mergeModels({ base, models, out, method: 'opcm', dryRun: true, device });
    expect(dry).toMatchObject({ dryRun: true, bytes: 4 * 121, scratchBytes: 2 * 65536 });
    expect(dry.memoryBytes).toBeGreaterThan(process.memoryUsage().rss / 2);
    expect(dry.tensors.every(({ cosines }) => cosines === undefined)).toBe(true);
    expect(folder.names).toEqual(['base', 'model0', 'model1']);
  });

  it.each(['average', 'ties', 'opcm'] as const)(
    'of %s goes on wherever it was stopped, to the same bytes',
    async (method) => {
      using folder = new Folder();
      const { base, models, out } = family(folder, 2, { shards: 2 });
      const options = { base, models, method, device };
      const stages = new Set<string>();
      await mergeModels({ ...options, out: folder.file('whole'), onProgress: ({ stage }) => stages.add(stage) });
      const expected = contents(folder.file('whole'));
      for (const last of ['scan', 'measure', 'write', 'write']) {
        if (!stages.has(last)) continue;
        const controller = new AbortController();
        const onProgress = ({ stage }: { stage: string }): void => {
          if (stage === last) controller.abort(new Error('enough'));
        };
        await expect(mergeModels({ ...options, out, signal: controller.signal, onProgress })).rejects.toThrow('enough');
        expect(existsSync(out)).toBe(false);
      }
      const { resumed } = await mergeModels({ ...options, out });
      expect(resumed).toBe(true);
      expect(contents(out)).toEqual(expected);
    },
  );
});
