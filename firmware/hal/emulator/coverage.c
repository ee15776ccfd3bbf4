#include "firmware/hal/emulator/coverage.h"

#include <math.h>

/* An edge adds, in every row it crosses, its height there to all pixels on its right, and to the
 * pixels it passes through the part of that height that lies right of the edge. Kept as the
 * difference between neighbours, this touches only the pixels passed through and one more. */

/* Within one row: from (x0) to (x1), `height` signed, both inside [0, columns]. */
static void add_span(float *row, double x0, double x1, double height)
{
    if (x1 < x0) {
        double t = x0;
        x0 = x1;
        x1 = t;
    }
    int first = (int)floor(x0), last = (int)floor(x1);
    if (first == last) {
        double right = 1 - ((x0 + x1) / 2 - first); /* mean part of this pixel right of the edge */
        row[first] += (float)(height * right);
        row[first + 1] += (float)(height * (1 - right));
        return;
    }
    double slope = height / (x1 - x0), given = 0, before = 0;
    for (int i = first; i <= last; i++) {
        double a = i == first ? x0 : i, b = i == last ? x1 : i + 1;
        /* height that passed inside this pixel covers the part right of it; what passed in the
         * pixels before covers it whole */
        double here = slope * (b - a);
        double covered = before + here * (1 - ((a + b) / 2 - i));
        row[i] += (float)(covered - given);
        given = covered;
        before += here;
    }
    row[last + 1] += (float)(height - given);
}

static double clamp(double x, double low, double high)
{
    return x < low ? low : x > high ? high : x;
}

/* One row's piece, cut where it leaves the window: what lies left of it counts at its left edge,
 * what lies right of it not at all. */
static void add_clipped(float *row, int columns, double x0, double y0, double x1, double y1)
{
    double cut[4] = {0, 1, 1, 1}, dx = x1 - x0;
    int n = 1;
    double edge[2] = {0, columns};
    if (dx != 0) {
        double a = (edge[0] - x0) / dx, b = (edge[1] - x0) / dx;
        if (a > b) {
            double t = a;
            a = b;
            b = t;
        }
        if (a > 0 && a < 1)
            cut[n++] = a;
        if (b > 0 && b < 1)
            cut[n++] = b;
    }
    cut[n] = 1;
    for (int i = 0; i < n; i++) {
        double from = x0 + dx * cut[i], to = x0 + dx * cut[i + 1];
        double height = (y1 - y0) * (cut[i + 1] - cut[i]);
        if ((from + to) / 2 < columns)
            add_span(row, clamp(from, 0, columns), clamp(to, 0, columns), height);
    }
}

void coverage_add(const struct point *polygon, size_t count, double left, double top, int columns,
                  int rows, float *cells)
{
    size_t stride = (size_t)columns + 2;
    for (size_t i = 0; i < count; i++) {
        struct point a = polygon[i], b = polygon[(i + 1) % count];
        double ax = a.x - left, ay = a.y - top, bx = b.x - left, by = b.y - top;
        if (ay == by)
            continue;
        double low = ay < by ? ay : by, high = ay < by ? by : ay;
        int first = (int)floor(clamp(low, 0, rows)), last = (int)ceil(clamp(high, 0, rows));
        double slope = (bx - ax) / (by - ay);
        for (int y = first; y < last; y++) {
            double y0 = clamp(ay, y, y + 1), y1 = clamp(by, y, y + 1);
            double x0 = ax + (y0 - ay) * slope, x1 = ax + (y1 - ay) * slope;
            /* clockwise with y down: a left side runs upwards, and what is right of it is inside */
            add_clipped(cells + (size_t)y * stride, columns, x0, -y0, x1, -y1);
        }
    }
}
