// The CUDA backend on its emulator: every test that is for it, and every operation in orders that cover each pair; then
// with each access checked.
import { jobsOf, parts } from './folders.mjs';
import { checkedOrder, orders, products } from './orders.mjs';
import { step } from './step.mjs';

const verified = (source) => `emulated device: ${source} products`;

/** Parts with little to do here are one. */
const few = 40;
const [long, short] = [parts.filter(({ cuda }) => cuda > few), parts.filter(({ cuda }) => cuda <= few)];
const joined = {
  names: [...short.flatMap(({ names }) => names), 'fuzz'],
  cuda: short.reduce((sum, { cuda }) => sum + cuda, 12),
  title: 'parts with little to do',
};

/** Results of the first order are judged before anything is compared with it. */
export const first = [
  { name: 'emulated device: build', addon: 'unused', run: step('build_emulated emulated') },
  ...products.map((source) => ({
    name: verified(source),
    addon: 'unused',
    needs: ['emulated device: build'],
    run: step(`first_order ${source}`),
  })),
];

export const others = [
  ...jobsOf([...long, joined], 'cuda', (title, words) => ({
    name: `emulated device: tests: ${title}`,
    needs: ['emulated device: build'],
    run: step(`vitest_on_cuda none ${words}`),
  })),
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
];

/** The checked device, which .ci/run leaves out: there nvcc's code is interpreted with each access checked (ptx.mjs). */
export const checked = [
  { name: 'checked device: build', addon: 'unused', run: step('build_emulated checked') },
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

export const jobs = [...first, ...others, ...checked];
