// Devices: cpu
// All that belongs together is there: an operation's header, kernel, reference and test; a class and its page; a paper's row.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { native } from '../lib/core/native.ts';
import * as orthokit from '../lib/index.ts';
import { groups } from '../scripts/operations.mjs';
import { classes, knownMatrixClasses } from './optimizers/classes.ts';
import { importedFrom, isCompared, isExamined } from './support/assertions.ts';
import { sourcesOf, untrue } from './support/sources.ts';

const root = path.join(import.meta.dirname, '..');
const read = (...names: string[]) => readFileSync(path.join(root, ...names), 'utf8');
const exists = (...names: string[]) => existsSync(path.join(root, ...names));

interface Description {
  name: string;
  summary: string;
  about: string;
  composed: boolean;
  fields: { name: string; kind: string; role: string }[];
  examples: string[];
  cases: string[];
}
// Backends that are complete: every operation has a kernel there, or a composition.
const backends = [
  { name: 'cpu', extension: 'cpp' },
  { name: 'cuda', extension: 'cu' },
];

const descriptions: Description[] = JSON.parse(native.describe());
const camelOf = (name: string) => name.replace(/_[a-z]/g, (c) => c[1]!.toUpperCase());
/** Types and documentation of the operations, a file for each group. */
const generated = [...new Set(groups.values())].map((group) => read('lib', 'core', 'native-ops', `${group}.ts`));

/** The bullets in the documentation of an operation. */
const demandsOf = (name: string): string[] => {
  const text = read('lib', 'core', 'native-ops', `${groups.get(name)}.ts`);
  const [comment] = new RegExp(`/\\*\\*\\n(?: {3}\\*(?!/).*\\n)* {3}\\*/\\n {2}${camelOf(name)}\\(`).exec(text)!;
  return [...comment.matchAll(/^ {3}\* - (.*)$/gm)].map(([, demand]) => demand!);
};

/** Words of demands that are no field: "x and y must …" speaks of x and y. */
const foreign = (demands: readonly string[], fields: readonly string[]): string[] =>
  demands
    .flatMap((demand) => /^\w+(?:(?:, | and | or )\w+)*/.exec(demand)![0].split(/, | and | or /))
    .filter((subject) => !fields.includes(subject));

it('a comparison is an assertion on what was computed, and neither an import nor a call', () => {
  const start = "import { f } from './f.ts';\n// Values: f\n";
  const asks = (text: string) => isCompared(start + text, importedFrom(start, './f.ts'));
  expect(importedFrom(start, './f.ts')).toEqual(['f']);
  expect(asks('expect(g(1)).toBe(f(1));')).toBe(true);
  expect(asks('const y = f(1);\nfor (const [i, e] of y.entries()) expectClose(x[i], e);')).toBe(true);
  expect(asks('const near = (a, b) => expect(a).toBe(b);\nnear(x, f(1));')).toBe(true);
  expect(asks('describeStep({ reference: f });')).toBe(true);
  for (const text of [
    '',
    'f(1);',
    'const y = f(1);\nexpect(x).toBe(2);',
    'const near = f(1);\nnear(x);',
    'expect(a.f).toBe(1);',
  ])
    expect(asks(text), text).toBe(false);
  expect(isExamined('const o = new A([w]);\no.step(g);\nexpect(await w.read()).toEqual([1]);', 'A')).toBe(true);
  expect(isExamined('const o = new A([w]);\no.step(g);\nexpect(await v.read()).toEqual([1]);', 'A')).toBe(false);
  expect(isExamined('const w = three([(x) => new A(x)]);\nexpect(w[0]).toBeCloseTo(1);', 'A')).toBe(true);
});

describe('operations', () => {
  it('are the ones that TypeScript knows', () => {
    const camel = descriptions.map(({ name }) => camelOf(name));
    expect(Object.keys(orthokit.ops)).toEqual(camel);
    expect(Object.values(orthokit.ops).every((op) => typeof op === 'function')).toBe(true);
    expect(camel.length).toBeGreaterThan(15);
  });

  it('have fields in camelCase', () => {
    const names = descriptions.flatMap(({ name, fields }) => fields.map((field) => `${name}.${field.name}`));
    expect(names.filter((name) => !/^\w+\.[a-z][a-zA-Z0-9]*$/.test(name))).toEqual([]);
  });

  it('stand in the guide, each once, with what they compute', () => {
    const rows = [...read('docs', 'guide', 'operations.md').matchAll(/^\| `(\w+)` \| (.+) \|$/gm)];
    const documented = generated.join('\n');
    const expected = Object.keys(orthokit.ops).map((name) => {
      const [, summary] = new RegExp(`/\\*\\*\\n   \\* ([^\\n]*)\\n(?:   \\*(?!/).*\\n)*   \\*/\\n  ${name}\\(`).exec(
        documented,
      )!;
      return [name, summary];
    });
    expect(rows.map(([, name, summary]) => [name, summary]).sort()).toEqual(expected.sort());
  });

  it('have one name in their documentation, that of TypeScript', () => {
    const comments = generated.flatMap((text) => [...text.matchAll(/^ *\/?\*.*$/gm)]).join('\n');
    const fields = descriptions.flatMap((d) => d.fields.map((f) => f.name));
    for (const { name } of descriptions)
      if (name.includes('_') && !fields.includes(name)) expect(comments).not.toMatch(new RegExp(`\\b${name}\\b`));
  });

  it('demand what they say of their own fields', () => {
    expect(foreign(['x must be f32', 'x and out must be like y, got z'], ['x', 'out'])).toEqual([]);
    expect(foreign(['x and y must be f32', 'momenta come with grads'], ['x', 'grads'])).toEqual(['y', 'momenta']);
    for (const { name, fields } of descriptions) {
      const own = fields.map((f) => f.name);
      expect(demandsOf(name).length, name).toBeGreaterThanOrEqual(name === 'fill' ? 0 : 1);
      expect(foreign(demandsOf(name), own), name).toEqual([]);
    }
  });

  it.each(descriptions)('$name', ({ name, summary, about, composed, fields, examples, cases }) => {
    const kebab = name.replaceAll('_', '-');
    const group = groups.get(name)!;
    const header = read('native', 'ops', group, `${name}.h`);
    const [, struct] = new RegExp(`^struct (\\w+) \\{\\n.*\\*name = "${name}"`, 'm').exec(header)!;
    // Formula, source, numerics, traffic.
    expect(about.trim().length).toBeGreaterThan(30);
    for (const { name: backend, extension } of backends)
      expect(composed || exists('native', backend, 'kernels', group, `${name}.${extension}`), backend).toBe(true);
    expect(exists('native', 'ops', group, `${name}.cpp`)).toBe(composed);
    expect(summary).toMatch(/^\S.+[^.]$/);
    expect(fields.some(({ role }) => role === 'out' || role === 'inout')).toBe(true);
    expect(examples.length).toBeGreaterThanOrEqual(1);
    expect(cases.length).toBeGreaterThanOrEqual(1);
    for (const example of [...examples, ...cases])
      for (const [, field] of example.matchAll(/(\w+)=/g)) expect(fields.map((f) => f.name)).toContain(field);

    const loops = read('native', 'bench', 'reference', group, `${name}.cpp`);
    expect(loops).toMatch(new RegExp(`^ORTHOKIT_REFERENCE\\(${struct},`, 'm'));
    // The test compares with the loops, or with a second source of the formula in TypeScript.
    const test = read('test', 'ops', group, `${kebab}.test.ts`);
    const names = importedFrom(test, `../../reference/${kebab}.ts`);
    const camel = kebab.replace(/-[a-z]/g, (letters) => letters[1]!.toUpperCase());
    const isLikeLoops = new RegExp(`\\bexpectLikeReference\\(\\s*'${camel}'`).test(test);
    expect(isLikeLoops || isCompared(test, names), 'is compared with its reference').toBe(true);
    expect(exists('test', 'reference', `${kebab}.ts`), 'a second source is used').toBe(names.length > 0);
    // Besides, a source that is neither our code nor the same formula.
    const place = `test/ops/${group}/${kebab}.test.ts`;
    const sources = sourcesOf(test);
    expect(sources.length, `${place} has a line "// Source: …"`).toBeGreaterThan(0);
    expect(sources.map((source) => untrue(source, place)).filter(Boolean)).toEqual([]);
    expect(test).toMatch(/^\/\/ Devices: cpu, cuda$/m);
  });

  it('state their flops, but for those that orthokit_bench --verify lists as moving numbers only', () => {
    const list = /kMoving\[\] = \{([^}]*)\}/.exec(read('native', 'bench', 'verify.cpp'))![1]!;
    const moving = [...list.matchAll(/"(\w+)"/g)].map(([, name]) => name);
    const without = descriptions.filter(
      ({ name }) => !/^ {2}double flops\(\) const/m.test(read('native', 'ops', groups.get(name)!, `${name}.h`)),
    );
    expect(without.map(({ name }) => name).sort()).toEqual(moving);
  });

  it('declare "// Axes: products" in their tests where they multiply matrices, which cuBLAS may do', () => {
    // By place: optimizers/muon, optimizers/shared/orthogonal_step.
    const source = (...names: string[]) => (exists(...names) ? read(...names) : '');
    const multiplies = (place: string): boolean =>
      source('native', 'cuda', 'kernels', `${place}.cu`).includes('/shared/products.h"') ||
      (exists('native', 'ops', `${place}.cpp`) &&
        ['cpp', 'h']
          .flatMap((extension) => [
            ...source('native', 'ops', `${place}.${extension}`).matchAll(/^#include "ops\/([\w/]+)\.h"$/gm),
          ])
          .some(([, part]) => part !== place && multiplies(part!)));
    const placeOf = (name: string) => `${groups.get(name)}/${name}`;
    const names = descriptions.map(({ name }) => name).filter((name) => multiplies(placeOf(name)));
    expect(names).toEqual(
      expect.arrayContaining(['gemm', 'symmetric_product', 'newton_schulz', 'muon', 'hybrid_auon']),
    );
    const declared = descriptions.filter(({ name }) =>
      /^\/\/ Axes: .*\bproducts\b/m.test(read('test', 'ops', `${placeOf(name).replaceAll('_', '-')}.test.ts`)),
    );
    expect(declared.map(({ name }) => name)).toEqual(names);
  });

  it('every header, kernel, reference and test belongs to one, in the folder of its group', () => {
    const names = descriptions.map((d) => d.name).sort();
    expect([...groups.keys()].sort()).toEqual(names);
    const places = names.map((name) => `${groups.get(name)}/${name}`);
    const below = (...folder: string[]): string[] =>
      readdirSync(path.join(root, ...folder), { recursive: true, encoding: 'utf8' }).filter(
        (file) => /\.\w+$/.test(file) && !file.includes('shared/'),
      );
    for (const { name, extension } of backends)
      for (const file of below('native', name, 'kernels')) expect(places).toContain(file.replace(`.${extension}`, ''));
    for (const file of below('test', 'ops'))
      expect(places).toContain(file.replace('.test.ts', '').replaceAll('-', '_'));
    const apart = ['backend', 'operands', 'reference', 'stored'].flatMap((name) => [`${name}.cpp`, `${name}.h`]);
    for (const file of below('native', 'bench', 'reference'))
      if (!apart.includes(file)) expect(places).toContain(file.replace('.cpp', ''));
  });
});

describe('optimizers', () => {
  const page = read('docs', 'guide', 'optimizers.md');
  const checkValues = read('test', 'optimizers', 'check-values.test.ts');
  const own = readdirSync(path.join(root, 'test', 'optimizers'))
    .filter((file) => file.endsWith('.test.ts'))
    .map((file) => read('test', 'optimizers', file));
  const exported = Object.entries(orthokit).filter(
    ([, value]) => typeof value === 'function' && value.prototype instanceof orthokit.Optimizer,
  );

  it('are found, and all of them keep the contract', () => {
    const names = classes.map(([name]) => name);
    expect(names).toEqual(exported.map(([name]) => name));
    expect(names).toEqual(
      expect.arrayContaining(['SGD', 'AdamW', 'AdaGrad', 'AdaGradNorm', 'Lion', ...knownMatrixClasses]),
    );
    for (const part of ['contract', 'contract-refusals', 'contract-state'])
      expect(read('test', 'optimizers', `${part}.test.ts`)).toContain("eachClass('R10: ', ['R10']");
  });

  it.each(exported)('%s has a section in the guide, a row in systems.md and values of a source', (name) => {
    expect(page).toMatch(new RegExp(`^##.*\\b${name}\\b`, 'm'));
    expect(read('docs', 'systems.md')).toMatch(new RegExp(`\\b${name}\\b`));
    const sourced = [checkValues, ...own.filter((text) => /^\/\/ Values: \S/m.test(text))];
    expect(
      sourced.some((text) => isExamined(text, name)),
      `what ${name} does is compared with values`,
    ).toBe(true);
  });
});

it('every sub-path of the package is a folder of lib with a public list, in the API reference', () => {
  const { exports } = JSON.parse(read('package.json')) as { exports: Record<string, unknown> };
  const { entryPoints } = JSON.parse(read('typedoc.json')) as { entryPoints: string[] };
  const folders = Object.keys(exports).flatMap((name) => (/^\.\/\w+$/.test(name) ? [name.slice(2)] : []));
  expect(folders).toContain('linalg');
  expect(entryPoints).toEqual(['lib/index.ts', ...folders.map((folder) => `lib/${folder}/index.ts`)]);
  for (const folder of folders) {
    expect(exists('lib', folder, 'index.ts')).toBe(true);
    const built = `./dist/${folder}/index`;
    expect(exports[`./${folder}`]).toEqual({ types: `${built}.d.ts`, default: `${built}.js` });
  }
});

describe('golden files', () => {
  const golden = path.join('test', 'golden');
  const files = readdirSync(path.join(root, golden), { recursive: true, encoding: 'utf8' }).filter((file) =>
    /\.\w+$/.test(file),
  );
  it.each(files.filter((file) => file.endsWith('.json')))(
    '%s says how it was made, and by which version of what',
    (file) => {
      const { madeBy, program, seed, seeds, problems } = JSON.parse(read(golden, file));
      const [, script = ''] =
        /^(?:\/usr\/bin\/python3 )?(scripts\/golden\/\w+\.(?:mjs|py))(?: \d+)?$/.exec(madeBy) ?? [];
      expect(exists(script), madeBy).toBe(true);
      expect(program).toMatch(/\w+ \d+(\.\d+)*/);
      // Drawn data have their seed beside them.
      const isDrawn = /random|splitmix|rng/i.test(read(script));
      if (isDrawn) expect([seed, seeds, problems?.[0]?.seeds].some((own) => own !== undefined)).toBe(true);
    },
  );

  it('every other file has such a description', () => {
    for (const file of files) expect(files).toContain(file.replace(/\.\w+$/, '.json'));
  });
});

describe('error codes', () => {
  const source = read('lib', 'core', 'errors.ts');
  const codes = [...source.matchAll(/^ {2}\| '(ERR_\w+)'/gm)].map(([, code]) => code!);

  it('are the same in C++, TypeScript and the guide', () => {
    expect(codes.length).toBe(13);
    const list = /kErrorNames\[\] = \{([^}]*)\}/.exec(read('native', 'core', 'error.h'))![1]!;
    const native = [...list.matchAll(/"(ERR_\w+)"/g)].map(([, code]) => code);
    // No operation iterates until it converges: that one is of solvers alone.
    expect([...native, 'ERR_NOT_CONVERGED']).toEqual(codes);
    // A paragraph each, of two lines at least.
    for (const code of codes)
      expect(read('docs', 'guide', 'errors.md')).toMatch(new RegExp(`^## \`${code}\`\n\n.{80,}\n.+`, 'm'));
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
