import { escaped } from '../quote.ts';

/** The file of a model card. */
export const cardName = 'README.md';

/** A model card: the folders that it is made of, and its tags, stand between its first lines, where hubs read them. */
export interface ModelCard {
  readonly bases: readonly string[];
  readonly tags?: readonly string[];
  /** Lines of the text, the title first. */
  readonly text: readonly string[];
  readonly warnings: readonly string[];
}

export function cardText({ bases, tags = [], text, warnings }: ModelCard): string {
  const lines = [
    '---',
    'base_model:',
    ...bases.map((path) => `- ${JSON.stringify(path)}`),
    ...(tags.length > 0 ? ['tags:', ...tags.map((tag) => `- ${tag}`)] : []),
    '---',
    '',
    ...text,
  ];
  const notes = warnings.map((warning) => `- ${escaped(warning)}`);
  return `${[...lines, ...(notes.length > 0 ? ['', ...notes] : [])].join('\n')}\n`;
}
