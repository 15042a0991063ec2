// In what order the emulator runs threads and streams, and where matrix products come from.
const threads = ['forward', 'reverse', 'random'];
const streams = ['eager', 'deferred', 'random'];
export const products = ['own', 'cublas'];

const grid = threads.flatMap((thread, i) => streams.map((stream, j) => ({ threads: thread, streams: stream, i, j })));
/** All but forward and eager, by which the others are judged. */
const others = grid.filter(({ i, j }) => i + j > 0);

/** The order in which the checked device runs. */
export const checkedOrder = { threads: 'random', streams: 'deferred' };

/** With the first one every pair: of threads and streams, of threads and products, of streams and products. */
export const orders = () =>
  others.map(({ i, j, ...order }) => ({ ...order, source: products[(i + j) % products.length] }));

/** Every triple. */
export const allOrders = () => others.flatMap(({ i, j, ...order }) => products.map((source) => ({ ...order, source })));
