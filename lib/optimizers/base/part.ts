import type { Option, Schema } from '../../core/schema.ts';
import type { Tensor } from '../../core/tensor.ts';
import type { Cut } from './cut.ts';
import type { Slot } from './state.ts';
import type { OwnNumber } from './statistics.ts';

/**
 * Factors, by name, that make the state of a checkpoint that of an optimizer whose option is another one; or why none
 * does.
 */
export type Conversion<O> = (stored: Readonly<O>, own: Readonly<O>) => Readonly<Record<string, number>> | string;

/**
 * One idea of an optimizer, and all that follows from it. An optimizer is a list of parts. O are the options that a
 * part reads, which may be those of another part; S the tensors that it keeps beside a parameter; F the fields of an op
 * that it fills.
 */
export interface Part<O, S extends string = never, F extends object = object> {
  /** The schema of the options that it brings. */
  readonly schema?: { readonly [K in keyof O]?: Option<O[K]> };
  /** Defaults that depend on options that are given. */
  readonly defaults?: (given: Partial<O>) => Partial<O>;
  /** Throws for options that do not go together; called before every step too, then with the names of the state. */
  readonly checkOptions?: (where: string, options: O, slots?: ReadonlySet<string>) => void;
  /** Throws for weights that the method does not take. */
  readonly checkWeight?: (where: string, weight: Tensor, options: O) => void;
  /** The state of one parameter, by name. */
  readonly slots?: (weight: Tensor, options: O) => { readonly [K in S]?: Slot };
  /** Options that are settled, of which a checkpoint may have another value, or why it may not. */
  readonly conversions?: { readonly [K in keyof O]?: Conversion<O> };
  /** State that means nothing in another dtype, by name, and why. */
  readonly bound?: { readonly [K in S]?: string };
  /** Cuts a weight into several, each of which the parts then see as a weight of its own. */
  readonly cut?: (where: string, weight: Tensor, options: O) => Cut | undefined;
  /** The shape that the method sees, where it is not the weight's own. */
  readonly viewShape?: (weight: Tensor, options: O) => readonly number[] | undefined;
  /** Fields of the op for a step. */
  readonly fields?: (options: O) => F;
  /** The number of the method's own that its kernels leave in the statistics. */
  readonly number?: OwnNumber;
  /** Its op counts the matrices whose Gram form was of no use. */
  readonly countsFallbacks?: boolean;
}

// biome-ignore lint/suspicious/noExplicitAny: a part's options do not matter to those who ask for its state or fields
type AnyPart<S extends string, F extends object> = Part<any, S, F>;
type Intersection<U> = (U extends unknown ? (one: U) => void : never) extends (all: infer I) => void ? I : never;

/** The names of the state that a list of parts keeps. */
export type SlotsOf<P extends readonly object[]> = P[number] extends infer One
  ? One extends AnyPart<infer S, object>
    ? S
    : never
  : never;
/** The fields that a list of parts fills. */
export type FieldsOf<P extends readonly object[]> = Intersection<
  P[number] extends infer One ? (One extends AnyPart<string, infer F> ? F : never) : never
>;

/** A list of parts as one. Where two parts bring one option or field, the later one's counts. */
export interface Method<O> {
  readonly schema: Schema<O>;
  readonly number: OwnNumber | undefined;
  readonly countsFallbacks: boolean;
  readonly conversions: Readonly<Record<string, Conversion<O>>>;
  readonly bound: Readonly<Record<string, string>>;
  defaults(given: Partial<O>): Partial<O>;
  checkOptions(where: string, options: O, slots?: ReadonlySet<string>): void;
  checkWeight(where: string, weight: Tensor, options: O): void;
  slots(weight: Tensor, options: O): Record<string, Slot>;
  cut(where: string, weight: Tensor, options: O): Cut | undefined;
  viewShape(weight: Tensor, options: O): readonly number[] | undefined;
  fields(options: O): object;
}

export function joined<O>(parts: readonly Part<O, string>[]): Method<O> {
  const all = <T extends object>(of: (part: Part<O, string>) => object | undefined): T =>
    Object.assign({}, ...parts.map(of));
  return {
    schema: all((part) => part.schema),
    number: parts.find((part) => part.number)?.number,
    countsFallbacks: parts.some((part) => part.countsFallbacks),
    conversions: all((part) => part.conversions),
    bound: all((part) => part.bound),
    defaults: (given) => all((part) => part.defaults?.(given)),
    checkOptions: (...checked) => {
      for (const part of parts) part.checkOptions?.(...checked);
    },
    checkWeight: (...checked) => {
      for (const part of parts) part.checkWeight?.(...checked);
    },
    slots: (weight, options) => all((part) => part.slots?.(weight, options)),
    cut: (...given) => parts.find((part) => part.cut)?.cut?.(...given),
    viewShape: (weight, options) => parts.find((part) => part.viewShape)?.viewShape?.(weight, options),
    fields: (options) => all((part) => part.fields?.(options)),
  };
}
