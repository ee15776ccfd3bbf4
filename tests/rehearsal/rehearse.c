/* Units through a plan without a line: the station's steps, measuring and limits and the camera's
 * firmware over its emulated hardware, all in one process on simulated time. What a unit takes is
 * the arithmetic alone, and its figures do not depend on how busy the machine is. What lies between
 * in truth (taktd, sessions, sockets, the fixture process) has its own suites, and
 * `takt qa run STUDY` without --rehearse goes through all of it.
 *
 *   rehearse --products D --boards D --plan PRODUCT/PLAN --seed N --dir D [--attachments D]
 *
 * --attachments keeps what steps put on record beside their figures, as STEP.NAME of the last unit.
 *
 * A line of stdin is a unit (unit.json's object), a line of stdout its result, in the shape of
 * query_run(). Each unit has a process of its own. */
#include <cjson/cJSON.h>
#include <getopt.h>
#include <limits.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixtures/virtual/bench_parts.h"
#include "protocol/base/file.h"
#include "protocol/base/json.h"
#include "station/engine/vocabulary.h"
#include "station/steps/unit_link.h"
#include "tests/rehearsal/direct_bench.h"
#include "tests/rehearsal/rehearsed_picture.h"
#include "tests/rehearsal/rehearsed_unit.h"
#include "tests/rehearsal/simulated_clock.h"

enum { VALUES_MAX = 64, FAILED = 3 };

static struct {
    const char *products, *boards, *plan_name, *dir, *attachments;
    uint64_t seed;
    struct vocabulary vocabulary;
    struct plan *plan;
    struct board board;
} line;

/* ---- one step ---- */

struct step_under_way {
    const struct plan_step *step;
    struct judged values[VALUES_MAX];
    size_t count;
};

static int measured(void *engine, const char *name, double value, const char *unit,
                    struct error *err)
{
    struct step_under_way *s = engine;
    if (s->count == VALUES_MAX)
        return error_set(err, ERROR_FULL, "more than %d measurements", VALUES_MAX);
    /* Names may be of the step's own making. */
    s->values[s->count++] =
        (struct judged){.measurement = strdup(name), .unit = strdup(unit), .value = value};
    return 0;
}

static int noted(void *engine, const char *name, const char *text, struct error *err)
{
    return 0;
}

static int attached(void *engine, const char *name, const char *mime, const void *data, size_t size,
                    struct error *err)
{
    const struct step_under_way *s = engine;
    char path[PATH_MAX];
    if (!line.attachments)
        return 0;
    snprintf(path, sizeof path, "%s/%s.%s%s", line.attachments, s->step->id, name,
             strcmp(mime, "image/png") == 0 ? ".png" : "");
    return file_write(path, data, size, 0644, err);
}

static void progress(void *engine, double fraction, const char *text)
{
}

static void log_text(void *engine, const char *text)
{
}

static void limits(void *engine, const char *measurement, double *low, double *high)
{
    const struct plan_step *step = ((struct step_under_way *)engine)->step;
    for (size_t i = 0; i < step->limit_count; i++)
        if (strcmp(step->limits[i].measurement, measurement) == 0) {
            *low = step->limits[i].has_min ? step->limits[i].min : *low;
            *high = step->limits[i].has_max ? step->limits[i].max : *high;
        }
}

static const struct step_services services = {.measured = measured,
                                              .noted = noted,
                                              .attached = attached,
                                              .progress = progress,
                                              .log = log_text,
                                              .limits = limits};

static void add_values(const struct step_under_way *s, cJSON *attempt)
{
    cJSON *list = cJSON_AddArrayToObject(attempt, "measurements");
    for (size_t i = 0; i < s->count; i++) {
        const struct judged *v = &s->values[i];
        cJSON *m = cJSON_CreateObject();
        cJSON_AddStringToObject(m, "name", v->measurement);
        cJSON_AddNumberToObject(m, "value", v->value);
        if (v->limit && v->limit->has_min)
            cJSON_AddNumberToObject(m, "low", v->limit->min);
        if (v->limit && v->limit->has_max)
            cJSON_AddNumberToObject(m, "high", v->limit->max);
        cJSON_AddStringToObject(m, "verdict", v->judgement == JUDGED_FAIL ? "fail" : "pass");
        cJSON_AddItemToArray(list, m);
    }
}

/* "pass", "fail" or "error", as taktd judges a step. */
static const char *attempt_step(const struct plan_step *step, struct unit_link *unit,
                                cJSON *attempts, struct error *err)
{
    struct step_under_way under_way = {.step = step};
    struct step_context c = {.params = step->params,
                             .board = &line.board,
                             .product = line.plan->product,
                             .order = "REHEARSAL",
                             .serial = "",
                             .bundle_path = "",
                             .unit_port = "",
                             .unit = unit,
                             .fixture = direct_bench_fixture(),
                             .services = &services,
                             .engine = &under_way};
    const struct limit *worst = NULL;
    const char *verdict = "pass";
    int rc = step_run(vocabulary_kind(&line.vocabulary, step->kind), &c, err);
    const enum judgement judged =
        judge_step(step->limits, step->limit_count, under_way.values, under_way.count, &worst);
    if (rc < 0)
        verdict = "error";
    else if (judged == JUDGED_FAIL)
        verdict = "fail";
    else if (judged == JUDGED_MISSING) {
        verdict = "error";
        error_set(err, ERROR_STATE, "no %s came", worst ? worst->measurement : "value");
    }
    cJSON *attempt = cJSON_CreateObject();
    add_values(&under_way, attempt);
    cJSON_AddItemToArray(attempts, attempt);
    return verdict;
}

/* ---- one unit ---- */

static cJSON *run_plan(struct unit_link *unit)
{
    const struct plan *p = line.plan;
    cJSON *document = cJSON_CreateObject(), *steps = cJSON_CreateArray();
    const char *verdict = "pass";
    char message[160] = "";
    for (size_t i = 0; i < p->step_count; i++) {
        const struct plan_step *step = &p->steps[i];
        const char *ended = "pass";
        cJSON *row = cJSON_CreateObject();
        cJSON_AddStringToObject(row, "id", step->id);
        if (step->skip)
            cJSON_AddStringToObject(row, "skipped", step->skip);
        cJSON *attempts = cJSON_AddArrayToObject(row, "attempts");
        for (int k = 0; !step->skip && k < step->attempts && (k == 0 || strcmp(ended, "pass") != 0);
             k++) {
            struct error err = {0};
            ended = attempt_step(step, unit, attempts, &err);
            if (strcmp(ended, "error") == 0)
                snprintf(message, sizeof message, "%s: %.120s", step->id, err.text);
        }
        cJSON_AddItemToArray(steps, row);
        if (strcmp(ended, "pass") != 0)
            verdict = ended;
        if (strcmp(ended, "error") == 0 || (strcmp(ended, "fail") == 0 && !step->continue_on_fail))
            break;
    }
    cJSON_AddStringToObject(document, "verdict", verdict);
    cJSON_AddStringToObject(document, "message", message);
    cJSON_AddItemToObject(document, "steps", steps);
    return document;
}

/* The same part in another place, or once more, has other noise around it. */
static uint64_t surroundings_of(const cJSON *unit)
{
    uint64_t h = line.seed * 0x9e3779b97f4a7c15u + (uint64_t)json_number(unit, "power_ups", 0);
    for (const char *c = json_string(unit, "chip_id", ""); *c; c++)
        h = (h ^ (unsigned char)*c) * 0x100000001b3u;
    return h;
}

static int one_unit(const char *text, const char *folder, struct error *err)
{
    char path[PATH_MAX];
    struct world *world = NULL;
    struct unit_link *unit = NULL;
    cJSON *json = cJSON_Parse(text);
    int rc = json ? file_make_folders(folder, 0700, err)
                  : error_set(err, ERROR_INPUT, "a line that is no unit");
    snprintf(path, sizeof path, "%s/unit.json", folder);
    if (!rc)
        rc = file_write(path, text, strlen(text), 0600, err);
    snprintf(path, sizeof path, "%s/world", folder);
    if (!rc)
        rc = bench_make_world(path, &world, err);
    if (rc)
        return rc;
    simulated_clock_begin();
    rehearsed_unit_begin(&line.board, folder, world);
    rc = direct_bench_begin(&line.board, world, surroundings_of(json), err);
    const struct unit_link_config config = {.port = ""};
    if (!rc)
        rc = unit_link_create(&config, &unit, err);
    if (rc)
        return rc;
    char *said = cJSON_PrintUnformatted(run_plan(unit));
    puts(said);
    return fflush(stdout) ? error_errno(err, ERROR_IO, "cannot say the result") : 0;
}

static void say_trouble(const char *what)
{
    cJSON *document = cJSON_CreateObject();
    cJSON_AddStringToObject(document, "verdict", "error");
    cJSON_AddStringToObject(document, "message", what);
    char *text = cJSON_PrintUnformatted(document);
    puts(text);
    fflush(stdout);
    free(text);
    cJSON_Delete(document);
}

static void rehearse_unit(const char *text)
{
    static const char *const left[] = {"unit.json",   "world", "flash.img", "card.img",
                                       "reset_cause", "",      NULL};
    char folder[PATH_MAX - 32], path[PATH_MAX], erased[PATH_MAX], trouble[160];
    struct error err = {0};
    int status = 0;
    snprintf(folder, sizeof folder, "%s/unit-%d", line.dir, (int)getpid());
    /* Flash that nothing was written to is the same in every unit, and no method here writes it. */
    snprintf(erased, sizeof erased, "%s/erased-%d", line.dir, (int)getpid());
    snprintf(path, sizeof path, "%s/flash.img", folder);
    if (file_make_folders(folder, 0700, &err) == 0 && access(erased, F_OK) == 0 &&
        link(erased, path))
        perror(path);
    const pid_t child = fork();
    if (child == 0) {
        const int rc = one_unit(text, folder, &err);
        if (rc)
            fprintf(stderr, "rehearse: %s\n", err.text);
        _exit(rc ? FAILED : 0); /* its threads stand still where they are */
    }
    if (child < 0 || waitpid(child, &status, 0) < 0 || !WIFEXITED(status) || WEXITSTATUS(status)) {
        snprintf(trouble, sizeof trouble, "the rehearsal ended with status %#x", (unsigned)status);
        say_trouble(trouble);
    }
    if (access(erased, F_OK) != 0 && link(path, erased))
        perror(erased);
    for (size_t i = 0; left[i]; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, left[i]);
        remove(path);
    }
}

/* One thread runs at a time, and a unit's process ends soon: memory that is given back and asked
 * for again costs more than all else. The emulator's own setting is for a camera's long life. */
int __wrap_mallopt(int parameter, int value);
int __real_mallopt(int parameter, int value);
int __wrap_mallopt(int parameter, int value)
{
    return 1;
}

static void keep_memory(void)
{
    __real_mallopt(M_ARENA_MAX, 1);
    __real_mallopt(M_MMAP_THRESHOLD, 1 << 30);
    __real_mallopt(M_TRIM_THRESHOLD, 1 << 30);
    __real_mallopt(M_TOP_PAD, 1 << 24);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"products", required_argument, NULL, 'p'},
                                            {"boards", required_argument, NULL, 'b'},
                                            {"plan", required_argument, NULL, 'n'},
                                            {"seed", required_argument, NULL, 's'},
                                            {"dir", required_argument, NULL, 'd'},
                                            {"attachments", required_argument, NULL, 'a'},
                                            {0}};
    char path[PATH_MAX], *text = NULL;
    size_t room = 0;
    struct error err = {0};
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 'p':
            line.products = optarg;
            break;
        case 'b':
            line.boards = optarg;
            break;
        case 'n':
            line.plan_name = optarg;
            break;
        case 's':
            line.seed = strtoull(optarg, NULL, 10);
            break;
        case 'a':
            line.attachments = optarg;
            break;
        case 'd':
            line.dir = optarg;
            break;
        default:
            return 2;
        }
    }
    if (!line.products || !line.boards || !line.plan_name || !line.dir) {
        fprintf(stderr, "rehearse: needs --products, --boards, --plan, --seed and --dir\n");
        return 2;
    }
    keep_memory();
    vocabulary_fill(&line.vocabulary, step_kinds());
    int rc = plan_load(line.products, line.plan_name, &line.vocabulary.words, &line.plan, &err);
    if (!rc)
        snprintf(path, sizeof path, "%s/%s.json", line.boards, line.plan->board);
    if (!rc)
        rc = board_load(path, &line.board, &err);
    if (!rc)
        rc = rehearsed_picture_begin(&err);
    if (rc) {
        fprintf(stderr, "rehearse: %s\n", err.text);
        return 2;
    }
    while (getline(&text, &room, stdin) > 0)
        rehearse_unit(text);
    snprintf(path, sizeof path, "%s/erased-%d", line.dir, (int)getpid());
    unlink(path);
    free(text);
    rehearsed_picture_end();
    plan_free(line.plan);
    return 0;
}
