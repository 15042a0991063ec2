// The tests that should catch a mutant, the narrowest first: commands for bash, in the tree that holds it. What a test
// reads is built as it is needed, so that a mutant that is caught at once costs one file. `judges` are the files that make
// the test: a mutant that it has caught is caught while they and the mutant's own file are as they were.
import { existsSync } from 'node:fs';
import path from 'node:path';
import { groups } from '../operations.mjs';
import { root } from './candidates.mjs';
import { testsNear } from './near.mjs';

const commands = (...list) => list.join(' && ');

/** Some targets of a preset: of the CPU with the kernels of every instruction set, as a mutant may be of one alone. */
const built = (preset, ...targets) =>
  commands(
    `{ test -f build/${preset}/build.ninja || cmake --preset ${preset} -DORTHOKIT_ISA_VARIANTS=${preset === 'cpu' ? 'ON' : 'OFF'}; }`,
    `cmake --build build/${preset} -j "\${ORTHOKIT_BUILD_JOBS:-1}" --target ${targets.join(' ')}`,
  );
const addon = commands(
  'node scripts/gyp-build.cjs Release --quiet',
  '{ test -d dist || node scripts/typescript.mjs; }',
);

/** Test files, until one test fails. */
function files(name, list, { prepare = 'true', device = 'cpu' } = {}) {
  const step = device === 'cuda' ? 'vitest_on_cuda none' : 'vitest';
  const judges = [...list.map((file) => `${file}*`), 'test/support'];
  return { name, prepare, run: `bash scripts/jobs/steps.sh ${step} --bail=1 ${list.join(' ')}`, judges };
}

/** An operation's own examples, those of all, and random programs of them. */
function harness(op, { preset, device, programs }) {
  const folder = `build/${preset}`;
  const on =
    device === 'cuda' ? `ORTHOKIT_CUBLAS=none ${preset === 'checked' ? 'ORTHOKIT_EMULATOR_ORDER=random ' : ''}` : '';
  const plugin = device === 'cuda' ? ['orthokit_cuda'] : [];
  const prepare = built(preset, 'orthokit_bench', ...plugin);
  const verify = `${on}${folder}/orthokit_bench --verify --device ${device}`;
  const cases = `${folder}/mutant.txt`;
  const list = `node scripts/cases.mjs ${folder}/orthokit_bench --op ${op} > ${cases}`;
  const group = groups.get(op);
  const own = [':(glob)native/bench/*', `native/ops/${group}/${op}.h`, `native/bench/reference/${group}/${op}.cpp`];
  const judges = isOperation(op) ? own : ['native/bench'];
  const alone = {
    name: `--verify, ${op}`,
    prepare,
    judges,
    run: `${list} && for offset in 0 1; do ${verify} --offset $offset --cases ${cases} || exit 1; done`,
  };
  if (preset !== 'cpu' && preset !== 'emulated') return [{ ...alone, name: `${alone.name}, ${preset}` }];
  const torture = `${on}${folder}/orthokit_torture programs --count ${programs} --device ${device}`;
  const reversed = 'ORTHOKIT_EMULATOR_ORDER=reverse ORTHOKIT_EMULATOR_STREAMS=deferred ';
  return [
    ...(isOperation(op) ? [alone] : []),
    ...(isOperation(op) && device === 'cuda'
      ? [
          {
            name: `--verify, ${op}, in reverse order`,
            prepare,
            judges,
            run: commands(list, `${reversed}${verify} --cases ${cases}`),
          },
        ]
      : []),
    { name: '--verify', prepare, run: verify, judges: ['native/bench'] },
    {
      name: 'R7',
      prepare: built(preset, 'orthokit_torture', ...plugin),
      run: torture,
      judges: ['native/bench', 'test/torture'],
    },
  ];
}

const isOperation = (name) => groups.has(name);
const testOf = (name) => `test/ops/${groups.get(name)}/${name.replaceAll('_', '-')}`;

/** The tests that a mutant is tried with, by area. */
const testsOfArea = {
  cpu(mutant, name) {
    return [
      ...harness(name, { preset: 'cpu', device: 'cpu', programs: 300 }),
      ...(isOperation(name) ? [files(testOf(name), [`${testOf(name)}.test`], { prepare: addon })] : []),
      files('tests near', testsNear(mutant, 'cpu', 4), { prepare: addon }),
      files('tests of arithmetic', ['test/transport', 'test/sparse', 'test/optimizers'], { prepare: addon }),
    ];
  },
  cuda(mutant, name) {
    const on = { device: 'cuda', prepare: commands(built('emulated', 'orthokit_cuda', 'emulator_control'), addon) };
    return [
      ...harness(name, { preset: 'emulated', device: 'cuda', programs: 20 }),
      ...(isOperation(name) ? [files(testOf(name), [`${testOf(name)}.test`], on)] : []),
      // The host's work, by R24's build, and then that of kernels.
      ...['asan-emulated', 'checked'].flatMap((preset) =>
        isOperation(name) ? harness(name, { preset, device: 'cuda' }) : [],
      ),
      files('tests near', testsNear(mutant, 'cuda', 4), on),
      files('tests of arithmetic', ['test/transport', 'test/sparse', 'test/optimizers'], on),
    ];
  },
  core(mutant) {
    const isOfAddon = mutant.file.startsWith('native/addon/');
    const program = (name, target, words, ...judges) => ({
      name,
      prepare: built('cpu', target),
      run: `build/cpu/${target}${words}`,
      judges,
    });
    return [
      ...(isOfAddon
        ? []
        : [
            program('C++ tests', 'orthokit_native_tests', '', 'test/native'),
            program('R9', 'orthokit_torture', ' claims', 'native/bench', 'test/torture'),
            program('--verify', 'orthokit_bench', ' --verify', 'native/bench'),
            program('R7', 'orthokit_torture', ' programs --count 300', 'native/bench', 'test/torture'),
          ]),
      files('tests near', testsNear(mutant, 'cpu', 3), { prepare: addon }),
      files('tests of tensors and devices', ['test/core', 'test/files', 'test/lifecycle'], {
        prepare: addon,
      }),
      files('tests of operations', ['test/ops', 'test/attacks', 'test/completeness.test.ts', 'test/messages.test.ts'], {
        prepare: addon,
      }),
    ];
  },
  lib(mutant) {
    const parts = mutant.file.split('/');
    const folder = parts.length > 2 ? `test/${parts[1]}` : undefined;
    return [
      files('tests near', testsNear(mutant, 'cpu', 3)),
      ...(folder && existsSync(path.join(root, folder)) ? [files(folder, [folder])] : []),
      files('tests near and further', testsNear(mutant, 'cpu', 12)),
      // Some of them run what is compiled.
      files(
        'tests of the package',
        ['test/core', 'test/lifecycle', 'test/attacks', 'test/completeness.test.ts', 'test/docs.test.ts'],
        {
          prepare: 'bash scripts/run.sh build',
        },
      ),
    ];
  },
};

/** @returns {{ name: string, prepare: string, run: string, judges: string[] }[]} */
export const testsOf = (mutant) => testsOfArea[mutant.area](mutant, path.parse(mutant.file).name);
