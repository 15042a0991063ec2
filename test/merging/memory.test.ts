// Devices: cpu
// Memory that spans are read into: it is taken again once the device is done with it, and an error of the device ends what
// is read.
import { expect, it } from 'vitest';
import { SpanMemory } from '../../lib/merging/folders/memory.ts';

it('is taken again, of about the same size, once work on three returns has ended', async () => {
  const memory = new SpanMemory();
  const first = await memory.take(100);
  memory.giveBack([first], Promise.resolve());
  memory.giveBack([], Promise.resolve());
  // The device may be at work on the last two.
  expect(await memory.take(100)).not.toBe(first);
  memory.giveBack([], Promise.resolve());
  expect(await memory.take(60)).toBe(first);
  for (let i = 0; i < 3; ++i) memory.giveBack(i === 0 ? [first] : [], Promise.resolve());
  expect(await memory.take(40)).not.toBe(first);
});

it('tells what work on it has left, from then on', async () => {
  const memory = new SpanMemory();
  let fail = (_: Error): void => {};
  memory.giveBack([await memory.take(8)], new Promise((_, reject) => (fail = reject)));
  memory.check();
  fail(new Error('no memory'));
  await expect(memory.settle()).rejects.toThrow('no memory');
  expect(() => memory.check()).toThrow('no memory');
  await expect(memory.take(8)).rejects.toThrow('no memory');
});
