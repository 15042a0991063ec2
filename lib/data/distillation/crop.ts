// A crop, a flip and rolls that are drawn for a whole batch.
import { uniform } from '../../core/philox.ts';

/** One draw: fields of the operations that augment images. */
export interface Augmentation {
  /** Top, left, height and width. */
  readonly crop: [number, number, number, number];
  readonly flip: 'none' | 'horizontal';
  readonly rollDown: number;
  readonly rollRight: number;
}

const [narrow, wide] = [3 / 4, 4 / 3];

/** The draw of an iteration. Crops as RandomResizedCrop of torchvision draws them: area, ratio of sides, place. */
export function draw(
  [height, width]: readonly [number, number],
  scale: number,
  { flip, jitter, seed }: { readonly flip: boolean; readonly jitter: number; readonly seed: number },
  iteration: number,
): Augmentation {
  let place = 0;
  const next = (): number => {
    place += 1;
    return uniform(seed, iteration + 1, place - 1);
  };
  /** A whole number from 0 to `most`. */
  const upTo = (most: number): number => Math.floor(next() * (most + 1));
  const crop = (): Augmentation['crop'] => {
    for (let tries = 0; tries < 10; ++tries) {
      const area = height * width * (scale + (1 - scale) * next());
      const ratio = Math.exp(Math.log(narrow) + (Math.log(wide) - Math.log(narrow)) * next());
      const [w, h] = [Math.round(Math.sqrt(area * ratio)), Math.round(Math.sqrt(area / ratio))];
      if (w < 1 || h < 1 || w > width || h > height) continue;
      return [upTo(height - h), upTo(width - w), h, w];
    }
    // The largest crop of a ratio that is allowed, in the middle.
    const ratio = width / height;
    const w = ratio > wide ? Math.max(1, Math.round(height * wide)) : width;
    const h = ratio < narrow ? Math.max(1, Math.round(width / narrow)) : height;
    return [Math.floor((height - h) / 2), Math.floor((width - w) / 2), h, w];
  };
  return {
    crop: crop(),
    flip: next() < 0.5 && flip ? 'horizontal' : 'none',
    rollDown: upTo(jitter) % height,
    rollRight: upTo(jitter) % width,
  };
}
