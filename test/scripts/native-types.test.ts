// Devices: cpu
// Types and documentation of operations are what the operations say of themselves.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { described } from '../../scripts/native-types/described.mjs';
import { filesOf } from '../../scripts/native-types/files.mjs';

const root = path.join(import.meta.dirname, '..', '..');
const tensor = { name: 'x', kind: 'tensor', role: 'in', optional: false };
const rowSoftmax = {
  name: 'row_softmax',
  summary: 'as row_softmax_backward says',
  about: '\n  y = x,\n    by row_softmax_backward.\n  ',
  fields: [tensor, { name: 'most', kind: 'integer', role: 'value', optional: true, default: 1 }],
  demands: [
    { code: 'ERR_DTYPE', words: 'x must be f64[3]' },
    { code: 'ERR_SHAPE', words: 'x must be f64[3]' },
  ],
};
const backward = { ...rowSoftmax, name: 'row_softmax_backward', demands: [] };
const cast = { ...rowSoftmax, name: 'cast', fields: [{ name: 'by', kind: 'factor', role: 'value', optional: true }] };

it('each group is a file, and all of them one list', () => {
  const files = filesOf([cast, rowSoftmax, backward]);
  const names = ['native-ops.ts', 'native-ops/calls.ts', 'native-ops/elementwise.ts', 'native-ops/rows.ts'];
  expect([...files.keys()]).toEqual(names);
  expect(files.get('native-ops.ts')).toContain('extends Elementwise,\n    Rows {}');
  expect(files.get('native-ops/elementwise.ts')).toContain('{ Factor }');
  expect(files.get('native-ops/rows.ts')).not.toContain('Factor');
});

it('a call gives the values of all fields in their order', () => {
  expect(
    filesOf([cast, rowSoftmax, backward]).get('native-ops/calls.ts'),
  ).toContain(`  rowSoftmaxBackward: operation('rowSoftmaxBackward', ['x', 'most'], (device, f) => {
    send(native.ops['row_softmax_backward']!, device, f['x'], f['most']);
  }),`);
});

it('a demand stands once, and names of operations are those of TypeScript', () => {
  const text = filesOf([cast, rowSoftmax, backward]).get('native-ops/rows.ts');
  expect(text).toContain(`  /**
   * as rowSoftmaxBackward says
   *
   * \`\`\`text
   * y = x,
   *   by rowSoftmaxBackward.
   * \`\`\`
   *
   * - x must be f64[3]
   *
   * @throws ERR_ARGUMENT, ERR_DEVICE, ERR_DISPOSED, ERR_DTYPE, ERR_SHAPE
   */
  rowSoftmax(
    device: Device,
    fields: {
      /** Read. */ x: Tensor;
      /** Default \`1\`. */ most?: number | undefined;
    },
  ): void;
`);
});

it('demands are noted on examples, on their variants, and on calls that are checked only', () => {
  const all = new Map<string, string[]>(
    described().map((op: typeof rowSoftmax) => [op.name, op.demands.map(({ words }) => words)]),
  );
  expect(all.get('row_softmax')).toContain('x must be floating');
  // Of a word that no example has; of operands that no example leaves out; of `checked`.
  expect(all.get('sgd')).toContain('momenta are missing for nesterov');
  expect(all.get('softmin')).toContain('of is rows for x and y');
  expect(all.get('gram_pursuit')).toContain('atoms must have a row an atom');
  expect(all.get('fill')).toEqual([]);
  // A demand that operations share is noted for those that have the fields.
  expect(all.get('adamw')).toContain('steps must be i32[1] each');
  expect(all.get('lion')).not.toContain('steps must be i32[1] each');
});

it('a stale file is told, with --check, and nothing is written', () => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'orthokit-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  for (const name of ['scripts', 'lib/core'])
    cpSync(path.join(root, name), path.join(folder, name), { recursive: true });
  for (const name of ['build', 'native']) symlinkSync(path.join(root, name), path.join(folder, name));
  const run = (...words: string[]) =>
    spawnSync(process.execPath, [path.join(folder, 'scripts', 'generate-native-types.mjs'), ...words], {
      encoding: 'utf8',
    });
  expect(run('--check')).toMatchObject({ status: 0, stderr: '' });
  const [changed, gone] = ['rows', 'old'].map((name) => path.join(folder, 'lib', 'core', 'native-ops', `${name}.ts`));
  writeFileSync(changed!, 'stale');
  writeFileSync(gone!, '');
  const { status, stderr } = run('--check');
  expect(status).toBe(1);
  expect(stderr).toMatch(/^lib\/core\/native-ops\/old\.ts is .*\nlib\/core\/native-ops\/rows\.ts is .*\n$/);
  expect(readFileSync(changed!, 'utf8')).toBe('stale');
  expect(run().status).toBe(0);
  expect(run('--check').status).toBe(0);
});
