// Small files of model folders that are copied, by name: nothing else of a stranger's goes into a new folder.

/** Files that a tokenizer may consist of. */
export const tokenizerFiles: readonly string[] = [
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'added_tokens.json',
  'chat_template.jinja',
  'chat_template.json',
  'merges.txt',
  'vocab.json',
  'vocab.txt',
  'tokenizer.model',
  'spiece.model',
];

/** Files about the model that have nothing to do with its vocabulary. */
export const modelFiles: readonly string[] = [
  'preprocessor_config.json',
  'processor_config.json',
  'LICENSE',
  'LICENSE.txt',
  'NOTICE',
  'NOTICE.txt',
];
