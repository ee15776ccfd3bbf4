#include "station/cli/flash_progress.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { BAR_CELLS = 24 };

static void draw(const struct flash_progress *p)
{
    char bar[BAR_CELLS + 1];
    const int full = p->total ? (int)(BAR_CELLS * p->done / p->total) : 0;
    for (int i = 0; i < BAR_CELLS; i++)
        bar[i] = i < full ? '#' : '.';
    bar[BAR_CELLS] = '\0';
    fprintf(stderr, "\r\033[K%-10s %-10s", p->stage, p->image);
    if (p->total)
        fprintf(stderr, " [%s] %5.1f of %.1f MB", bar, (double)p->done / 1e6,
                (double)p->total / 1e6);
    if (p->bytes_per_s > 0)
        fprintf(stderr, "  %.2f MB/s", p->bytes_per_s / 1e6);
    if (p->left_s >= 0)
        fprintf(stderr, "  %d:%02d left", (int)p->left_s / 60, (int)p->left_s % 60);
    fflush(stderr);
}

void flash_progress_show(void *context, const struct flash_progress *p)
{
    struct flash_progress_line *line = context;
    char now[sizeof line->last];
    if (isatty(STDERR_FILENO)) {
        draw(p);
        line->drawn = true;
        return;
    }
    snprintf(now, sizeof now, "%s %s", p->stage, p->image);
    if (strcmp(now, line->last) != 0)
        fprintf(stderr, "%s\n", now);
    memcpy(line->last, now, sizeof now);
}

void flash_progress_end(struct flash_progress_line *line)
{
    if (line->drawn)
        fputc('\n', stderr);
    line->drawn = false;
}
