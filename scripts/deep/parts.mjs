// The parts of a deep run, of half an hour at most: `run` is a command for bash.
import path from 'node:path';
import { releaseVersions } from '../jobs/ci.mjs';
import { checked, first } from '../jobs/cuda.mjs';
import { allOrders, products } from '../jobs/orders.mjs';
import { interpretation, jobsOf as ptxOf } from '../jobs/ptx.mjs';
import { step } from '../jobs/step.mjs';

/** A part in as many sittings as it takes. */
const sittings = (name, slices) =>
  Array.from({ length: slices }, (_, i) => ({
    name: slices === 1 ? name : `${name} ${i + 1}/${slices}`,
    env: { ORTHOKIT_DEEP: '1', ORTHOKIT_DEEP_SLICE: `${i + 1}/${slices}` },
  }));

/** A goal at its deep size. */
const goal = (name, slices = 1) =>
  sittings(name, slices).map((sitting) => ({ ...sitting, run: `bash scripts/run.sh goal ${name}` }));

const commands = (...list) => list.join(' && ');

const goals = [
  goal('R1', 2),
  goal('R2'),
  goal('R3', 6),
  goal('R4'),
  goal('R5'),
  goal('R6'),
  goal('R7', 12),
  goal('R8'),
  goal('R9'),
  goal('R10', 2),
  goal('R11', 2),
  goal('R12', 2),
  goal('R13', 4),
  goal('R14'),
  goal('R15', 3),
  goal('R16', 3),
  goal('R17', 2),
  goal('R18', 8),
  goal('R19'),
  goal('R20'),
  goal('R21', 2),
  goal('R22'),
  {
    name: 'R23',
    run: 'node test/distributed/check.mjs openmpi mpich gloo nccl',
    env: { ORTHOKIT_DEEP: '1' },
  },
  goal('R26'),
  goal('R27'),
  goal('R28'),
].flat();

/** On the emulated device. */
const onCuda = ['R1', 'R5', 'R7', 'R8', 'R10', 'R11', 'R12', 'R13'].map((name) => ({
  name: `${name} on CUDA`,
  run: commands(step('build emulated'), `bash scripts/run.sh goal ${name}`),
  env: {
    ORTHOKIT_DEEP: '1',
    ORTHOKIT_TEST_DEVICE: 'cuda',
    ORTHOKIT_CUDA_PLUGIN: path.resolve('build/emulated/orthokit_cuda.so'),
    ORTHOKIT_CUBLAS: 'none',
  },
}));

const everyOrder = products.map((source) => ({
  name: `orders, ${source} products`,
  run: commands(
    step('build emulated'),
    step(`first_order ${source}`),
    ...allOrders()
      .filter((order) => order.source === source)
      .map(({ threads, streams }) => step(`verify_order ${threads} ${streams} ${source}`)),
  ),
}));

/** Kernels by other compilers: those of CUDA by the host's, with each access checked; the portable ones by that of arm64. */
const otherCompilers = [
  { name: 'checked device', run: commands(...[...first, ...checked].map(({ run }) => run)) },
  { name: 'kernels of arm64', run: commands(step('build cpu'), step('verify_on_arm64')) },
];

const arithmetic = 'test/ops test/optimizers';
const sets = ['portable', 'avx2'].map((set) => ({
  name: `tests on ${set}`,
  run: step(`vitest ${arithmetic} test/transport test/sparse`),
  env: { ORTHOKIT_CPU: set },
}));

const versions = releaseVersions.map((version) => ({
  name: `Node.js ${version}`,
  run: commands(
    step(`install_node ${version}`),
    step(`vitest_on_node ${version} ${arithmetic} test/transport test/sparse test/files test/lifecycle test/attacks`),
  ),
}));

const workers = releaseVersions.flatMap((version) =>
  sittings(`R15 on Node.js ${version}`, 3).map((sitting) => ({
    ...sitting,
    run: commands(step(`install_node ${version}`), step(`vitest_on_node ${version} test/soak/workers`)),
  })),
);

const architectures = [80, 90].map((architecture) => ({
  name: `PTX for sm_${architecture}`,
  run: commands(
    step('build emulated'),
    step('build ptx'),
    step('ptx_cases'),
    ...interpretation(architecture).map((job) => job.run),
  ),
}));

/** Machine code of every architecture of a release, and the report on it. */
const machineCode = [
  {
    name: 'nvcc: all architectures',
    run: step('nvcc_release all'),
    env: { ORTHOKIT_BUILD_JOBS: '2' },
  },
  {
    name: 'kernel report, all architectures',
    run: commands(
      step('build emulated'),
      step('nvcc_build all'),
      ...ptxOf('').map(({ run }) => run),
      'node scripts/kernel-report.mjs build/cuda-release build/ptx --check',
    ),
  },
];

const sanitizers = ['asan', 'asan-emulated', 'tsan', 'valgrind'].map((name) => ({
  name: `sanitizers: ${name}`,
  run: `bash scripts/sanitize.sh ${name}`,
}));

export const parts = [
  ...goals,
  ...onCuda,
  ...everyOrder,
  ...otherCompilers,
  ...sets,
  ...versions,
  ...workers,
  ...architectures,
  ...machineCode,
  ...sanitizers,
  ...['cpu', 'cuda', 'core', 'lib'].map((area) => ({
    name: `mutants: ${area}`,
    run: `node scripts/mutants.mjs run ${area}`,
  })),
  { name: 'tables of bilevel methods', run: step('vitest test/bilevel/tables.test.ts'), env: { ORTHOKIT_DEEP: '1' } },
  { name: 'speed', run: 'npm run --silent bench:gate' },
];
