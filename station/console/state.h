/* The console's inside: what its files share. */
#ifndef TAKT_STATION_CONSOLE_STATE_H
#define TAKT_STATION_CONSOLE_STATE_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "station/console/console.h"
#include "station/console/prompt.h"
#include "station/console/readings.h"
#include "station/console/scan.h"
#include "station/console/tiles.h"
#include "station/engine/client.h"
#include "station/engine/operators.h"
#include "station/engine/station_console.h"

struct console;
struct learning;
struct transport;

/* Where a screen draws: below the head, above what is next and the keys. */
struct area {
    int y, lines, columns;
};

/* A screen: one row of the table in screens.c, one file each. */
struct console_screen {
    const char *name; /* N_() */
    const char *keys; /* N_(), those of this screen alone; NULL none */
    int reads;        /* enum readings_kind it needs read, again every refresh_ms; -1 none */
    int refresh_ms;
    void (*draw)(struct console *c, const struct area *a);
    bool (*key)(struct console *c, int key); /* true: it was this screen's; NULL none */
    /* What its reading is of; NULL: the chosen slot's run. */
    int64_t (*argument)(const struct console *c);
};
extern const struct console_screen screen_slots, screen_unit, screen_last, screen_health,
    screen_ports, screen_golden, screen_qa, screen_report, screen_rack;
enum { SCREENS = 9 };
const struct console_screen *screens_at(int index);

enum { PROMPT_FIRST = 1, PROMPT_BADGE, PROMPT_PIN, PROMPT_ORDER, PROMPT_CODE };

struct console {
    const struct console_config *config;
    char socket_path[PATH_MAX], state_dir[PATH_MAX], station_path[PATH_MAX];
    struct station_console codes;
    struct client *client; /* NULL while taktd does not answer */
    int64_t next_try_ms;
    cJSON *status; /* the newest whole status document; NULL at first */
    struct tiles tiles;
    size_t selected; /* index into tiles */
    int screen;      /* which one */
    bool show_failure, muted, quit;
    char message[400]; /* what was done, or went wrong; a key clears it */
    char rest[80];     /* what of the screen is not seen */

    struct prompt prompt;
    struct scan keys, line; /* a scanner that types; one on a port */
    struct transport *scanner;
    bool scanner_missed;     /* it was said that it is not there */
    int64_t scanner_next_ms; /* when to try its port again */

    char order[65];
    bool report_order;               /* the report is of that order, not of the day */
    char who[OPERATOR_NAME_MAX + 1]; /* signed in; "" nobody */
    enum operator_role role;
    char session[OPERATOR_SESSION_HEX + 1];

    struct readings *records;
    int rack_unit;                     /* the chosen one of a campaign, from 1 */
    bool rack_open;                    /* its curves are looked at */
    int64_t day_due_ms, screen_due_ms; /* when to read again */
    struct json_document *station; /* the station file, for what it says of instruments and ports */
    struct learning *learning;
};

void say(struct console *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* actions.c: what keys and scans do. */
/* slot 0: every idle one. False when it did not start. */
bool action_start(struct console *c, int slot, const char *serial);
void action_abort(struct console *c, int slot);
void action_golden(struct console *c, int slot);
/* The changed files of the plan hold from now on. */
void action_accept(struct console *c);
void action_ask(struct console *c, int prompt_kind); /* opens the question */
void action_answer(struct console *c);               /* the open question was answered */
void action_code(struct console *c, const char *text);
void action_sign_out(struct console *c);
/* Calls taktd as who is signed in; params are taken over. */
int action_call(struct console *c, const char *method, cJSON *params, cJSON **result,
                struct error *err);
/* May who is signed in do this? Says so when not. */
bool action_may(struct console *c, enum operator_act act);

/* The slot that the next unit goes to, or NULL when all are at work: the chosen one when it is
 * free, else the first that is. */
const struct tile *console_target(const struct console *c);
const struct tile *console_selected(const struct console *c);

#endif
