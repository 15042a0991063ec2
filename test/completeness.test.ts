// What belongs together is there: an operation's header, kernel, reference and test; a class and its page; a paper's row.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import * as orthokit from '../lib/index.ts';
import { native } from '../lib/native.ts';

const root = path.join(import.meta.dirname, '..');
const read = (...names: string[]) => readFileSync(path.join(root, ...names), 'utf8');
const exists = (...names: string[]) => existsSync(path.join(root, ...names));

interface Description {
  name: string;
  summary: string;
  composed: boolean;
  fields: { name: string; kind: string; role: string }[];
  examples: string[];
}
const descriptions: Description[] = JSON.parse(native.describe());

describe('operations', () => {
  it('are the ones that TypeScript knows', () => {
    const camel = descriptions.map(({ name }) => name.replace(/_[a-z]/g, (c) => c[1]!.toUpperCase()));
    expect(Object.keys(orthokit.ops)).toEqual(camel);
    expect(Object.values(orthokit.ops).every((op) => typeof op === 'function')).toBe(true);
    expect(camel.length).toBeGreaterThan(15);
  });

  it.each(descriptions)('$name', ({ name, summary, composed, fields, examples }) => {
    const kebab = name.replaceAll('_', '-');
    const header = read('native', 'ops', `${name}.h`);
    expect(header).toMatch(new RegExp(`^//.*\\n(//.*\\n)*struct \\w+ {\\n.*\\*name = "${name}"`, 'm'));
    expect(exists('native', 'cpu', 'kernels', `${name}.cpp`)).toBe(!composed);
    expect(exists('native', 'ops', `${name}.cpp`)).toBe(composed);
    expect(summary).toMatch(/^\S.+[^.]$/);
    expect(fields.some(({ role }) => role === 'out' || role === 'inout')).toBe(true);
    expect(examples.length).toBeGreaterThanOrEqual(1);
    for (const example of examples)
      for (const [, field] of example.matchAll(/(\w+)=/g)) expect(fields.map((f) => f.name)).toContain(field);

    expect(exists('test', 'reference', `${kebab}.ts`)).toBe(true);
    const test = read('test', 'ops', `${kebab}.test.ts`);
    expect(test).toContain(`'../reference/${kebab}.ts'`);
    expect(test).toMatch(/Device\.available|describeStep/);
  });

  it('every kernel and every test belongs to one', () => {
    const names = descriptions.map((d) => d.name);
    for (const file of readdirSync(path.join(root, 'native', 'cpu', 'kernels')))
      expect(names).toContain(file.replace('.cpp', ''));
    for (const file of readdirSync(path.join(root, 'native', 'cuda', 'kernels')))
      expect(names).toContain(file.replace('.cu', ''));
    for (const file of readdirSync(path.join(root, 'test', 'ops')))
      expect(names).toContain(file.replace('.test.ts', '').replaceAll('-', '_'));
  });
});

describe('optimizers', () => {
  const classes = Object.entries(orthokit).filter(
    ([name, value]) =>
      name !== 'Optimizer' && typeof value === 'function' && value.prototype instanceof orthokit.Optimizer,
  );

  it('are found', () => {
    for (const name of ['SGD', 'AdamW', 'AdaGrad', 'AdaGradNorm', 'Lion', 'Muon', 'AuON', 'HybridAuON'])
      expect(classes.map(([own]) => own)).toContain(name);
  });

  it.each(classes)('%s is in the guide and in the table of systems or foundations', (name) => {
    expect(read('docs', 'guide', 'optimizers.md')).toMatch(new RegExp(`\\b${name}\\b`));
    expect(read('docs', 'systems.md')).toMatch(new RegExp(`\\b${name}\\b`));
  });
});

describe('error codes', () => {
  const source = read('lib', 'errors.ts');
  const codes = [...source.matchAll(/^ {2}\| '(ERR_\w+)'/gm)].map(([, code]) => code!);

  it('are the same in C++, TypeScript and the guide', () => {
    expect(codes.length).toBe(12);
    const list = /kErrorNames\[\] = \{([^}]*)\}/.exec(read('native', 'core', 'error.h'))![1]!;
    expect([...list.matchAll(/"(ERR_\w+)"/g)].map(([, code]) => code)).toEqual(codes);
    for (const code of codes) expect(read('docs', 'guide', 'errors.md')).toContain(code);
  });
});

describe('docs/systems.md', () => {
  it('has a row for each of the 42 papers, in order', () => {
    const rows = [...read('docs', 'systems.md').matchAll(/^\| (\d+) \| (.*) \|$/gm)];
    expect(rows.map(([, number]) => Number(number))).toEqual(Array.from({ length: 42 }, (_, i) => i + 1));
    const cells = rows.map(([, , rest]) => rest!.split(' | '));
    expect(new Set(cells.map((row) => row.length)).size).toBe(1);
    for (const row of cells) for (const cell of row) expect(cell.trim()).not.toBe('');
    expect(new Set(cells.map(([name]) => name)).size).toBe(42);
  });
});
