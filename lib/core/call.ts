import { OrthokitError, refusal, shown, suggestion } from './errors.ts';

/** The values of an operation's fields, by their names. */
type Fields = Readonly<Record<string, unknown>>;

/** Checks an operation's fields and queues it. */
export type Call = (device: object, fields: object) => void;

type Pass = (device: object, fields: Fields) => void;
const passes = new WeakMap<Call, Pass>();

/** The same for callers whose fields' names the compiler has checked: native code looks at the values. */
export const passOf = (call: Call): Call => passes.get(call) as Call;

/**
 * An operation that takes its fields by name. Native code takes their values in an order of its own: it would need ten
 * times as long to find them in an object, and to see that there are no others.
 *
 * @param pass gives the device and the values of the fields to native code
 * @throws ERR_ARGUMENT for fields that are no object, and for a name that is none of the operation's
 */
export function operation(name: string, names: readonly string[], pass: Pass): Call {
  const known = new Set(names);
  const call: Call = (device, fields) => {
    if (typeof fields !== 'object' || fields === null) throw refusal(name, 'fields', 'be an object', shown(fields));
    for (const field in fields)
      if (!known.has(field))
        throw new OrthokitError('ERR_ARGUMENT', `${name}: ${field} is not a field${suggestion(field, names)}`);
    pass(device, fields as Fields);
  };
  passes.set(call, pass);
  return call;
}
