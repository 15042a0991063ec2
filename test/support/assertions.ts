// The results of a test file that reach an assertion: by its syntax, so that a comment or an import alone is not enough.
import ts from 'typescript';

type Seed = (node: ts.Node) => boolean;

/** The value names that an import of the module brings. */
export function importedFrom(text: string, module: string): string[] {
  return parsed(text).statements.flatMap((statement) => {
    if (!ts.isImportDeclaration(statement) || !ts.isStringLiteral(statement.moduleSpecifier)) return [];
    const { importClause, moduleSpecifier } = statement;
    const named = importClause?.namedBindings;
    if (moduleSpecifier.text !== module || !named || !ts.isNamedImports(named)) return [];
    return named.elements.filter((e) => !e.isTypeOnly && !importClause.isTypeOnly).map((e) => e.name.text);
  });
}

/** True if the result of one of the functions of these names is compared with something. */
export const isCompared = (text: string, names: readonly string[]): boolean =>
  reaches(text, (node) => ts.isIdentifier(node) && names.includes(node.text));

/** True if what objects of the class did is compared with something. */
export const isExamined = (text: string, name: string): boolean =>
  reaches(text, (node) => ts.isNewExpression(node) && node.expression.getText() === name);

export const parsed = (text: string): ts.SourceFile =>
  ts.createSourceFile('test.ts', text, ts.ScriptTarget.Latest, /* setParentNodes */ true);

export const some = (node: ts.Node, found: Seed): boolean =>
  found(node) || !!ts.forEachChild(node, (c) => some(c, found) || undefined);

export function visit(node: ts.Node, each: (node: ts.Node) => void): void {
  each(node);
  ts.forEachChild(node, (child) => visit(child, each));
}

const bindings = (name: ts.BindingName): string[] =>
  ts.isIdentifier(name)
    ? [name.text]
    : name.elements.flatMap((e) => (ts.isOmittedExpression(e) ? [] : bindings(e.name)));

/** expect(…), expect(…).…(…), expectClose(…) and what else is named so; describeStep(…) and its like hold assertions. */
export function isAssertion(node: ts.Node, own: ReadonlySet<string>): node is ts.CallExpression {
  if (!ts.isCallExpression(node)) return false;
  let callee: ts.Expression = node.expression;
  while (ts.isPropertyAccessExpression(callee) || ts.isCallExpression(callee)) callee = callee.expression;
  return ts.isIdentifier(callee) && (/^(expect|describe[A-Z])/.test(callee.text) || own.has(callee.text));
}

/** Functions of the file that hold assertions, by their names. */
export function assertingFunctions(file: ts.SourceFile): ReadonlySet<string> {
  const names = new Set<string>();
  const holds = (node: ts.Node | undefined) => !!node && some(node, (part) => isAssertion(part, names));
  for (let before = -1; before !== names.size; ) {
    before = names.size;
    visit(file, (node) => {
      if (ts.isFunctionDeclaration(node) && node.name && holds(node.body)) names.add(node.name.text);
      if (!ts.isVariableDeclaration(node) || !ts.isIdentifier(node.name) || !node.initializer) return;
      if (isFunction(node.initializer) && holds(node.initializer)) names.add(node.name.text);
    });
  }
  return names;
}

function reaches(text: string, seed: Seed): boolean {
  const file = parsed(text);
  const carriers = new Set<string>();
  const asserting = assertingFunctions(file);
  // The name of a property is no use.
  const isName: Seed = ({ parent }) => ts.isPropertyAccessExpression(parent) || ts.isPropertyAssignment(parent);
  const isUse: Seed = (node) =>
    ts.isIdentifier(node)
      ? (seed(node) || carriers.has(node.text)) &&
        !(isName(node) && (node.parent as ts.PropertyAssignment).name === node)
      : seed(node);
  const carries = (node: ts.Node | undefined): boolean => node !== undefined && some(node, isUse);
  const flow = (node: ts.Node): void => {
    const add = (name: ts.BindingName) => {
      for (const own of bindings(name)) carriers.add(own);
    };
    if (ts.isNewExpression(node) && seed(node)) {
      // An object changes what it is made of.
      for (const argument of node.arguments ?? [])
        visit(argument, (part) => {
          if (ts.isIdentifier(part)) carriers.add(part.text);
        });
    } else if (ts.isVariableDeclaration(node)) {
      if (carries(node.initializer)) add(node.name);
    } else if (ts.isFunctionDeclaration(node) && node.name) {
      if (carries(node.body)) carriers.add(node.name.text);
    } else if (
      ts.isForOfStatement(node) &&
      ts.isVariableDeclarationList(node.initializer) &&
      carries(node.expression)
    ) {
      for (const { name } of node.initializer.declarations) add(name);
    } else if (ts.isBinaryExpression(node) && node.operatorToken.kind === ts.SyntaxKind.EqualsToken) {
      if (carries(node.right) && ts.isIdentifier(node.left)) carriers.add(node.left.text);
    } else if (ts.isCallExpression(node) && carries(node.expression)) {
      // expected.forEach((value) => …), it.each(rows)('…', (row) => …)
      for (const argument of node.arguments)
        if (isFunction(argument)) for (const { name } of argument.parameters) add(name);
    }
  };
  for (let before = -1; before !== carriers.size; ) {
    before = carriers.size;
    visit(file, flow);
  }
  return some(file, (node) => isAssertion(node, asserting) && carries(node));
}

const isFunction = (node: ts.Node): node is ts.ArrowFunction | ts.FunctionExpression =>
  ts.isArrowFunction(node) || ts.isFunctionExpression(node);
