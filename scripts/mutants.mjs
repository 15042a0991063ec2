// Mutants: do the tests see a wrong sign, a wrong comparison, a constant off by one, a check that is left out?
// usage: node scripts/mutants.mjs draw <seed>    writes test/mutants/mutants.json
//        node scripts/mutants.mjs check          each applies to one place
//        node scripts/mutants.mjs run [id…]      those without a result, or these (cpu stands for cpu-1, cpu-2, …); each
//                                                result is recorded as it ends
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { applied, areas, candidatesOf, root } from './mutants/candidates.mjs';
import { testsOf } from './mutants/tests.mjs';

const folder = path.join(root, 'test', 'mutants');
const file = path.join(folder, 'mutants.json');
const resultsFile = path.join(folder, 'results.json');
const read = (name, otherwise) => (existsSync(name) ? JSON.parse(readFileSync(name, 'utf8')) : otherwise);
const write = (name, value) => writeFileSync(name, `${JSON.stringify(value, null, 2)}\n`);

/** SplitMix32: the same choices on every machine. */
function choices(seed) {
  let state = seed >>> 0;
  return (n) => {
    state = (state + 0x9e3779b9) >>> 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
    return ((z ^ (z >>> 16)) >>> 0) % n;
  };
}

/** Kinds in turn, then a line of the kind: rare ones are drawn as often as common ones. */
function draw(seed) {
  const next = choices(seed);
  const mutants = [];
  for (const [area, { count }] of Object.entries(areas)) {
    const left = candidatesOf(area);
    for (let i = 0; i < count; ) {
      const kinds = [...new Set(left.map(({ kind }) => kind))].sort();
      const own = left.filter(({ kind }) => kind === kinds[i % kinds.length]);
      const chosen = own[next(own.length)];
      left.splice(left.indexOf(chosen), 1);
      const text = readFileSync(path.join(root, chosen.file), 'utf8');
      try {
        applied(text, chosen);
      } catch {
        continue; // the lines stand there twice
      }
      i += 1;
      mutants.push({ id: `${area}-${i}`, ...chosen });
    }
  }
  mkdirSync(folder, { recursive: true });
  write(file, { seed, mutants });
}

function check() {
  const { mutants } = read(file);
  const problems = mutants.flatMap((mutant) => {
    try {
      applied(readFileSync(path.join(root, mutant.file), 'utf8'), mutant);
      return [];
    } catch (error) {
      return [`${mutant.id}: ${error.message}`];
    }
  });
  for (const problem of problems) console.error(problem);
  if (problems.length > 0) process.exit(1);
}

const bash = (command, cwd) =>
  spawnSync('bash', ['-c', command], { cwd, encoding: 'utf8', maxBuffer: 1 << 28, timeout: 900_000 });
function must(command, cwd) {
  const { status, stdout, stderr } = bash(command, cwd);
  if (status !== 0) throw new Error(`${command}: ${(stdout + stderr).slice(-2000)}`);
}

/** A tree of this commit beside the sources, built once: a mutant then costs one file. */
function prepareTree(kinds) {
  const tree = path.join(root, 'build', 'mutants');
  if (!existsSync(path.join(tree, 'package.json')))
    must(
      `git worktree add --detach ${tree} HEAD && cp -al ${root}/node_modules ${tree}/ && touch ${tree}/node_modules/.package-lock.json`,
      root,
    );
  else must('git checkout -q --force --detach "$(git -C ../.. rev-parse HEAD)"', tree);
  const presets = [
    ...(kinds.has('cpu') || kinds.has('core') ? ['cpu -DORTHOKIT_ISA_VARIANTS=OFF'] : []),
    ...(kinds.has('cuda') ? ['emulated'] : []),
  ];
  for (const preset of presets)
    must(`cmake --preset ${preset} && cmake --build --preset ${preset.split(' ')[0]}`, tree);
  if (kinds.has('lib')) must('bash scripts/run.sh build', tree);
  return tree;
}

/** Commands that have passed without a mutant. */
const clean = new Set();

/** A test that fails without the mutant, too, has caught nothing. */
function mustPassWithout({ name, prepare, run }, tree) {
  if (clean.has(run)) return;
  must(prepare, tree);
  const { status, stdout, stderr } = bash(run, tree);
  if (status !== 0) throw new Error(`${name} fails without a mutant: ${(stdout + stderr).slice(-2000)}`);
  clean.add(run);
}

function runOne(tree, mutant) {
  const target = path.join(tree, mutant.file);
  const text = readFileSync(target, 'utf8');
  const tried = [];
  for (const test of testsOf(mutant)) {
    writeFileSync(target, applied(text, mutant));
    let failure;
    try {
      const built = bash(test.prepare, tree);
      if (built.status !== 0) return { result: 'caught', by: 'the compiler', seconds: 0 };
      tried.push(test.name);
      failure = bash(test.run, tree);
    } finally {
      writeFileSync(target, text);
    }
    if (failure.status === 0) continue;
    mustPassWithout(test, tree);
    return { result: 'caught', by: test.name, ...(failure.signal ? { signal: failure.signal } : {}) };
  }
  return { result: 'survived', tried };
}

function run(ids) {
  const { mutants } = read(file);
  const results = read(resultsFile, {});
  const isNamed = (id) => ids.some((word) => word === id || (id.startsWith(`${word}-`) && !results[id]));
  const chosen = mutants.filter(({ id }) => (ids.length > 0 ? isNamed(id) : !results[id]));
  const tree = prepareTree(new Set(chosen.map(({ area }) => area)));
  const commit = bash('git rev-parse --short HEAD', root).stdout.trim();
  for (const mutant of chosen) {
    const begin = Date.now();
    const outcome = runOne(tree, mutant);
    results[mutant.id] = { ...outcome, commit, seconds: Math.round((Date.now() - begin) / 1000) };
    write(resultsFile, results);
    console.log(
      `${mutant.id} ${mutant.kind} ${mutant.file}: ${outcome.result}${outcome.by ? ` by ${outcome.by}` : ''}`,
    );
  }
  const survived = mutants.filter(({ id }) => results[id]?.result === 'survived' && !results[id].equivalent);
  const open = mutants.filter(({ id }) => !results[id]);
  console.log(`${mutants.length} mutants: ${survived.length} survived, ${open.length} not run yet`);
  if (survived.length > 0) process.exitCode = 1;
}

const [command, ...words] = process.argv.slice(2);
if (command === 'draw' && words.length === 1) draw(Number(words[0]));
else if (command === 'check') check();
else if (command === 'run') run(words);
else {
  console.error('usage: node scripts/mutants.mjs draw <seed> | check | run [id…]');
  process.exit(2);
}
