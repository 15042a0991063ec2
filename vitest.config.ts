import path from 'node:path';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';
import { SelectionReporter } from './test/support/reporter.ts';
import { askedFiles, changesModules, controlAddon, runDevice } from './test/support/selection.ts';

const limit = process.env.ORTHOKIT_DEEP === '1' ? 2 * 60 * 60_000 : 180_000;

// Tests of a reliability goal have its name as a tag (docs/design/reliability.md).
const goals = Array.from({ length: 28 }, (_, i) => ({ name: `R${i + 1}` }));

const device = runDevice();
const asked = askedFiles();
delete process.env.ORTHOKIT_TEST_PATHS; // not of runs that tests begin
// Files that need no process of their own share one, but for those that change modules.
const together = process.env.ORTHOKIT_TEST_TOGETHER === '1';
delete process.env.ORTHOKIT_TEST_TOGETHER;
// A run is for one device: what is there beside it changes nothing.
if (device === 'cpu') delete process.env.ORTHOKIT_CUDA_PLUGIN;
if (device === 'cuda') controlAddon();
// Where Device.open('reference') finds the plain references (test/support/reference.ts).
process.env.ORTHOKIT_REFERENCE_PLUGIN ||= path.join(import.meta.dirname, 'build', 'cpu', 'orthokit_reference.so');

// Examples import the package by its name; tests run them on the sources.
const resolve = {
  alias: [
    { find: /^orthokit$/, replacement: path.join(import.meta.dirname, 'lib', 'index.ts') },
    { find: /^orthokit\/(\w+)$/, replacement: path.join(import.meta.dirname, 'lib', '$1', 'index.ts') },
  ],
};
const files = {
  dir: path.join(import.meta.dirname, 'test'),
  setupFiles: ['processor-time.ts', 'products.ts'].map((name) =>
    path.join(import.meta.dirname, 'test', 'support', name),
  ),
  // A machine may be busy with other things: a limit is there to end what hangs.
  testTimeout: limit,
  hookTimeout: limit,
};
function projects() {
  const shared = asked.filter((file) => !changesModules(file));
  const apart = asked.filter((file) => !shared.includes(file));
  return [
    { resolve, test: { ...files, name: 'together', isolate: false, include: shared } },
    { resolve, test: { ...files, name: 'apart', include: apart } },
  ].filter(({ test }) => test.include.length > 0);
}

/** What a file finds in a process that it shares is the same in every run: those before it are those whose names are. */
class ByName extends BaseSequencer {
  override async sort(specifications: TestSpecification[]): Promise<TestSpecification[]> {
    return specifications.toSorted((a, b) => (a.moduleId < b.moduleId ? -1 : 1));
  }
}

export default defineConfig({
  test: {
    ...(together ? { projects: projects(), sequence: { sequencer: ByName } } : { ...files, include: asked }),
    reporters: ['default', new SelectionReporter()],
    tags: goals,
  },
  resolve,
});
