// Devices: cpu
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect, it } from 'vitest';

const script = path.join(import.meta.dirname, '..', '..', 'scripts', 'check-comments.mjs');

/** Words for a library and a native file of such texts. */
function check(lib: string, native: string, more: Record<string, string> = {}): string {
  const root = mkdtempSync(path.join(os.tmpdir(), 'orthokit-'));
  for (const [name, text] of Object.entries({ 'lib/core/tensor.ts': lib, 'native/core/op.h': native, ...more })) {
    const file = path.join(root, name);
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
  const { status, stderr } = spawnSync(process.execPath, [script, root], { encoding: 'utf8' });
  expect(status).toBe(stderr === '' ? 0 : 1);
  return stderr;
}
const wide = (columns: number): string => `// ${'x'.repeat(columns - 3)}`;

it('comments with a subject, within the width of the code, pass', () => {
  const lib = `/** The sum. */\n${wide(120)}\nconst x = 1; // What is beside code\n`;
  expect(check(lib, `// The sum of a list.\n${wide(100)}\n`)).toBe('');
  expect(check('/**\n * The sum\n * Of what. */', '/** Of the sum. */')).toBe('');
  expect(check(`// https://example.org/${'x'.repeat(200)}\n`, '')).toBe('');
});

it.each([
  ['/** What is summed. */', '// The sum.', 'lib/core/tensor.ts:1: begins like a riddle'],
  ['/**\n * Whether it is.\n */', '// The sum.', 'lib/core/tensor.ts:2: begins like a riddle'],
  ['/** Of the sum. */', '// The sum.', 'lib/core/tensor.ts:1: begins like a riddle'],
  ['// The sum.', '  // Where it lies.', 'native/core/op.h:1: begins like a riddle'],
  [`${wide(121)}`, '', 'lib/core/tensor.ts:1: has 121 columns, at most 120'],
  ['', `x();\n${wide(101)}`, 'native/core/op.h:2: has 101 columns, at most 100'],
])('%j and %j do not', (lib, native, fault) => {
  expect(check(lib, native)).toContain(fault);
});

it.each([
  ['examples/gpt/train.mjs', '/** How many are left. @param {number} n */'],
  ['scripts/jobs/steps.sh', '  # What runs here.'],
  ['test/core/tensor.test.ts', '// Devices: cpu\n// Where it is.'],
  ['test/support/work.ts', '/** Of all tensors. */'],
  ['test/torture/oracle.h', '// How much it takes.'],
])('in %s, %j does not either', (file, text) => {
  expect(check('', '', { [file]: text })).toContain(`${file}:${text.split('\n').length}: begins like a riddle`);
  expect(check('', '', { [file]: wide(200) })).toBe('');
});
