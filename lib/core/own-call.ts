import { passOf } from './call.ts';
import { calls, type Name } from './native-ops/calls.ts';
import type { Ops } from './native-ops.ts';

/** An operation as the library calls it: the compiler has seen the names of its fields, and nobody looks again. */
export const ownCall = <K extends Name>(name: K): Ops[K] => passOf(calls[name]) as unknown as Ops[K];
