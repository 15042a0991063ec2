// Devices: cpu
// The contract of functions that make a model folder: a dry run makes nothing, a run that was stopped goes on to the same
// bytes, and no folder that is read is written into. They are those whose source makes a folder.
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { settledMemory } from '../support/settled.ts';
import { beginsLike, calls, ready, Stage } from './call.ts';

const lib = path.join(import.meta.dirname, '..', '..', 'lib');
const clients = readdirSync(lib, { recursive: true, encoding: 'utf8' }).flatMap((file) => {
  const text = file.endsWith('.ts') ? readFileSync(path.join(lib, file), 'utf8') : '';
  if (!/^import \{[^}]*\bmakeFolder\b[^}]*\}/m.test(text)) return [];
  return [...text.matchAll(/^export async function (\w+)/gm)].map(([, name]) => name!);
});

it('every function that makes a folder is known', () => {
  expect(clients).toContain('transplant');
  expect(clients.filter((name) => !calls[name]?.options)).toEqual([]);
});

/** All files below a folder, with their bytes. */
const contents = (folder: string): [string, string][] =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => statSync(path.join(folder, name)).isFile())
    .sort()
    .map((name) => [name, readFileSync(path.join(folder, name), 'latin1')]);

interface Options extends Record<string, unknown> {
  readonly out: string;
}
interface Report {
  readonly dryRun: boolean;
  readonly resumed: boolean;
}

describe.each(clients)('%s', (name) => {
  const begin = async (stage: Stage) => {
    const { options, call } = await ready(name, stage);
    const inputs = Object.values(options!)
      .flat()
      .filter((one): one is string => typeof one === 'string' && existsSync(one));
    const run = async (changed: object = {}) => (await call([], { ...options, ...changed })) as Report;
    return { options: options as Options, inputs, run };
  };

  it('makes nothing in a dry run', async () => {
    await using stage = new Stage();
    const { run } = await begin(stage);
    const before = contents(stage.folder.path);
    expect(await run({ dryRun: true })).toMatchObject({ dryRun: true, resumed: false });
    expect(contents(stage.folder.path)).toEqual(before);
    const { live } = await settledMemory(stage.device);
    expect(await run()).toMatchObject({ dryRun: false, resumed: false });
    expect(stage.device.info.memory.live).toBe(live);
  });

  it('goes on where it was stopped, to the same bytes, and not with the work of other options', async () => {
    await using stage = new Stage();
    const { options, inputs, run } = await begin(stage);
    await run({ out: stage.folder.file('whole') });
    const before = inputs.map(contents);
    const controller = new AbortController();
    const reason = new Error('enough');
    const onProgress = ({ stage: at }: { stage: string }): void => {
      if (at === 'write') controller.abort(reason);
    };
    await expect(run({ signal: controller.signal, onProgress })).rejects.toBe(reason);
    expect(existsSync(options.out)).toBe(false);
    const left = contents(stage.folder.path);
    for (const dryRun of [true, false])
      await expect(run({ ...(calls[name]!.another ?? { seed: 5 }), dryRun })).rejects.toMatchObject({
        code: 'ERR_STATE',
        message: expect.stringMatching(beginsLike(name)),
      });
    expect(contents(stage.folder.path)).toEqual(left);
    expect(await run()).toMatchObject({ dryRun: false, resumed: true });
    expect(contents(options.out)).toEqual(contents(stage.folder.file('whole')));
    expect(inputs.map(contents)).toEqual(before);
  });

  it('refuses to write where it reads', async () => {
    await using stage = new Stage();
    const { inputs, run } = await begin(stage);
    expect(inputs.length).toBeGreaterThan(0);
    const before = contents(stage.folder.path);
    for (const input of inputs)
      for (const out of [input, path.join(input, 'sub')])
        for (const dryRun of [true, false])
          await expect(run({ out, dryRun })).rejects.toMatchObject({
            code: 'ERR_ARGUMENT',
            message: expect.stringMatching(new RegExp(`${beginsLike(name).source}out must `)),
          });
    expect(contents(stage.folder.path)).toEqual(before);
  });
});
