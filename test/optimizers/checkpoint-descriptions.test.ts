// Devices: cpu
// A checkpoint whose description is not that of the optimizer, or damaged, changes nothing.
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { Device } from '../../lib/index.ts';
import { type Anything, content, edited, type Header } from './checkpoints.ts';
import { gradsOf } from './classes.ts';
import { code } from './each-class.ts';
import { keptOptimizer, shapes } from './kept-optimizer.ts';

const device = Device.open('cpu', { threads: 2 });
const kept = await keptOptimizer(device);
const { folder, file, optimizer } = kept;
afterAll(async () => {
  folder[Symbol.dispose]();
  await device.close();
});

describe('a file that does not fit', () => {
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
    const error = await kept.loading(bytes).catch((problem: Error) => problem);
    expect(error).toMatchObject({ code: 'ERR_STATE' });
    expect((error as Error).message.length).toBeLessThan(1000);
    await kept.unchanged();
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
    await expect(kept.loading(edited(file, edit))).rejects.toThrow(code('ERR_STATE'));
    await kept.unchanged();
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
    await expect(kept.loading(edited(file, edit))).rejects.toThrow(code('ERR_FORMAT'));
    await kept.unchanged();
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
        const result = await kept
          .loading(
            edited(file, (h) => {
              h.__metadata__['content'] = put;
            }),
          )
          .then(
            () => 'loaded',
            (error) => error.code,
          );
        if (result === 'loaded') {
          // Then it is a description that an optimizer can step with.
          optimizer.step([null, null]);
          await optimizer.load(file);
          optimizer.step(gradsOf(device, shapes, 2));
          // The weights have moved on; what counts is below.
          await kept.renew();
        } else {
          expect(['ERR_STATE', 'ERR_FORMAT']).toContain(result);
          await kept.unchanged();
        }
      }),
      { numRuns: 300, seed: 1 },
    );
  });
});
