#include "station/cli/gantt.h"

#include <string.h>

#include "protocol/base/buffer.h"
#include "protocol/base/file.h"

enum { COLUMNS = 72, ROW_PX = 26, LANE_PX = 11, LEFT_PX = 60, WIDTH_PX = 1200, TOP_PX = 56 };

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

static char letter_of(int step)
{
    return step < (int)sizeof letters - 1 ? letters[step] : '*';
}

void gantt_print(const struct plan *plan, const struct simulate_line *line,
                 const struct simulate_result *r, FILE *to)
{
    static char rows[SCHEDULE_SLOTS_MAX][COLUMNS + 1];
    int64_t end_ms = r->end_ms ? r->end_ms : 1;
    memset(rows, '.', sizeof rows);
    for (size_t i = 0; i < r->bar_count; i++) {
        const struct simulate_bar *b = &r->bars[i];
        int from = (int)(b->from_ms * COLUMNS / end_ms),
            to_column = (int)(b->to_ms * COLUMNS / end_ms);
        for (int c = from; c < COLUMNS && (c < to_column || c == from); c++)
            rows[b->slot][c] = letter_of(b->step);
    }
    fprintf(to, "\nslot   0 s%*.0f s\n", COLUMNS - 5, (double)end_ms / 1000);
    for (int s = 0; s < line->slots; s++)
        fprintf(to, "%4d   %.*s\n", s + 1, COLUMNS, rows[s]);
    fputc('\n', to);
    for (size_t i = 0, column = 0; i < plan->step_count + plan->teardown_count; i++) {
        int n = fprintf(to, "%s%c %s", column ? "  " : "", letter_of((int)i), plan->steps[i].id);
        column += (size_t)n;
        if (column > 60 || i + 1 == plan->step_count + plan->teardown_count) {
            fputc('\n', to);
            column = 0;
        }
    }
}

/* Hues apart from their neighbours': the golden angle. */
static int hue_of(int step)
{
    return (int)(step * 137.508) % 360;
}

/* Steps side by side lie in lanes below each other: the first free one. */
static int lane_of(int64_t free_at[SCHEDULE_LANES_MAX], const struct simulate_bar *b)
{
    for (int l = 0; l < SCHEDULE_LANES_MAX; l++)
        if (free_at[l] <= b->from_ms) {
            free_at[l] = b->to_ms;
            return l;
        }
    return SCHEDULE_LANES_MAX - 1;
}

/* Bars come by their end; lanes want them by their beginning. */
static void draw_slot(struct buffer *out, const struct plan *plan, const struct simulate_result *r,
                      int slot)
{
    int64_t free_at[SCHEDULE_LANES_MAX] = {0}, after = -1;
    size_t last = 0;
    const double scale = (double)(WIDTH_PX - LEFT_PX - 20) / (double)(r->end_ms ? r->end_ms : 1);
    const int y = TOP_PX + slot * (ROW_PX + LANE_PX);
    buffer_printf(out, "<text x=\"8\" y=\"%d\">%d</text>\n", y + 15, slot + 1);
    for (;;) {
        const struct simulate_bar *next = NULL;
        size_t which = 0;
        for (size_t i = 0; i < r->bar_count; i++) {
            const struct simulate_bar *b = &r->bars[i];
            bool later = b->from_ms > after || (b->from_ms == after && i > last);
            if (b->slot == slot && later && (!next || b->from_ms < next->from_ms)) {
                next = b;
                which = i;
            }
        }
        if (!next)
            return;
        after = next->from_ms;
        last = which;
        const double x = LEFT_PX + (double)next->from_ms * scale;
        const double w = (double)(next->to_ms - next->from_ms) * scale;
        buffer_printf(out,
                      "<rect x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"%d\" "
                      "fill=\"hsl(%d,60%%,%d%%)\"><title>slot %d, unit %d: %s, %.1f to %.1f s"
                      "</title></rect>\n",
                      x, y + lane_of(free_at, next) * LANE_PX, w > 0.5 ? w : 0.5, LANE_PX - 1,
                      hue_of(next->step), next->unit % 2 ? 45 : 62, slot + 1, next->unit + 1,
                      plan->steps[next->step].id, (double)next->from_ms / 1000,
                      (double)next->to_ms / 1000);
    }
}

int gantt_write_svg(const struct plan *plan, const struct simulate_line *line,
                    const struct simulate_result *r, const char *path, struct error *err)
{
    struct buffer out = {0};
    const int steps = (int)(plan->step_count + plan->teardown_count);
    const int legend = TOP_PX + line->slots * (ROW_PX + LANE_PX) + 20;
    buffer_printf(&out,
                  "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
                  "font-family=\"sans-serif\" font-size=\"12\">\n"
                  "<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n"
                  "<text x=\"8\" y=\"18\" font-size=\"15\">%s/%s, %d slots: %.1f units/h, %.1f %% "
                  "of what %s allows</text>\n"
                  "<text x=\"%d\" y=\"42\">0 s</text><text x=\"%d\" y=\"42\" "
                  "text-anchor=\"end\">%.0f s</text>\n",
                  WIDTH_PX, legend + (steps / 6 + 1) * 18 + 10, plan->product, plan->name,
                  line->slots, r->units_per_hour, 100 * r->units_per_hour / r->bound_per_hour,
                  strcmp(r->bottleneck, "slots") == 0 ? "the number of slots" : r->bottleneck,
                  LEFT_PX, WIDTH_PX - 20, (double)r->end_ms / 1000);
    for (int s = 0; s < line->slots; s++)
        draw_slot(&out, plan, r, s);
    for (int i = 0; i < steps; i++)
        buffer_printf(&out,
                      "<rect x=\"%d\" y=\"%d\" width=\"12\" height=\"12\" "
                      "fill=\"hsl(%d,60%%,62%%)\"/><text x=\"%d\" y=\"%d\">%s</text>\n",
                      LEFT_PX + i % 6 * 185, legend + i / 6 * 18, hue_of(i),
                      LEFT_PX + 18 + i % 6 * 185, legend + 11 + i / 6 * 18, plan->steps[i].id);
    buffer_printf(&out, "</svg>\n");
    const char *text = buffer_text(&out);
    int rc = text ? file_write(path, text, strlen(text), 0644, err)
                  : error_set(err, ERROR_MEMORY, "a Gantt chart: out of memory");
    buffer_free(&out);
    return rc;
}
