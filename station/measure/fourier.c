#include "station/measure/fourier.h"

#include <libavutil/mem.h>
#include <libavutil/tx.h>
#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* av_tx is fast up to this size; beyond it falls back to a plain sum of products. */
enum { TX_MAX = 1 << 17 };

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
    if (size < 2 || size > TX_MAX || (size & (size - 1)))
        return error_set(err, ERROR_INPUT, "a transform of %zu: powers of two up to %d expected",
                         size, TX_MAX);
    /* Out of place: making the tables of an in-place transform takes av_tx quadratic time. */
    const double one_double = 1;
    const float one_float = 1;
    const void *scale = type == AV_TX_DOUBLE_FFT ? (const void *)&one_double : &one_float;
    int rc = av_tx_init(tx, run, type, inverse, (int)size, scale, 0);
    if (rc < 0)
        return error_set(err, ERROR_MEMORY, "no transform of %zu (av_tx_init: %d)", size, rc);
    return 0;
}

/* The tables of a long transform take ten times as long to make as it takes to run. So each thread
 * keeps those of its last lines, in both directions, until it ends. */
enum { KEPT = 4 };

struct kept {
    struct {
        AVTXContext *tx;
        av_tx_fn run;
        size_t size;
        bool inverse;
    } transforms[KEPT];
    int next; /* to be given up */
};

static pthread_key_t kept_key;
static pthread_once_t kept_once = PTHREAD_ONCE_INIT;

static void free_kept(void *kept)
{
    struct kept *k = kept;
    for (int i = 0; i < KEPT; i++)
        av_tx_uninit(&k->transforms[i].tx);
    free(k);
}

/* A thread that returns from main() ends without its keys' destructors. */
static void free_main_kept(void)
{
    struct kept *k = pthread_getspecific(kept_key);
    if (k)
        free_kept(k);
    pthread_setspecific(kept_key, NULL);
}

static void make_key(void)
{
    pthread_key_create(&kept_key, free_kept);
    atexit(free_main_kept);
}

/* Of this thread; stays its own. */
static int line_tables(size_t size, bool inverse, AVTXContext **tx, av_tx_fn *run,
                       struct error *err)
{
    pthread_once(&kept_once, make_key);
    struct kept *k = pthread_getspecific(kept_key);
    if (!k && ((k = calloc(1, sizeof *k)) == NULL || pthread_setspecific(kept_key, k))) {
        free(k);
        return error_set(err, ERROR_MEMORY, "no memory for transforms");
    }
    int i = 0;
    while (i < KEPT && !(k->transforms[i].tx && k->transforms[i].size == size &&
                         k->transforms[i].inverse == inverse))
        i++;
    if (i == KEPT) {
        i = k->next;
        k->next = (k->next + 1) % KEPT;
        av_tx_uninit(&k->transforms[i].tx);
        int rc = open_transform(&k->transforms[i].tx, &k->transforms[i].run, AV_TX_DOUBLE_FFT, size,
                                inverse, err);
        if (rc < 0)
            return rc;
        k->transforms[i].size = size;
        k->transforms[i].inverse = inverse;
    }
    *tx = k->transforms[i].tx;
    *run = k->transforms[i].run;
    return 0;
}

struct line {
    AVTXContext *tx;
    av_tx_fn run;
    size_t tx_size;
    double sign; /* of the exponent */
};

/* Halves by even and odd places until av_tx can take over, and puts the halves together again.
 * `spare` is as long as `data`. */
static void line_transform(struct line *l, struct fourier_bin *data, struct fourier_bin *spare,
                           size_t size)
{
    if (size <= l->tx_size) {
        l->run(l->tx, spare, data, sizeof *data);
        memcpy(data, spare, size * sizeof *data);
        return;
    }
    const size_t half = size / 2;
    for (size_t i = 0; i < half; i++) {
        spare[i] = data[2 * i];
        spare[half + i] = data[2 * i + 1];
    }
    line_transform(l, spare, data, half);
    line_transform(l, spare + half, data + half, half);
    const double step = l->sign * 2 * M_PI / (double)size, c1 = cos(step), s1 = sin(step);
    double c = 1, s = 0;
    for (size_t k = 0; k < half; k++) {
        if (k % 64 == 0) { /* set right before rounding grows */
            c = cos(step * (double)k);
            s = sin(step * (double)k);
        }
        struct fourier_bin e = spare[k], o = spare[half + k];
        struct fourier_bin t = {o.re * c - o.im * s, o.re * s + o.im * c};
        data[k] = (struct fourier_bin){e.re + t.re, e.im + t.im};
        data[half + k] = (struct fourier_bin){e.re - t.re, e.im - t.im};
        double next = c * c1 - s * s1;
        s = c * s1 + s * c1;
        c = next;
    }
}

int fourier_line(struct fourier_bin *data, size_t size, bool inverse, struct error *err)
{
    if (size < 2 || size > FOURIER_MAX || (size & (size - 1)))
        return error_set(err, ERROR_INPUT, "a transform of %zu: powers of two up to %d expected",
                         size, FOURIER_MAX);
    struct line l = {.tx_size = size < TX_MAX ? size : TX_MAX, .sign = inverse ? 1 : -1};
    struct fourier_bin *spare = fourier_alloc(size * sizeof *spare);
    int rc = 0;
    if (!spare) {
        rc = error_set(err, ERROR_MEMORY, "no memory for a transform of %zu", size);
        goto out;
    }
    rc = line_tables(l.tx_size, inverse, &l.tx, &l.run, err);
    if (rc < 0)
        goto out;
    line_transform(&l, data, spare, size);
    if (inverse) {
        for (size_t k = 0; k < size; k++) {
            data[k].re /= (double)size;
            data[k].im /= (double)size;
        }
    }
out:
    fourier_free(spare);
    return rc;
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
