// Records of runs: only a run of the same options and files goes on with the work of an earlier one.
import { isRecord } from '../../core/options.ts';
import { attempt, calls } from '../calls.ts';
import { shortened } from '../quote.ts';
import type { Folder } from './folder.ts';

/** Options that show in the result, and the files that it is made of. */
export interface RunRecord {
  /** The version of the work that is left in the workspace. */
  readonly format: number;
  readonly options: Readonly<Record<string, unknown>>;
  readonly files: readonly (readonly string[])[];
}

export const textOf = (run: RunRecord): string => `${JSON.stringify(run, null, 2)}\n`;

/** Files of a folder as they are now: path, name, size and time of the last change of each. */
export async function statesOf(folder: Folder, names: readonly string[]): Promise<string[][]> {
  const states: string[][] = [];
  for (const name of names) {
    const { size, mtimeMs } = await attempt(folder.op, name, 'examined', calls.stat(folder.file(name)));
    states.push([folder.path, name, String(size), String(mtimeMs)]);
  }
  return states;
}

interface StoredRun {
  readonly format: unknown;
  readonly options: Record<string, unknown>;
  readonly files: unknown;
}

/** The record in a text of {@link textOf}; anybody may have written it. */
function parsed(text: string): StoredRun | undefined {
  try {
    const run: unknown = JSON.parse(text);
    if (!isRecord(run) || !isRecord(run['options'])) return undefined;
    return { format: run['format'], options: run['options'], files: run['files'] };
  } catch {
    return undefined;
  }
}

/** True if a text is one of {@link textOf}. */
export const isRun = (text: string): boolean => parsed(text) !== undefined;

/** The differences of another run from one's own, in words. */
export function differenceOf(found: string | undefined, own: string): string {
  const other = found === undefined ? undefined : parsed(found);
  const mine = parsed(own);
  if (!other || !mine) return 'something else';
  if (other.format !== mine.format) return 'the work of another version';
  const words = (value: unknown): string => shortened(JSON.stringify(value) ?? 'no');
  const differences: string[] = [];
  for (const name of new Set([...Object.keys(mine.options), ...Object.keys(other.options)])) {
    const [before, now] = [words(other.options[name]), words(mine.options[name])];
    if (before !== now) differences.push(`${shortened(name)} ${before} for ${now}`);
  }
  if (JSON.stringify(other.files) !== JSON.stringify(mine.files)) differences.push('other files of its inputs');
  return `another run: ${differences.slice(0, 5).join(', ') || 'other options'}`;
}
