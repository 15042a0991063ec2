import { OrthokitError } from '../../core/errors.ts';
import { ownFolders } from './own-files.ts';
import { isResult, type Result } from './value.ts';

/** Frames that are taken where the library's own fill a usual stack. */
const depth = 60;

/** None where a program gives stacks a form of its own. */
const framesOf = ({ stack }: Error): string[] =>
  typeof stack === 'string' ? stack.split('\n').filter((line) => /^ +at /.test(line)) : [];

/** The library's, or of a function such as map that it calls. */
const isOwn = (frame: string): boolean =>
  frame.endsWith('(<anonymous>)') || ownFolders().some((folder) => frame.includes(folder));

/** The frames from the first on that is not the library's. */
function othersIn(frames: readonly string[]): readonly string[] {
  const first = frames.findIndex((frame) => !isOwn(frame));
  return first < 0 || frames[first]!.includes('node:') ? [] : frames.slice(first);
}

/** The frames of whoever has called into the library, here and now. */
function callers(): readonly string[] {
  const { stackTraceLimit } = Error;
  if (!Reflect.set(Error, 'stackTraceLimit', depth)) return [];
  const frames = othersIn(framesOf(new Error()));
  Error.stackTraceLimit = stackTraceLimit;
  return frames;
}

/** The same error, whose stack begins with the line of the caller. */
function fromCaller(error: OrthokitError, frames: readonly string[]): OrthokitError {
  const others = othersIn(frames);
  const shown = others.length > 0 ? others : callers();
  if (ownFolders().length > 0 && shown.length > 0)
    error.stack = [`${error.name}: ${error.message}`, ...shown].join('\n');
  return error;
}

/**
 * The same error, told where it was: `nn.linear of blocks.2.down.weight: gemm: …`. Its stack begins with the caller's
 * line; the library's own frames are those of its cause.
 */
export function located(error: unknown, name: string, args: readonly unknown[]): unknown {
  if (!(error instanceof OrthokitError)) return error;
  const frames = framesOf(error);
  if (error.message.startsWith('nn.')) return fromCaller(error, frames);
  const leaf = args.find((x) => isResult(x) && x.leaf) as Result | undefined;
  const place = leaf ? ` of ${leaf.leaf!.path}` : '';
  const told = new OrthokitError(error.code, `nn.${name}${place}: ${error.message}`, { cause: error });
  return fromCaller(told, frames);
}
