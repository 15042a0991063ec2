import { type MatchKind, matchKinds, type VocabularyMatch } from '../../tokenizers/index.ts';

/** A row that is approximated, and one that no token needs, among ids of the base. */
export const approximated = -1;
export const unused = -2;

/** Origin of each row of a new table. */
export interface Origins {
  /** The origin of each row: an id of the base whose bytes are copied, {@link approximated}, or {@link unused}. */
  readonly from: Int32Array;
  /** Rows that are approximated, rising. */
  readonly targets: Int32Array;
}

/** Sizes of the tables, and rows of them that are not to be used. */
export interface Fit {
  /** Rows of the new table. */
  readonly rows: number;
  /** Rows that the base's table has; ids beyond have none to copy. */
  readonly baseRows: number;
  /** Rows that the donor's table has; ids beyond have none to approximate. */
  readonly donorRows: number;
  /** Ids of the base whose rows are not worth copying, marked by 1. Default: none. */
  readonly badBase?: Uint8Array | undefined;
  /** Ids of the donor whose rows are not worth approximating, marked by 1. Default: none. */
  readonly badDonor?: Uint8Array | undefined;
}

export function originsOf({ baseIds, kinds }: VocabularyMatch, fit: Fit): Origins {
  const { rows, baseRows, donorRows, badBase, badDonor } = fit;
  const from = new Int32Array(rows).fill(unused);
  const targets: number[] = [];
  for (const [id, baseId] of baseIds.entries()) {
    const kind = matchKinds[kinds[id]!]!;
    if (kind === 'absent' || kind === 'collapsed') continue;
    if (baseId >= 0 && baseId < baseRows && badBase?.[baseId] !== 1) from[id] = baseId;
    else if (id < donorRows && badDonor?.[id] !== 1) {
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
  { baseRows, donorRows, badBase, badDonor }: Omit<Fit, 'rows'>,
): { base: Int32Array; donor: Int32Array } {
  const base: number[] = [];
  const donor: number[] = [];
  for (const [id, baseId] of baseIds.entries()) {
    const kind = matchKinds[kinds[id]!]!;
    if (!anchorKinds.includes(kind) || baseId < 0 || baseId >= baseRows || id >= donorRows) continue;
    if (badBase?.[baseId] === 1 || badDonor?.[id] === 1) continue;
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
