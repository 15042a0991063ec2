// Devices: cpu, cuda
// Parameters by path and gradients by parameter: as `orthokit/nn` has both.
import { afterAll, describe, expect, it } from 'vitest';
import { AdamW, combine, Device, Muon, type OrthokitError, Tensor } from '../../lib/index.ts';
import { Folder } from '../files/folder.ts';
import { normal } from '../support/data.ts';
import { devices } from '../support/devices.ts';
import { settledMemory } from '../support/settled.ts';

const shapes = { 'up.weight': [5, 3], 'down.weight': [3, 5] } as const;
type Path = keyof typeof shapes;
const paths = Object.keys(shapes) as Path[];

describe.each(devices)('parameters by path on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  const tensor = (path: Path, seed: number): Tensor =>
    Tensor.from(device, Float32Array.from(normal(15, seed + path.length)), shapes[path]);
  const made = (order: readonly Path[], seed = 1) =>
    Object.fromEntries(order.map((path) => [path, tensor(path, seed)])) as Record<Path, Tensor>;
  const gradients = (params: Record<Path, Tensor>, seed: number) =>
    new Map(Object.entries(params).map(([path, parameter]) => [parameter, tensor(path as Path, seed)]));
  const bits = async (params: Record<Path, Tensor>) => Promise.all(paths.map((path) => params[path].read()));

  it('a map of gradients steps as a list in order does', async () => {
    const [byPath, inOrder] = [made(paths), made(paths)];
    using a = new AdamW(byPath);
    using b = new AdamW(Object.values(inOrder));
    const grads = gradients(byPath, 2);
    a.step(grads);
    b.step([...grads.values()]);
    expect(await bits(byPath)).toEqual(await bits(inOrder));
  });

  it('what is missing in a map stands still, and what is nobody’s is left alone', async () => {
    const params = made(paths);
    using optimizer = new AdamW(params);
    const before = await bits(params);
    optimizer.step(
      new Map([
        [params['down.weight'], tensor('down.weight', 2)],
        [tensor('up.weight', 9), tensor('up.weight', 2)],
      ]),
    );
    const [up, down] = await bits(params);
    expect(up).toEqual(before[0]);
    expect(down).not.toEqual(before[1]);
  });

  it('refuses a map without any of its parameters', async () => {
    const params = made(paths);
    using optimizer = new AdamW(params);
    using both = combine([{ optimizer: Muon, params }]);
    for (const [step, name] of [
      [() => optimizer.step(new Map()), 'AdamW.step'],
      [() => both.step(new Map([[tensor('up.weight', 3), null]])), 'combine.step'],
    ] as const)
      expect(step).toThrow(
        expect.objectContaining({
          code: 'ERR_ARGUMENT',
          message: expect.stringContaining(`${name}: grads must have one of 2 parameters`),
        }) as OrthokitError,
      );
  });

  it('refuses two parameters whose state would have one name', async () => {
    const { live } = await settledMemory(device);
    const [first, second] = [tensor('up.weight', 1), tensor('up.weight', 2)];
    const colliding = [
      { name: 'a', params: { 'b.w': first } },
      { name: 'a.b', params: { w: second } },
    ];
    expect(() => new AdamW(colliding)).toThrow(
      'AdamW: a.b.w of group a.b must be the name of one parameter, got another of group a',
    );
    expect(device.info.memory.live).toBe(live + 2);
    new AdamW([colliding[0]!, { name: 'a.c', params: { w: second } }]).dispose();
  });

  it('combine hands the map to each part', async () => {
    const [byPath, inOrder] = [made(paths), made(paths)];
    const parts = (params: Record<Path, Tensor>) => [
      { optimizer: Muon, params: { 'up.weight': params['up.weight'] } },
      { optimizer: AdamW, params: { 'down.weight': params['down.weight'] } },
    ];
    using a = combine(parts(byPath));
    using b = combine(parts(inOrder));
    const grads = gradients(byPath, 2);
    a.step(new Map([...grads].reverse()));
    b.step([...grads.values()]);
    expect(await bits(byPath)).toEqual(await bits(inOrder));
  });

  it('a checkpoint finds its parameters by path, in any order', async () => {
    using folder = new Folder();
    const first = made(paths);
    using saved = new AdamW(first);
    saved.step(gradients(first, 2));
    await saved.save(folder.file('state'));
    const second = made([...paths].reverse());
    for (const path of paths) second[path].write(await first[path].read());
    using loaded = new AdamW(second);
    await loaded.load(folder.file('state'));
    saved.step(gradients(first, 3));
    loaded.step(gradients(second, 3));
    expect(await bits(second)).toEqual(await bits(first));
  });

  it('a checkpoint of other paths, or of numbers, is refused', async () => {
    using folder = new Folder();
    const params = made(paths);
    using byPath = new AdamW(params);
    using byNumber = new AdamW(Object.values(made(paths)));
    using other = new AdamW({ up: tensor('up.weight', 1), 'down.weight': tensor('down.weight', 1) });
    await byPath.save(folder.file('path'));
    await byNumber.save(folder.file('number'));
    await expect(other.load(folder.file('path'))).rejects.toMatchObject({ code: 'ERR_STATE' });
    await expect(other.load(folder.file('path'))).rejects.toThrow('up.weight [5,3]');
    await expect(byPath.load(folder.file('number'))).rejects.toThrow('has its parameters by number in the checkpoint');
    await expect(byNumber.load(folder.file('path'))).rejects.toThrow('has its parameters by path in the checkpoint');
  });
});
