// The options of groups that may be assigned to: of each part of a spec, by the names of its groups.
import { refusal, shown } from '../core/errors.ts';
import type { OptimizerPart } from '../optimizers/base/checkpoint.ts';

type Options = Readonly<Record<string, unknown>>;
/** The scalars of one part, by group. */
export type Scalars = Readonly<Record<string, Options>>;

/** Parts of an optimizer, each with its number in the spec. */
export type NumberedParts = readonly (readonly [number, OptimizerPart])[];

/** The scalars of groups as they are now; groups that are not there keep those of before. */
export function scalarsOf(before: readonly Scalars[], parts: NumberedParts): readonly Scalars[] {
  const all = [...before];
  for (const [i, { groups, schema }] of parts) {
    const names = Object.keys(schema).filter((name) => !schema[name]!.fixed);
    const found = groups.map((group) => [
      group.name,
      Object.fromEntries(names.map((name) => [name, (group as unknown as Options)[name]])),
    ]);
    all[i] = { ...all[i], ...Object.fromEntries(found) };
  }
  return all;
}

/**
 * Throws unless the groups of a part could have these scalars.
 * @param isWhole Whether the part has all its groups: then others are refused, too.
 */
export function checkScalars(where: string, part: OptimizerPart, scalars: Scalars, isWhole: boolean): void {
  for (const [name, values] of Object.entries(scalars)) {
    const g = part.groups.findIndex((group) => group.name === name);
    if (g < 0 && !isWhole) continue;
    if (g < 0) throw refusal(where, 'scalars', 'be those of a group', shown(name));
    for (const option of Object.keys(values)) {
      const isScalar = Object.hasOwn(part.schema, option) && !part.schema[option]!.fixed;
      if (!isScalar) throw refusal(where, 'scalars', 'be options that may be scheduled', shown(option));
    }
    part.check(where, { ...part.groups[g], ...values }, g);
  }
}

/** Gives the groups of parts the scalars that they had before, once all are looked at. */
export function giveScalars(where: string, parts: NumberedParts, scalars: readonly Scalars[]): void {
  for (const [i, part] of parts) checkScalars(where, part, scalars[i] ?? {}, false);
  for (const [i, { groups }] of parts)
    for (const group of groups)
      if (Object.hasOwn(scalars[i] ?? {}, group.name)) Object.assign(group, scalars[i]![group.name]);
}
