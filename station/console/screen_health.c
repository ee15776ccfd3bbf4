/* The station's health: its processes, instruments with their calibration, disk, and what waits to
 * be sent on. */
#include <ncurses.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <time.h>

#include "protocol/base/json.h"
#include "station/console/pane.h"
#include "station/console/state.h"
#include "station/console/words.h"

enum { NAME_AT = 3, WHAT_AT = 22, SOON_DAYS = 30 };

static void line(int *y, const struct area *a, bool bad, const char *name, const char *text)
{
    if (*y >= a->y + a->lines)
        return;
    const int look = bad ? COLOUR_TROUBLE : COLOUR_PASS;
    attron(COLOR_PAIR(look));
    pane_put(*y, 1, 1, bad ? "!" : "+");
    attroff(COLOR_PAIR(look));
    pane_put(*y, NAME_AT, WHAT_AT - NAME_AT - 1, name);
    if (bad)
        attron(A_BOLD);
    pane_put(*y, WHAT_AT, a->columns - WHAT_AT - 1, text);
    if (bad)
        attroff(A_BOLD);
    (*y)++;
}

static void title(int *y, const struct area *a, const char *text)
{
    if (*y >= a->y + a->lines)
        return;
    attron(A_BOLD);
    pane_put((*y)++, 1, a->columns - 2, text);
    attroff(A_BOLD);
}

static void draw_processes(const struct console *c, int *y, const struct area *a)
{
    char text[200];
    title(y, a, _("station"));
    snprintf(text, sizeof text, "%s, %s", json_string(c->status, "version", "?"),
             c->client ? _("answers") : _("does not answer"));
    line(y, a, !c->client, "taktd", text);
    const bool fixture = json_bool(c->status, "fixture", false);
    line(y, a, !fixture, _("instruments"), fixture ? _("at work") : _("not running"));
    if (c->codes.scanner[0])
        line(y, a, !c->scanner, words_name("scanner"), c->codes.scanner);
    if (*json_string(c->status, "paused", ""))
        line(y, a, true, _("records"), json_string(c->status, "paused", ""));
    if (*json_string(c->status, "recovered", ""))
        line(y, a, true, _("records"), json_string(c->status, "recovered", ""));
}

static void draw_disk(const struct console *c, int *y, const struct area *a)
{
    struct statvfs disk;
    char text[120];
    if (statvfs(c->state_dir, &disk))
        return;
    const double free_gb = (double)disk.f_bavail * (double)disk.f_frsize / 1e9;
    const double share = disk.f_blocks ? (double)disk.f_bavail / (double)disk.f_blocks : 0;
    snprintf(text, sizeof text, _("%.1f GB free (%.0f %%)"), free_gb, 100 * share);
    line(y, a, free_gb < 1 || share < 0.05, _("disk"), text);
}

/* Days until a date "2027-01-05"; false when it is none. */
static bool days_until(const char *date, int *days)
{
    struct tm tm = {.tm_hour = 12, .tm_isdst = -1};
    const char *end = strptime(date, "%Y-%m-%d", &tm);
    if (!end || *end)
        return false;
    const double left_s = difftime(mktime(&tm), time(NULL));
    *days = (int)(left_s / 86400 + (left_s > 0 ? 0.5 : -0.5));
    return true;
}

static void draw_instruments(const struct console *c, int *y, const struct area *a)
{
    const cJSON *all = cJSON_GetObjectItemCaseSensitive(json_root(c->station), "instruments");
    char text[300];
    title(y, a, _("instruments and their calibration"));
    for (const cJSON *i = all ? all->child : NULL; i; i = i->next) {
        const cJSON *calibration = cJSON_GetObjectItemCaseSensitive(i, "calibration");
        const char *due = json_string(calibration, "due_on", "");
        int days = 0;
        const bool dated = days_until(due, &days);
        if (!dated)
            snprintf(text, sizeof text, _("%s, %s: no calibration on record"),
                     words_name(json_string(i, "class", "")), json_string(i, "address", "–"));
        else if (days < 0)
            snprintf(text, sizeof text, _("%s: calibration OVERDUE since %s (%s)"),
                     words_name(json_string(i, "class", "")), due,
                     json_string(calibration, "certificate", ""));
        else
            snprintf(text, sizeof text, _("%s: calibrated until %s, %d days (%s)"),
                     words_name(json_string(i, "class", "")), due, days,
                     json_string(calibration, "certificate", ""));
        line(y, a, dated && days < SOON_DAYS, i->string, text);
    }
}

static void draw_queue(const struct console *c, int *y, const struct area *a)
{
    const cJSON *destinations = cJSON_GetObjectItemCaseSensitive(c->status, "destinations"), *d;
    char text[400];
    title(y, a, _("records to the factory's systems"));
    if (!cJSON_GetArraySize(destinations))
        line(y, a, false, "–", _("none is configured"));
    cJSON_ArrayForEach(d, destinations)
    {
        const char *reason = json_string(d, "reason", "");
        const int parked = (int)json_number(d, "parked", 0);
        snprintf(text, sizeof text, _("%d wait, %d refused%s%s"), (int)json_number(d, "waiting", 0),
                 parked, *reason ? ": " : "", reason);
        line(y, a, *reason || parked, json_string(d, "name", "?"), text);
    }
}

static void draw(struct console *c, const struct area *a)
{
    int y = a->y;
    draw_processes(c, &y, a);
    draw_disk(c, &y, a);
    draw_queue(c, &y, a);
    draw_instruments(c, &y, a);
}

static bool key(struct console *c, int pressed)
{
    if (pressed != 'a')
        return false;
    action_accept(c);
    return true;
}

const struct console_screen screen_health = {
    .name = N_("station"),
    .keys = N_("a accept changed plan, limits, product, bundle"),
    .reads = -1,
    .draw = draw,
    .key = key,
};
