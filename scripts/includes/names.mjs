// The names that a source file uses, and the headers that declare them.

/** Source code without comments, and with nothing in its strings. */
export function bare(text) {
  return text
    .replaceAll(/R"\(.*?\)"/gs, '""')
    .replaceAll(/\/\/[^\n]*|\/\*.*?\*\/|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])'/gs, (part) =>
      part[0] === '/' ? ' ' : '""',
    );
}

const included = /^\s*#\s*include\s*([<"])([^>"]+)[>"]/gm;

/** @returns {{ own: string[], standard: string[] }} what a file includes, by names in quotes and in angle brackets */
export function includesOf(text) {
  const found = [...text.matchAll(included)];
  const of = (mark) => found.filter(([, own]) => own === mark).map(([, , name]) => name);
  return { own: of('"'), standard: of('<') };
}

/** Words that begin a declaration at the left edge, where what belongs to a namespace stands. */
const types =
  /^(?:template\s*<.*>\s*)?(?:struct|class|union|enum(?: class| struct)?|concept)\s+(?:\[\[.*?\]\]\s*)?(\w+)/gm;
const aliases = /^(?:template\s*<.*>\s*)?using\s+(\w+)\s*=/gm;
const macros = /^\s*#\s*define\s+(\w+)/gm;
const values = /^(?:(?:inline|static|constexpr|constinit|extern|const)\s+)+[\w:<>, *&]*?\b(\w+)\s*(?:=|\{|\[|;)/gm;
const functions =
  /^(?=[^\s#])(?!(?:return|if|for|while|switch|else|using|namespace|public|private)\b)(?:__attribute__\(\(.*?\)\)\s*)?(?:\[\[.*?\]\]\s*)?[\w:<>,*&[\] ]+?[ *&](\w+)\(/gm;

/** Names that a header declares in its namespaces, and defines by the preprocessor. */
export function declarationsOf(text) {
  const names = new Set();
  for (const pattern of [types, aliases, macros, values, functions])
    for (const [, name] of text.matchAll(pattern)) names.add(name);
  return names;
}

/** Names that a file declares anywhere, members and variables among them. */
const declaredAnywhere = [
  /\b(?:struct|class|typename|enum class|union|concept|using)\s+(\w+)/g,
  /(?<!\b(?:return|else|case|throw|co_return|new)\s*)(?<=[\w>\]]\s*[\s*&]|\[|, )(\w+)(?=\s*(?:=[^=]|\{|\[|\(|;|,|:[^:]|\)|\]))/g,
];

/** Names that a file uses as those of a namespace would be: types, constants, macros, and functions that it calls. */
export function usesOf(text) {
  const own = new Set(declaredAnywhere.flatMap((pattern) => [...text.matchAll(pattern)].map(([, name]) => name)));
  const names = new Set();
  for (const [, before, name, call] of text.matchAll(
    /(\.|->|>::|(?:\b\w+)?(?:::\w+)*::|)\b([A-Za-z_]\w+)\b(\s*[(<])?/g,
  )) {
    const [first] = before.split('::');
    if (/^[A-Z]\w/.test(first) && !own.has(first)) names.add(first);
    if (!ours.test(before) || name.endsWith('_') || own.has(name) || keywords.has(name)) continue;
    if (/^(?:[A-Z]|k[A-Z])/.test(name) || call) names.add(name);
  }
  return names;
}
/** The text in front of a name of ours: nothing, or the name of a namespace. */
const ours = /^(?:(?:orthokit|core|cpu|math|detail|)(?:::\w+)*::)?$/;
const keywords = new Set(
  (
    'alignas alignof auto bool char const_cast decltype double dynamic_cast float for if int int8_t int16_t int32_t int64_t ' +
    'long noexcept operator reinterpret_cast return short size_t sizeof static_assert static_cast switch template typename ' +
    'uint8_t uint16_t uint32_t uint64_t uintptr_t unsigned void while requires catch'
  ).split(' '),
);

/** `std::<name>`, by the first word. */
export const standardNamesOf = (text) => new Set([...text.matchAll(/\bstd::(\w+)/g)].map(([, name]) => name));
