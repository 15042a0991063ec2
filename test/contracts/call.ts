// How each public function is called with small arguments: the files of `calls`, one a family, which the suites of this
// folder read. What each contract asks of a function, its suite finds out by calling it.
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { Device, type Stateful, type Tensor } from '../../lib/index.ts';
import { Folder } from '../files/folder.ts';
import { thingsIn } from './things.ts';

/** The place in which a call finds and leaves what it works on. */
export interface Scene {
  readonly device: Device;
  readonly folder: Folder;
}
type Made<T> = (on: Scene) => T | Promise<T>;

/** The changes of an object's state. */
export interface State {
  /** Work that changes it, the same for the same number. */
  advance(one: never, step: number): void | Promise<void>;
  /** An object for copies of what the caller keeps beside it, as another process would make it: without its state. */
  again(one: never, on: Scene): Promise<Stateful>;
  /** The tensors that the caller keeps beside it, such as parameters. */
  beside(one: never): readonly Tensor[];
}

export interface Call {
  /** The object of a method. */
  readonly of?: Made<object>;
  /** All arguments but the options, valid and small. Default: none. */
  readonly args?: Made<readonly unknown[]>;
  /** Options of a short call. Absent: the function takes none. */
  readonly options?: Made<object>;
  /** Options that contradict each other, or the arguments: each is refused. */
  readonly refused?: readonly object[];
  /** For what makes a folder: an option with which another folder would come about. Default: `seed` 5. */
  readonly another?: object;
  /** For `save` of what keeps state: how it changes. */
  readonly state?: State;
  /** The arguments that the function changes, by their places. */
  readonly changes?: readonly number[];
  /** The beginning of its messages, where that is neither its own name nor its class's. */
  readonly says?: string;
  /** Demands that it does not make on a tensor. */
  readonly takes?: readonly ('any device' | 'any dtype' | 'any rank')[];
}

const root = path.join(import.meta.dirname, '..', '..');
const load = <T>(...names: string[]): Promise<T> => import(/* @vite-ignore */ path.join(root, ...names));

const families = await Promise.all(
  readdirSync(path.join(import.meta.dirname, 'calls')).map((file) =>
    load<{ calls: Record<string, Call> }>('test', 'contracts', 'calls', file),
  ),
);
/** By name: a function `cg`, one of a namespace `project.ball`, a class `Muon`, a method `Tensor.reshape`. */
export const calls: Readonly<Record<string, Call>> = Object.assign({}, ...families.map((family) => family.calls));

const { exports } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as { exports: object };
const folders = Object.keys(exports).flatMap((name) => /^\.(?:\/(\w+))?$/.exec(name)?.slice(1) ?? []);
const modules = await Promise.all(folders.map((name = '') => load<object>('lib', name, 'index.ts')));

// biome-ignore lint/suspicious/noExplicitAny: a call of any function, with arguments that are wrong on purpose
export type AnyFunction = any;

const isNamespace = (value: unknown): value is object => Object.prototype.toString.call(value) === '[object Module]';
const named = (module: object): [string, AnyFunction][] =>
  Object.entries(module).flatMap(([name, value]): [string, AnyFunction][] =>
    isNamespace(value) ? named(value).map(([own, one]) => [`${name}.${own}`, one]) : [[name, value]],
  );
/** Functions and classes of every sub-path, by name. */
export const published = new Map(modules.flatMap(named).filter(([, value]) => typeof value === 'function'));

/** True for a function that is called by `new`. */
export const isClass = (value: AnyFunction): boolean => /^class\b/.test(Function.prototype.toString.call(value));

/** A call made ready: its arguments exist. */
export interface Ready {
  readonly args: readonly unknown[];
  readonly options: Record<string, unknown> | undefined;
  /** Calls with these arguments in place of its own; what it gives, or a rejection, if it throws too. */
  call(args?: readonly unknown[], options?: unknown): Promise<unknown>;
  /** The same without a promise of our own. */
  now(args?: readonly unknown[], options?: unknown): unknown;
}

/** Makes the arguments of a call. */
export async function ready(name: string, on: Scene): Promise<Ready> {
  const entry = calls[name]!;
  const owner = await entry.of?.(on);
  const args = (await entry.args?.(on)) ?? [];
  const options = (await entry.options?.(on)) as Record<string, unknown> | undefined;
  const target = published.get(name);
  const dot = name.lastIndexOf('.');
  const [className, method] = [name.slice(0, dot), name.slice(dot + 1)];
  const now = (given: readonly unknown[] = args, chosen: unknown = options): unknown => {
    const all = entry.options ? [...given, chosen] : given;
    if (owner) return (owner as Record<string, AnyFunction>)[method](...all);
    if (target) return isClass(target) ? new target(...all) : target(...all);
    return published.get(className)[method](...all);
  };
  return { args, options, now, call: async (given, chosen) => now(given, chosen) };
}

/** Gives back what a call has made, whatever it is, but not what it was given. */
export function giveBack(result: unknown, given: unknown): void {
  const lent = new Set(thingsIn(given).map(({ value }) => value as unknown));
  const walk = (part: unknown): void => {
    if (typeof part !== 'object' || part === null || lent.has(part) || part instanceof Device) return;
    if ('dispose' in part && typeof part.dispose === 'function') part.dispose();
    else for (const inner of Object.values(part)) walk(inner);
  };
  walk(result);
}

const isStateful = (value: AnyFunction): boolean =>
  isClass(value) &&
  ['save', 'load', 'stateBytes', 'dispose'].every((member) => member in value.prototype) &&
  ![...published.values()].some((other) => other.prototype instanceof value);
/** True for what opens its files as new objects, and so has no state that another one's could take the place of. */
const opensFiles = (name: string): boolean => 'open' in (published.get(name) ?? {});
/** Classes that keep state and can save it, of any family: those that are exported, and those of results alone. */
export const stateful: readonly string[] = [
  ...[...published].flatMap(([name, value]) => (isStateful(value) ? [name] : [])),
  ...Object.keys(calls).flatMap((name) => /^(\w+)\.save$/.exec(name)?.slice(1) ?? []),
].filter((name, i, all) => all.indexOf(name) === i && !opensFiles(name));

/** The beginning of a function's messages. */
export const beginsLike = (name: string): RegExp =>
  new RegExp(
    `^(?:${[name, name.replace(/\.\w+$/, ''), ...name.split('.'), calls[name]!.says ?? name].join('|')})(?: group 0)?: `,
  );

/** An open device and a folder, given back at the end. Tensors that nobody holds any more may go at any time before. */
export class Stage implements Scene {
  readonly device = Device.open('cpu', { threads: 1 });
  readonly folder = new Folder();

  async [Symbol.asyncDispose](): Promise<void> {
    await this.device.close();
    this.folder[Symbol.dispose]();
  }
}
