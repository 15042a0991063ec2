// The library in JavaScript, with a counter at every branch of the files that a fuzz target is about.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import ts from 'typescript';
import { javascriptOf, libraryFiles } from '../support/library.ts';

/** A place that a run may reach: an arm of a branch, the body of a loop or of a function. */
export interface Point {
  file: string;
  line: number;
  /** The first line of the code there, or of what it is a part of. */
  text: string;
}

/**
 * Writes lib/ to `folder`/lib, and counters into the files of `measured` (paths below lib/). Counter n, which stands in
 * `globalThis.hits[n]`, is element n of the answer.
 */
export function instrumentLibrary(folder: string, measured: readonly string[]): Point[] {
  rmSync(folder, { recursive: true, force: true });
  const points: Point[] = [];
  for (const name of libraryFiles()) {
    const transformers = measured.includes(name) ? { before: [counters(name, points)] } : undefined;
    const target = path.join(folder, 'lib', name.replace(/\.ts$/, '.js'));
    mkdirSync(path.dirname(target), { recursive: true });
    writeFileSync(target, javascriptOf(name, transformers));
  }
  // By this name the binary is found through ORTHOKIT_PREBUILD.
  writeFileSync(path.join(folder, 'package.json'), '{ "name": "orthokit", "type": "module" }');
  writeFileSync(path.join(folder, 'points.json'), JSON.stringify(points));
  return points;
}

function counters(file: string, points: Point[]): ts.TransformerFactory<ts.SourceFile> {
  return (context) => (source) => {
    const { factory } = context;

    const count = (node: ts.Node, note = ''): ts.Expression => {
      const { line } = source.getLineAndCharacterOfPosition(node.getStart(source));
      const firstLine = (of: ts.Node): string => of.getText(source).split('\n')[0]!.trim();
      const own = firstLine(node);
      points.push({ file, line: line + 1, text: note + (own.length < 4 ? firstLine(node.parent) : own) });
      const hits = factory.createPropertyAccessExpression(factory.createIdentifier('globalThis'), 'hits');
      return factory.createPostfixIncrement(factory.createElementAccessExpression(hits, points.length - 1));
    };
    const statement = (node: ts.Node, note?: string): ts.Statement =>
      factory.createExpressionStatement(count(node, note));
    const first = (node: ts.Expression): ts.Expression =>
      factory.createParenthesizedExpression(factory.createComma(count(node), visited(node)));
    const block = (node: ts.Statement): ts.Block => {
      const mark = statement(node);
      if (!ts.isBlock(node)) return factory.createBlock([mark, visited(node)], true);
      return factory.createBlock([mark, ...ts.visitEachChild(node, visit, context).statements], true);
    };

    const visited = <T extends ts.Node>(node: T): T => visit(node) as T;
    const visit = (node: ts.Node): ts.Node => {
      if (ts.isIfStatement(node)) {
        const otherwise = node.elseStatement
          ? block(node.elseStatement)
          : factory.createBlock([statement(node.expression, 'not ')]);
        return factory.updateIfStatement(node, visited(node.expression), block(node.thenStatement), otherwise);
      }
      if (ts.isConditionalExpression(node)) {
        return factory.updateConditionalExpression(
          node,
          visited(node.condition),
          node.questionToken,
          first(node.whenTrue),
          node.colonToken,
          first(node.whenFalse),
        );
      }
      if (ts.isBinaryExpression(node) && isShortCircuit(node.operatorToken.kind)) {
        return factory.updateBinaryExpression(node, visited(node.left), node.operatorToken, first(node.right));
      }
      if (ts.isCatchClause(node)) return factory.updateCatchClause(node, node.variableDeclaration, block(node.block));
      if (ts.isForStatement(node)) {
        return factory.updateForStatement(
          node,
          node.initializer && visited(node.initializer),
          node.condition && visited(node.condition),
          node.incrementor && visited(node.incrementor),
          block(node.statement),
        );
      }
      if (ts.isForOfStatement(node)) {
        return factory.updateForOfStatement(
          node,
          node.awaitModifier,
          node.initializer,
          visited(node.expression),
          block(node.statement),
        );
      }
      if (ts.isArrowFunction(node) && !ts.isBlock(node.body)) {
        const { modifiers, typeParameters, parameters, type, equalsGreaterThanToken } = node;
        const body = first(node.body as ts.Expression);
        return factory.updateArrowFunction(
          node,
          modifiers,
          typeParameters,
          parameters,
          type,
          equalsGreaterThanToken,
          body,
        );
      }
      if (ts.isBlock(node) && ts.isFunctionLike(node.parent)) return block(node);
      return ts.visitEachChild(node, visit, context);
    };
    return visited(source);
  };
}

function isShortCircuit(kind: ts.SyntaxKind): boolean {
  return (
    kind === ts.SyntaxKind.AmpersandAmpersandToken ||
    kind === ts.SyntaxKind.BarBarToken ||
    kind === ts.SyntaxKind.QuestionQuestionToken
  );
}
