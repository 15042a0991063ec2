// Devices: cpu
// Every public name says what it is: a summary, defaults of options, errors, and where a method comes from.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import ts from 'typescript';
import { afterAll, describe, expect, it } from 'vitest';
import { Device, Tensor } from '../lib/index.ts';
import { calls } from './contracts/call.ts';
import { operators, oracles } from './contracts/returned.ts';
import { classes as optimizerClasses } from './optimizers/classes.ts';

const root = path.join(import.meta.dirname, '..');
const { entryPoints }: { entryPoints: string[] } = JSON.parse(readFileSync(path.join(root, 'typedoc.json'), 'utf8'));
const entries = entryPoints.map((file) => path.join(root, file));
const config = ts.readConfigFile(path.join(root, 'tsconfig.json'), ts.sys.readFile);
const { options } = ts.parseJsonConfigFileContent(config.config, ts.sys, root);
const program = ts.createProgram(entries, { ...options, noEmit: true });
const checker = program.getTypeChecker();
const modules = entries.map((entry) => checker.getSymbolAtLocation(program.getSourceFile(entry)!)!);

interface PublicName {
  readonly name: string;
  readonly symbol: ts.Symbol;
  readonly node: ts.Declaration;
}

const target = (symbol: ts.Symbol): ts.Symbol =>
  symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;

const named = (name: string, symbol: ts.Symbol): PublicName[] =>
  symbol.declarations?.[0] ? [{ name, symbol, node: symbol.declarations[0] }] : [];

/** The names of a module, and of those that it gives as one name, such as `project`. */
const exportsOf = (module: ts.Symbol): ts.Symbol[] =>
  checker
    .getExportsOfModule(module)
    .map(target)
    .flatMap((symbol) => (symbol.flags & ts.SymbolFlags.ValueModule ? exportsOf(symbol) : [symbol]));
const exported = [...new Set(modules.flatMap(exportsOf))].flatMap((symbol) => named(symbol.name, symbol));

const tagsOf = (symbol: ts.Symbol, tag: string): string[] =>
  symbol
    .getJsDocTags(checker)
    .filter(({ name }) => name === tag)
    .map(({ text }) => ts.displayPartsToString(text));
const summaryOf = (symbol: ts.Symbol): string =>
  ts.displayPartsToString(symbol.getDocumentationComment(checker)).trim();
const documentationOf = (symbol: ts.Symbol): string =>
  [summaryOf(symbol), ...tagsOf(symbol, 'throws'), ...tagsOf(symbol, 'example')].join('\n');

const isOurs = (node: ts.Node): boolean => node.getSourceFile().fileName.startsWith(path.join(root, 'lib'));
const isHidden = (node: ts.Declaration): boolean =>
  ('name' in node && ts.isPrivateIdentifier(node.name as ts.Node)) ||
  (ts.getCombinedModifierFlags(node) & (ts.ModifierFlags.Private | ts.ModifierFlags.Protected)) !== 0 ||
  ts.getJSDocTags(node).some(({ tagName }) => tagName.text === 'internal') ||
  /@internal/.test(node.getFullText().slice(0, node.getLeadingTriviaWidth()));

/** Members that a class or interface declares itself; those of types written in place are members of their owner. */
function membersOf({ name, node, symbol }: PublicName): PublicName[] {
  const statics = ts.isClassDeclaration(node) ? checker.getPropertiesOfType(checker.getTypeOfSymbol(symbol)) : [];
  const instance = checker.getPropertiesOfType(checker.getDeclaredTypeOfSymbol(symbol));
  return [...instance, ...statics].flatMap((member) => {
    const at = member.declarations?.[0];
    const own = at && isOurs(at) && member.name !== 'prototype' && !isHidden(at);
    const label = member.name.startsWith('__@') ? member.name.replace(/^__@(\w+)@\d+$/, '[$1]') : member.name;
    return own ? named(`${name}.${label}`, member) : [];
  });
}

const types = exported.filter(({ symbol }) => symbol.flags & (ts.SymbolFlags.Class | ts.SymbolFlags.Interface));
const members = types.flatMap(membersOf);
const all = [...exported, ...members];

const documented = (names: readonly PublicName[], good: (n: PublicName) => boolean): string[] =>
  names.filter((n) => !good(n)).map(({ name }) => name);

it('finds the names', () => {
  expect(exported.map(({ name }) => name)).toEqual(
    expect.arrayContaining(['Device', 'Tensor', 'Muon', 'combine', 'saveTensors', 'lbfgs', 'dykstra']),
  );
  expect(members.map(({ name }) => name)).toEqual(
    expect.arrayContaining([
      'Device.open',
      'Tensor.read',
      'Muon.step',
      'MuonOptions.lr',
      'Tensor.[dispose]',
      'Ops.gemm',
    ]),
  );
  expect(members.map(({ name }) => name)).not.toContain('Muon.update');
});

it('each has a summary', () => {
  expect(documented(all, ({ symbol }) => summaryOf(symbol).length > 3)).toEqual([]);
});

it('options say their defaults, or may not be left out', () => {
  const optional = members.filter(
    ({ name, node }) =>
      /Options\.\w+$/.test(name) &&
      (ts.isPropertySignature(node) || ts.isPropertyDeclaration(node)) &&
      !/\.seed$/.test(name),
  );
  expect(optional.length).toBeGreaterThan(30);
  expect(documented(optional, ({ symbol }) => /default/i.test(summaryOf(symbol)))).toEqual([]);
});

const refusal =
  /new OrthokitError\(|\b(refusal|readOptions|checkOptions|checkValues|checkPath|checkTransfer|checkDampening)\(|#check\(/;
/** True for a constant that is a function, such as `nn.gelu`. */
const isCalled = (node: ts.Declaration): boolean =>
  ts.isVariableDeclaration(node) && checker.getTypeAtLocation(node).getCallSignatures().length > 0;
/** The code that runs when the name is called: of a class its constructor. */
const calledOf = (node: ts.Declaration): ts.Declaration | undefined =>
  ts.isClassDeclaration(node)
    ? node.members.find((member) => ts.isConstructorDeclaration(member) && member.body)
    : node;
const bodyOf = (node: ts.Declaration): string => {
  const called = calledOf(node);
  if (called && ts.isVariableDeclaration(called)) return isCalled(called) ? (called.initializer?.getText() ?? '') : '';
  return called && 'body' in called ? ((called.body as ts.Node | undefined)?.getText() ?? '') : '';
};
const throwsOf = ({ node, symbol }: PublicName): string[] => {
  const own = ts.getJSDocTags(calledOf(node) ?? node).filter(({ tagName }) => tagName.text === 'throws');
  return [...tagsOf(symbol, 'throws'), ...own.map(({ comment }) => ts.getTextOfJSDocComment(comment) ?? '')];
};

it('what refuses says with which codes', () => {
  const throwing = all.filter(({ node }) => refusal.test(bodyOf(node)));
  expect(throwing.length).toBeGreaterThan(10);
  expect(documented(throwing, (n) => throwsOf(n).some((text) => /ERR_[A-Z]+/.test(text)))).toEqual([]);
});

describe('optimizers', () => {
  const device = Device.open('cpu', { threads: 1 });
  afterAll(() => device.close());
  const isOptimizer = (type: ts.Type): boolean =>
    checker
      .getBaseTypes(type as ts.InterfaceType)
      // `object` has no symbol.
      .some((base) => base.getSymbol() !== undefined && (base.symbol.name === 'Optimizer' || isOptimizer(base)));
  const classes = exported.filter(
    ({ node, symbol }) => ts.isClassDeclaration(node) && isOptimizer(checker.getDeclaredTypeOfSymbol(symbol)),
  );

  it('are found', () => {
    expect(classes.map(({ name }) => name)).toEqual(expect.arrayContaining(['SGD', 'Muon', 'AuON', 'HybridAuON']));
  });
  it.each(classes)('$name says source, defaults, state, errors, and shows itself', ({ symbol }) => {
    expect(summaryOf(symbol)).toMatch(/arXiv \d{4}\.\d{5}|\b(19|20)\d\d\)|`torch\.optim\.\w+`/);
    expect(summaryOf(symbol)).toMatch(/Defaults: /);
    expect(summaryOf(symbol)).toMatch(/State: /);
    expect(tagsOf(symbol, 'throws').join()).toMatch(/ERR_/);
    expect(tagsOf(symbol, 'example')).not.toEqual([]);
  });
  it.each(classes)('$name has the options that its type names', ({ name, node }) => {
    const own = (node as ts.ClassDeclaration).members.find(ts.isConstructorDeclaration)!;
    const type = checker.getNonNullableType(checker.getTypeAtLocation(own.parameters[1]!));
    const named = type.getProperties().map((property) => property.name);
    const [, Class] = optimizerClasses.find(([label]) => label === name)!;
    const { name: _, params, ...settled } = new Class([Tensor.zeros(device, [2, 2])]).groups[0]!;
    expect([...Object.keys(settled), 'nonFinite', 'overlap', 'parameters'].sort()).toEqual(named.sort());
  });
});

describe('operations', () => {
  const ops = members.filter(({ name }) => name.startsWith('Ops.'));
  it.each(ops)('$name says formula, numerics or traffic, its demands and its errors', ({ symbol }) => {
    expect(documentationOf(symbol)).toMatch(/```text\n.*(Numerics|Traffic).*\n```/s);
    expect(summaryOf(symbol)).toMatch(/^- .* must |of any dtype/m);
    expect(tagsOf(symbol, 'throws').join()).toMatch(/ERR_ARGUMENT/);
  });
  it.each(ops)('$name says what each field is for', ({ node }) => {
    const [, fields] = (node as ts.MethodSignature).parameters;
    for (const property of checker.getTypeAtLocation(fields!).getProperties())
      expect(summaryOf(property)).toMatch(/^(Read|Written)|Default/);
  });
});

it('has a small call that the contracts are asked of', () => {
  const isAbstract = ({ node }: PublicName) => (ts.getCombinedModifierFlags(node) & ts.ModifierFlags.Abstract) !== 0;
  const functions = exported.filter(({ symbol, node }) => symbol.flags & ts.SymbolFlags.Function || isCalled(node));
  const classes = types.filter((one) => ts.isClassDeclaration(one.node) && !isAbstract(one));
  const constructors = classes.filter(({ node }) =>
    (node as ts.ClassDeclaration).members.some((one) => ts.isConstructorDeclaration(one) && !isHidden(one)),
  );
  const methods = classes
    .flatMap(membersOf)
    .filter(({ symbol }) =>
      symbol.declarations!.some((one) => ts.isMethodDeclaration(one) && one.parameters.length > 0),
    );
  const names = [...functions, ...constructors, ...methods].map(({ name }) => name);
  // Names of a namespace have it in front.
  const called = Object.keys(calls).map((name) => name.replace(/^(?:continual|project|schedules)\./, ''));
  expect(names.filter((name) => !called.includes(name))).toEqual([]);
  expect(called.filter((name) => !names.includes(name))).toEqual([]);
});

describe('what the suites of contracts are run on', () => {
  /** The type of what a function takes first. */
  const firstOf = (name: string): ts.Type => {
    const { node } = exported.find((one) => one.name === name)!;
    return checker.getTypeAtLocation((node as ts.FunctionDeclaration).parameters[0]!);
  };
  /** Functions, classes and methods that give something of a type, or a promise of it. */
  const giving = (wanted: ts.Type): string[] =>
    all
      .filter(({ symbol, node }) => {
        if ((symbol.flags & (ts.SymbolFlags.Value | ts.SymbolFlags.Method)) === 0) return false;
        const type = checker.getTypeOfSymbolAtLocation(symbol, node);
        return [...type.getCallSignatures(), ...type.getConstructSignatures()].some((signature) => {
          const result = checker.getAwaitedType(signature.getReturnType());
          const isOpen = !result || (result.flags & (ts.TypeFlags.Any | ts.TypeFlags.Never)) !== 0;
          return !isOpen && checker.isTypeAssignableTo(result, wanted);
        });
      })
      .map(({ name }) => name)
      .sort();

  it('has every function that gives an operator', () => expect(giving(firstOf('checkAdjoint'))).toEqual(operators));
  it('has every function that gives an oracle', () => expect(giving(firstOf('checkGradient'))).toEqual(oracles));
});
