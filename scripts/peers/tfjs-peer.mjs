// node scripts/peers/tfjs-peer.mjs <case> cpu|wasm: the same work in TensorFlow.js, which Node runs on one thread.
// npm install --no-save @tensorflow/tfjs@4.22.0
import cases from './cases.json' with { type: 'json' };
import { race, skip } from './race.mjs';

const [name, backend] = process.argv.slice(2);
const tf = (await import('@tensorflow/tfjs')).default;
if (backend === 'wasm') await import('@tensorflow/tfjs-backend-wasm');
if (!(await tf.setBackend(backend))) throw new Error(`TensorFlow.js has no backend ${backend}`);

const { shape, batch } = cases[name];
const onMatrix = (compute) => {
  const x = tf.randomNormal(shape);
  return async () => {
    const y = tf.tidy(() => compute(x));
    y.dispose();
  };
};

function trainingStep() {
  const layers = shape.slice(1).map((units, i) => {
    const activation = i + 2 < shape.length ? 'relu' : undefined;
    return tf.layers.dense({ units, activation, inputShape: [shape[i]] });
  });
  const model = tf.sequential({ layers });
  const images = tf.randomUniform([batch, shape[0]]);
  const labels = tf.oneHot(
    Array.from({ length: batch }, (_, i) => i % 10),
    10,
  );
  const optimizer = tf.train.adam(0.001);
  return async () => optimizer.minimize(() => tf.losses.softmaxCrossEntropy(labels, model.predict(images)));
}

const makers = {
  'layer-norm': () =>
    onMatrix((x) => {
      const { mean, variance } = tf.moments(x, 1, true);
      return x.sub(mean).div(variance.add(1e-5).sqrt());
    }),
  gelu: () => onMatrix((x) => x.mul(x.mul(Math.SQRT1_2).erf().add(1)).mul(0.5)),
  softmax: () => onMatrix((x) => tf.softmax(x)),
  transpose: () => onMatrix((x) => x.transpose()),
  'column-sum': () => onMatrix((x) => x.sum(0)),
  'training-step': trainingStep,
};

const peer = `tfjs ${backend}`;
// An optimizer of tfjs steps with the gradients of a loss, and 1024 × 1024 in a script takes minutes.
if (!makers[name]) skip(peer, name, 'TensorFlow.js has no such step, or takes minutes');
else await race(peer, tf.version_core, name, makers[name](), 3);
