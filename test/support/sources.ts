// The sources of expected values besides the reference: each test of an operation says so, in lines that are read without
// running it. A golden file is one of test/golden; a title is that of a test in the file, or in another one that is named, or
// the first word of a row of its table of tests.
//
//     // Source: golden dense.json
//     // Source: closed form "has closed forms: the second difference, and a Pauli matrix"
//     // Source: property "L·U is A with its rows exchanged: %i of %i × %i"
//     // Source: formula "is the slope of the forward operation, by differences"
//     // Source: values "AdamW" in test/optimizers/check-values.test.ts
//
// A test that is named must compare something, and take nothing from a reference; another formula may take the references of
// other operations. Golden values must be read by the file, or by what it imports.
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import ts from 'typescript';
import { assertingFunctions, isAssertion, parsed, some, visit } from './assertions.ts';

const root = path.join(import.meta.dirname, '..', '..');
/** `values`: numbers of a paper or of a program, typed where they are compared. */
const kinds = ['golden', 'values', 'closed form', 'property', 'formula'] as const;

export interface Source {
  kind: (typeof kinds)[number];
  /** A file of test/golden, or the title of a test. */
  of: string;
  /** The file of the test, where it is another one. */
  file?: string;
}

/** The sources that the text of a test file declares. Throws for a line that cannot be read. */
export function sourcesOf(text: string): Source[] {
  return [...text.matchAll(/^\/\/ Source: (.*)$/gm)].map(([, line]) => {
    const golden = /^golden (\S+)$/.exec(line!);
    if (golden) return { kind: 'golden', of: golden[1]! };
    const [, kind, of, file] = /^([a-z ]+) "(.+)"(?: in (test\/\S+\.ts))?$/.exec(line!) ?? [];
    const known = kinds.slice(1).find((own) => own === kind);
    if (!known || !of)
      throw new Error(
        `"// Source:" must be golden <file>, or one of ${kinds.slice(1).join(', ')} and a title, got ${line}`,
      );
    return { kind: known, of, ...(file && { file }) };
  });
}

/** Why the declaration of the test file at this path is not true, or undefined. */
export function untrue(source: Source, place: string): string | undefined {
  if (source.kind === 'golden') return untrueGolden(source.of, place);
  const where = source.file ?? place;
  if (!existsSync(path.join(root, where))) return `there is no ${where}`;
  const isShared = where.startsWith('test/support/');
  if (isShared && !importsOf(read(place), place).includes(where)) return `${place} does not import ${where}`;
  const file = parsed(read(where));
  const tests = testsOf(file).filter(({ titles }) => titles.includes(source.of));
  if (tests.length === 0) return `${where} has no test "${source.of}"`;
  const asserting = assertingFunctions(file);
  const own = path.basename(place, '.test.ts');
  const borrowed = borrowedNames(file, (name) => source.kind !== 'formula' || name === own);
  for (const { body } of tests) {
    if (!some(body, (node) => isAssertion(node, asserting))) return `"${source.of}" compares nothing`;
    const taken = nameIn(body, borrowed);
    if (taken) return `"${source.of}" takes ${taken} from a reference`;
  }
  return undefined;
}

const read = (place: string) => readFileSync(path.join(root, place), 'utf8');

function untrueGolden(name: string, place: string): string | undefined {
  if (!existsSync(path.join(root, 'test', 'golden', name))) return `there is no test/golden/${name}`;
  const reads = (file: string): boolean => {
    const text = read(file).replaceAll(/^ *\/\/.*$/gm, '');
    return text.includes(`golden/${name}`) || importsOf(text, file).some(reads);
  };
  return reads(place) ? undefined : `golden/${name} is not read`;
}

/** The files of test/support that a file imports. */
const importsOf = (text: string, file: string): string[] =>
  [...text.matchAll(/ from '(\.[^']+)'/g)]
    .map(([, name]) => path.join(path.dirname(file), name!))
    .filter((name) => name.startsWith('test/support/'));

/** The functions of it(…) and it.each(…)(…), with their titles: of '%s', the first words of the rows. */
function testsOf(file: ts.SourceFile): { titles: string[]; body: ts.Node }[] {
  const found: { titles: string[]; body: ts.Node }[] = [];
  visit(file, (node) => {
    if (!ts.isCallExpression(node) || !/^it\b/.test(node.expression.getText())) return;
    const [title] = node.arguments;
    const body = node.arguments.find((part) => ts.isArrowFunction(part));
    if (!title || !ts.isStringLiteralLike(title) || !body) return;
    const rows = title.text === '%s' && ts.isCallExpression(node.expression) ? node.expression.arguments[0] : undefined;
    found.push({ titles: rows ? firstWords(file, rows) : [title.text], body });
  });
  return found;
}

function firstWords(file: ts.SourceFile, rows: ts.Expression): string[] {
  const words: string[] = [];
  const add = (table: ts.Node | undefined) => {
    if (!table || !ts.isArrayLiteralExpression(table)) return;
    for (const row of table.elements) {
      const first = ts.isArrayLiteralExpression(row) ? row.elements[0] : row;
      if (first && ts.isStringLiteralLike(first)) words.push(first.text);
    }
  };
  add(rows);
  visit(file, (node) => {
    if (ts.isVariableDeclaration(node) && node.name.getText() === rows.getText()) add(node.initializer);
  });
  return words;
}

/** Names that come from test/reference or from the reference device, and those of what is made with them. */
function borrowedNames(file: ts.SourceFile, counts: (reference: string) => boolean): Set<string> {
  const names = new Set<string>();
  for (const statement of file.statements) {
    if (!ts.isImportDeclaration(statement) || !ts.isStringLiteral(statement.moduleSpecifier)) continue;
    const bindings = statement.importClause?.namedBindings;
    const [, reference] = /\/reference\/([\w-]+)\.ts$/.exec(statement.moduleSpecifier.text) ?? [];
    const isDevice = statement.moduleSpecifier.text.endsWith('/support/reference.ts');
    if (!bindings || !ts.isNamedImports(bindings) || !(isDevice || (reference && counts(reference)))) continue;
    for (const { name } of bindings.elements) names.add(name.text);
  }
  for (let before = -1; before !== names.size; ) {
    before = names.size;
    visit(file, (node) => {
      if (ts.isFunctionDeclaration(node) && node.name && node.body && nameIn(node.body, names))
        names.add(node.name.text);
      const isFunction = ts.isVariableDeclaration(node) && node.initializer && ts.isArrowFunction(node.initializer);
      if (isFunction && ts.isIdentifier(node.name) && nameIn(node.initializer!, names)) names.add(node.name.text);
    });
  }
  return names;
}

/** The first of the names that the node uses: neither in types, nor as the name of a property. */
function nameIn(node: ts.Node, names: ReadonlySet<string>): string | undefined {
  if (ts.isTypeNode(node)) return undefined;
  if (ts.isIdentifier(node)) {
    const { parent } = node;
    const isProperty =
      (ts.isPropertyAccessExpression(parent) || ts.isPropertyAssignment(parent)) && parent.name === node;
    return names.has(node.text) && !isProperty ? node.text : undefined;
  }
  return ts.forEachChild(node, (child) => nameIn(child, names));
}
