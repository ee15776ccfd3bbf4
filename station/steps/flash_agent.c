/* The order's bundle into the slot that is not running, then a restart into it: only a unit that
 * says hello from the new slot keeps it. */
#include <stdio.h>
#include <string.h>

#include "protocol/base/clock.h"
#include "station/flash/agent_flash.h"
#include "station/steps/step.h"
#include "station/steps/unit_link.h"

static const struct step_param params[] = {
    {"timeout_s", PARAM_NUMBER, "120", 5, 3600, "for one image, s"},
    {"restart_timeout_s", PARAM_NUMBER, "30", 1, 600, "from restart to the new slot's hello, s"},
    {0}};

static const struct step_measurement measurements[] = {
    {"flash_seconds", "s", "transfer and writing"},
    {"rate_mb_s", "MB/s", "bytes of all images over that time"},
    {"written_mb", "MB", "really written: less when chunks were there already"},
    {"hash_matches", "bool", "1 when the flash, hashed on the unit, holds what the manifest says"},
    {"restart_seconds", "s", "from the restart to the new slot's hello"},
    {0}};

struct showing {
    struct step_context *step;
    char image[64];
    int64_t since_ms; /* of this image */
};

/* Rate and time left are of the image that is being sent. */
static void progress(void *context, const char *image, uint64_t sent, uint64_t total)
{
    struct showing *s = context;
    const double fraction = (double)sent / (double)total;
    const int64_t now_ms = clock_mono_ms();
    if (strcmp(s->image, image) != 0) {
        snprintf(s->image, sizeof s->image, "%s", image);
        s->since_ms = now_ms;
    }
    const double seconds = (double)(now_ms - s->since_ms) / 1000;
    if (seconds < 0.5 || sent == 0) {
        step_progress(s->step, 0.8 * fraction, "%s %.0f %%", image, 100 * fraction);
        return;
    }
    const double rate = (double)sent / seconds;
    const int left_s = (int)((double)(total - sent) / rate + 0.5);
    step_progress(s->step, 0.8 * fraction, "%s %.0f %%, %.2f MB/s, %d:%02d left", image,
                  100 * fraction, rate / 1e6, left_s / 60, left_s % 60);
}

/* A run that was killed between a restart and its commit leaves the unit on trial, and the other
 * slot is its way back: no place to write. The slot that runs was verified before it was started
 * and answers now, which is all a commit asks. */
static int end_trial(struct step_context *c, struct error *err)
{
    cJSON *info = NULL;
    int rc = unit_call(c->unit, "unit.info", NULL, 10000, &info, err);
    if (rc == 0 && json_bool(info, "on_trial", false))
        step_section(c, true);
    rc = unit_call(c->unit, "flash.commit", NULL, 10000, NULL, err);
    step_section(c, false);
    cJSON_Delete(info);
    return rc;
}

static int write_slot(struct step_context *c, const struct bundle *bundle, char slot[2],
                      bool *matches, struct error *err)
{
    struct session *session;
    struct agent_flash_result r;
    struct showing showing = {.step = c};
    const struct agent_flash job = {.bundle = bundle,
                                    .timeout_ms = (int)(step_number(c, "timeout_s") * 1000),
                                    .cancel = c->cancel,
                                    .progress = progress,
                                    .context = &showing};
    int rc = end_trial(c, err);
    if (rc == 0)
        rc = unit_link_session(c->unit, 10000, &session, err);
    if (rc == 0)
        rc = agent_flash_write(session, &job, &r, err);
    if (rc == 0 && r.passed_over[0])
        step_progress(c, 0.8, "%s: for a blank unit's memory alone, not sent", r.passed_over);
    if (rc == 0)
        rc = step_value(c, "flash_seconds", r.seconds, err);
    if (rc == 0)
        rc = step_value(c, "rate_mb_s", r.seconds > 0 ? r.bytes / 1e6 / r.seconds : 0, err);
    if (rc == 0)
        rc = step_value(c, "written_mb", r.written_bytes / 1e6, err);
    if (rc == 0)
        rc = step_value(c, "hash_matches", r.hashes_match, err);
    if (rc == 0) {
        memcpy(slot, r.slot, sizeof r.slot);
        *matches = r.hashes_match;
    }
    return rc;
}

/* A session with the unit as started after `since_ms`: the old firmware may still answer for a
 * moment after it promised to restart. */
static int meet_again(struct step_context *c, int64_t since_ms, struct error *err)
{
    const int timeout_ms = (int)(step_number(c, "restart_timeout_s") * 1000);
    for (;;) {
        struct session *session;
        cJSON *info = NULL;
        int rc = unit_link_session(c->unit, timeout_ms, &session, err);
        if (rc == 0)
            rc = unit_call(c->unit, "unit.info", NULL, 5000, &info, err);
        const double uptime_ms = json_number(info, "uptime_ms", 0);
        cJSON_Delete(info);
        const int64_t elapsed_ms = clock_mono_ms() - since_ms;
        if (rc == 0 && uptime_ms <= (double)elapsed_ms)
            return 0;
        if (rc < 0 && rc != ERROR_CLOSED)
            return rc;
        if (elapsed_ms > timeout_ms)
            return rc < 0 ? rc
                          : error_set(err, ERROR_TIMEOUT, "the unit did not restart in %d ms",
                                      timeout_ms);
        unit_link_drop(c->unit);
        rc = step_wait(c, 50, err);
        if (rc < 0)
            return rc;
    }
}

/* Restart, hello from the slot on trial, commit: until then the boot loader would fall back. */
static int restart_into(struct step_context *c, const char *slot, struct error *err)
{
    const int64_t started_ms = clock_mono_ms();
    step_progress(c, 0.85, "restart into slot %s", slot);
    int rc = unit_call(c->unit, "unit.restart", NULL, 10000, NULL, err);
    unit_link_drop(c->unit);
    /* It may be gone before its answer was. */
    if (rc == 0 || rc == ERROR_CLOSED)
        rc = meet_again(c, started_ms, err);
    if (rc < 0)
        return rc;
    const char *now = unit_link_facts(c->unit)->boot_slot;
    if (strcmp(now, slot) != 0)
        return error_set(err, ERROR_STATE,
                         "slot %s was activated, the unit came up from slot %s: it fell back", slot,
                         now);
    step_section(c, true);
    rc = unit_call(c->unit, "flash.commit", NULL, 10000, NULL, err);
    step_section(c, false);
    if (rc == 0)
        rc = step_noted(c, "boot_slot", now, err);
    return rc < 0 ? rc
                  : step_value(c, "restart_seconds", (double)(clock_mono_ms() - started_ms) / 1000,
                               err);
}

static int run(struct step_context *c, struct error *err)
{
    struct bundle *bundle = NULL;
    char slot[2] = "", release[16];
    bool matches = false;
    if (!c->bundle_path[0])
        return error_set(err, ERROR_INPUT, "the station file names no bundle to flash");
    if (!c->bundle_key_pem)
        return error_set(err, ERROR_INPUT,
                         "the station file names no \"bundle_key\" to check the bundle with");
    step_progress(c, 0, "checking the bundle");
    int rc = bundle_open(c->bundle_path, c->bundle_key_pem, &bundle, err);
    if (rc == 0)
        rc = bundle_verify(bundle, err);
    if (rc < 0)
        goto out;
    const struct bundle_manifest *m = bundle_manifest(bundle);
    if (strcmp(m->board, c->board->name) != 0) {
        rc = error_set(err, ERROR_MISMATCH, "%s is for board %s, the product needs %s",
                       c->bundle_path, m->board, c->board->name);
        goto out;
    }
    snprintf(release, sizeof release, "%u", m->release);
    rc = step_noted(c, "firmware", m->version, err);
    if (rc == 0)
        rc = step_noted(c, "release", release, err);
    if (rc == 0)
        rc = write_slot(c, bundle, slot, &matches, err);
    /* What does not compare is not started; the limit on hash_matches says the rest. */
    if (rc == 0 && matches)
        rc = restart_into(c, slot, err);
out:
    bundle_close(bundle);
    return rc;
}

const struct step_kind step_flash_agent = {
    .name = "flash_agent",
    .about = "the bundle into the inactive slot through the agent, verified, restarted, committed",
    .params = params,
    .measurements = measurements,
    .uninterruptible = true,
    .needs_bundle = true,
    .run = run,
};
