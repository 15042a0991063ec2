// Tables with a row a token, by the names that models use.
const embedName = /(^|\.)(embed_tokens|wte|word_embeddings|tok_embeddings|embed_in|token_embedding|shared)\.weight$/;
const headName = /(^|\.)(lm_head|embed_out)\.weight$|^output\.weight$/;

export const isEmbedding = (name: string): boolean => embedName.test(name);
export const isHead = (name: string): boolean => headName.test(name);
