// Devices: cpu, cuda
// Random values in place of fields, shapes, data and options: whatever they are, only errors with a code come out.
import { describe, expect, it } from 'vitest';
import { ops } from '../../lib/index.ts';
import { devices, kind } from '../support/devices.ts';
import { goal } from '../support/goal.ts';
import { runTarget } from './target.ts';

const rounds = goal('R13', { ci: 6, deep: 600, unit: 'seconds' });
/** In a process; the emulator takes far longer. */
const executions = { cpu: 3000, cuda: 500 }[kind];
/** Calls after which each operation must have met all that it can meet. */
const enough = 60_000;

type Counts = Record<string, Record<string, number>>;

describe.each(devices)('R13: fuzzing of operations on %s', rounds.tagged, () => {
  it(
    'what a seed makes of right fields is accepted or refused with a code, and harms nothing',
    async () => {
      const all: Counts = {};
      const count = await rounds.each(async (seed) => {
        const { counts }: { counts: Counts } = JSON.parse(
          await runTarget('operations.mjs', [`${seed}`, `${executions}`], 300_000, { ORTHOKIT_TEST_KIND: kind }),
        );
        for (const [what, outcomes] of Object.entries(counts)) all[what] = { ...all[what], ...outcomes };
      });
      console.log(`R13, calls of operations: ${count * executions}`);
      if (count > 1) expect(Object.keys(ops).filter((op) => !all[op])).toEqual([]);
      if (count * executions < enough) return;
      // Each operation has been run, and has refused, and all kinds of refusal have been met.
      for (const op of Object.keys(ops))
        expect(Object.keys(all[op] ?? {}), op).toEqual(expect.arrayContaining(['accepted', 'thrown', 'ERR_ARGUMENT']));
      const codes = new Set(Object.values(all).flatMap(Object.keys));
      expect([...codes].sort()).toEqual([
        ...['ERR_ARGUMENT', 'ERR_DEVICE', 'ERR_DISPOSED', 'ERR_DTYPE', 'ERR_MEMORY', 'ERR_SHAPE'],
        ...['accepted', 'thrown'],
      ]);
    },
    rounds.limit(300_000),
  );
});
