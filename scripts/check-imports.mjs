// The folders of lib/ that each may import, types included: floors below, other families by their public list; no circles.
// usage: node scripts/check-imports.mjs [root]
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

const root = path.resolve(process.argv[2] ?? path.join(import.meta.dirname, '..'));
const lib = path.join(root, 'lib');

/** Every other folder is a family, on the floor above these. */
const floors = { core: 1, files: 2, linalg: 2, solvers: 2, nn: 3, optimizers: 3, cli: 5 };
const family = 4;
/** A family is used by its public list, and by what it lends to others besides. */
const entrances = ['index.ts', 'internal.ts'];

const folderOf = (file) => (file.includes('/') ? file.slice(0, file.indexOf('/')) : undefined);
const floorOf = (file) => (folderOf(file) === undefined ? Infinity : (floors[folderOf(file)] ?? family));

function problem(from, to) {
  const folder = folderOf(to);
  if (to.startsWith('../')) return 'is outside of lib';
  if (!existsSync(path.join(lib, to))) return 'does not exist';
  if (folder === undefined) return `is above ${folderOf(from) ?? 'all others'}`;
  if (folderOf(from) === folder || floorOf(to) < floorOf(from)) return undefined;
  if (floorOf(to) > floorOf(from)) return `is above ${folderOf(from)}`;
  if (floorOf(to) !== family) return `is on the floor of ${folderOf(from)}`;
  return entrances.includes(to.slice(folder.length + 1)) ? undefined : `is not ${entrances.join(' or ')} of its family`;
}

/** The files of lib that a file imports, by their paths in lib. */
function importsOf(file) {
  const code = readFileSync(path.join(lib, file), 'utf8').replaceAll(/^\s*(\/\/|\/?\*).*$/gm, '');
  const names = [...code.matchAll(/\b(?:from|import)\s*\(?\s*(['"])(\..*?)\1/g)].map(([, , name]) => name);
  return [...new Set(names)].map((name) => path.posix.join(path.posix.dirname(file), name));
}

/** Each circle that a walk from file to file closes, once. */
function* circles(graph) {
  const done = new Set();
  const onPath = [];
  function* walk(file) {
    const at = onPath.indexOf(file);
    if (at >= 0) yield [...onPath.slice(at), file];
    if (at >= 0 || done.has(file)) return;
    onPath.push(file);
    for (const to of graph.get(file) ?? []) yield* walk(to);
    onPath.pop();
    done.add(file);
  }
  for (const file of graph.keys()) yield* walk(file);
}

const files = readdirSync(lib, { recursive: true }).filter((file) => file.endsWith('.ts'));
const graph = new Map(files.sort().map((file) => [file, importsOf(file)]));
const problems = [];
for (const folder of new Set(files.map(folderOf)))
  if (folder !== undefined && floorOf(`${folder}/`) === family && !graph.has(`${folder}/index.ts`))
    problems.push(`lib/${folder}: a family has a public list, index.ts`);
for (const [file, imports] of graph)
  for (const to of imports) {
    const found = problem(file, to);
    if (found) problems.push(`lib/${file}: lib/${to} ${found}`);
  }
for (const circle of circles(graph)) problems.push(`circle: ${circle.map((file) => `lib/${file}`).join(' → ')}`);
if (files.length === 0) problems.push(`no sources in ${lib}`);
for (const line of problems) console.error(line);
process.exitCode = problems.length > 0 ? 1 : 0;
