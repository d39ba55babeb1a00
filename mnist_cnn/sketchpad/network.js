// The networks: pixels -> logits and feature maps. Nothing touches the page.

const SIDE = 28; // side of the network's input, in pixels

/**
 * Layers as a function of pixels, Uint8Array (784,). It returns logits and maps: the outputs (channels, height, width)
 * of the layers with a `note`.
 *
 * layers: as describe in layers.py returns them, in their order. mean, std: of the training pixels in [0, 1].
 */
function network(layers, { mean, std }) {
  const steps = layers.map((layer) => ({ ...layer, weight: decode(layer.weight), bias: decode(layer.bias) }));
  return (pixels) => {
    let values = Float32Array.from(pixels, (pixel) => (pixel / 255 - mean) / std);
    const maps = [];
    for (const layer of steps) {
      values = layer.kind === "rectify" ? values.map((value) => Math.max(0, value)) : slide(values, layer);
      if (layer.note) maps.push(values);
    }
    return { maps, logits: values };
  };
}

/** Base64 of float32, little-endian as all browsers' computers are -> Float32Array */
const decode = (text = "") => new Float32Array(Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer);

/** Convolution or max pooling: (channels, height, width) -> (maps, rows, columns). Outside, nothing counts. */
function slide(input, { kind, weight, bias, from, to, kernel, stride, padding }) {
  const [[channels, height, width], [maps, rows, columns]] = [from, to];
  const pools = kind === "pool";
  return new Float32Array(maps * rows * columns).map((_, i) => {
    const map = Math.floor(i / (rows * columns));
    const top = (Math.floor(i / columns) % rows) * stride[0] - padding[0];
    const left = (i % columns) * stride[1] - padding[1];
    const [bottom, right] = [Math.min(height, top + kernel[0]), Math.min(width, left + kernel[1])];
    let value = pools ? -Infinity : bias[map];
    for (let channel = pools ? map : 0; channel < (pools ? map + 1 : channels); channel++) {
      for (let y = Math.max(0, top); y < bottom; y++) {
        const row = (channel * height + y) * width;
        const k = ((map * channels + channel) * kernel[0] + y - top) * kernel[1] - left;
        for (let x = Math.max(0, left); x < right; x++) {
          value = pools ? Math.max(value, input[row + x]) : value + input[row + x] * weight[k + x];
        }
      }
    }
    return value;
  });
}

/** Logits (classes,) -> probabilities (classes,) */
function softmax(logits) {
  const exps = Array.from(logits, (logit) => Math.exp(logit - Math.max(...logits)));
  return exps.map((exp) => exp / sum(exps));
}

/** The logarithm of the judge's odds that an image is a digit, from its logits (classes + 1,), as in Python. */
function judgeScore(logits) {
  const none = logits[logits.length - 1];
  return Math.log(logits.subarray(0, -1).reduce((odds, logit) => odds + Math.exp(logit - none), 0));
}
