// Devices: cpu
// The declared sources of operations' tests are read, and refused where they are not true.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { sourcesOf, untrue } from './support/sources.ts';

const root = path.join(import.meta.dirname, '..');
const folder = mkdtempSync(path.join(os.tmpdir(), 'orthokit-'));
afterAll(() => rmSync(folder, { recursive: true }));
const file = path.join(folder, 'x.test.ts');
const place = path.relative(root, file);
/** The fault of the source that a test file with this text declares. */
const wrong = (text: string, line: string): string | undefined => {
  writeFileSync(file, text);
  return untrue(sourcesOf(`// Source: ${line}\n`)[0]!, place);
};

it('reads kinds, titles and files, and no others', () => {
  const text = [
    '// Source: golden dense.json',
    '// Source: closed form "of 3 and 4 is 5"',
    '// Source: values "AdamW" in test/optimizers/check-values.test.ts',
  ].join('\n');
  expect(sourcesOf(text)).toEqual([
    { kind: 'golden', of: 'dense.json' },
    { kind: 'closed form', of: 'of 3 and 4 is 5' },
    { kind: 'values', of: 'AdamW', file: 'test/optimizers/check-values.test.ts' },
  ]);
  for (const line of ['guess "x"', 'property', 'property x', 'golden', 'property "x" in lib/index.ts'])
    expect(() => sourcesOf(`// Source: ${line}`), line).toThrow(
      '"// Source:" must be golden <file>, or one of values,',
    );
});

it('finds a test that is not there, or compares nothing', () => {
  expect(wrong("it('a', () => { expect(1).toBe(1); });", 'property "a"')).toBeUndefined();
  expect(wrong("it('a', () => { expect(1).toBe(1); });", 'property "b"')).toBe(`${place} has no test "b"`);
  expect(wrong("it('a', () => { f(); });", 'property "a"')).toBe('"a" compares nothing');
  const helper = 'const near = (x) => expect(x).toBe(1);\n';
  expect(wrong(`${helper}it('a', () => { near(1); });`, 'property "a"')).toBeUndefined();
  const table = "const rows = [['a', 1], ['b', 2]];\nit.each(rows)('%s', (_, x) => { expect(x).toBe(1); });";
  expect(wrong(table, 'values "b"')).toBeUndefined();
  expect(wrong(table, 'values "c"')).toBe(`${place} has no test "c"`);
  expect(wrong('', 'values "a" in test/nowhere.test.ts')).toBe('there is no test/nowhere.test.ts');
  expect(wrong('', 'values "a" in test/support/reductions.ts')).toBe(
    `${place} does not import test/support/reductions.ts`,
  );
});

it('finds what comes from a reference, also through a function', () => {
  const twin = "import { f } from '../../reference/x.ts';\n";
  const other = "import { f } from '../../reference/y.ts';\n";
  const direct = "it('a', () => { expect(1).toBe(f(1)); });";
  expect(wrong(twin + direct, 'property "a"')).toBe('"a" takes f from a reference');
  expect(wrong(other + direct, 'property "a"')).toBe('"a" takes f from a reference');
  // Another formula may be made of other operations'.
  expect(wrong(twin + direct, 'formula "a"')).toBe('"a" takes f from a reference');
  expect(wrong(other + direct, 'formula "a"')).toBeUndefined();
  const through = 'const g = (x) => f(x);\nfunction h() { return g(2); }\n';
  expect(wrong(`${twin}${through}it('a', () => { expect(1).toBe(h()); });`, 'property "a"')).toBe(
    '"a" takes h from a reference',
  );
  expect(wrong(`${twin}it('a', () => { expect(x.f).toEqual({ f: 1 }); });`, 'property "a"')).toBeUndefined();
  const device = "import { expectLikeReference } from '../../support/reference.ts';\n";
  expect(wrong(`${device}it('a', () => expectLikeReference('x'));`, 'closed form "a"')).toBe(
    '"a" takes expectLikeReference from a reference',
  );
});

it('finds golden values that are not there, or not read', () => {
  expect(wrong('', 'golden nothing.json')).toBe('there is no test/golden/nothing.json');
  expect(wrong('// golden/dense.json', 'golden dense.json')).toBe('golden/dense.json is not read');
  expect(wrong("readFileSync('../golden/dense.json');", 'golden dense.json')).toBeUndefined();
});
