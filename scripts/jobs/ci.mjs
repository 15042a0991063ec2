// All that .ci/run checks after the README's tests, which have built the addon, the C++ tests and dist/. Each axis is tested
// where it can fail: instruction sets by arithmetic, versions of Node.js by what touches Node-API, orders by races.
import { first as emulated, others as onEmulated } from './cuda.mjs';
import { jobsOf as ptxOf } from './ptx.mjs';
import { jobs as soak } from './soak.mjs';
import { step } from './step.mjs';

/** Beside the one that runs. */
export const nodeVersions = ['24.21.0'];
/** Those that a release and a deep run are tried on: the one between, and the newest, too. */
export const releaseVersions = ['22.23.3', ...nodeVersions, '26.10.0'];

const release = { name: 'nvcc: sm_90', run: step('nvcc_release') };
const installed = nodeVersions.map((version) => ({ name: `Node.js ${version}`, run: step(`install_node ${version}`) }));
const node = nodeVersions.map((version) => ({
  name: `tests on Node.js ${version}`,
  needs: [`Node.js ${version}`],
  run: step(`vitest_on_node ${version}`),
}));

const withoutAddon = (job) => ({ ...job, addon: 'unused' });
const testsOnEmulated = onEmulated.filter((job) => job.addon !== 'unused');
const verified = onEmulated.filter((job) => job.addon === 'unused');
const ptx = ptxOf(release.name).map(withoutAddon);
// Jobs that must not be disturbed come last, when nothing else waits.
const undisturbed = soak.filter(({ cores }) => cores === 'alone');

// Builds that take minutes, of which others wait, come first: none of them is left alone at the end.
export const jobs = [
  release,
  ...emulated,
  {
    name: 'sanitizers: build',
    addon: 'unused',
    run: step('build asan -DORTHOKIT_WERROR=ON -DORTHOKIT_ISA_VARIANTS=OFF -DORTHOKIT_FEWER_SANITIZERS=ON'),
  },
  ...ptx,
  {
    name: 'kernel report',
    needs: [release.name, ...ptx.map((job) => job.name)],
    run: 'node scripts/kernel-report.mjs build/cuda-release build/ptx --check',
  },
  ...testsOnEmulated,
  {
    name: 'the check of a GPU, on the emulated device',
    needs: [emulated[0].name],
    run: 'node test/gpu-check/check.mjs',
  },
  ...soak.filter((job) => !undisturbed.includes(job)),
  ...installed.map(withoutAddon),
  ...node,
  { name: 'the page of the training server, in a browser', run: step('page_in_browser') },
  { name: 'files and shared memory, in Python', run: step('in_python') },
  {
    name: 'several processes, by Open MPI, MPICH, Gloo and a stand-in for NCCL',
    needs: [emulated[0].name],
    run: step('several_processes'),
  },
  ...['Nehalem', 'Haswell'].map((processor) => ({
    name: `instructions of a ${processor}`,
    run: step(`verify_on_processor ${processor}`),
  })),
  {
    // Beside what does without the addon of the tests, which its build has out of its place.
    name: 'package',
    addon: 'replaced',
    needs: [release.name, ...installed.map((job) => job.name)],
    run: `node test/package/check.mjs ${nodeVersions.map((version) => `"$(${step(`node_of ${version}`)})"`).join(' ')}`,
  },
  ...verified,
  ...[
    { name: 'sanitizers', needs: ['sanitizers: build'], run: step('sanitized') },
    ...['biome', 'clang-format', 'types', 'includes', 'imports', 'comments'].map((name) => ({
      name,
      run: `node scripts/check.mjs ${name}`,
    })),
    { name: 'generated files', run: step('generated') },
    { name: 'the site of the documentation, in a browser', run: step('site_in_browser') },
  ].map(withoutAddon),
  { name: 'publint', needs: ['package'], run: 'node node_modules/publint/src/cli.js --strict' },
  { name: 'attw', needs: ['package'], run: step('attw') },
  ...undisturbed,
];
