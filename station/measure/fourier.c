#include "station/measure/fourier.h"

#include <libavutil/mem.h>
#include <libavutil/tx.h>
#include <string.h>

void *fourier_alloc(size_t bytes)
{
    return av_mallocz(bytes ? bytes : 1);
}

void fourier_free(void *buffer)
{
    av_free(buffer);
}

size_t fourier_size(size_t n)
{
    size_t size = 1;
    while (size < n && size < FOURIER_MAX)
        size *= 2;
    return size;
}

static int open_transform(AVTXContext **tx, av_tx_fn *run, enum AVTXType type, size_t size,
                          bool inverse, struct error *err)
{
    if (size < 2 || size > FOURIER_MAX || (size & (size - 1)))
        return error_set(err, ERROR_INPUT, "a transform of %zu: powers of two up to %d expected",
                         size, FOURIER_MAX);
    const double one_double = 1;
    const float one_float = 1;
    const void *scale = type == AV_TX_DOUBLE_FFT ? (const void *)&one_double : &one_float;
    int rc = av_tx_init(tx, run, type, inverse, (int)size, scale, 0);
    if (rc < 0)
        return error_set(err, ERROR_MEMORY, "no transform of %zu (av_tx_init: %d)", size, rc);
    return 0;
}

int fourier_line(struct fourier_bin *data, size_t size, bool inverse, struct error *err)
{
    AVTXContext *tx = NULL;
    av_tx_fn run;
    int rc = open_transform(&tx, &run, AV_TX_DOUBLE_FFT, size, inverse, err);
    if (rc < 0)
        return rc;
    /* Out of place: making the tables of an in-place transform takes av_tx quadratic time. */
    struct fourier_bin *out = fourier_alloc(size * sizeof *out);
    if (!out) {
        av_tx_uninit(&tx);
        return error_set(err, ERROR_MEMORY, "no memory for a transform of %zu", size);
    }
    run(tx, out, data, sizeof *data);
    memcpy(data, out, size * sizeof *data);
    fourier_free(out);
    av_tx_uninit(&tx);
    if (inverse) {
        for (size_t k = 0; k < size; k++) {
            data[k].re /= (double)size;
            data[k].im /= (double)size;
        }
    }
    return 0;
}

/* Columns are gathered eight at a time, so that every cache line read is used whole. */
enum { GATHER = 8 };

int fourier_plane(struct fourier_cell *data, size_t width, size_t height, bool inverse,
                  struct error *err)
{
    AVTXContext *rows = NULL, *columns = NULL;
    av_tx_fn run_row, run_column;
    struct fourier_cell *lines = NULL;
    int rc = open_transform(&rows, &run_row, AV_TX_FLOAT_FFT, width, inverse, err);
    if (rc == 0)
        rc = open_transform(&columns, &run_column, AV_TX_FLOAT_FFT, height, inverse, err);
    if (rc < 0)
        goto out;
    lines = fourier_alloc((2 * GATHER * height + width) * sizeof *lines);
    if (!lines) {
        rc = error_set(err, ERROR_MEMORY, "no memory for a transform of %zux%zu", width, height);
        goto out;
    }
    struct fourier_cell *turned = lines + GATHER * height, *row = turned + GATHER * height;
    for (size_t y = 0; y < height; y++) {
        run_row(rows, row, data + y * width, sizeof *data);
        memcpy(data + y * width, row, width * sizeof *row);
    }
    for (size_t x = 0; x < width; x += GATHER) {
        size_t n = width - x < GATHER ? width - x : GATHER;
        for (size_t y = 0; y < height; y++)
            for (size_t k = 0; k < n; k++)
                lines[k * height + y] = data[y * width + x + k];
        for (size_t k = 0; k < n; k++)
            run_column(columns, turned + k * height, lines + k * height, sizeof *lines);
        for (size_t y = 0; y < height; y++)
            for (size_t k = 0; k < n; k++)
                data[y * width + x + k] = turned[k * height + y];
    }
out:
    fourier_free(lines);
    av_tx_uninit(&rows);
    av_tx_uninit(&columns);
    return rc;
}
