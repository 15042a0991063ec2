import type { Steps } from '../../core/turns.ts';
import { type Json, type JsonObject, JsonReader, keyBytes } from './reader.ts';
import type { Fail } from './scanner.ts';

const spaces: readonly (number | undefined)[] = [0x20, 0x0a, 0x0d, 0x09];

interface Splice {
  readonly from: number;
  readonly to: number;
  readonly text: string;
}

/**
 * The text of a JSON object with some members changed or added; everything else keeps its bytes, so that numbers such
 * as
 * `500000.0` stay what they were. Objects of the patch are merged into objects of the text.
 */
export function* editJson(bytes: Uint8Array, patch: JsonObject, fail: Fail, what: string): Steps<Uint8Array> {
  const json = new JsonReader(new Uint8Array(bytes), fail, what);
  const splices: Splice[] = [];
  yield* editObject(json, bytes, patch, splices);
  json.end();
  const parts: Uint8Array[] = [];
  let at = 0;
  for (const { from, to, text } of splices) {
    parts.push(bytes.subarray(at, from), Buffer.from(text));
    at = to;
  }
  return Buffer.concat([...parts, bytes.subarray(at)]);
}

function* editObject(json: JsonReader, bytes: Uint8Array, patch: JsonObject, splices: Splice[]): Steps<void> {
  json.kind();
  const open = json.at + 1;
  const left = new Map(Object.entries(patch));
  let end = open;
  let indent: string | undefined;
  for (const key of json.keys(keyBytes)) {
    indent ??= leadingSpace(bytes, open);
    const kind = json.kind();
    const start = json.at;
    const value = left.get(key);
    left.delete(key);
    if (isObject(value) && kind === 'object') yield* editObject(json, bytes, value, splices);
    else {
      yield* json.skip();
      if (value !== undefined) splices.push({ from: start, to: json.at, text: JSON.stringify(value) });
    }
    end = json.at;
    yield* json.pause();
  }
  if (left.size === 0) return;
  const added = [...left].map(([key, value]) => `${JSON.stringify(key)}: ${JSON.stringify(value)}`);
  const separator = `,${indent ?? ''}`;
  splices.push({ from: end, to: end, text: (indent === undefined ? '' : separator) + added.join(separator) });
}

const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function leadingSpace(bytes: Uint8Array, from: number): string {
  let end = from;
  while (spaces.includes(bytes[end])) end += 1;
  return Buffer.from(bytes.subarray(from, end)).toString();
}
