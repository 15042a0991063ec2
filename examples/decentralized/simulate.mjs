// A thousand nodes in one process: what more processes would do, and what each event costs.
// usage: node examples/decentralized/simulate.mjs [--nodes 1000] [--neighbours 6] [--time 60] [--seed 1]
import { parseArgs } from 'node:util';
import { Device, ops, Tensor } from 'orthokit';
import { DadaoGraph, DadaoSimulation } from 'orthokit/decentralized';
import { meshOf } from './mesh.mjs';
import { digitsOf, dim, gradientOf, lipschitz, mu, shareRight } from './problem.mjs';

const { values } = parseArgs({
  options: {
    nodes: { type: 'string', default: '1000' },
    neighbours: { type: 'string', default: '6' },
    time: { type: 'string', default: '60' },
    seed: { type: 'string', default: '1' },
  },
});
const [nodes, neighbours, until, seed] = [values.nodes, values.neighbours, values.time, values.seed].map(Number);

const device = Device.open('cpu', { threads: 1 });
const { parts, test } = digitsOf(nodes, 8);
const graph = await DadaoGraph.of(nodes, meshOf(nodes, neighbours, seed));
console.log(
  `${nodes} nodes, ${graph.edges.length} edges: χ₁ ${graph.chi1.toFixed(0)}, χ₂ ${graph.chi2.toFixed(0)}, ` +
    `${(graph.minRate / nodes).toFixed(2)} communications a node in a unit of time`,
);
/** Seconds of the processor, which other programs do not take part in. */
const processor = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
};
const counted = { seconds: 0 };
const functions = parts.map((part) => {
  const gradient = gradientOf(device, part);
  return { dim, x0: Tensor.zeros(device, [dim]), gradient };
});
const simulation = new DadaoSimulation(graph, functions, { mu, lipschitz, seed });
const start = processor();
const trace = await simulation.run(until, {
  every: until / 10,
  async onSample({ time, gradients, communications, x }) {
    const begun = processor();
    // The mean of all nodes, and how far they are from it.
    const mean = Tensor.zeros(device, [dim]);
    for (const one of x) ops.linearCombination(device, { out: [mean], terms: [mean, one], coefficients: [1, 1 / nodes] }); // biome-ignore format: one line
    const center = /** @type {Float32Array} */ (await mean.read());
    mean.dispose();
    let apart = 0;
    for (const one of x) {
      const own = /** @type {Float32Array} */ (await one.read());
      apart += own.reduce((sum, value, k) => sum + (value - center[k]) ** 2, 0);
    }
    const square = center.reduce((sum, value) => sum + value * value, 0);
    console.log(
      `time ${time.toFixed(0)}: ${gradients} gradients, ${communications} communications, ` +
        `${(100 * shareRight(test, center)).toFixed(1)} % right, nodes ${Math.sqrt(apart / nodes / square).toExponential(1)} apart`,
    );
    counted.seconds += processor() - begun;
  },
});
const seconds = processor() - start - counted.seconds;
const events = trace.gradients + trace.communications;
console.log(
  `${events} events in ${seconds.toFixed(1)} s of the processor, ${((1e6 * seconds) / events).toFixed(0)} µs each; a communication of processes sends ` +
    `2 vectors of ${4 * dim} bytes and 4 heads of 19 bytes, ${((2 * (4 * dim + 38) * trace.communications) / 2 ** 20).toFixed(0)} MiB in all`,
);
simulation.dispose();
await device.close();
