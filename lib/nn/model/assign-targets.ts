// The places of a file's tensors in a model, and all that is amiss with them, before anything is copied.
import * as check from '../../core/check.ts';
import { type Dtype, isFloating } from '../../core/dtypes.ts';
import { OrthokitError, refusal, shown, suggestion } from '../../core/errors.ts';
import { isListOf, isRecord } from '../../core/options.ts';
import type { Tensor } from '../../core/tensor.ts';
import { few } from '../../files/quote.ts';
import { places } from './tree.ts';

/** The place of a tensor in a model. */
export interface AssignPlace {
  /** The path. */
  name: string;
  /** The axes of the tensor in the model's order: axis i there is axis `permute[i]` here. Default: as they are. */
  permute?: readonly number[] | undefined;
  /**
   * The tensor has the rows of so many heads of queries or keys, whose pairs lie in the other of the two layouts of
   * {@link rope}: `to: 'halves'` moves rows of Meta's files as those of transformers lie. Default: as they are.
   */
  rope?: AssignTurn | undefined;
  /** First and end of the rows that it fills. Default: all. */
  rows?: readonly [number, number] | undefined;
}

/** The layout that {@link AssignPlace.rope} moves rows to. */
export interface AssignTurn {
  /** The number of heads, of queries or of keys, in the tensor. */
  readonly heads: number;
  /** The layout that the model's {@link rope} has. */
  readonly to: 'halves' | 'interleaved';
}

/** Says where a tensor goes: to a path, to a place, or nowhere. */
export type AssignMap = (name: string, info: { shape: readonly number[]; dtype: Dtype }) => string | null | AssignPlace;

/** A tensor of the file, and its place. */
export interface Placed extends AssignPlace {
  readonly tensor: Tensor;
}

/** A tensor of the model, and for each of its paths that is given the tensors placed there. */
export interface Target {
  readonly target: Tensor;
  readonly given: readonly (readonly Placed[])[];
}

const isPair = (x: unknown): boolean => isListOf(x, Number.isInteger as (n: unknown) => n is number) && x.length === 2;

function placeOf(where: string, name: string, place: unknown): AssignPlace | undefined {
  if (place === null) return undefined;
  if (typeof place === 'string') return { name: place };
  if (!isRecord(place) || typeof place['name'] !== 'string')
    throw refusal(where, `map of ${name}`, 'give a path, a place or null', shown(place));
  const { permute, rope, rows } = place;
  if (permute !== undefined && !Array.isArray(permute))
    throw refusal(where, `permute of ${name}`, 'be a list of axes', shown(permute));
  if (rope !== undefined && !isTurn(rope))
    throw refusal(where, `rope of ${name}`, "be { heads, to: 'halves' or 'interleaved' }", shown(rope));
  if (rows !== undefined && !isPair(rows)) throw refusal(where, `rows of ${name}`, 'be first and end', shown(rows));
  return place as unknown as AssignPlace;
}

const isTurn = (x: unknown): boolean =>
  isRecord(x) &&
  Number.isInteger(x['heads']) &&
  Number(x['heads']) > 0 &&
  (x['to'] === 'halves' || x['to'] === 'interleaved');

const typed = (dtype: Dtype, shape: readonly unknown[]): string => `${dtype}[${shape}]`;

/** The words for tensors that do not make a tensor of the model; none where they do. */
function misfit(target: Tensor, placed: readonly Placed[]): string | undefined {
  const [count = 1, ...row] = target.shape;
  let end = 0;
  for (const { tensor, permute, rope, rows } of [...placed].sort((a, b) => (a.rows?.[0] ?? 0) - (b.rows?.[0] ?? 0))) {
    const axes = permute ?? tensor.shape.map((_, axis) => axis);
    const isOrder = String([...axes].sort()) === String([...tensor.shape.keys()].sort());
    const shape = axes.map((axis) => tensor.shape[axis]);
    const wanted = rows ? [rows[1] - rows[0], ...row] : target.shape;
    const isKind = tensor.dtype === target.dtype || (isFloating(tensor.dtype) && isFloating(target.dtype));
    if (rope && isOrder && (shape[0] ?? 1) % (2 * rope.heads) !== 0)
      return `rope of ${rope.heads} heads of ${typed(tensor.dtype, shape)}`;
    if (!isOrder) return `permute [${axes}] of ${typed(tensor.dtype, tensor.shape)}`;
    if (String(shape) !== String(wanted) || !isKind)
      return `${typed(tensor.dtype, shape)} for ${typed(target.dtype, wanted)}`;
    if ((rows?.[0] ?? 0) !== end) return rows ? `rows ${rows.join(' to ')} after ${end}` : 'given twice';
    end = rows?.[1] ?? count;
  }
  return end === count ? undefined : `rows to ${end} of ${count}`;
}

/** The names, of which a name that is nearly one of the others says so. */
const near = (names: readonly string[], others: readonly string[]): string[] =>
  names.map((name) => {
    const longer = others.find((other) => other.endsWith(`.${name}`) || name.endsWith(`.${other}`));
    return `${name}${longer ? `, did you mean ${longer}?` : suggestion(name, others)}`;
  });

/** @throws ERR_STATE unless every tensor of the model is given, and nothing else */
export function targetsOf(
  where: string,
  model: unknown,
  tensors: Readonly<Record<string, Tensor>>,
  map: AssignMap,
): Target[] {
  const found = places(where, model);
  const placed = new Map([...found.values()].flat().map((path): [string, Placed[]] => [path, []]));
  const [device] = [...found.keys()].map((tensor) => tensor.device);
  const leftOver: string[] = [];
  for (const [name, tensor] of Object.entries(tensors)) {
    check.tensor(where, `tensors.${name}`, tensor, device ? { device } : {});
    const { shape, dtype } = tensor;
    const place = placeOf(where, name, map(name, { shape, dtype }));
    if (!place) continue;
    const known = placed.get(place.name);
    if (known) known.push({ ...place, tensor });
    else leftOver.push(place.name === name ? name : `${name} as ${place.name}`);
  }
  const missing: string[] = [];
  const other: string[] = [];
  const targets = [...found].map(([target, paths]): Target => {
    const given = paths.filter((path) => placed.get(path)!.length > 0);
    if (given.length === 0) missing.push(paths[0]!);
    for (const path of given) {
      const problem = misfit(target, placed.get(path)!);
      if (problem) other.push(`${path}: ${problem}`);
    }
    return { target, given: given.map((path) => placed.get(path)!) };
  });
  const problems = [
    ['missing', near(missing, leftOver)],
    ['left over', near(leftOver, missing)],
    ['of another shape', other],
  ] as const;
  const words = problems.flatMap(([kind, all]) => (all.length > 0 ? [`${all.length} ${kind} (${few(all)})`] : []));
  if (words.length > 0)
    throw new OrthokitError(
      'ERR_STATE',
      `${where}: tensors do not fit the model of ${found.size}, got ${words.join('; ')}`,
    );
  return targets;
}
