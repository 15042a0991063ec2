// Devices: cpu
// The contract of what keeps state: it goes to a file and comes back bit for bit, on a device with another number of
// threads too; a file that does not fit changes nothing. The classes are found among those of every sub-path.
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { Device, readTensorInfo, type Stateful } from '../../lib/index.ts';
import { Folder } from '../files/folder.ts';
import { settledMemory } from '../support/settled.ts';
import { calls, type Scene, Stage, type State, stateful } from './call.ts';
import { bitsIn } from './things.ts';

const make = async (name: string, on: Scene): Promise<Stateful> => (await calls[`${name}.save`]!.of!(on)) as Stateful;
const asked = (name: string): State => calls[`${name}.save`]!.state!;
const advance = async (name: string, one: Stateful, steps: readonly number[]): Promise<void> => {
  for (const step of steps) await asked(name).advance(one as never, step);
};
/** The whole state, as its file holds it. */
async function stateOf(one: Stateful): Promise<Buffer> {
  using folder = new Folder();
  await one.save(folder.file('state'));
  return readFileSync(folder.file('state'));
}

it('every class that saves and loads says how its state is changed', () => {
  expect(stateful).toEqual(expect.arrayContaining(['AdamW', 'Muon', 'CombinedOptimizer']));
  expect(stateful.filter((name) => !calls[`${name}.save`]?.state)).toEqual([]);
});

describe.each(stateful)('%s', (name) => {
  it.each([0, 1, 3])('goes on from its file as if it had never stopped, after %d steps', async (steps) => {
    await using stage = new Stage();
    await using device = Device.open('cpu', { threads: 3 });
    const file = stage.folder.file('one');
    const one = await make(name, stage);
    await advance(name, one, [1, 2, 3].slice(0, steps));
    await one.save(file);
    const [resumed, cold] = [
      await asked(name).again(one as never, { device, folder: stage.folder }),
      await asked(name).again(one as never, stage),
    ];
    await resumed.load(file);
    expect(await stateOf(resumed)).toEqual(readFileSync(file));
    for (const each of [one, resumed, cold]) await advance(name, each, [10, 11]);
    expect(await stateOf(resumed)).toEqual(await stateOf(one));
    expect(await bitsIn(asked(name).beside(resumed as never))).toEqual(await bitsIn(asked(name).beside(one as never)));
    if (steps > 0) expect(await stateOf(cold)).not.toEqual(await stateOf(one));
  });

  it('counts the bytes of its state, and gives them back', async () => {
    await using stage = new Stage();
    const one = await make(name, stage);
    await advance(name, one, [1]);
    await one.save(stage.folder.file('state'));
    const { tensors } = await readTensorInfo(stage.folder.file('state'));
    expect(one.stateBytes).toBe([...tensors.values()].reduce((sum, { byteLength }) => sum + byteLength, 0));
    expect(one.stateBytes).toBeGreaterThan(0);
    const { live } = await settledMemory(stage.device);
    one.dispose();
    one.dispose();
    expect(one.stateBytes).toBe(0);
    expect(stage.device.info.memory.live).toBeLessThanOrEqual(live - tensors.size);
    await expect(one.save(stage.folder.file('state'))).rejects.toMatchObject({ code: 'ERR_DISPOSED' });
    await expect(one.load(stage.folder.file('state'))).rejects.toMatchObject({ code: 'ERR_DISPOSED' });
    await expect(advance(name, one, [2])).rejects.toMatchObject({ code: 'ERR_DISPOSED' });
  });

  it('refuses files of another class and damaged ones, and is what it was', async () => {
    await using stage = new Stage();
    const file = stage.folder.file('file');
    const one = await make(name, stage);
    await advance(name, one, [1]);
    const before = await stateOf(one);
    const other = await make(stateful.find((label) => label !== name)!, stage);
    await other.save(file);
    await expect(one.load(file)).rejects.toMatchObject({ code: 'ERR_STATE' });
    writeFileSync(file, before.subarray(0, before.length - 1));
    await expect(one.load(file)).rejects.toMatchObject({ code: 'ERR_FORMAT' });
    await expect(one.load(stage.folder.file('none'))).rejects.toMatchObject({ code: 'ERR_IO' });
    expect(await stateOf(one)).toEqual(before);
  });
});
