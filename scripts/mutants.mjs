// Mutants: do the tests see a wrong sign, a wrong comparison, a constant off by one, a check that is left out?
// usage: node scripts/mutants.mjs draw <seed>            writes test/mutants/mutants.json
//        node scripts/mutants.mjs again <seed> <id…>     others of the same kind in the place of some that do not
//                                                        compile, or whose lines are no more
//        node scripts/mutants.mjs check                  each applies to one place
//        node scripts/mutants.mjs run [area|id…]         those without a result for their file and the test that caught
//                                                        them as they are, of some areas or of all, or these; each is
//                                                        recorded as it ends
// A mutant that changes nothing that could be seen has `equivalent` in test/mutants/results.json, with the reason, and is
// run only by its id.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { applied, areas, candidatesOf, root } from './mutants/candidates.mjs';
import { testsOf } from './mutants/tests.mjs';
import { writeJson } from './write-json.mjs';

const folder = path.join(root, 'test', 'mutants');
const file = path.join(folder, 'mutants.json');
const resultsFile = path.join(folder, 'results.json');
const read = (name, otherwise) => (existsSync(name) ? JSON.parse(readFileSync(name, 'utf8')) : otherwise);

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

const isApplicable = (mutant) => {
  try {
    applied(readFileSync(path.join(root, mutant.file), 'utf8'), mutant);
    return true;
  } catch {
    return false; // the lines stand there twice
  }
};

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
      if (!isApplicable(chosen)) continue;
      i += 1;
      mutants.push({ id: `${area}-${i}`, ...chosen });
    }
  }
  mkdirSync(folder, { recursive: true });
  writeJson(file, { seed, mutants });
}

/** A mutant that the compiler refuses says nothing about the tests, nor does one that cannot be applied. */
function drawAgain(seed, ids) {
  const next = choices(seed);
  const { again = [], mutants, ...rest } = read(file);
  const results = read(resultsFile, {});
  for (const id of ids) {
    const at = mutants.findIndex((mutant) => mutant.id === id);
    if (at < 0) throw new Error(`there is no mutant ${id}`);
    const { area, kind } = mutants[at];
    const isDrawn = (other) => mutants.some((own) => own.file === other.file && own.replacement === other.replacement);
    const left = candidatesOf(area).filter((other) => other.kind === kind && isApplicable(other) && !isDrawn(other));
    mutants[at] = { id, ...left[next(left.length)] };
    delete results[id];
  }
  writeJson(file, { ...rest, again: [...again, { seed, ids }], mutants });
  writeJson(resultsFile, results);
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

const seconds = 900;
/** A command that hangs is ended with all that it started. */
const bash = (command, cwd) =>
  spawnSync('timeout', ['--kill-after=10', `${seconds}`, 'bash', '-c', command], {
    cwd,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
function must(command, cwd) {
  const { status, stdout, stderr } = bash(command, cwd);
  if (status !== 0) throw new Error(`${command}: ${(stdout + stderr).slice(-2000)}`);
}

/** A tree of this commit beside the sources, in which a mutant costs one file. */
function prepareTree(commit, isOfLib) {
  const tree = path.join(root, 'build', 'mutants');
  if (!existsSync(path.join(tree, 'package.json')))
    must(
      `git worktree add --detach ${tree} HEAD && cp -al ${root}/node_modules ${tree}/ && touch ${tree}/node_modules/.package-lock.json`,
      root,
    );
  else must(`git checkout -q --force --detach ${commit}`, tree);
  rmSync(path.join(tree, 'dist'), { recursive: true, force: true });
  if (isOfLib) must('bash scripts/run.sh build', tree);
  return tree;
}

/** Commands that have passed without a mutant. */
const clean = new Set();

/** A test that fails without the mutant, too, would catch nothing. */
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
    mustPassWithout(test, tree);
    writeFileSync(target, applied(text, mutant));
    try {
      const built = bash(test.prepare, tree);
      if (built.status !== 0) return { result: 'does not compile' };
      const { status } = bash(test.run, tree);
      if (status !== 0)
        return {
          ...{ result: 'caught', by: test.name, judges: test.judges },
          ...(status === 124 ? { hangs: true } : {}),
        };
    } finally {
      writeFileSync(target, text);
    }
    tried.push(test.name);
  }
  return { result: 'survived', tried };
}

/** True where this commit has the files of another one. */
const isLike = (commit, ...files) =>
  bash(`git diff --quiet ${commit} HEAD -- ${files.map((file) => `'${file}'`).join(' ')}`, root).status === 0;

/**
 * True where nothing is to be run: a mutant that was caught is caught while its file and the test are as they were; any
 * change may catch one that was not.
 */
function isDone(mutant, result) {
  if (result?.replacement !== mutant.replacement) return false;
  if (result.equivalent) return true;
  return result.result === 'caught'
    ? isLike(result.commit, mutant.file, ...result.judges)
    : isLike(result.commit, 'native', 'lib', 'test', ':!test/mutants');
}

function run(words) {
  const { mutants } = read(file);
  const results = read(resultsFile, {});
  const unknown = words.filter((word) => !areas[word] && !mutants.some(({ id }) => id === word));
  if (unknown.length > 0) throw new Error(`there is no area and no mutant ${unknown.join(', ')}`);
  const commit = bash('git rev-parse --short=7 HEAD', root).stdout.trim();
  const meant = mutants.filter(({ id, area }) => words.length === 0 || words.includes(area) || words.includes(id));
  const chosen = meant.filter((mutant) => words.includes(mutant.id) || !isDone(mutant, results[mutant.id]));
  const tree =
    chosen.length > 0 &&
    prepareTree(
      commit,
      chosen.some(({ area }) => area === 'lib'),
    );
  for (const mutant of chosen) {
    const begin = Date.now();
    const outcome = runOne(tree, mutant);
    const { equivalent, replacement } = results[mutant.id] ?? {};
    const isEquivalent = equivalent && outcome.result === 'survived' && replacement === mutant.replacement;
    results[mutant.id] = {
      ...outcome,
      ...(isEquivalent ? { equivalent } : {}),
      replacement: mutant.replacement,
      commit,
      seconds: Math.round((Date.now() - begin) / 1000),
    };
    writeJson(resultsFile, results);
    console.log(
      `${mutant.id} ${mutant.kind} ${mutant.file}: ${outcome.result}${outcome.by ? ` by ${outcome.by}` : ''}`,
    );
  }
  const wrong = meant.filter(({ id }) => results[id].result !== 'caught' && !results[id].equivalent);
  for (const { id } of wrong) console.log(`${id}: ${results[id].result}`);
  console.log(`${meant.length} mutants: ${meant.length - wrong.length} caught or equivalent, ${wrong.length} not`);
  if (wrong.length > 0) process.exitCode = 1;
}

const [command, ...words] = process.argv.slice(2);
if (command === 'draw' && words.length === 1) draw(Number(words[0]));
else if (command === 'again' && words.length > 1) drawAgain(Number(words[0]), words.slice(1));
else if (command === 'check') check();
else if (command === 'run') run(words);
else {
  console.error('usage: node scripts/mutants.mjs draw <seed> | again <seed> <id…> | check | run [area|id…]');
  process.exit(2);
}
