// Devices: cpu
import { afterAll, expect, it } from 'vitest';
import { Owned } from '../../lib/core/owned.ts';
import { Device, Tensor } from '../../lib/index.ts';

const device = Device.open('cpu', { threads: 1 });
afterAll(() => device.close());
const made = (): Tensor => Tensor.zeros(device, [1]);

it('gives back what was made, the last first, however the call ends', () => {
  const order: string[] = [];
  const named = (name: string) => ({ dispose: () => void order.push(name) });
  const call = (fails: boolean): void => {
    using owned = new Owned();
    owned.add(named('first'));
    owned.add(named('second'));
    if (fails) throw new Error('on the way');
  };
  call(false);
  expect(() => call(true)).toThrow('on the way');
  expect(order).toEqual(['second', 'first', 'second', 'first']);
});

it('keeps what was released, and gives each thing back once', () => {
  const owned = new Owned();
  const [kept, dropped, last] = [owned.add(made()), owned.add(made()), owned.add(made())];
  expect(owned.release(kept)).toBe(kept);
  owned.drop(dropped);
  expect([kept.disposed, dropped.disposed, last.disposed]).toEqual([false, true, false]);
  owned.drop(kept);
  owned.dispose();
  owned.dispose();
  expect([kept.disposed, last.disposed]).toEqual([false, true]);
  kept.dispose();
});

it('hands all that there is to a new owner', () => {
  let later: Owned;
  const tensor = made();
  {
    using owned = new Owned();
    owned.add(tensor);
    later = owned.move();
  }
  expect(tensor.disposed).toBe(false);
  later.dispose();
  expect(tensor.disposed).toBe(true);
});
