/* A network that classifies images of 28x28 pixels, in C99 or C++: one file, no library, no allocation.
   Written by `python -m mnist_cnn.export`.

       #define MNIST_CNN_INT8   // optional: weights of 8 bits instead of 32
       #include "mnist_cnn.h"

       float logits[MNIST_CNN_CLASSES];
       int best = mnist_cnn(pixels, logits);
       puts(mnist_cnn_names[best]);

   It takes 4 * MNIST_CNN_WORK bytes of static memory and little stack. Calls must not overlap. */
#ifndef MNIST_CNN_H
#define MNIST_CNN_H

#include <float.h>
#include <stdint.h>

#define MNIST_CNN_CLASSES $classes
#define MNIST_CNN_LAYERS $layers
#define MNIST_CNN_WORK $work /* the largest input and output of a layer together */

static const char *const mnist_cnn_names[MNIST_CNN_CLASSES] = {$names};

#ifdef MNIST_CNN_INT8
typedef int8_t mnist_cnn_weight;
#define MNIST_CNN_SCALES(layer) mnist_cnn_scales_##layer /* of each map: its weights are scale * int8 */
$int8
#else
typedef float mnist_cnn_weight;
#define MNIST_CNN_SCALES(layer) 0
$floats
#endif
$biases

/* A layer maps `input` of shape `from` to `output` of shape `to`: {maps, rows, columns}. */
typedef struct mnist_cnn_layer {
    void (*run)(const struct mnist_cnn_layer *, const float *input, float *output);
    int from[3], to[3], kernel[2], stride[2], padding[2];
    const mnist_cnn_weight *weights; /* {maps to, maps from, rows, columns} */
    const float *scales, *biases;
} mnist_cnn_layer;

/* The part of a kernel that lies inside of an input with `size` rows or columns: from its first to before its end. */
static inline int mnist_cnn_first(int start) { return start < 0 ? -start : 0; }
static inline int mnist_cnn_end(int start, int kernel, int size) { return kernel < size - start ? kernel : size - start; }

static inline void mnist_cnn_convolve(const mnist_cnn_layer *layer, const float *input, float *output)
{
    const int maps = layer->from[0], rows = layer->from[1], columns = layer->from[2];
    const int height = layer->kernel[0], width = layer->kernel[1];
    for (int to = 0; to < layer->to[0]; to++)
        for (int i = 0; i < layer->to[1]; i++)
            for (int j = 0; j < layer->to[2]; j++) {
                const int top = i * layer->stride[0] - layer->padding[0], left = j * layer->stride[1] - layer->padding[1];
                const int y1 = mnist_cnn_end(top, height, rows), x1 = mnist_cnn_end(left, width, columns);
                float sum = 0;
                for (int from = 0; from < maps; from++)
                    for (int y = mnist_cnn_first(top); y < y1; y++) {
                        const int row = (from * rows + top + y) * columns + left;
                        const mnist_cnn_weight *weights = layer->weights + ((to * maps + from) * height + y) * width;
                        for (int x = mnist_cnn_first(left); x < x1; x++) sum += input[row + x] * weights[x];
                    }
                *output++ = sum * (layer->scales ? layer->scales[to] : 1) + layer->biases[to];
            }
}

static inline void mnist_cnn_pool(const mnist_cnn_layer *layer, const float *input, float *output)
{
    const int rows = layer->from[1], columns = layer->from[2];
    for (int map = 0; map < layer->to[0]; map++)
        for (int i = 0; i < layer->to[1]; i++)
            for (int j = 0; j < layer->to[2]; j++) {
                const int top = i * layer->stride[0] - layer->padding[0], left = j * layer->stride[1] - layer->padding[1];
                const int y1 = mnist_cnn_end(top, layer->kernel[0], rows);
                const int x1 = mnist_cnn_end(left, layer->kernel[1], columns);
                float most = -FLT_MAX;
                for (int y = mnist_cnn_first(top); y < y1; y++)
                    for (int x = mnist_cnn_first(left); x < x1; x++) {
                        const float value = input[(map * rows + top + y) * columns + left + x];
                        if (value > most) most = value;
                    }
                *output++ = most;
            }
}

static inline void mnist_cnn_rectify(const mnist_cnn_layer *layer, const float *input, float *output)
{
    const int size = layer->to[0] * layer->to[1] * layer->to[2];
    for (int i = 0; i < size; i++) output[i] = input[i] > 0 ? input[i] : 0;
}

static const mnist_cnn_layer mnist_cnn_layers[MNIST_CNN_LAYERS] = {
$table
};

/* pixels: the rows of an image, 0 is paper, 255 is ink. Fills the logits and returns the class of the largest. */
static inline int mnist_cnn(const uint8_t pixels[784], float logits[MNIST_CNN_CLASSES])
{
    static float work[MNIST_CNN_WORK]; /* layers read at one end and write at the other */
    float *values = work;
    int best = 0;
    for (int i = 0; i < 784; i++) values[i] = (pixels[i] / 255.0f - $mean) / $std;
    for (const mnist_cnn_layer *layer = mnist_cnn_layers; layer < mnist_cnn_layers + MNIST_CNN_LAYERS; layer++) {
        const int size = layer->to[0] * layer->to[1] * layer->to[2];
        float *output = layer->run == mnist_cnn_rectify ? values : values > work ? work : work + MNIST_CNN_WORK - size;
        layer->run(layer, values, output);
        values = output;
    }
    for (int i = 0; i < MNIST_CNN_CLASSES; i++) {
        logits[i] = values[i];
        if (logits[i] > logits[best]) best = i;
    }
    return best;
}

#endif
