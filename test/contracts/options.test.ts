// Devices: cpu
// The contract of options: whatever takes some refuses those that it does not know, that are of another kind or out of
// range, and that contradict each other, with the value, before anything is done. The names are those that a call reads.
import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import type { OrthokitError } from '../../lib/index.ts';
import { leavesMemory } from '../support/settled.ts';
import { beginsLike, calls, giveBack, ready, Stage } from './call.ts';

/** The options, and the names that are read of them. */
function watched(options: Record<string, unknown>): { options: object; names: Set<string> } {
  const names = new Set<string>();
  const get = (target: object, name: string | symbol): unknown => {
    if (typeof name === 'string') names.add(name);
    return Reflect.get(target, name);
  };
  return { options: new Proxy(options, { get }), names };
}

/** No option may be one of these. */
const never: readonly [unknown, string][] = [
  [1n, 'a bigint'],
  [Symbol('x'), 'a symbol'],
  [Number.NaN, 'NaN'],
  [-Infinity, '-Infinity'],
];

describe.each(Object.keys(calls).filter((name) => calls[name]!.options))('%s', (name) => {
  it('refuses options that are not its own, with the value', async () => {
    await using stage = new Stage();
    const { args, options, call } = await ready(name, stage);
    const errorOf = (given: unknown): Promise<OrthokitError> =>
      call(args, given).then(
        () => expect.fail(`${name} takes ${inspect(given)}`),
        (thrown: unknown) => thrown as OrthokitError,
      );
    const refused = async (given: unknown, message: RegExp, codes = ['ERR_ARGUMENT']): Promise<void> => {
      const error = await errorOf(given);
      expect(error.message).toMatch(beginsLike(name));
      expect(error.message).toMatch(message);
      expect(codes).toContain(error.code);
    };
    const seen = watched(options!);
    giveBack(await call(args, seen.options), [args, options]);
    expect(seen.names.size).toBeGreaterThan(0);
    await leavesMemory(stage.device, async () => {
      for (const none of [5, null, 'text', []]) await refused(none, /options must be an object, got /);
      for (const unknown of ['colour', '__proto__'])
        await refused({ ...options, [unknown]: 1 }, new RegExp(`: ${unknown} is not an option`));
      for (const option of seen.names)
        for (const [value, words] of never) {
          const { message } = await errorOf({ ...options, [option]: value });
          // Functions that share settings read names that are not theirs.
          if (message.includes(`${option} is not an option`)) continue;
          const must = new RegExp(`\\b${option}\\b.*( must .*, got ${words}| is not available yet)`);
          await refused({ ...options, [option]: value }, must, ['ERR_ARGUMENT', 'ERR_DTYPE', 'ERR_UNSUPPORTED']);
        }
      for (const contradiction of calls[name]!.refused ?? [])
        await refused({ ...options, ...contradiction }, /, got /, ['ERR_ARGUMENT', 'ERR_UNSUPPORTED']);
    });
  });
});
