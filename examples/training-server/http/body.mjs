import { Problem } from '../problem.mjs';

/**
 * The JSON value of a request's body, of bounded length and depth.
 *
 * @param {Request} request
 * @param {{ bodyBytes: number, bodyDepth: number }} limits
 * @returns {Promise<unknown>}
 */
export async function readJson(request, { bodyBytes, bodyDepth }) {
  const type = request.headers.get('content-type') ?? '';
  if (!/^application\/json(?:\s*;.*)?$/i.test(type))
    throw new Problem('ERR_MEDIA_TYPE', 'the body must be of the type application/json');
  const tooLarge = new Problem('ERR_TOO_LARGE', `the body must have at most ${bodyBytes} bytes`, {
    Connection: 'close',
  });
  if (Number(request.headers.get('content-length') ?? 0) > bodyBytes) throw tooLarge;
  const pieces = [];
  let length = 0;
  try {
    for await (const piece of request.body ?? []) {
      length += piece.length;
      if (length > bodyBytes) throw tooLarge;
      pieces.push(piece);
    }
  } catch (error) {
    throw error === tooLarge ? error : new Problem('ERR_HTTP', 'the body did not come whole');
  }
  let text;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(pieces));
  } catch {
    throw new Problem('ERR_FORMAT', 'the body must be UTF-8');
  }
  if (depthOf(text) > bodyDepth)
    throw new Problem('ERR_FORMAT', `lists and objects of the body must lie at most ${bodyDepth} deep`);
  try {
    return JSON.parse(text);
  } catch {
    throw new Problem('ERR_FORMAT', 'the body must be JSON');
  }
}

/** The depth of brackets in each other, those in strings left out. @param {string} text */
function depthOf(text) {
  let [depth, deepest, inString] = [0, 0, false];
  for (let i = 0; i < text.length; i += 1) {
    const letter = text[i];
    if (inString && letter === '\\') i += 1;
    else if (letter === '"') inString = !inString;
    else if (!inString && (letter === '[' || letter === '{')) deepest = Math.max(deepest, ++depth);
    else if (!inString && (letter === ']' || letter === '}')) depth -= 1;
  }
  return deepest;
}
