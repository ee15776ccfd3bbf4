/* Charts in a terminal's letters. */
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "station/cli/stats_kinds.h"

enum { WIDE = 64, HIGH = 13, BINS = 15, BAR = 48 };

static int row_of(double y, double low, double high)
{
    double at = (high - y) / (high - low) * (HIGH - 1);
    return (int)lround(fmin(fmax(at, 0), HIGH - 1));
}

/* More values than columns: each column shows its lowest and highest. */
void stats_draw_chart(FILE *f, const double *values, size_t count, double lcl, double centre,
                      double ucl)
{
    char dots[HIGH][WIDE];
    double low = lcl, high = ucl;
    memset(dots, ' ', sizeof dots);
    for (size_t i = 0; i < count; i++) {
        low = fmin(low, values[i]);
        high = fmax(high, values[i]);
    }
    if (!(high > low)) {
        low -= 1;
        high += 1;
    }
    size_t columns = count < WIDE ? count : WIDE;
    for (size_t i = 0; i < count; i++) {
        size_t column = count <= WIDE ? i : i * WIDE / count;
        bool out = values[i] > ucl || values[i] < lcl;
        char *dot = &dots[row_of(values[i], low, high)][column];
        *dot = out || *dot == 'x' ? 'x' : 'o';
    }
    int up = row_of(ucl, low, high), middle = row_of(centre, low, high),
        down = row_of(lcl, low, high);
    for (int y = 0; y < HIGH; y++) {
        double mark = y == up ? ucl : y == down ? lcl : y == middle ? centre : NAN;
        if (isnan(mark))
            fprintf(f, "%12s  ", "");
        else
            fprintf(f, "%12.6g  ", mark);
        for (size_t x = 0; x < columns; x++)
            fputc(dots[y][x] == ' ' && !isnan(mark) ? (y == middle ? '-' : '.') : dots[y][x], f);
        fputs(y == up ? "  upper limit\n" : y == down ? "  lower limit\n" : "\n", f);
    }
}

void stats_draw_spread(FILE *f, const double *values, size_t count, double lsl, double usl)
{
    size_t bins[BINS] = {0}, most = 1;
    double low = values[0], high = values[0];
    for (size_t i = 0; i < count; i++) {
        low = fmin(low, values[i]);
        high = fmax(high, values[i]);
    }
    double from = fmin(low, lsl), to = fmax(high, usl); /* fmin leaves NAN out */
    if (!(to > from)) {
        from -= 0.5;
        to += 0.5;
    }
    for (size_t i = 0; i < count; i++) {
        int bin = (int)((values[i] - from) / (to - from) * BINS);
        bin = bin < BINS ? bin : BINS - 1;
        bins[bin]++;
        most = bins[bin] > most ? bins[bin] : most;
    }
    for (int b = 0; b < BINS; b++) {
        double left = from + (to - from) * b / BINS, right = from + (to - from) * (b + 1) / BINS;
        int bar = (int)ceil((double)bins[b] * BAR / (double)most);
        fprintf(f, "%12.6g  ", left);
        for (int x = 0; x < bar; x++)
            fputc('#', f);
        if (bins[b])
            fprintf(f, " %zu", bins[b]);
        /* A limit is named at the bin it lies in; one at the very end in the last. */
        if (lsl >= left && (lsl < right || b == BINS - 1))
            fputs("   <- lower limit", f);
        if (usl >= left && (usl < right || b == BINS - 1))
            fputs("   <- upper limit", f);
        fputc('\n', f);
    }
}
