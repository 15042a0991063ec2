// The text that describes an optimizer in a stored model.
import { OrthokitError, shown } from '../core/errors.ts';
import { isListOf, isRecord } from '../core/options.ts';
import * as library from '../optimizers/index.ts';
import type { Scalars } from './scalars.ts';
import { type AnyClass, isClass, type Options, type Spec, specOf } from './spec.ts';

const nameOf = (optimizer: AnyClass): string => {
  const found = Object.entries(library).find(([, value]) => (value as unknown) === optimizer)?.[0];
  if (found === undefined)
    throw new OrthokitError('ERR_UNSUPPORTED', 'getConfig: optimizer must be a class of orthokit, got another');
  return found;
};

/** Text for values that JSON has and keeps. */
function textOf(value: unknown): string {
  return JSON.stringify(value, (key, member: unknown) => {
    const isLost = typeof member === 'function' || (typeof member === 'number' && !Number.isFinite(member));
    if (!isLost) return member;
    throw new OrthokitError('ERR_UNSUPPORTED', `getConfig: ${key} must be a value that JSON has, got ${shown(member)}`);
  });
}

/** @throws ERR_UNSUPPORTED for choices by functions, and numbers that JSON lacks */
export function describe({ isOne, parts, options, scalars }: Spec): string {
  const described = parts.map((part) => ({
    optimizer: nameOf(part.optimizer),
    params: part.params,
    options: part.options,
  }));
  return textOf({ isOne, parts: described, options, scalars });
}

/** @throws ERR_FORMAT in the place of refusals: the values are those of a text */
export function ofConfig<T>(where: string, make: () => T): T {
  try {
    return make();
  } catch (cause) {
    const code = (cause as Partial<OrthokitError>).code ?? '';
    if (!['ERR_ARGUMENT', 'ERR_DTYPE', 'ERR_SHAPE', 'ERR_UNSUPPORTED'].includes(code)) throw cause;
    const text = `${where}: config must be of an optimizer of orthokit: ${(cause as Error).message}`;
    throw new OrthokitError('ERR_FORMAT', text, { cause });
  }
}

const has = (content: Options, names: readonly string[]): boolean =>
  Object.keys(content).every((name) => names.includes(name));

const isScalars = (x: unknown): x is Scalars => isRecord(x) && Object.values(x).every(isRecord);

/** The opposite of {@link describe}; whether options have values that they may have shows later. @throws ERR_FORMAT */
export function described(where: string, text: unknown): Spec {
  const bad = (cause?: unknown) =>
    new OrthokitError('ERR_FORMAT', `${where}: config must be of an optimizer of orthokit, got ${shown(text)}`, {
      cause,
    });
  let content: unknown;
  try {
    content = JSON.parse(String(text));
  } catch (cause) {
    throw bad(cause);
  }
  if (!isRecord(content) || !has(content, ['isOne', 'parts', 'options', 'scalars'])) throw bad();
  const { isOne, parts, options, scalars } = content;
  if (typeof isOne !== 'boolean' || !isRecord(options) || !isListOf(parts, isRecord)) throw bad();
  if (!isListOf(scalars, isScalars) || scalars.length > parts.length) throw bad();
  const classes: Readonly<Record<string, unknown>> = library;
  const named = parts.map((part) => {
    const name: unknown = part['optimizer'];
    const optimizer = typeof name === 'string' && Object.hasOwn(classes, name) ? classes[name] : undefined;
    const isFit = isClass(optimizer) && isRecord(part['options']) && has(part, ['optimizer', 'params', 'options']);
    if (!isFit || Object.hasOwn(part['options'] as Options, 'params')) throw bad();
    return { optimizer, params: part['params'], options: part['options'] as Options };
  });
  const [first] = named;
  if (isOne && (named.length !== 1 || first!.params !== undefined || Object.keys(options).length > 0)) throw bad();
  const spec = ofConfig(where, () =>
    isOne
      ? specOf(where, first!.optimizer, first!.options)
      : specOf(
          where,
          named.map(({ optimizer, params, options: given }) => ({ ...given, optimizer, params })),
          options,
        ),
  );
  return { ...spec, scalars };
}
