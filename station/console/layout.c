#include "station/console/layout.h"

static int least(int a, int b)
{
    return a < b ? a : b;
}

static int most(int a, int b)
{
    return a > b ? a : b;
}

/* Large tiles of all slots at once; a cell is about twice as high as wide, a mark half as high. */
static int all_large(int count, int columns, int lines, struct layout *out)
{
    int best = 0;
    for (int across = 1; across <= count && columns / across >= LAYOUT_FULL_COLUMNS; across++) {
        const int rows = (count + across - 1) / across;
        const int worth = least(columns / across, 3 * (lines / rows));
        if (lines / rows < LAYOUT_FULL_LINES || worth <= best)
            continue;
        best = worth;
        *out = (struct layout){across, rows, columns / across, lines / rows};
    }
    return best;
}

struct layout layout_of(size_t count, int columns, int lines)
{
    struct layout l;
    const int tiles = most((int)count, 1);
    columns = most(columns, 1);
    lines = most(lines, 1);
    if (all_large(tiles, columns, lines, &l))
        return l;
    l.across = least(tiles, most(columns / LAYOUT_SMALL_COLUMNS, 1));
    const int needed = (tiles + l.across - 1) / l.across;
    l.rows = least(needed, most(lines / LAYOUT_SMALL_LINES, 1));
    l.tile_columns = columns / l.across;
    l.tile_lines = most(least(lines / l.rows, 2 * LAYOUT_FULL_LINES), 1);
    return l;
}
