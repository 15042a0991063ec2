// Two models in miniature, written by the installed package.
import { mkdirSync, writeFileSync } from 'node:fs';
import { Device, saveTensors, Tensor } from 'orthokit';

const device = Device.open('cpu');
for (const [folder, tokens, columns] of [
  ['base', ['\u0120the', '\u0120cat', 'ing'], 8],
  ['donor', ['\u0120cat', '\u0120dog', '\u0120the'], 4],
]) {
  mkdirSync(folder);
  const vocab = Object.fromEntries(tokens.map((token, id) => [token, id]));
  const tokenizer = { decoder: { type: 'ByteLevel' }, model: { type: 'BPE', vocab, merges: [] } };
  writeFileSync(`${folder}/tokenizer.json`, JSON.stringify(tokenizer));
  writeFileSync(`${folder}/config.json`, JSON.stringify({ vocab_size: tokens.length }));
  const embed = Tensor.randn(device, [tokens.length, columns], { seed: columns });
  await saveTensors(`${folder}/model.safetensors`, { 'model.embed_tokens.weight': embed });
}
await device.close();
