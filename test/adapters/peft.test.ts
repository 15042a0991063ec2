// Devices: cpu
// Source: check values of https://huggingface.co/docs/peft/developer_guides/checkpoint: names and keys by hand
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { LoraLinear, loadAdapter, saveAdapter } from '../../lib/adapters/index.ts';
import { Device, readTensorInfo, saveTensors, Tensor } from '../../lib/index.ts';
import * as nn from '../../lib/nn/index.ts';
import { Folder } from '../files/folder.ts';
import { normal } from '../support/data.ts';
import { settledMemory } from '../support/settled.ts';

/** The start of the names that the page on the format lists of a BERT model, layer by layer. */
const bertNames = [0, 1].flatMap((layer) =>
  ['query', 'value'].flatMap((part) =>
    ['lora_A', 'lora_B'].map(
      (factor) => `base_model.model.encoder.layer.${layer}.attention.self.${part}.${factor}.weight`,
    ),
  ),
);
/** The keys of the same page's configuration that matter for a plain LoRA. */
const configKeys = [
  'alpha_pattern',
  'auto_mapping',
  'base_model_name_or_path',
  'bias',
  'fan_in_fan_out',
  'inference_mode',
  'init_lora_weights',
  'layer_replication',
  'layers_pattern',
  'layers_to_transform',
  'lora_alpha',
  'lora_dropout',
  'modules_to_save',
  'peft_type',
  'r',
  'rank_pattern',
  'revision',
  'target_modules',
  'task_type',
  'use_dora',
  'use_rslora',
];

describe('adapters in the layout of peft', () => {
  const device = Device.open('cpu', { threads: 1 });
  afterAll(() => device.close());
  let folder = new Folder();
  afterEach(() => {
    folder[Symbol.dispose]();
    folder = new Folder();
  });

  /** A model in which layers stand where BERT has them. */
  const bert = (dtype: 'f32' | 'bf16' = 'f32') => {
    const make = nn.init(device, { seed: 1, dtype });
    const layer = () => ({
      attention: { self: { query: make.linear(6, 4), value: make.linear(6, 4) } },
      norm: make.norm(6),
    });
    return { embeddings: make.table(5, 6), encoder: { layer: [layer(), layer()] } };
  };
  const adapted = (options: object = {}) => {
    const model = bert();
    let seed = 0;
    nn.replaceLayers(model, '**.{query,value}', ({ weight, bias }) => {
      seed += 1;
      const made = LoraLinear.fromWeight(weight, { rank: 2, alpha: 3, bias, seed, ...options });
      made.b.write(Float32Array.from(normal(made.b.size, 100 + seed)));
      return made;
    });
    return model;
  };
  const layersIn = (model: object): LoraLinear[] => {
    const { layer } = (model as { encoder: { layer: { attention: { self: Record<string, LoraLinear> } }[] } }).encoder;
    return layer.flatMap(({ attention: { self } }) => [self['query']!, self['value']!]);
  };
  const config = (): Record<string, unknown> =>
    JSON.parse(readFileSync(folder.file('adapter/adapter_config.json'), 'utf8'));
  const writeConfig = (content: object): void =>
    writeFileSync(folder.file('adapter/adapter_config.json'), JSON.stringify(content));
  const change = (changes: object): void => writeConfig({ ...config(), ...changes });
  const at = (): string => folder.file('adapter');

  it('has the names, keys and shapes of the documentation', async () => {
    await saveAdapter(at(), adapted(), { baseModel: 'bert-base-uncased', taskType: 'SEQ_CLS' });
    expect(readdirSync(at()).sort()).toEqual(['adapter_config.json', 'adapter_model.safetensors']);
    const { tensors, metadata } = await readTensorInfo(path.join(at(), 'adapter_model.safetensors'));
    expect([...tensors.keys()].sort()).toEqual([...bertNames].sort());
    expect(metadata.get('format')).toBe('pt');
    for (const [name, { shape, dtype }] of tensors)
      expect([shape, dtype]).toEqual([name.includes('lora_A') ? [2, 6] : [4, 2], 'F32']);
    expect(Object.keys(config()).sort()).toEqual(configKeys);
    expect(config()).toMatchObject({
      peft_type: 'LORA',
      ...{ r: 2, lora_alpha: 3, use_rslora: false, use_dora: false, bias: 'none', lora_dropout: 0 },
      ...{ rank_pattern: {}, alpha_pattern: {}, modules_to_save: null, fan_in_fan_out: false },
      ...{ base_model_name_or_path: 'bert-base-uncased', task_type: 'SEQ_CLS' },
      target_modules: [0, 1].flatMap((i) =>
        ['query', 'value'].map((part) => `encoder.layer.${i}.attention.self.${part}`),
      ),
    });
  });

  it.each([{}, { rslora: true }])('comes back with the same bits and scale, %j', async (options) => {
    const model = adapted(options);
    await saveAdapter(at(), model);
    const fresh = bert();
    const weights = [0, 1].map((i) => fresh.encoder.layer[i]!.attention.self.query.weight);
    const layers = await loadAdapter(at(), fresh);
    expect(Object.keys(layers)).toHaveLength(4);
    expect(layersIn(fresh)).toEqual(Object.values(layers));
    const x = Tensor.from(device, Float32Array.from(normal(18, 1)), [3, 6]);
    for (const [i, layer] of layersIn(model).entries()) {
      const own = layersIn(fresh)[i]!;
      expect([own.rank, own.alpha, own.rslora, own.scale]).toEqual([
        layer.rank,
        layer.alpha,
        layer.rslora,
        layer.scale,
      ]);
      expect(await own.apply(x).read()).toEqual(await layer.apply(x).read());
    }
    // The weights are those of the model, and stay.
    weights[0]!.write(new Float32Array(24));
    expect(await layersIn(fresh)[0]!.weight.read()).toEqual(new Float32Array(24));
    // Once more: a layer that is adapted gets the factors of the file, by its own weight.
    const again = await loadAdapter(at(), fresh);
    expect(layersIn(fresh)).toEqual(Object.values(again));
    expect(await layersIn(fresh)[0]!.weight.read()).toEqual(new Float32Array(24));
  });

  it('keeps ranks and scales that differ in patterns', async () => {
    const model = adapted();
    const self = model.encoder.layer[1]!.attention.self as unknown as Record<string, LoraLinear>;
    const { weight } = self['query']!;
    const other = LoraLinear.fromWeight(weight, { rank: 4, alpha: 5, rslora: true, seed: 9 });
    self['query'] = other;
    await saveAdapter(at(), model);
    const name = 'encoder.layer.1.attention.self.query';
    expect(config()).toMatchObject({
      r: 2,
      rank_pattern: { [name]: 4 },
      alpha_pattern: { [name]: 10 },
      use_rslora: false,
    });
    const loaded = await loadAdapter(at(), bert());
    expect(loaded[name]!.scale).toBe(other.scale);
    expect(loaded['encoder.layer.0.attention.self.query']!.scale).toBe(1.5);
    // Patterns of peft's own kind: the end of a name.
    change({
      rank_pattern: { 'layer.1.attention.self.query': 4 },
      alpha_pattern: { query: 6, '^encoder.layer.0.attention.self.value': 8 },
    });
    const scales = Object.values(await loadAdapter(at(), bert())).map(({ scale }) => scale);
    expect(scales).toEqual([3, 4, 1.5, 1.5]);
  });

  /** Layers that do nothing but have ranks and scales, by their names. */
  const layersOf = (layers: Record<string, { rank?: number; alpha: number; rslora?: boolean }>): object => {
    const model: Record<string, unknown> = {};
    for (const [name, { rank = 2, ...options }] of Object.entries(layers)) {
      const made = LoraLinear.fromWeight(Tensor.zeros(device, [4, 4]), { rank, seed: 1, ...options });
      made.b.write(new Float32Array(4 * rank).fill(1));
      const parts = name.split('.');
      let owner = model;
      for (const part of parts.slice(0, -1)) {
        owner[part] ??= {};
        owner = owner[part] as Record<string, unknown>;
      }
      owner[parts.at(-1)!] = Object.assign(owner[parts.at(-1)!] ?? {}, { own: made });
    }
    return model;
  };
  const named = (own: string): string => own.replace(/\.own$/, '');
  const alphasOf = (layers: Record<string, LoraLinear>): object =>
    Object.fromEntries(Object.entries(layers).map(([own, layer]) => [named(own), layer.alpha]));

  it.each([
    [{ fc: 16, 'block.fc': 8, other: 8 }],
    [{ fc: 16, 'block.fc': 4, 'up.block.fc': 16, 'a.block.fc': 8, other: 8, last: 8 }],
    [{ 0: 16, '1.0': 8, '2.1.0': 16, 1: 8, 2: 8 }],
  ])('writes patterns that fit no layer but theirs, %j', async (alphas: Record<string, number>) => {
    const model = layersOf(
      Object.fromEntries(Object.entries(alphas).map(([own, alpha]) => [own, { alpha, rank: alpha / 4 }])),
    );
    await saveAdapter(at(), model, { name: named });
    expect(Object.keys(config())).toEqual(configKeys);
    const layers = await loadAdapter(at(), model, { name: named });
    expect(alphasOf(layers)).toEqual(alphas);
    expect(Object.values(layers).map(({ rank }) => rank * 4)).toEqual(Object.values(layers).map(({ alpha }) => alpha));
    // As peft looks for them: the first expression that fits.
    const text = readFileSync(folder.file('adapter/adapter_config.json'), 'utf8');
    const patterns = [.../"alpha_pattern": \{([^}]*)\}/.exec(text)![1]!.matchAll(/"([^"]+)": (\d+)/g)];
    const found = (own: string) => patterns.find(([, name]) => new RegExp(`^(.*\\.)?(${name})$`).test(own));
    for (const [own, alpha] of Object.entries(alphas))
      expect(Number(found(own)?.[2] ?? config()['lora_alpha'])).toBe(alpha);
  });

  it('takes the first pattern of the file that fits, whole numbers included', async () => {
    const model = layersOf({ 0: { alpha: 2 }, '1.0': { alpha: 2 } });
    await saveAdapter(at(), model, { name: named });
    const text = readFileSync(folder.file('adapter/adapter_config.json'), 'utf8');
    for (const [pattern, alphas] of [
      ['{"1.0": 8, "0": 4}', [4, 8]],
      ['{"0": 4, "1.0": 8}', [4, 4]],
      ['{"^0": 6, "0": 4}', [6, 4]],
      ['{"^1.0": 6, "^0": 3}', [3, 6]],
      ['null', [2, 2]],
    ] as const) {
      writeFileSync(
        folder.file('adapter/adapter_config.json'),
        text.replace('"alpha_pattern": {}', `"alpha_pattern": ${pattern}`),
      );
      const found = alphasOf(await loadAdapter(at(), model, { name: named })) as Record<string, number>;
      expect([found['0'], found['1.0']]).toEqual(alphas);
    }
  });

  it('refuses to write a name that a pattern would take for an expression', async () => {
    const model = layersOf({ a: { alpha: 2 }, b: { alpha: 4 } });
    const name = (own: string): string => (own === 'b.own' ? 'b+' : 'a+');
    await expect(saveAdapter(at(), model, { name })).rejects.toMatchObject({
      code: 'ERR_ARGUMENT',
      message: expect.stringMatching(/letters, digits and \. _ -, got "b\+"/),
    });
    const alike = layersOf({ a: { alpha: 2 }, b: { alpha: 2 } });
    await saveAdapter(at(), alike, { name });
    expect(Object.keys(await loadAdapter(at(), alike, { name }))).toHaveLength(2);
  });

  it('keeps alpha to the last bit', async () => {
    const model = { fc: LoraLinear.fromWeight(Tensor.zeros(device, [49, 49]), { rank: 49, alpha: 1, seed: 1 }) };
    model.fc.b.write(new Float32Array(49 * 49).fill(1));
    await saveAdapter(at(), model);
    expect(config()['lora_alpha']).toBe(1);
  });

  it('exchanges a layer in all places where it stands, and stores it once', async () => {
    const make = nn.init(device, { seed: 1 });
    const shared = make.linear(4, 4);
    const model: Record<string, unknown> = { fc: shared, other: make.linear(4, 4), again: { fc: shared } };
    const adapter = LoraLinear.fromWeight(shared.weight, { rank: 1, seed: 1 });
    adapter.b.write(new Float32Array(4).fill(1));
    await saveAdapter(at(), { again: { fc: adapter }, more: adapter });
    const { tensors } = await readTensorInfo(path.join(at(), 'adapter_model.safetensors'));
    expect([...tensors.keys()].sort()).toEqual(['A', 'B'].map((x) => `base_model.model.again.fc.lora_${x}.weight`));
    const layers = await loadAdapter(at(), model);
    expect(Object.keys(layers)).toEqual(['fc', 'again.fc']);
    expect(model['fc']).toBe(layers['fc']);
    expect((model['again'] as { fc: unknown }).fc).toBe(layers['fc']);
    expect(model['other']).not.toBeInstanceOf(LoraLinear);
  });

  it('gives layers the names that another program has for them, and takes the dtype of the weights', async () => {
    const name = (own: string): string => `bert.${own}`;
    await saveAdapter(at(), adapted(), { name });
    const { tensors } = await readTensorInfo(path.join(at(), 'adapter_model.safetensors'));
    expect(tensors.has('base_model.model.bert.encoder.layer.0.attention.self.query.lora_A.weight')).toBe(true);
    const layers = await loadAdapter(at(), bert('bf16'), { name });
    expect(Object.values(layers).map(({ a, b }) => [a.dtype, b.dtype])).toEqual(Array(4).fill(['bf16', 'bf16']));
  });

  it('replaces an adapter whole, and leaves the old one where it fails', async () => {
    await saveAdapter(at(), adapted());
    const before = readdirSync(at()).map((file) => readFileSync(path.join(at(), file)));
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(saveAdapter(at(), adapted({ alpha: 7 }), { signal })).rejects.toThrow('enough');
    const controller = new AbortController();
    const onProgress = () => controller.abort(new Error('later'));
    await expect(saveAdapter(at(), adapted({ alpha: 7 }), { signal: controller.signal, onProgress })).rejects.toThrow(
      'later',
    );
    expect(readdirSync(at()).map((file) => readFileSync(path.join(at(), file)))).toEqual(before);
    await saveAdapter(at(), adapted({ alpha: 7 }));
    expect(config()['lora_alpha']).toBe(7);
  });

  describe('refuses', () => {
    const loads = async (
      code: string,
      message: RegExp,
      model: object = bert(),
      options: object = {},
    ): Promise<void> => {
      const before = Object.values(nn.named(model));
      const { live } = await settledMemory(device);
      await expect(loadAdapter(at(), model, options)).rejects.toMatchObject({
        code,
        message: expect.stringMatching(message),
      });
      expect(Object.values(nn.named(model))).toEqual(before);
      await device.synchronize();
      expect(device.info.memory.live).toBe(live);
    };
    const write = (tensors: Record<string, Tensor>) =>
      saveTensors(path.join(at(), 'adapter_model.safetensors'), tensors);
    const zero = (...shape: number[]) => Tensor.full(device, shape, 1);
    const query = 'base_model.model.encoder.layer.0.attention.self.query';

    it('files that name no layer of the model, or others besides', async () => {
      await saveAdapter(at(), adapted(), { name: (own) => `other.${own}` });
      await loads(
        'ERR_STATE',
        /file must name layers of the model, got none in 8 names: "base_model\.model\.other\..*the model has 5 linear layers: "embeddings"/,
      );
      await write({
        [`${query}.lora_A.weight`]: zero(2, 6),
        [`${query}.lora_B.weight`]: zero(4, 2),
        'encoder.layer.0.x': zero(1),
      });
      await loads('ERR_STATE', /file must name layers of the model alone, got 1 other names: "encoder\.layer\.0\.x"/);
      // A whole module beside the factors, as modules_to_save stores it.
      const file = path.join(at(), 'adapter_config.json');
      writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, 'utf8')), modules_to_save: ['score'] }));
      await write({
        [`${query}.lora_A.weight`]: zero(2, 6),
        [`${query}.lora_B.weight`]: zero(4, 2),
        'base_model.model.score.weight': zero(1),
      });
      await loads('ERR_STATE', /of the model alone, got 1 other names: "base_model\.model\.score\.weight"/);
      await write({ [`${query}.lora_A.weight`]: zero(2, 6) });
      await loads('ERR_STATE', /both factors of a layer, got no ".*query\.lora_B\.weight"/);
      await write({ [`${query}.lora_A.default.weight`]: zero(2, 6) });
      await loads('ERR_STATE', /got none in 1 names/);
    });

    it('an adapter that does nothing, and numbers that are none', async () => {
      const model = adapted();
      for (const { b } of layersIn(model)) b.write(new Float32Array(8));
      await saveAdapter(at(), model);
      await loads('ERR_STATE', /lora_B must not be 0 in every layer, got an adapter that does nothing/);
      // One layer alone may do nothing.
      layersIn(model)[2]!.b.write(Float32Array.of(0, 0, 0, 0, 0, 0, 0, 1e-3));
      await saveAdapter(at(), model);
      await loadAdapter(at(), bert());
      layersIn(model)[1]!.a.write(new Float32Array(12).fill(NaN));
      await saveAdapter(at(), model);
      await loads('ERR_FORMAT', /tensor ".*0\.attention\.self\.value\.lora_A\.weight" must be finite/);
    });

    it('shapes and dtypes that do not fit', async () => {
      await saveAdapter(at(), adapted());
      await write({ [`${query}.lora_A.weight`]: zero(3, 6), [`${query}.lora_B.weight`]: zero(4, 3) });
      await loads('ERR_STATE', /lora_A\.weight" must be \[2,6\] by adapter_config.json and the model, got \[3,6\]/);
      await write({ [`${query}.lora_A.weight`]: zero(2, 6).cast('i32'), [`${query}.lora_B.weight`]: zero(4, 2) });
      await loads('ERR_STATE', /must be floating, got 'I32'/);
    });

    it('configurations of another kind, or broken ones', async () => {
      await saveAdapter(at(), adapted());
      const good = config();
      for (const [changes, code, message] of [
        [{ peft_type: 'IA3' }, 'ERR_UNSUPPORTED', /must be of peft_type "LORA", got "IA3"/],
        [{ peft_type: undefined }, 'ERR_UNSUPPORTED', /got none/],
        [{ use_dora: true }, 'ERR_UNSUPPORTED', /must not have use_dora, got true/],
        [{ use_qalora: true }, 'ERR_UNSUPPORTED', /must not have use_qalora/],
        ...['pissa', 'pissa_niter_4', 'olora', 'corda', 'loftq', 1].map(
          (init) =>
            [
              { init_lora_weights: init },
              'ERR_UNSUPPORTED',
              /must have true, false or "gaussian" for init_lora_weights, got/,
            ] as const,
        ),
        [{ layer_replication: [[0, 1]] }, 'ERR_UNSUPPORTED', /must not have layer_replication/],
        [{ use_rslora: 'yes' }, 'ERR_FORMAT', /true or false for use_rslora/],
        [{ r: 0 }, 'ERR_FORMAT', /a whole number from 1 on for r, got 0/],
        [{ lora_alpha: 0 }, 'ERR_FORMAT', /a finite number but 0 for lora_alpha/],
        [{ lora_alpha: '8' }, 'ERR_FORMAT', /for lora_alpha, got "8"/],
        [{ rank_pattern: [] }, 'ERR_FORMAT', /an object for rank_pattern/],
        [{ rank_pattern: { query: -1 } }, 'ERR_FORMAT', /for "query" of rank_pattern/],
        [
          { alpha_pattern: { 'layer\\.(0|1).*': 4 } },
          'ERR_UNSUPPORTED',
          /name modules in alpha_pattern, got the expression/,
        ],
      ] as const) {
        writeConfig({ ...good, ...changes });
        await loads(code, message);
      }
      const names = (count: number): string => `{${Array.from({ length: count }, (_, i) => `"q${i}":8`)}}`;
      for (const [text, message] of [
        ['{"peft_type": "LORA",', /adapter_config.json/],
        ['[]', /must be an object, got another value/],
        ['{"peft_type":"LORA","r":1,"r":1}', /must have each key once, got "r" twice/],
        ['{"peft_type":"LORA","rank_pattern":{},"rank_pattern":{}}', /each key once, got "rank_pattern" twice/],
        ['{"peft_type":"LORA","rank_pattern":{"q":1,"q":2}}', /each key once, got "q" twice/],
        [`{"peft_type":"LORA","alpha_pattern":${names(65_537)}}`, /must have at most 65536 names in alpha_pattern/],
      ] as const) {
        writeFileSync(folder.file('adapter/adapter_config.json'), text);
        await loads('ERR_FORMAT', message);
      }
      for (const init of [null, true, false, 'gaussian', undefined]) {
        writeConfig({ ...good, init_lora_weights: init, use_qalora: false });
        expect(Object.keys(await loadAdapter(at(), bert()))).toHaveLength(4);
      }
    });

    it('what cannot be exchanged, before any layer is', async () => {
      await saveAdapter(at(), adapted());
      const frozenPart = bert();
      Object.freeze(frozenPart.encoder.layer[1]!.attention.self);
      await loads(
        'ERR_ARGUMENT',
        /encoder\.layer\.1\.attention\.self\.query must be a field that can be written/,
        frozenPart,
      );
      const model = bert();
      const { live } = await settledMemory(device);
      const { value } = model.encoder.layer[1]!.attention.self;
      const onProgress = ({ done, total }: { done: number; total: number }) => {
        if (done === total) value.weight.dispose();
      };
      await expect(loadAdapter(at(), model, { onProgress })).rejects.toMatchObject({ code: 'ERR_DISPOSED' });
      expect(model.encoder.layer[0]!.attention.self.query).not.toBeInstanceOf(LoraLinear);
      await device.synchronize();
      expect(device.info.memory.live).toBe(live - 1);
    });

    it('two layers of one name, and two names of one layer', async () => {
      await saveAdapter(at(), adapted());
      const name = (own: string): string => own.replace('layer.1', 'layer.0');
      await loads(
        'ERR_ARGUMENT',
        /name must give each layer one of its own, got "encoder\.layer\.0\S*query" twice/,
        bert(),
        { name },
      );
      const tied = bert();
      tied.encoder.layer[1] = tied.encoder.layer[0]!;
      await loads(
        'ERR_STATE',
        /must name each layer of the model once, got ".*0\S*query" and ".*1\S*query" of one/,
        tied,
      );
    });

    it('models without layers, and two layers of one name', async () => {
      await expect(saveAdapter(at(), bert())).rejects.toThrow('saveAdapter: model must hold a LoraLinear, got none');
      await expect(saveAdapter(at(), adapted(), { name: () => 'one' })).rejects.toThrow(
        /name must give each layer one of its own, got "one" twice/,
      );
      await expect(saveAdapter(at(), adapted(), { name: () => '' })).rejects.toThrow(
        /name must return a text for encoder/,
      );
      await expect(saveAdapter(folder.file('none/adapter'), adapted())).rejects.toMatchObject({ code: 'ERR_IO' });
      await expect(loadAdapter(folder.file('none'), bert())).rejects.toMatchObject({ code: 'ERR_IO' });
    });
  });
});
