import type { VocabularyMatch } from './match.ts';
import { type MatchKind, matchKinds } from './match-kinds.ts';

/** A row that is approximated, and one that no token needs, among ids of the base. */
export const approximated = -1;
export const unused = -2;

/** Where each row of a new table comes from. */
export interface Plan {
  /** By row: an id of the base whose bytes are copied, {@link approximated}, or {@link unused}. */
  readonly from: Int32Array;
  /** Rows that are approximated, rising. */
  readonly targets: Int32Array;
}

interface Fit {
  /** Rows of the new table. */
  readonly rows: number;
  /** Rows that the base's table has; ids beyond have none to copy. */
  readonly baseRows: number;
  /** Rows that the donor's table has; ids beyond have none to approximate. */
  readonly donorRows: number;
  /** Whether a row of base and donor is worth copying: false approximates it again. */
  readonly isTrained?: ((baseId: number, donorId: number) => boolean) | undefined;
  /** Whether the donor's row can be approximated; a row of zeros, for example, tells nothing. */
  readonly isUsable?: ((donorId: number) => boolean) | undefined;
}

export function planRows({ baseIds, kinds }: VocabularyMatch, fit: Fit): Plan {
  const { rows, baseRows, donorRows, isTrained, isUsable } = fit;
  const from = new Int32Array(rows).fill(unused);
  const targets: number[] = [];
  for (const [id, baseId] of baseIds.entries()) {
    const kind: MatchKind | undefined = matchKinds[kinds[id] ?? 0];
    if (kind === 'absent' || kind === 'collapsed') continue;
    const canCopy = baseId >= 0 && baseId < baseRows;
    const canApproximate = id < donorRows && (isUsable?.(id) ?? true);
    if (canCopy && (!canApproximate || (isTrained?.(baseId, id) ?? true))) from[id] = baseId;
    else if (canApproximate) {
      from[id] = approximated;
      targets.push(id);
    }
  }
  return { from, targets: Int32Array.from(targets) };
}

const anchorKinds: readonly MatchKind[] = ['exact', 'role', 'content'];

/** Tokens that both tables know: pairs of ids, in the order of the donor's. */
export function sharedIds(
  { baseIds, kinds }: VocabularyMatch,
  baseRows: number,
  donorRows: number,
): { base: Int32Array; donor: Int32Array } {
  const base: number[] = [];
  const donor: number[] = [];
  for (const [id, baseId] of baseIds.entries()) {
    const kind = matchKinds[kinds[id] ?? 0] ?? 'none';
    if (!anchorKinds.includes(kind) || baseId < 0 || baseId >= baseRows || id >= donorRows) continue;
    base.push(baseId);
    donor.push(id);
  }
  return { base: Int32Array.from(base), donor: Int32Array.from(donor) };
}

/** The multiple to which the base was padded, if it was: the least power of two that explains its rows. */
export function paddingOf(rows: number, tokens: number): number {
  if (rows <= tokens) return 1;
  for (let multiple = 2; multiple <= 4096; multiple *= 2)
    if (Math.ceil(tokens / multiple) * multiple === rows) return multiple;
  return 1;
}
