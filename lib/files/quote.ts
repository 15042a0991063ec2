// Names and texts from files in messages.

/** A name from a file, fit for a message. */
export function quote(name: string): string {
  return shortened(escaped(JSON.stringify(name)), '"');
}

/** A text in which what moves the cursor, changes colours or turns the direction of writing shows as an escape. */
export function escaped(text: string): string {
  const code = (mark: string): string => `\\u${mark.charCodeAt(0).toString(16).padStart(4, '0')}`;
  return text.replaceAll(/[\p{Cc}\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu, code);
}

/** The first of what may be many texts, and how many there are. */
export function few(texts: readonly string[], show: (text: string) => string = shortened): string {
  const first = texts.slice(0, 5).map((text) => show(text));
  return texts.length > 5 ? `${first.join(', ')}, … (${texts.length})` : first.join(', ');
}

/** A text from a file, short enough for a message; what is cut off shows as `…` and `end`. */
export function shortened(text: string, end = ''): string {
  return text.length > 80 ? `${text.slice(0, 76)}…${end}` : text;
}
