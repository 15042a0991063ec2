// The CUDA backend on its emulator: every test that is for it, and every operation in orders that cover each pair.
import { long, others, pathsOf, together } from './folders.mjs';
import { checkedOrder, orders, products } from './orders.mjs';
import { step } from './step.mjs';

const verified = (source) => `emulated device: ${source} products`;

const vitest = (name, names, options = '') => ({
  name: `emulated device: tests: ${name}`,
  needs: ['emulated device: build'],
  run: step(`vitest_on_cuda none ${options}${pathsOf(names)}`),
});

export const jobs = [
  { name: 'emulated device: build', addon: 'unused', run: step('build emulated') },
  ...products.map((source) => ({
    name: verified(source),
    addon: 'unused',
    needs: ['emulated device: build'],
    run: step(`first_order ${source}`),
  })),
  ...together.map((names) => vitest(names.join(', '), names, '--no-isolate ')),
  ...long.slice(0, 2).map((names) => vitest(names.join(', '), names)),
  vitest('the others', [...long.slice(2).flat(), ...others, 'fuzz']),
  {
    name: "emulator's own tests",
    addon: 'unused',
    needs: ['emulated device: build'],
    run: 'ctest --preset emulated -R emulator',
  },
  { name: 'emulated device: tests with cuBLAS', needs: ['emulated device: build'], run: step('vitest_with_products') },
  ...products.map((source) => ({
    name: `parts of tensors: ${source} products`,
    addon: 'unused',
    needs: [verified(source)],
    run: step(`verify_parts ${source}`),
  })),
  ...orders().map(({ threads, streams, source }) => ({
    name: `order: threads ${threads}, streams ${streams}, ${source} products`,
    addon: 'unused',
    needs: [verified(source)],
    run: step(`verify_order ${threads} ${streams} ${source}`),
  })),
  { name: 'checked device: build', addon: 'unused', run: step('build checked') },
  {
    name: "checked device: emulator's own tests",
    addon: 'unused',
    needs: ['checked device: build'],
    run: 'ctest --preset checked -R emulator',
  },
  ...products.map((source) => ({
    name: `checked device: ${source} products`,
    addon: 'unused',
    needs: ['checked device: build', verified(source)],
    run: step(`verify_checked ${checkedOrder.threads} ${checkedOrder.streams} ${source}`),
  })),
];
