// Names and texts from files in messages.

/** A name from a file, fit for a message. */
export function quote(name: string): string {
  return shortened(JSON.stringify(name), '"');
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
