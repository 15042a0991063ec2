// Devices: cpu
// The contract of tensors: whatever takes some refuses those of another device, dtype or rank, those that have been
// disposed of and what is none, at the call, and has then changed nothing; it leaves alone what it does not say it changes.
import { describe, expect, it } from 'vitest';
import { Device, Tensor } from '../../lib/index.ts';
import { leavesMemory } from '../support/settled.ts';
import { beginsLike, calls, giveBack, ready, Stage } from './call.ts';
import { bitsIn, replaced, type Thing, thingsIn } from './things.ts';

const names: string[] = [];
for (const name of Object.keys(calls)) {
  await using stage = new Stage();
  const { args, options } = await ready(name, stage);
  if (thingsIn([args, options]).length > 0) names.push(name);
}

it('finds what takes tensors', () => expect(names.length).toBeGreaterThan(40));

const at = (value: unknown, path: Thing['path']): unknown =>
  path.reduce((part, name) => (part as Record<string, unknown>)[name], value);

describe.each(names)('%s', (name) => {
  it('refuses tensors that do not fit, and changes nothing', async () => {
    await using stage = new Stage();
    await using elsewhere = new Stage();
    const { args, options, call } = await ready(name, stage);
    const given = [args, options];
    const things = thingsIn(given);
    const { takes = [] } = calls[name]!;
    const before = await bitsIn(given);
    const refused = async ({ path }: Thing, by: unknown, code: string): Promise<void> => {
      const [otherArgs, otherOptions] = replaced(given, path, by) as [unknown[], object];
      const error = await call(otherArgs, otherOptions).then(
        (result) => {
          giveBack(result, [otherArgs, otherOptions]);
          expect.fail(`${name} takes another ${path.join('.')} than it may: ${code} is missing`);
        },
        (thrown: unknown) => thrown as Error & { code: string },
      );
      expect([path.join('.'), error.code, error.message]).toEqual([
        path.join('.'),
        code,
        expect.stringMatching(beginsLike(name)),
      ]);
    };
    const others = await ready(name, elsewhere);
    const gone = await ready(name, elsewhere);
    const isBound = things.length > 1 || args.some((arg) => arg instanceof Device) || calls[name]!.of !== undefined;
    await leavesMemory(stage.device, async () => {
      for (const thing of things) {
        const { path, value } = thing;
        if (isBound && !takes.includes('any device'))
          await refused(thing, at([others.args, others.options], path), 'ERR_DEVICE');
        const disposed = at([gone.args, gone.options], path) as Partial<Tensor>;
        if (disposed.dispose) {
          disposed.dispose();
          await refused(thing, disposed, 'ERR_DISPOSED');
        }
        if (!(value instanceof Tensor)) continue;
        await refused(thing, new Proxy(value, {}), 'ERR_ARGUMENT');
        using whole = Tensor.zeros(stage.device, value.shape, {
          dtype: ['i32', 'u8'].includes(value.dtype) ? 'f32' : 'u8',
        });
        if (!takes.includes('any dtype')) await refused(thing, whole, 'ERR_DTYPE');
        using deep = Tensor.zeros(stage.device, [1, 1, 1, ...value.shape].slice(0, 5), { dtype: value.dtype });
        if (!takes.includes('any rank')) await refused(thing, deep, 'ERR_SHAPE');
      }
    });
    expect(await bitsIn(given)).toEqual(before);
  });

  it('changes nothing but what it says it does', async () => {
    await using stage = new Stage();
    const { args, options, call } = await ready(name, stage);
    const before = await bitsIn([args, options]);
    giveBack(await call(), [args, options]);
    const changed = (await bitsIn([args, options])).filter(([, bits], i) => bits !== before[i]![1]);
    const { changes = [] } = calls[name]!;
    expect(changed.filter(([path]) => !changes.some((place) => path.startsWith(`0.${place}`)))).toEqual([]);
    expect(changed.length > 0).toBe(changes.length > 0);
  });
});
