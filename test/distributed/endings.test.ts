// Devices: cpu
import { existsSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { Endings } from '../../lib/distributed/endings.ts';

// Processes of a run tell them in check.mjs.
it('endings of processes are 0 unless one has failed, or has not told any', () => {
  let folder = '';
  {
    using endings = new Endings();
    folder = Object.values(endings.env)[0]!;
    expect(endings.failure()).toBe(0);
    for (const [ending, code] of [
      ['0', 0],
      ['3', 3],
      ['none yet', 1],
    ] as const) {
      writeFileSync(path.join(folder, '17'), ending);
      expect(endings.failure()).toBe(code);
    }
  }
  expect(existsSync(folder)).toBe(false);
});
