#include "station/measure/homography.h"

#include <math.h>
#include <string.h>

/* Eight linear equations, Gauss with pivots. */
bool homography_fit(const struct point from[4], const struct point to[4], double h[9])
{
    double m[8][9];
    for (int i = 0; i < 4; i++) {
        double u = from[i].x, v = from[i].y, x = to[i].x, y = to[i].y;
        const double rows[2][9] = {{u, v, 1, 0, 0, 0, -x * u, -x * v, x},
                                   {0, 0, 0, u, v, 1, -y * u, -y * v, y}};
        memcpy(m[2 * i], rows, sizeof rows);
    }
    for (int c = 0; c < 8; c++) {
        int pivot = c;
        for (int r = c + 1; r < 8; r++)
            if (fabs(m[r][c]) > fabs(m[pivot][c]))
                pivot = r;
        if (fabs(m[pivot][c]) < 1e-9)
            return false;
        for (int k = 0; k < 9; k++) {
            double t = m[c][k];
            m[c][k] = m[pivot][k];
            m[pivot][k] = t;
        }
        for (int r = 0; r < 8; r++) {
            double f = m[r][c] / m[c][c];
            for (int k = c; r != c && k < 9; k++)
                m[r][k] -= f * m[c][k];
        }
    }
    for (int c = 0; c < 8; c++)
        h[c] = m[c][8] / m[c][c];
    h[8] = 1;
    return true;
}

struct point homography_map(const double h[9], double u, double v)
{
    double w = h[6] * u + h[7] * v + h[8];
    return (struct point){(h[0] * u + h[1] * v + h[2]) / w, (h[3] * u + h[4] * v + h[5]) / w};
}
