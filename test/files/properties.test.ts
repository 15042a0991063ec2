// Devices: cpu
// Axes: node
import { readFileSync, writeFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { OrthokitError } from '../../lib/core/errors.ts';
import { bitsOf, type FileDtype } from '../../lib/files/safetensors/dtypes.ts';
import { withTensorFile } from '../../lib/files/safetensors/file.ts';
import { parseHeader } from '../../lib/files/safetensors/header.ts';
import { writeTensorFile } from '../../lib/files/safetensors/write.ts';
import { fileBytes, plainRead } from './bytes.ts';
import { Folder } from './folder.ts';

const wholeBytes = (Object.keys(bitsOf) as FileDtype[]).filter((dtype) => bitsOf[dtype] % 8 === 0);
// Well-formed Unicode, with the characters that JSON and objects treat as special among it.
const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.constantFrom('__proto__', 'constructor', '"', '\\', '\0', '\u2028', '\ufeff', '{"a":1}', ''),
);
const tensor = fc
  .record({ name: text, dtype: fc.constantFrom(...wholeBytes), shape: fc.array(fc.nat(4), { maxLength: 5 }) })
  .chain(({ name, dtype, shape }) => {
    const bytes = (shape.reduce((a, b) => a * b, 1) * bitsOf[dtype]) / 8;
    return fc.uint8Array({ minLength: bytes, maxLength: bytes }).map((data) => ({ name, dtype, shape, data }));
  });
const content = fc.record({
  tensors: fc.uniqueArray(tensor, { selector: (t) => t.name, maxLength: 8 }),
  metadata: fc.dictionary(text, text, { maxKeys: 4 }),
});
type Content = typeof content extends fc.Arbitrary<infer T> ? T : never;

function parse(file: Uint8Array): ReturnType<typeof parseHeader> extends Generator<undefined, infer T> ? T : never {
  const length = Number(Buffer.from(file).readBigUInt64LE(0));
  const fail = (problem: string): never => {
    throw new OrthokitError('ERR_FORMAT', problem);
  };
  const steps = parseHeader(Uint8Array.from(file.subarray(8, 8 + length)), file.length - 8 - length, fail);
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
  }
}

async function written(folder: Folder, { tensors, metadata }: Content): Promise<Buffer> {
  const sources = tensors.map(({ data, ...rest }) => ({ ...rest, data: () => data }));
  await writeTensorFile(folder.file('x'), sources, { op: 'test', metadata });
  return readFileSync(folder.file('x'));
}

describe('any tensors and texts', () => {
  it('come back as they were, for this reader and for another', async () => {
    using folder = new Folder();
    await fc.assert(
      fc.asyncProperty(content, async (given) => {
        const plain = plainRead(await written(folder, given));
        expect(new Map(Object.entries(plain.metadata))).toEqual(new Map(Object.entries(given.metadata)));
        await withTensorFile(folder.file('x'), { op: 'test' }, async (file) => {
          expect(file.metadata).toEqual(new Map(Object.entries(given.metadata)));
          expect(file.tensors.size).toBe(given.tensors.length);
          for (const { name, dtype, shape, data } of given.tensors) {
            const info = file.tensors.get(name)!;
            expect(info).toMatchObject({ dtype, shape });
            expect(new Uint8Array(await file.readBytes(info))).toEqual(data);
            // Aligned to its own elements, as readers that map files want it.
            expect(info.begin % (bitsOf[dtype] / 8)).toBe(0);
            expect(new Uint8Array(plain.tensors.get(name)!.bytes)).toEqual(data);
          }
        });
      }),
      { numRuns: 150 },
    );
  });
});

describe('a damaged file', () => {
  const damage = fc.array(
    fc.record({
      at: fc.nat(),
      byte: fc.oneof(fc.nat(255), fc.constantFrom(...Buffer.from('{}[]",:\\u0189-+.eE \n\0'))),
    }),
    { minLength: 1, maxLength: 4 },
  );

  it('is refused with ERR_FORMAT or is a right file of other content', async () => {
    using folder = new Folder();
    await fc.assert(
      fc.asyncProperty(content, damage, fc.nat(), fc.boolean(), async (given, changes, cut, shorter) => {
        const bytes = await written(folder, given);
        for (const { at, byte } of changes) bytes[at % bytes.length] = byte;
        const damaged = shorter ? bytes.subarray(0, cut % bytes.length) : bytes;
        writeFileSync(folder.file('y'), damaged);
        const result = await withTensorFile(folder.file('y'), { op: 'test' }, async (file) => {
          for (const info of file.tensors.values()) await file.readBytes(info);
          return file.tensors;
        }).catch((error: unknown) => error);
        if (!(result instanceof Map)) {
          expect(result).toMatchObject({ name: 'OrthokitError', code: 'ERR_FORMAT' });
          return;
        }
        // An accepted header covers the file exactly, and a plain parser sees the same.
        const plain = plainRead(damaged).tensors;
        let total = 0;
        for (const [name, info] of result) {
          total += info.byteLength;
          const entry = plain.get(name)!;
          expect(entry).toMatchObject({ dtype: info.dtype, shape: info.shape });
          expect(entry.bytes.length).toBe(info.byteLength);
        }
        expect(8 + Number(damaged.readBigUInt64LE(0)) + total).toBe(damaged.length);
      }),
      { numRuns: 400 },
    );
  });

  it('of random marks never does anything but ERR_FORMAT', () => {
    const token = fc.constantFrom(
      ...[
        '{',
        '}',
        '[',
        ']',
        ':',
        ',',
        '"w"',
        '"dtype"',
        '"shape"',
        '"data_offsets"',
        '"U8"',
        '"__metadata__"',
        '0',
        '1',
        '4',
      ],
      ...['{"w":', '{"dtype":"U8",', '"shape":[4],', '"data_offsets":[0,4]}', '}', ' ', '"', '\\', '-'],
    );
    fc.assert(
      fc.property(fc.array(token, { maxLength: 30 }), (tokens) => {
        const file = fileBytes(`{${tokens.join('')}`, 4);
        try {
          parse(file);
        } catch (error) {
          expect(error).toMatchObject({ name: 'OrthokitError', code: 'ERR_FORMAT' });
          return;
        }
        plainRead(file);
      }),
      { numRuns: 20_000 },
    );
  });
});

describe('a long header', () => {
  it('gives control back every few hundred kilobytes', () => {
    const count = 20_000;
    const entries = Array.from({ length: count }, (_, i) => {
      const begin = (i * 7907) % count;
      return `"layer.${i}.weight":{"dtype":"U8","shape":[1],"data_offsets":[${begin},${begin + 1}]}`;
    });
    const header = Buffer.from(
      `{"__metadata__":{"t":"${'x'.repeat(1_000_000)}"},${entries.join(',')}}${' '.repeat(1_000_000)}`,
    );
    const fail = (problem: string): never => {
      throw new Error(problem);
    };
    const steps = parseHeader(header, count, fail);
    let yields = 0;
    for (;;) {
      const step = steps.next();
      if (!step.done) {
        yields += 1;
        continue;
      }
      expect(step.value.tensors.size).toBe(count);
      expect(step.value.tensors.get('layer.1.weight')?.begin).toBe(7907);
      break;
    }
    expect(yields).toBeGreaterThan(header.length / 300_000);
  });
});
