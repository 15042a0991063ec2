// The tests that should catch a mutant, the quickest first: commands for bash, in the tree that holds it.
import path from 'node:path';

const vitest = (...files) => `node node_modules/vitest/vitest.mjs run --dir test ${files.join(' ')}`;
const build = (preset, ...targets) => `cmake --build build/${preset} --target ${targets.join(' ')}`;
const kebab = (name) => name.replaceAll('_', '-');
/** The addon, and the tests of an operation by it. */
const addon = 'bash scripts/run.sh build';

/** @returns {{ name: string, prepare: string, run: string }[]} */
export function testsOf({ area, file }) {
  const name = path.basename(file).replace(/\.\w+$/, '');
  if (area === 'lib') {
    const folder = file.split('/').length > 2 ? file.split('/')[1] : undefined;
    const own = folder ?? kebab(name);
    return [
      { name: `test/${own}`, prepare: 'true', run: vitest(`test/${own}`) },
      {
        name: 'tests of tensors, devices and lifecycle',
        prepare: 'true',
        run: vitest('test/core', 'test/files', 'test/lifecycle'),
      },
      {
        name: 'tests of the package',
        prepare: 'true',
        run: vitest('completeness', 'docs', 'transport', 'sparse', 'transplant'),
      },
    ];
  }
  const device = area === 'cuda' ? '--device cuda' : '';
  const preset = area === 'cuda' ? 'emulated' : 'cpu';
  const parts = [
    'orthokit_bench',
    'orthokit_torture',
    ...(area === 'cuda' ? ['orthokit_cuda'] : ['orthokit_native_tests']),
  ];
  const prepare = build(preset, ...parts);
  const harness = [
    { name: '--verify', prepare, run: `build/${preset}/orthokit_bench --verify ${device}` },
    {
      name: 'R7',
      prepare,
      run: `build/${preset}/orthokit_torture programs --count ${area === 'cuda' ? 20 : 300} ${device}`,
    },
  ];
  const native = { name: 'C++ tests', prepare, run: 'build/cpu/orthokit_native_tests' };
  const claims = { name: 'R9', prepare, run: 'build/cpu/orthokit_torture claims' };
  const onDevice =
    area === 'cuda' ? 'ORTHOKIT_TEST_DEVICE=cuda ORTHOKIT_CUDA_PLUGIN=$PWD/build/emulated/orthokit_cuda.so ' : '';
  const suite =
    area === 'core'
      ? [
          {
            name: 'tests of the addon',
            prepare: addon,
            run: vitest('test/core', 'test/files', 'test/lifecycle', 'test/attacks', 'completeness'),
          },
        ]
      : [
          { name: `test/ops/${kebab(name)}`, prepare: addon, run: onDevice + vitest(`test/ops/${kebab(name)}.test`) },
          { name: 'family', prepare: addon, run: onDevice + vitest('transport', 'sparse', 'optimizers') },
        ];
  return area === 'core' ? [native, ...harness, claims, ...suite] : [...harness, ...suite];
}
