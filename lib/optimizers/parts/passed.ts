import type { Option } from '../../core/schema.ts';
import type { Part } from '../base/part.ts';

// biome-ignore lint/suspicious/noExplicitAny: options of any kind
type Options = Readonly<Record<string, Option<any>>>;
type ValuesOf<T extends Options> = { readonly [K in keyof T]: T[K] extends Option<infer V> ? V : never };

/** Options that the op takes as they are, under the same names. */
export const passed = <T extends Options>(schema: T): Part<ValuesOf<T>, never, ValuesOf<T>> => ({
  schema: schema as unknown as { readonly [K in keyof T]: Option<ValuesOf<T>[K]> },
  fields: (options) => {
    const fields: Partial<Record<keyof T, unknown>> = {};
    for (const name of Object.keys(schema) as (keyof T)[]) fields[name] = options[name];
    return fields as ValuesOf<T>;
  },
});
