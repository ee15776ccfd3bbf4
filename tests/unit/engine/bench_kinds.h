/* Step kinds that do to the engine what steps of a bad day do. */
#ifndef TESTS_UNIT_ENGINE_BENCH_KINDS_H
#define TESTS_UNIT_ENGINE_BENCH_KINDS_H

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "protocol/base/clock.h"
#include "station/steps/step.h"

/* One line into the file, whole also when others write at the same time. */
static inline void say_out(const struct step_context *c, const char *text)
{
    char line[300];
    int n = snprintf(line, sizeof line, "%s\n", text);
    int fd = open(step_text(c, "out"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd >= 0) {
        ssize_t done = write(fd, line, (size_t)n);
        (void)done;
        close(fd);
    }
}

static inline int quick_run(struct step_context *c, struct error *err)
{
    int rc = step_value(c, "level", step_number(c, "level"), err);
    if (!rc)
        rc = step_value(c, "spare", 2, err);
    if (!rc)
        rc = step_value(c, "third", 3, err);
    return rc;
}

static inline int slow_run(struct step_context *c, struct error *err)
{
    say_out(c, step_text(c, "says"));
    int rc = step_wait(c, (int)step_number(c, "ms"), err);
    if (!rc)
        say_out(c, "slow-ended");
    return rc;
}

/* Deaf to aborts, and with a child. */
static inline int hang_run(struct step_context *c, struct error *err)
{
    char text[64];
    pid_t child = fork();
    if (child == 0)
        for (;;)
            pause();
    snprintf(text, sizeof text, "child %d worker %d", (int)child, (int)getpid());
    say_out(c, text);
    for (;;)
        pause();
    return 0;
}

static inline int crash_run(struct step_context *c, struct error *err)
{
    say_out(c, "crash");
    raise((int)step_number(c, "signal"));
    return 0;
}

static inline int touch_run(struct step_context *c, struct error *err)
{
    say_out(c, step_text(c, "says"));
    return 0;
}

/* An abort must wait for its end. */
static inline int steadfast_run(struct step_context *c, struct error *err)
{
    say_out(c, "steadfast-began");
    clock_sleep_until_ns(clock_mono_ns() + (int64_t)step_number(c, "ms") * 1000000);
    say_out(c, "steadfast-ended");
    return 0;
}

/* A flash block: begun is done, then a wait that may be cut short. */
static inline int erase_run(struct step_context *c, struct error *err)
{
    step_section(c, true);
    clock_sleep_until_ns(clock_mono_ns() + (int64_t)step_number(c, "ms") * 1000000);
    say_out(c, "erased");
    step_section(c, false);
    int rc = step_wait(c, 60000, err);
    say_out(c, "went on");
    return rc;
}

static inline int flaky_run(struct step_context *c, struct error *err)
{
    char path[300];
    snprintf(path, sizeof path, "%s.flaky", step_text(c, "out"));
    bool again = access(path, F_OK) == 0;
    int fd = open(path, O_CREAT | O_WRONLY, 0600);
    close(fd);
    return again ? 0 : error_set(err, ERROR_IO, "the first time it never works");
}

static inline int chatty_run(struct step_context *c, struct error *err)
{
    int count = (int)step_number(c, "count");
    for (int i = 0; i < count; i++)
        step_progress(c, (double)i / count, "line %d of a very long story told to taktd", i);
    return 0;
}

static inline int busy_run(struct step_context *c, struct error *err)
{
    say_out(c, "enter");
    int rc = step_wait(c, (int)step_number(c, "ms"), err);
    say_out(c, "leave");
    return rc;
}

static inline int facts_run(struct step_context *c, struct error *err)
{
    char text[32];
    cJSON *figures = NULL;
    int rc = c->services->committed(c->engine, step_text(c, "of"), &figures, err);
    if (rc)
        return rc;
    snprintf(text, sizeof text, "level=%g",
             cJSON_GetObjectItem(figures, "level")
                 ? cJSON_GetObjectItem(figures, "level")->valuedouble
                 : -1);
    cJSON_Delete(figures);
    rc = step_noted(c, "seen", text, err);
    if (!rc)
        rc = step_noted(c, "serial", "SN-SCANNED", err);
    if (!rc)
        rc = c->services->attached(c->engine, "text", "text/plain", "hello", 5, err);
    return rc;
}

/* An identity for the chip that is told: reserved, given, confirmed. */
static inline int given_run(struct step_context *c, struct error *err)
{
    struct step_identity id = {0};
    const char *chip = step_text(c, "chip");
    int rc = c->services->identity_reserve(c->engine, chip, &id, err);
    if (!rc && strcmp(id.state, "confirmed") != 0)
        rc = c->services->identity_advance(c->engine, chip, "injected", err);
    if (!rc)
        rc = c->services->identity_advance(c->engine, chip, "confirmed", err);
    return rc ? rc : step_noted(c, "did", id.did, err);
}

static const struct step_param chip_params[] = {{"chip", PARAM_TEXT, "", 0, 0, "chip id"}, {0}};
static const struct step_kind given_kind = {.name = "given",
                                            .params = chip_params,
                                            .uninterruptible = true,
                                            .needs_identity = true,
                                            .run = given_run};

/* Takes an identity and brings it to its end, as steps/identity.c does: a key that may have left is
 * never given again. The serial stands for the chip. */
static inline int taker_run(struct step_context *c, struct error *err)
{
    struct step_identity id = {0};
    char text[200];
    int rc = c->services->identity_reserve(c->engine, c->serial, &id, err);
    if (rc)
        return rc;
    snprintf(text, sizeof text, "identity %s %s", c->serial, id.did);
    say_out(c, text);
    if (strcmp(id.state, "reserved") == 0)
        rc = c->services->identity_advance(c->engine, c->serial, "injected", err);
    if (!rc && strcmp(id.state, "confirmed") != 0)
        rc = c->services->identity_advance(c->engine, c->serial, "confirmed", err);
    return rc;
}

static const struct step_measurement levels[] = {
    {"level", "V", ""}, {"spare", "A", ""}, {"third", "dB", ""}, {0}};
static const struct step_param level_params[] = {{"level", PARAM_NUMBER, "1", 0, 0, "V"}, {0}};
static const struct step_param out_params[] = {
    {"out", PARAM_TEXT, "", 0, 0, "file"},
    {"ms", PARAM_NUMBER, "100", 0, 100000, "ms"},
    {"says", PARAM_TEXT, "touched", 0, 0, "line"},
    {"signal", PARAM_NUMBER, "9", 1, 64, "signal"},
    {0},
};
static const struct step_param count_params[] = {{"count", PARAM_NUMBER, "10", 0, 1e6, ""}, {0}};
static const struct step_param of_params[] = {{"of", PARAM_TEXT, "", 0, 0, "step"}, {0}};

#define OUT_KIND(word, ...)                                                                        \
    static const struct step_kind word##_kind = {                                                  \
        .name = #word, .params = out_params, .run = word##_run, __VA_ARGS__}
OUT_KIND(slow, .about = "");
OUT_KIND(hang, .about = "");
OUT_KIND(crash, .about = "");
OUT_KIND(touch, .restores = true);
OUT_KIND(steadfast, .uninterruptible = true);
OUT_KIND(erase, .about = "");
OUT_KIND(flaky, .about = "");
OUT_KIND(busy, .about = "");
OUT_KIND(taker, .needs_identity = true);
static const struct step_kind quick_kind = {
    .name = "quick", .params = level_params, .measurements = levels, .run = quick_run};
static const struct step_kind chatty_kind = {
    .name = "chatty", .params = count_params, .run = chatty_run};
static const struct step_kind facts_kind = {.name = "facts", .params = of_params, .run = facts_run};
static const struct step_kind named_kind = {
    .name = "named", .needs_identity = true, .run = quick_run};

static const struct step_kind *const kinds_of_a_bad_day[] = {
    &quick_kind,     &slow_kind,  &hang_kind,   &crash_kind, &touch_kind,
    &steadfast_kind, &flaky_kind, &chatty_kind, &facts_kind, &busy_kind,
    &named_kind,     &erase_kind, &given_kind,  &taker_kind, NULL,
};

#endif
