// State of optimizers in files: it continues bit for bit, and what does not fit changes nothing.
import { spawn } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  AdamW,
  combine,
  Device,
  Lion,
  Muon,
  RandomStream,
  readTensorInfo,
  SGD,
  saveTensors,
  type Tensor,
} from '../../lib/index.ts';
import { fileBytes } from '../safetensors/bytes.ts';
import { Folder } from '../safetensors/folder.ts';
import { uniform } from '../support/data.ts';
import { goal } from '../support/goal.ts';
import { compileLibrary, runScript } from '../support/library.ts';
import {
  type AnyOptimizer,
  bits,
  classes,
  fullState,
  gradsOf,
  shapesFor,
  stateBits,
  stateSettings,
  tensor,
  weightsOf,
} from './classes.ts';

const code = (name: string): object => expect.objectContaining({ name: 'OrthokitError', code: name });
const device = Device.open('cpu', { threads: 2 });
afterAll(() => device.close());
const kills = goal('R3', { ci: 30, deep: 2000 });

/** All that a load may change. */
const everything = async (optimizer: AnyOptimizer, weights: Tensor[]): Promise<unknown> => [
  await stateBits(optimizer),
  await bits(weights),
  JSON.stringify(optimizer.part().groups.map(({ params: _, ...scalars }) => scalars)),
  optimizer.part().steps,
];

// biome-ignore lint/suspicious/noExplicitAny: a description is made what it must not be
type Anything = any;

interface Header {
  __metadata__: Record<string, string>;
  [name: string]: unknown;
}
/** The file with its header edited. */
function edited(file: string, edit: (header: Header) => void): Buffer {
  const bytes = readFileSync(file);
  const end = 8 + Number(bytes.readBigUInt64LE());
  const header: Header = JSON.parse(bytes.toString('utf8', 8, end));
  edit(header);
  return fileBytes(JSON.stringify(header), bytes.subarray(end));
}

describe.each(classes)('R5: %s', (name, Class) => {
  it.each(stateSettings)('continues bit for bit: %s', async (_name, options, dtype) => {
    using folder = new Folder();
    const shapes = shapesFor(device, Class);
    const last = 8;
    const make = (weights: Tensor[], lr: number): AnyOptimizer =>
      new Class([{ name: 'a', params: weights.slice(0, 1) }, { params: weights.slice(1) }], {
        lr,
        weightDecay: 0.01,
        nonFinite: 'skip',
        ...fullState[name],
        ...options,
      });
    // The second parameter misses a gradient now and then.
    const step = (optimizer: AnyOptimizer, at: number): void =>
      optimizer.step(gradsOf(device, shapes, at).map((g, i) => (i === 1 && at % 3 === 1 ? null : g)));

    const weights = weightsOf(device, shapes, dtype);
    const optimizer = make(weights, 0.02);
    const saved = new Map<number, Tensor[]>();
    for (let at = 0; at < last; ++at) {
      if (at === 1) Object.assign(optimizer.groups[0] as object, { lr: 0.013, weightDecay: 0.3 });
      if ([0, 1, 5].includes(at)) {
        saved.set(
          at,
          weights.map((w) => w.copy()),
        );
        await optimizer.save(folder.file(`${at}`));
      }
      step(optimizer, at);
    }
    const expected = await everything(optimizer, weights);

    for (const [at, before] of saved) {
      const cold = before.map((w) => w.copy());
      const coldOptimizer = make(cold, 0.02);
      Object.assign(coldOptimizer.groups[0] as object, { lr: 0.013, weightDecay: 0.3 });
      const resumed = make(before, 0.5);
      expect(await resumed.load(folder.file(`${at}`))).toEqual({ metadata: {} });
      expect(resumed.groups.map((group) => group.lr)).toEqual([at === 0 ? 0.02 : 0.013, 0.02]);
      if (at === 0) Object.assign(resumed.groups[0] as object, { lr: 0.02, weightDecay: 0.01 });
      for (let next = at; next < last; ++next) {
        if (next === 1) Object.assign(resumed.groups[0] as object, { lr: 0.013, weightDecay: 0.3 });
        for (const one of [resumed, coldOptimizer]) step(one, next);
      }
      expect(await everything(resumed, before), `saved before step ${at}`).toEqual(expected);
      if (at > 0) expect(await bits(cold)).not.toEqual(await bits(weights));
    }
  });
});

describe('another process', () => {
  let code: Folder;
  beforeAll(() => {
    code = new Folder();
    compileLibrary(code.path);
  });
  afterAll(() => code[Symbol.dispose]());

  it('continues bit for bit, random gradients included', async () => {
    using folder = new Folder();
    writeFileSync(
      code.file('resume.js'),
      `import { Device, loadTensors, Muon, RandomStream } from './lib/index.js';
      const [weightFile, stateFile] = process.argv.slice(2);
      const device = Device.open('cpu', { threads: 1 });
      const { weight } = await loadTensors(weightFile, device);
      const optimizer = new Muon([weight], { lr: 1 });
      const { metadata } = await optimizer.load(stateFile);
      const random = RandomStream.restore(JSON.parse(metadata.random));
      for (let i = 0; i < 4; ++i) optimizer.step([random.normal(device, [17, 33])]);
      process.stdout.write(Buffer.from((await weight.read()).buffer).toString('hex'));
      await device.close();`,
    );
    const weight = tensor(device, [17, 33], 1);
    const optimizer = new Muon([weight], { lr: 0.03 });
    const random = new RandomStream(42);
    const steps = (count: number): void => {
      for (let i = 0; i < count; ++i) optimizer.step([random.normal(device, [17, 33])]);
    };
    steps(3);
    await saveTensors(folder.file('weight'), { weight });
    await optimizer.save(folder.file('state'), { metadata: { random: JSON.stringify(random.state) } });
    steps(4);
    const there = runScript(code.file('resume.js'), folder.file('weight'), folder.file('state'));
    expect([there]).toEqual(await bits([weight]));
  });

  it(
    'R3: that is killed while it saves leaves the old or the new checkpoint',
    async () => {
      using folder = new Folder();
      writeFileSync(
        code.file('loop.js'),
        `import { Device, Muon, Tensor } from './lib/index.js';
      const [file] = process.argv.slice(2);
      const device = Device.open('cpu', { threads: 1 });
      const weight = Tensor.full(device, [300, 200], 1);
      const optimizer = new Muon([weight]);
      const grad = Tensor.full(device, [300, 200], 1);
      await optimizer.load(file).catch((error) => { if (error.code !== 'ERR_IO') throw error; });
      const first = (await optimizer.report()).step;
      for (let step = first + 1; ; ++step) {
        optimizer.groups[0].lr = 1 / step;
        optimizer.step([grad]);
        await optimizer.save(file);
        process.stdout.write(step + '\\n');
      }`,
      );
      const file = folder.file('x');
      const weight = tensor(device, [300, 200], 1);
      const optimizer = new Muon([weight]);
      let last = 0;
      let midway = 0;
      await kills.each(async (seed) => {
        const told = await runAndKill(code.file('loop.js'), file, 31 * uniform(seed)());
        await optimizer.load(file);
        const { step } = await optimizer.report();
        expect(step).toBeGreaterThanOrEqual(told);
        expect(step).toBeLessThanOrEqual(told + 1);
        expect(told).toBeGreaterThan(last);
        expect(optimizer.groups[0]?.lr).toBe(1 / step);
        // m = 1 − 0.95ᵗ of a gradient of ones: a torn file would hold two values, or another.
        const momentum = await optimizer.part().tensors['0.0.momenta']?.read();
        expect(new Set(momentum).size).toBe(1);
        expect(momentum?.[0]).toBeCloseTo(1 - 0.95 ** step, 4);
        last = step;
        for (const name of folder.names) {
          if (name === 'x') continue;
          rmSync(folder.file(name));
          ++midway;
        }
      });
      // Some kills have hit a save half done, else this test has seen nothing.
      if (kills.count > 1) expect(midway).toBeGreaterThan(2);
    },
    kills.limit(120_000),
  );

  /** Kills the process some time after its first save; the last step that it has told. */
  function runAndKill(script: string, file: string, delay: number): Promise<number> {
    return new Promise((resolve, reject) => {
      const child = spawn(process.execPath, [script, file], { stdio: ['ignore', 'pipe', 'inherit'] });
      let told = '';
      child.stdout.on('data', (text) => {
        if (told === '') setTimeout(() => child.kill('SIGKILL'), delay);
        told += text;
      });
      child.on('error', reject);
      child.on('close', (_, signal) => {
        if (signal !== 'SIGKILL') return reject(new Error('the child ended by itself'));
        resolve(Number(told.split('\n').at(-2))); // the last line may be cut
      });
    });
  }
});

describe('a combination', () => {
  const make = (weights: Tensor[], options = {}) =>
    combine(
      [
        { optimizer: Muon, params: weights.slice(0, 2), lr: 0.02 },
        { optimizer: AdamW, params: weights.slice(2), lr: 0.001 },
        { optimizer: AdamW, params: [tensor(device, [2], 9)] },
      ],
      options,
    );
  const shapes = [[4, 5], [5, 3], [6]];
  const step = (optimizer: ReturnType<typeof make>, at: number): void =>
    optimizer.step([...gradsOf(device, shapes, at), null]);

  it('continues bit for bit', async () => {
    using folder = new Folder();
    const weights = weightsOf(device, shapes);
    const optimizer = make(weights, { nonFinite: 'skip' });
    for (let at = 0; at < 3; ++at) step(optimizer, at);
    optimizer.step([
      ...gradsOf(device, shapes, 1).map((g, i) => (i === 2 ? tensor(device, [6], 1, Infinity) : g)),
      null,
    ]);
    const before = weights.map((w) => w.copy());
    await optimizer.save(folder.file('x'), { metadata: { mine: 'yes' } });
    const resumed = make(before, { nonFinite: 'skip' });
    resumed.groups[1]!.lr = 3;
    expect((await resumed.load(folder.file('x'))).metadata).toEqual({ mine: 'yes' });
    for (let at = 3; at < 6; ++at) for (const one of [optimizer, resumed]) step(one, at);
    expect(await bits(before)).toEqual(await bits(weights));
    expect(await resumed.report()).toEqual(await optimizer.report());
    expect((await resumed.report()).skipped).toBe(1);
  });

  it('does not load what is of other parts, or of one optimizer', async () => {
    using folder = new Folder();
    const optimizer = make(weightsOf(device, shapes));
    const others = [
      combine([{ optimizer: Muon, params: weightsOf(device, shapes.slice(0, 2)) }]),
      new Muon(weightsOf(device, shapes.slice(0, 2))),
      combine([
        { optimizer: AdamW, params: weightsOf(device, shapes.slice(0, 2)) },
        { optimizer: AdamW, params: weightsOf(device, shapes.slice(2)) },
        { optimizer: Muon, params: [tensor(device, [2, 2], 9)] },
      ]),
    ];
    await optimizer.save(folder.file('own'));
    for (const other of others) {
      await other.save(folder.file('x'));
      await expect(optimizer.load(folder.file('x'))).rejects.toThrow(code('ERR_STATE'));
      await expect(other.load(folder.file('own'))).rejects.toThrow(code('ERR_STATE'));
    }
  });
});

it('a combination with steps of its own is refused: ERR_STATE', async () => {
  using folder = new Folder();
  const optimizer = combine([{ optimizer: AdamW, params: [tensor(device, [3], 1)] }]);
  await optimizer.save(folder.file('x'));
  const changed = edited(folder.file('x'), ({ __metadata__: own }) => {
    own['content'] = own['content']?.replace('"steps":0', '"steps":7') ?? '';
  });
  writeFileSync(folder.file('x'), changed);
  await expect(optimizer.load(folder.file('x'))).rejects.toThrow(code('ERR_STATE'));
});

describe('a file that does not fit', () => {
  let folder: Folder;
  let file: string;
  let weights: Tensor[];
  let optimizer: AdamW;
  let before: unknown;
  const shapes = [[4, 5], [6]];
  beforeAll(async () => {
    folder = new Folder();
    file = folder.file('good');
    weights = weightsOf(device, shapes);
    const groups = [
      { name: 'a', params: weights.slice(0, 1) },
      { name: 'b', params: weights.slice(1) },
    ];
    optimizer = new AdamW(groups, { lr: 0.02 });
    optimizer.step(gradsOf(device, shapes, 1));
    await optimizer.save(file, { metadata: { note: 'x' } });
    // Another state than that of the file, so that a change would show.
    optimizer.step(gradsOf(device, shapes, 2));
    optimizer.groups[0]!.lr = 0.5;
    before = await everything(optimizer as unknown as AnyOptimizer, weights);
  });
  afterAll(() => folder[Symbol.dispose]());
  const unchanged = async (): Promise<void> =>
    expect(await everything(optimizer as unknown as AnyOptimizer, weights)).toEqual(before);
  const loading = (bytes: Uint8Array): Promise<unknown> => {
    writeFileSync(folder.file('bad'), bytes);
    return optimizer.load(folder.file('bad'));
  };

  it('is of another optimizer: ERR_STATE', async () => {
    const own = (): Tensor[] => weightsOf(device, shapes);
    const group = (name: string, params: Tensor[]) => ({ name, params });
    const [first, second] = [own().slice(0, 1), own().slice(1)];
    const named = [group('a', first), group('b', second)];
    const others: Pick<AnyOptimizer, 'save'>[] = [
      new Lion(named),
      new AdamW(own()),
      new AdamW([group('a', first), group('c', second)]),
      new AdamW([group('b', first), group('a', second)]),
      new AdamW([group('a, b', own())]),
      new AdamW([...named, group('c', own())]),
      new AdamW([group('a', [first[0]!.reshape([5, 4])]), group('b', second)]),
      new AdamW([group('a', [...first, ...second]), group('b', [])]),
      new AdamW(named, { stateDtype: 'bf16' }),
      new AdamW(named, { stateDtype: 'f64' }),
      new AdamW(
        weightsOf(device, shapes, 'bf16').map((w, i) => group('ab'[i]!, [w])),
        { masterWeights: 'fp32' },
      ),
      new AdamW(weightsOf(device, shapes, 'f64').map((w, i) => group('ab'[i]!, [w]))),
    ];
    for (const [i, other] of others.entries()) {
      await other.save(folder.file('bad'));
      await expect(optimizer.load(folder.file('bad')), `${i}`).rejects.toThrow(code('ERR_STATE'));
    }
    await unchanged();
  });

  it('has groups whose names join to the same text: ERR_STATE', async () => {
    const one = new AdamW([{ name: 'a, b', params: weightsOf(device, [[4, 5]]) }]);
    await expect(one.load(file)).rejects.toThrow(code('ERR_STATE'));
    await one.save(folder.file('bad'));
    await expect(optimizer.load(folder.file('bad'))).rejects.toThrow(code('ERR_STATE'));
    await unchanged();
  });

  const content = (header: Header, change: (parts: Anything[]) => void): void => {
    const parts = JSON.parse(header.__metadata__['content'] ?? '');
    change(parts);
    header.__metadata__['content'] = JSON.stringify(parts);
  };
  it.each<[string, (header: Header) => void]>([
    [
      'no metadata',
      (h) => {
        h.__metadata__ = {};
      },
    ],
    [
      'another format',
      (h) => {
        h.__metadata__['format'] = 'pt';
      },
    ],
    [
      'a version to come',
      (h) => {
        h.__metadata__['version'] = '2';
      },
    ],
    ['no version', (h) => void delete h.__metadata__['version']],
    ['a tensor missing', (h) => content(h, () => rename(h, 'b.0.roots', undefined))],
    ['a tensor of another name', (h) => rename(h, 'b.0.roots', 'b.0.root')],
    [
      'a tensor of another shape',
      (h) => {
        (h['a.0.momenta'] as { shape: number[] }).shape = [5, 4];
      },
    ],
    [
      'a tensor of another dtype',
      (h) => {
        (h['a.0.steps'] as { dtype: string }).dtype = 'F32';
      },
    ],
    [
      'an unknown option',
      (h) =>
        content(h, (p) => {
          p[0].groups[0].options.learningRate = 1;
        }),
    ],
    [
      'an option of another name',
      (h) =>
        content(h, (p) => {
          p[0].groups[1].options.toString = 1;
        }),
    ],
    [
      'a rate below 0',
      (h) =>
        content(h, (p) => {
          p[0].groups[1].options.lr = -1;
        }),
    ],
    [
      'no rate',
      (h) =>
        content(h, (p) => {
          p[0].groups[1].options.lr = null;
        }),
    ],
    [
      'an option that is an object',
      (h) =>
        content(h, (p) => {
          p[0].groups[1].options.lr = { toString: 1 };
        }),
    ],
    [
      'one beta',
      (h) =>
        content(h, (p) => {
          p[0].groups[0].options.betas = [0.9];
        }),
    ],
    [
      'betas in a text',
      (h) =>
        content(h, (p) => {
          p[0].groups[0].options.betas = ['0.9', '0.9'];
        }),
    ],
    [
      'another settled option',
      (h) =>
        content(h, (p) => {
          p[0].groups[0].options.masterWeights = 'fp32';
        }),
    ],
    ['one group', (h) => content(h, (p) => void p[0].groups.pop())],
    ['two optimizers', (h) => content(h, (p) => void p.push(p[0]))],
    ['no optimizer', (h) => content(h, (p) => void p.pop())],
  ])('has %s: ERR_STATE', async (_name, edit) => {
    await expect(loading(edited(file, edit))).rejects.toThrow(code('ERR_STATE'));
    await unchanged();
  });

  /** Another name for a tensor; without one its bytes go to its neighbour, as the format wants no holes. */
  function rename(header: Header, from: string, to: string | undefined): void {
    const entry = header[from] as { data_offsets: [number, number]; shape: number[] };
    delete header[from];
    if (to !== undefined) header[to] = entry;
    else header['unknown'] = entry;
  }

  it.each<[string, (header: Header) => void]>([
    ['no description', (h) => void delete h.__metadata__['content']],
    [
      'half a description',
      (h) => {
        h.__metadata__['content'] = h.__metadata__['content']!.slice(0, 40);
      },
    ],
    [
      'null',
      (h) => {
        h.__metadata__['content'] = 'null';
      },
    ],
    [
      'an object',
      (h) => {
        h.__metadata__['content'] = '{}';
      },
    ],
    [
      'steps below 0',
      (h) =>
        content(h, (p) => {
          p[0].steps = -1;
        }),
    ],
    [
      'steps that are not whole',
      (h) =>
        content(h, (p) => {
          p[0].steps = 1.5;
        }),
    ],
    ['no groups', (h) => content(h, (p) => void delete p[0].groups)],
    [
      'a name that is no text',
      (h) =>
        content(h, (p) => {
          p[0].groups[0].name = 1;
        }),
    ],
    [
      'shapes that are none',
      (h) =>
        content(h, (p) => {
          p[0].groups[0].shapes = [{ toString: 1 }];
        }),
    ],
    [
      'shapes in a text',
      (h) =>
        content(h, (p) => {
          p[0].groups[0].shapes = [['4,5']];
        }),
    ],
    [
      'options in a list',
      (h) =>
        content(h, (p) => {
          p[0].groups[0].options = [];
        }),
    ],
    [
      'a deep nest',
      (h) => {
        h.__metadata__['content'] = '['.repeat(50_000) + ']'.repeat(50_000);
      },
    ],
    [
      'a deep nest as a shape',
      (h) => {
        const nest = '['.repeat(9999) + ']'.repeat(9999);
        h.__metadata__['content'] = h.__metadata__['content']!.replace('[[4,5]]', nest);
      },
    ],
  ])('has a damaged description, %s: ERR_FORMAT', async (_name, edit) => {
    await expect(loading(edited(file, edit))).rejects.toThrow(code('ERR_FORMAT'));
    await unchanged();
  });

  it('has any damage in its description', async () => {
    const text = readFileSync(file).toString('latin1');
    const original: string = JSON.parse(text.slice(8, 8 + Number(readFileSync(file).readBigUInt64LE()))).__metadata__
      .content;
    const damage = fc.oneof(
      // a piece of the text replaced
      fc
        .tuple(fc.nat(original.length), fc.nat(12), fc.string({ maxLength: 8 }))
        .map(([at, length, put]) => original.slice(0, at) + put + original.slice(at + length)),
      // a value of the description replaced
      fc.tuple(fc.nat(1000), fc.jsonValue()).map(([nth, value]) => {
        const places: [Anything, string][] = [];
        const root = { content: JSON.parse(original) };
        const walk = (node: Anything): void => {
          for (const key of Object.keys(node)) {
            places.push([node, key]);
            if (typeof node[key] === 'object' && node[key] !== null) walk(node[key]);
          }
        };
        walk(root);
        const [node, key] = places[nth % places.length]!;
        node[key] = value;
        return JSON.stringify(root.content);
      }),
      fc.jsonValue().map((value) => JSON.stringify(value)),
    );
    await fc.assert(
      fc.asyncProperty(damage, async (put) => {
        const result = await loading(
          edited(file, (h) => {
            h.__metadata__['content'] = put;
          }),
        ).then(
          () => 'loaded',
          (error) => error.code,
        );
        if (result === 'loaded') {
          // Then it is a description that an optimizer can step with.
          optimizer.step([null, null]);
          await optimizer.load(file);
          optimizer.step(gradsOf(device, shapes, 2));
          // The weights have moved on; what counts is below.
          before = await everything(optimizer as unknown as AnyOptimizer, weights);
        } else {
          expect(['ERR_STATE', 'ERR_FORMAT']).toContain(result);
          await unchanged();
        }
      }),
      { numRuns: 300, seed: 1 },
    );
  });

  it('is cut off, longer, or no file of tensors: ERR_FORMAT', async () => {
    const bytes = readFileSync(file);
    for (const length of [0, 7, 8, 9, 100, bytes.length - 8, bytes.length - 1])
      await expect(loading(bytes.subarray(0, length)), `${length}`).rejects.toThrow(code('ERR_FORMAT'));
    await expect(loading(Buffer.concat([bytes, Buffer.alloc(1)]))).rejects.toThrow(code('ERR_FORMAT'));
    await expect(loading(Buffer.from('PK\u0003\u0004 a zip file, which is none'))).rejects.toThrow(code('ERR_FORMAT'));
    const hostile = fileBytes('{}', 0, 2n ** 64n - 1n);
    await expect(loading(hostile)).rejects.toThrow(code('ERR_FORMAT'));
    await expect(optimizer.load(folder.path)).rejects.toThrow(code('ERR_FORMAT'));
    await unchanged();
  });

  it('is one of plain tensors: ERR_STATE', async () => {
    await saveTensors(folder.file('bad'), { 'a.0.momenta': weights[0]! }, { metadata: { format: 'pt' } });
    await expect(optimizer.load(folder.file('bad'))).rejects.toThrow(code('ERR_STATE'));
    await unchanged();
  });

  it('is not there, or not a path: ERR_IO, ERR_ARGUMENT', async () => {
    await expect(optimizer.load(folder.file('none'))).rejects.toMatchObject({
      code: 'ERR_IO',
      cause: { code: 'ENOENT' },
    });
    await expect(optimizer.save(folder.file('none/x'))).rejects.toMatchObject({
      code: 'ERR_IO',
      cause: { code: 'ENOENT' },
    });
    for (const path of ['', 5, null, 'a\0b']) {
      await expect(optimizer.load(path as string)).rejects.toThrow(code('ERR_ARGUMENT'));
      await expect(optimizer.save(path as string)).rejects.toThrow(code('ERR_ARGUMENT'));
    }
    for (const options of [null, 5, { format: 1 }, { signal: 5 }]) {
      await expect(optimizer.load(file, options as never)).rejects.toThrow(code('ERR_ARGUMENT'));
      await expect(optimizer.save(folder.file('x'), options as never)).rejects.toThrow(code('ERR_ARGUMENT'));
    }
    for (const metadata of ['text', 5, [], { format: 'x' }, { version: '1' }, { content: '' }, { a: 1 }])
      await expect(optimizer.save(folder.file('x'), { metadata } as never)).rejects.toThrow(code('ERR_ARGUMENT'));
    expect(folder.names).not.toContain('x');
    await unchanged();
  });

  it('has options that do not go together: ERR_STATE', async () => {
    const own = weightsOf(device, [[3, 3]]);
    const sgd = new SGD(own, { momentum: 0.9 });
    await sgd.save(folder.file('sgd'));
    const put = (options: object): Buffer =>
      edited(folder.file('sgd'), (h) => content(h, (p) => void Object.assign(p[0].groups[0].options, options)));
    writeFileSync(folder.file('bad'), put({ nesterov: true, dampening: 0.5 }));
    await expect(sgd.load(folder.file('bad'))).rejects.toThrow(code('ERR_STATE'));
    const plain = new SGD(own);
    await plain.save(folder.file('sgd'));
    writeFileSync(folder.file('bad'), put({ momentum: 0.5 }));
    await expect(plain.load(folder.file('bad'))).rejects.toThrow(code('ERR_STATE'));
    const muon = new Muon(own);
    await muon.save(folder.file('sgd'));
    for (const options of [{ nsMethod: 'polar' }, { nsDtype: 'bf16' }, { coefficients: [[1, 2]] }]) {
      writeFileSync(folder.file('bad'), put(options));
      await expect(muon.load(folder.file('bad')), JSON.stringify(options)).rejects.toThrow(code('ERR_STATE'));
    }
    expect(muon.groups[0]).toMatchObject({
      nsMethod: 'newton-schulz',
      nsDtype: undefined,
      coefficients: 'polar-express',
    });
  });
});

describe('saving', () => {
  const shapes = [[40, 50], [6]];
  const make = (options = {}): [Tensor[], AdamW] => {
    const weights = weightsOf(device, shapes);
    return [weights, new AdamW(weights, { lr: 0.02, ...options })];
  };

  it('takes the state of the moment of the call', async () => {
    using folder = new Folder();
    const [, optimizer] = make();
    for (let at = 0; at < 3; ++at) optimizer.step(gradsOf(device, shapes, at));
    const reading = stateBits(optimizer as unknown as AnyOptimizer);
    const saving = optimizer.save(folder.file('x'));
    optimizer.groups[0]!.lr = 0.9;
    for (let at = 3; at < 20; ++at) optimizer.step(gradsOf(device, shapes, at));
    const expected = await reading;
    await saving;
    const [, other] = make();
    await other.load(folder.file('x'));
    expect(await stateBits(other as unknown as AnyOptimizer)).toEqual(expected);
    expect(other.groups[0]?.lr).toBe(0.02);
    expect((await other.report()).step).toBe(3);
    optimizer.dispose();
  });

  it('holds the state even when the optimizer is disposed at once', async () => {
    using folder = new Folder();
    const [, optimizer] = make();
    optimizer.step(gradsOf(device, shapes, 1));
    const saving = optimizer.save(folder.file('x'));
    optimizer.dispose();
    await saving;
    expect((await readTensorInfo(folder.file('x'))).tensors.size).toBe(6);
  });

  it('fits another policy of gradients that are not finite', async () => {
    using folder = new Folder();
    for (const [from, to, skipped] of [
      ['propagate', 'skip', 0],
      ['skip', 'propagate', 0],
      ['throw', 'skip', 0],
      ['skip', 'skip', 1],
    ] as const) {
      const [, optimizer] = make({ nonFinite: from });
      optimizer.step(gradsOf(device, shapes, 1));
      if (from === 'skip') optimizer.step(gradsOf(device, shapes, 2, Infinity));
      await optimizer.save(folder.file('x'));
      const [, other] = make({ nonFinite: to });
      if (to === 'skip') other.step(gradsOf(device, shapes, 2, Infinity));
      await other.load(folder.file('x'));
      const state = (of: AdamW): Promise<Record<string, string>> => stateBits(of as unknown as AnyOptimizer);
      const { skipped: _, ...own } = await state(optimizer);
      expect(await state(other)).toMatchObject(own);
      expect((await other.report()).skipped).toBe(skipped);
      const combination = combine([{ optimizer: AdamW, params: weightsOf(device, shapes) }], { nonFinite: from });
      await combination.save(folder.file('y'));
      await combine([{ optimizer: AdamW, params: weightsOf(device, shapes) }], { nonFinite: to }).load(
        folder.file('y'),
      );
    }
  });

  it('keeps the texts of the caller', async () => {
    using folder = new Folder();
    const [, optimizer] = make();
    const metadata = JSON.parse('{"a":"","𝛻":"line\\nbreak","__proto__":"p","toString":"t"}');
    await optimizer.save(folder.file('x'), { metadata });
    const result = await optimizer.load(folder.file('x'));
    expect(Object.entries(result.metadata).sort()).toEqual(Object.entries(metadata).sort());
  });

  it('refuses scalars that could not be loaded', async () => {
    using folder = new Folder();
    const [, optimizer] = make();
    optimizer.groups[0]!.lr = Number.NaN;
    await expect(optimizer.save(folder.file('x'))).rejects.toThrow(code('ERR_ARGUMENT'));
    expect(folder.names).toEqual([]);
  });

  it('fails with the device, and leaves the old file', async () => {
    using folder = new Folder();
    const own = Device.open('cpu', { threads: 1 });
    const optimizer = new AdamW(weightsOf(own, shapes), { nonFinite: 'throw' });
    await optimizer.save(folder.file('x'));
    const old = readFileSync(folder.file('x'));
    optimizer.step(gradsOf(own, shapes, 1, Infinity));
    await expect(optimizer.save(folder.file('x'))).rejects.toThrow(code('ERR_ARGUMENT'));
    expect(readFileSync(folder.file('x')).equals(old)).toBe(true);
    expect(folder.names).toEqual(['x']);
    await optimizer.save(folder.file('x'));
    await own.close();
    await expect(optimizer.save(folder.file('x'))).rejects.toThrow(code('ERR_DISPOSED'));
    await expect(optimizer.load(folder.file('x'))).rejects.toThrow(code('ERR_DISPOSED'));
  });

  it('and loading can be aborted, with nothing changed', async () => {
    using folder = new Folder();
    const [weights, optimizer] = make();
    optimizer.step(gradsOf(device, shapes, 1));
    await optimizer.save(folder.file('x'));
    optimizer.step(gradsOf(device, shapes, 2));
    const old = readFileSync(folder.file('x'));
    const before = await everything(optimizer as unknown as AnyOptimizer, weights);
    const reason = new Error('enough');
    for (const signal of [AbortSignal.abort(reason)]) {
      await expect(optimizer.save(folder.file('x'), { signal })).rejects.toBe(reason);
      await expect(optimizer.load(folder.file('x'), { signal })).rejects.toBe(reason);
    }
    for (const method of ['save', 'load'] as const) {
      const controller = new AbortController();
      let heard = 0;
      const onProgress = (): void => {
        if (++heard === 2) controller.abort(reason);
      };
      await expect(optimizer[method](folder.file('x'), { signal: controller.signal, onProgress })).rejects.toBe(reason);
      expect(heard).toBeGreaterThan(1);
    }
    expect(readFileSync(folder.file('x')).equals(old)).toBe(true);
    expect(folder.names).toEqual(['x']);
    expect(await everything(optimizer as unknown as AnyOptimizer, weights)).toEqual(before);
  });

  it('tells how far it is', async () => {
    using folder = new Folder();
    const [, optimizer] = make();
    for (const method of ['save', 'load'] as const) {
      const heard: { done: number; total: number }[] = [];
      await optimizer[method](folder.file('x'), { onProgress: (progress) => heard.push(progress) });
      expect(heard.at(-1)).toEqual({ done: optimizer.stateBytes, total: optimizer.stateBytes });
    }
  });
});
