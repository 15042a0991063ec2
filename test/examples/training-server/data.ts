// Data of a few kilobytes: two stripes that a network tells apart in some steps, and a text.
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { Device, saveTensors, Tensor } from '../../../lib/index.ts';
import { uniform } from '../../support/data.ts';

export async function writeData(folder: string): Promise<string> {
  const data = path.join(folder, 'data');
  mkdirSync(data, { recursive: true });
  const [count, size] = [200, 64];
  const random = uniform(1);
  const labels = Int32Array.from({ length: count }, (_, i) => i % 3);
  const images = Float32Array.from(
    { length: count * size },
    (_, i) => random() + ((i % size) % 3 === labels[Math.floor(i / size)] ? 0.7 : 0),
  );
  const device = Device.open('cpu');
  await saveTensors(path.join(data, 'stripes.safetensors'), {
    images: Tensor.from(device, images, [count, 8, 8]),
    labels: Tensor.from(device, labels, [count]),
  });
  await device.close();
  writeFileSync(path.join(data, 'abc.txt'), 'the cat sat on the mat, and the rat ate that. '.repeat(60));
  return data;
}
