// A gradient that enters the window of M-FAC: a push that fails leaves the window as it was.
import path from 'node:path';
import { bitsOf, data } from './bits.mjs';

export async function checkCurvature({ checker, device, folder, library }) {
  const { Tensor } = library;
  const { MFac } = await import(path.join(folder, 'lib', 'curvature', 'index.js'));
  const [first, second, third, x, out, probe] = [1, 2, 3, 4, 5, 6].map((seed) =>
    Tensor.from(device, data([3, 3], seed), [9]),
  );
  let window;
  let isPushed = false;
  let whole;
  await checker.check({
    name: 'MFac.push',
    reset: async () => {
      window?.dispose();
      window = new MFac([first], { window: 2, damp: 0.1 });
      for (const gradient of [first, second]) await window.push([gradient]);
      isPushed = false;
    },
    call: async () => {
      await window.push([third]);
      isPushed = true;
      window.solve([x], [out]);
    },
    results: () => bitsOf([out]),
    inputs: async () => {
      if (!isPushed) {
        window.solve([x], [probe]);
        whole = await bitsOf([probe]);
      }
      return [...(await bitsOf([first, second, third, x])), ...whole];
    },
  });
  window.dispose();
  for (const one of [first, second, third, x, out, probe]) one.dispose();
}
