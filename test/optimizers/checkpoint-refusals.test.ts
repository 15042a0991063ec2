// Devices: cpu
// A checkpoint that does not fit changes nothing.
import { readFileSync, writeFileSync } from 'node:fs';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AdamW, combine, Device, Lion, Muon, SGD, saveTensors, type Tensor } from '../../lib/index.ts';
import { fileBytes } from '../files/bytes.ts';
import { Folder } from '../files/folder.ts';
import { edited, everything, type Header } from './checkpoints.ts';
import { type AnyOptimizer, gradsOf, tensor, weightsOf } from './classes.ts';
import { code } from './each-class.ts';

const device = Device.open('cpu', { threads: 2 });
afterAll(() => device.close());
// biome-ignore lint/suspicious/noExplicitAny: a description is made what it must not be
type Anything = any;

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
  const many = (one: Anything): Anything[] => Array.from({ length: 5000 }, () => one);
  it.each<[string, (parts: Anything[]) => void]>([
    ['parts', (parts) => parts.push(...many(parts[0]))],
    ['a long class', ([part]) => (part.optimizer = 'x'.repeat(100_000))],
    ['groups', ([part]) => (part.groups = many(part.groups[0]))],
    ['a long group', ([part]) => (part.groups[0].name = 'x'.repeat(100_000))],
    ['parameters', ([part]) => (part.groups[0].shapes = many([4, 5]))],
    ['a long shape', ([part]) => (part.groups[0].shapes = [many(4)])],
    ['a long option', ([part]) => (part.groups[0].options['x'.repeat(50_000)] = 1)],
  ])('has %s beyond all measure: ERR_STATE in a short message', async (_, change) => {
    const bytes = edited(file, (header) => content(header, change));
    const error = await loading(bytes).catch((problem: Error) => problem);
    expect(error).toMatchObject({ code: 'ERR_STATE' });
    expect((error as Error).message.length).toBeLessThan(1000);
    await unchanged();
  });
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
