// Devices: cpu
// One dialect of TypeScript in lib, where the linter has no rule for it.
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';

const lib = path.join(import.meta.dirname, '..', 'lib');
const files = readdirSync(lib, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts') && !file.startsWith('core/native-ops'))
  .sort();

const rules: readonly (readonly [what: string, bad: RegExp, wrong: string, right: string])[] = [
  [
    'loops count by ++i',
    /for \(.*; \w+(\+\+| \+= 1)\)/,
    'for (let i = 0; i < n; i += 1)',
    'for (let i = 0; i < n; ++i)',
  ],
  ['statements add 1 by +=', /^\s*(if \(.*\) )?(\+\+[\w.#]+|[\w.#]+\+\+);$/, '  this.#count++;', '  this.#count += 1;'],
  ['an index in range is told by !, not by ?? 0', /\]( \?\? 0\b)/, 'const x = list[i] ?? 0;', 'const x = list[i]!;'],
  ['@throws names codes without quotes', /@throws `ERR_/, ' * @throws `ERR_IO`', ' * @throws ERR_IO'],
];

describe.each(rules)('%s', (_rule, bad, wrong, right) => {
  it('is a rule that can fail', () => {
    expect(wrong).toMatch(bad);
    expect(right).not.toMatch(bad);
  });

  it('holds in all of lib', () => {
    const faults = files.flatMap((file) =>
      readFileSync(path.join(lib, file), 'utf8')
        .split('\n')
        // A list that may be missing has no index in range.
        .flatMap((line, at) =>
          bad.test(line.replaceAll(/\?\.\[\w+\]/g, '')) ? [`${file}:${at + 1}: ${line.trim()}`] : [],
        ),
    );
    expect(faults).toEqual([]);
  });
});
