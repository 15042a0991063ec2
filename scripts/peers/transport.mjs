// Optimal transport against POT and SciPy on one thread, in f64: the same problems to the same L1 error of the marginals, which
// every line says, in processes that take turns. Times are of their CPU.
// usage: node scripts/peers/transport.mjs [--turns n] [--json] [--hard | --slow] [size …]
// Without words: points in the plane and uniform costs of 500, 1000 and 2000, eps a thousandth of the largest, to 1e-9.
// --hard: 500 × 500 uniform costs, a ring and a bar on 28 × 28 pixels; eta 1200, to 1e-12. --slow: what the first leaves out, as
// it takes minutes: POT in the log domain and stabilized at 1000 and 2000. What takes half a minute has one turn.
import { parseArgs } from 'node:util';
import { here, python, race } from './turns.mjs';

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    ...{ turns: { type: 'string', default: '3' }, json: { type: 'boolean' } },
    ...{ hard: { type: 'boolean' }, slow: { type: 'boolean' } },
  },
});
const slowPeers = ['sinkhorn_stabilized', 'sinkhorn_log'];
/** Kinds of --hard, with their sizes. */
const hard = { 'uniform-hard': 500, 'ring-sqeuclidean': 784, 'ring-euclidean': 784, 'ring-l1': 784 };
const onlyOnce = ['sinkhorn_log'];

const methodsAt = (n) => (options.hard || options.slow || n > 1000 ? ['auto', 'sns'] : ['auto', 'sns', 'sinkhorn']);
function peersAt(n) {
  if (options.hard) return ['lbfgs'];
  if (options.slow) return slowPeers;
  return ['sinkhorn', ...(n > 500 ? [] : slowPeers), ...(n > 1000 ? [] : ['lbfgs'])];
}
const sizes = positionals.length > 0 ? positionals.map(Number) : options.slow ? [1000, 2000] : [500, 1000, 2000];
const cases = options.hard ? Object.entries(hard) : ['plane', 'uniform'].flatMap((kind) => sizes.map((n) => [kind, n]));

for (const [kind, n] of cases) {
  const racers = new Map([
    ...methodsAt(n).map((method) => [
      `orthokit ${method}`,
      { command: [process.execPath, here('transport-own.mjs'), kind, n, method] },
    ]),
    ...peersAt(n).map((method) => [
      `${method === 'lbfgs' ? 'SciPy' : 'POT'} ${method}`,
      {
        command: [python, here('transport_peer.py'), kind, n, method],
        most: options.slow || onlyOnce.includes(method) ? 1 : undefined,
        timeout: 1_800_000,
      },
    ]),
  ]);
  for (const [peer, line] of race(racers, Number(options.turns))) {
    if (options.json) console.log(JSON.stringify({ ...line, peer, kind, n }));
    else if (line.skipped) console.log(`${kind} ${n}  ${peer}: ${line.skipped}`);
    else
      console.log(
        `${kind} ${n}  ${peer.padEnd(24)} ${line.median_ms.toFixed(1).padStart(9)} ms  error ${line.reached.toExponential(1)}` +
          `  ${line.turns_ms.length} turns  ${line.version}`,
      );
  }
}
