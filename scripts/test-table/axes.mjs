// On what the tests ran: instruction sets, versions of Node.js, devices, orders of the emulator.
import { instructionSets, processorHas } from '../processor.mjs';

const unique = (values) => [...new Set(values)].sort();
const spelled = { portable: 'portable', avx2: 'AVX2', avx512: 'AVX-512' };

/** @param {{ cpuinfo?: string }} [options] */
export function axes({ tests, verified }, { cpuinfo } = {}) {
  const onCpu = verified.filter(({ device, cases }) => device === 'cpu' && cases === '');
  const setsOf = new Set(onCpu.map(({ isa }) => isa));
  const sets = instructionSets.map((set) => `${spelled[set]}${setsOf.has(set) ? '' : ': not run here'}`);
  const wrong = instructionSets
    .filter((set) => !setsOf.has(set) && processorHas(set, cpuinfo))
    .map((set) => `${spelled[set]} was not run (orthokit_bench --verify), and this processor has it`);
  const lines = [
    `Instruction sets: ${sets.join(', ')}`,
    `Node.js: ${unique(tests.map(({ node, axis }) => `${node}${axis === 'node' ? ' (what depends on its version)' : ''}`)).join(', ')}`,
    `Devices: ${unique(tests.map(({ device, isa }) => (device === 'cpu' ? `cpu (${spelled[isa] ?? isa})` : device))).join(', ')}`,
  ];
  const orders = unique(verified.filter(({ device }) => device !== 'cpu').map(orderOf));
  lines.push(`Orders on the emulated device: ${orders.length}`, ...orders.map((order) => `  ${order}`));
  return { lines, wrong };
}

function orderOf({ build, environment }) {
  const { ORTHOKIT_EMULATOR_PTX, ORTHOKIT_CUBLAS, ORTHOKIT_EMULATOR_ORDER, ORTHOKIT_EMULATOR_STREAMS } = environment;
  if (ORTHOKIT_EMULATOR_PTX) return `PTX, ${/sm_\d+/.exec(ORTHOKIT_EMULATOR_PTX)?.[0] ?? ORTHOKIT_EMULATOR_PTX}`;
  const products = !ORTHOKIT_CUBLAS || ORTHOKIT_CUBLAS === 'none' ? 'own products' : 'cuBLAS';
  const [threads, streams] = [ORTHOKIT_EMULATOR_ORDER ?? 'forward', ORTHOKIT_EMULATOR_STREAMS ?? 'eager'];
  return `threads ${threads}, streams ${streams}, ${products}${build === 'checked' ? ', every access checked' : ''}`;
}
