// A convolutional network for images of 28 × 28 pixels: any object is a model, and its methods are called with values in
// place of its tensors.
import * as nn from 'orthokit/nn';

/**
 * A convolution of images of half the size, unless they come as they are. Without gradients, what is inside takes memory only
 * while it runs.
 */
const layer = nn.scope(
  (
    /** @type {{ conv: nn.Conv2d, norm: nn.BatchNorm }} */ { conv, norm },
    /** @type {nn.Arg} */ x,
    /** @type {boolean} */ isFirst,
  ) => {
    const images = isFirst ? x : nn.pool2d(x, { kind: 'max', size: 2 });
    return nn.map(nn.batchNorm(norm, nn.conv2d(conv, images, { padding: 'same' })), 'relu');
  },
);

export class Cnn {
  /**
   * @param {nn.Init} make
   * @param {{ channels?: readonly number[], classes: number }} options channels of the three convolutions; images are
   *   halved between them
   */
  constructor(make, { channels = [32, 64, 128], classes }) {
    // The normalization after a convolution has a shift of its own.
    this.layers = channels.map((outputs, i) => ({
      conv: make.conv2d(i === 0 ? 1 : channels[i - 1], outputs, 3, { bias: false }),
      norm: make.batchNorm(outputs),
    }));
    this.head = make.linear(7 * 7 * channels[2], classes);
  }

  /** @param {nn.Arg} images `[N, 28, 28, 1]` @returns {nn.Value} logits `[N, classes]` */
  forward(images) {
    let x = images;
    for (const [i, one] of this.layers.entries()) x = layer(one, x, i === 0);
    const [count, rows, columns, width] = x.shape;
    return nn.linear(this.head, nn.reshape(x, [count, rows * columns * width]));
  }
}
