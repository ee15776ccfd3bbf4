/* The TF card socket with a card in it: speed both ways, wrong blocks, and whether the capacity is
 * real. The unit puts back what it overwrote. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fixtures/test_card.h"
#include "protocol/base/clock.h"
#include "protocol/base/json.h"
#include "station/steps/step.h"
#include "station/steps/unit_link.h"

static const struct step_param params[] = {
    {"mib", PARAM_NUMBER, "8", 1, 16, "written and read back for the speed, MiB"},
    {"probes", PARAM_NUMBER, "32", 4, 4096, "blocks probed over the whole capacity"},
    {"timeout_s", PARAM_NUMBER, "60", 5, 600, "for each of the two, s"},
    {"filesystem", PARAM_TEXT, "any", 0, 0,
     "what the test card must hold, with commas: \"fat32,exfat\""},
    {0}};

static const struct step_measurement measurements[] = {
    {"present", "bool", "1 when the socket's switch sees a card"},
    {"write_mb_s", "MB/s", "past every cache, sync included: the median of the MiB written"},
    {"read_mb_s", "MB/s", "past every cache: the median of the MiB read"},
    {"slowest_write_mb_s", "MB/s", "the slowest MiB: a card that pauses to put itself in order"},
    {"io_errors", "count", "1 when the card gave up half way, whichever transfer it was"},
    {"bad_blocks", "count", "blocks of the speed test that read back otherwise"},
    {"wrong_blocks", "count", "probes over the whole capacity that read back otherwise"},
    {"capacity_gb", "GB", "as the card claims"},
    {"real_fraction", "ratio", "highest good byte over the claimed capacity: below 1 is a fake"},
    {0}};

enum { SEGMENTS_MAX = 64 };

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The median over the pieces: a pause of the unit's processor in one of them is not the card's. The
 * slowest piece has its own figure. */
static int read_speed(const cJSON *answer, const char *times, double *median, double *slowest,
                      struct error *err)
{
    double ms[SEGMENTS_MAX];
    size_t n = 0;
    const cJSON *time;
    const double bytes =
        fmin(json_number(answer, "segment_bytes", 0), json_number(answer, "bytes", 0));
    cJSON_ArrayForEach(time, cJSON_GetObjectItemCaseSensitive(answer, times))
    {
        if (n < SEGMENTS_MAX && cJSON_IsNumber(time) && time->valuedouble > 0)
            ms[n++] = time->valuedouble;
    }
    if (!n || !(bytes > 0))
        return error_set(err, ERROR_PROTOCOL, "card.speed answered no \"%s\"", times);
    qsort(ms, n, sizeof *ms, by_value);
    *median = bytes / 1e3 / (n % 2 ? ms[n / 2] : (ms[n / 2 - 1] + ms[n / 2]) / 2);
    *slowest = bytes / 1e3 / ms[n - 1];
    return 0;
}

static int speed(struct step_context *c, double seed, double *write_mb_s, struct error *err)
{
    cJSON *ask = cJSON_CreateObject(), *answer = NULL;
    cJSON_AddNumberToObject(ask, "bytes", step_number(c, "mib") * 1048576);
    cJSON_AddNumberToObject(ask, "seed", seed);
    int rc = unit_call(c->unit, "card.speed", ask, (int)(step_number(c, "timeout_s") * 1000),
                       &answer, err);
    double read = 0, slowest = 0, unused;
    if (rc == 0)
        rc = read_speed(answer, "segment_write_ms", write_mb_s, &slowest, err);
    if (rc == 0)
        rc = read_speed(answer, "segment_read_ms", &read, &unused, err);
    if (rc == 0)
        rc = step_value(c, "write_mb_s", *write_mb_s, err);
    if (rc == 0)
        rc = step_value(c, "read_mb_s", read, err);
    if (rc == 0)
        rc = step_value(c, "slowest_write_mb_s", slowest, err);
    if (rc == 0)
        rc = step_value(c, "bad_blocks", json_number(answer, "bad_blocks", -1), err);
    cJSON_Delete(answer);
    return rc;
}

static int probe(struct step_context *c, double seed, double claimed_bytes, struct error *err)
{
    cJSON *ask = cJSON_CreateObject(), *answer = NULL;
    cJSON_AddNumberToObject(ask, "seed", seed);
    cJSON_AddNumberToObject(ask, "probes", step_number(c, "probes"));
    int rc = unit_call(c->unit, "card.probe", ask, (int)(step_number(c, "timeout_s") * 1000),
                       &answer, err);
    if (rc == 0)
        rc = step_value(c, "wrong_blocks", json_number(answer, "wrong_blocks", -1), err);
    if (rc == 0)
        rc = step_value(c, "real_fraction",
                        json_number(answer, "highest_good_byte", 0) / claimed_bytes, err);
    cJSON_Delete(answer);
    return rc;
}

/* Every figure that a limit may stand for is delivered, or a unit without a card would be an error
 * of the station: nothing was read, so no probe came back right. */
static int nothing_read(struct step_context *c, bool present, struct error *err)
{
    const double probes = step_number(c, "probes");
    int rc = step_value(c, "write_mb_s", 0, err);
    if (rc == 0)
        rc = step_value(c, "read_mb_s", 0, err);
    if (rc == 0)
        rc = step_value(c, "io_errors", present, err);
    if (rc == 0)
        rc = step_value(c, "wrong_blocks", probes, err);
    return rc < 0 ? rc : step_value(c, "real_fraction", 0, err);
}

struct card_facts {
    bool present, write_protected;
    double bytes;
    char serial[33], filesystem[16];
};

static int read_facts(struct step_context *c, struct card_facts *out, struct error *err)
{
    cJSON *status = NULL;
    int rc = unit_call(c->unit, "card.status", NULL, 5000, &status, err);
    if (rc == 0) {
        *out = (struct card_facts){.present = json_bool(status, "present", false),
                                   .write_protected = json_bool(status, "write_protected", false),
                                   .bytes = json_number(status, "bytes", 0)};
        snprintf(out->serial, sizeof out->serial, "%s", json_string(status, "serial", ""));
        snprintf(out->filesystem, sizeof out->filesystem, "%s",
                 json_string(status, "filesystem", ""));
    }
    cJSON_Delete(status);
    return rc;
}

static bool listed(const char *list, const char *name)
{
    const size_t length = strlen(name);
    for (; *list; list += strcspn(list, ",") + (strchr(list, ',') != NULL))
        if (strcspn(list, ",") == length && strncmp(list, name, length) == 0)
            return true;
    return false;
}

/* What is wrong with the test card is the station's business: the unit read it well enough to tell.
 */
static int fit_for_test(struct step_context *c, const struct card_facts *card,
                        struct test_card_state *account, struct error *err)
{
    const char *wanted = step_text(c, "filesystem");
    if (!(card->bytes > 0))
        return error_set(err, ERROR_PROTOCOL, "card.status: a card of %g bytes", card->bytes);
    if (card->write_protected)
        return error_set(err, ERROR_STATE, "test card %s is write-protected: exchange it",
                         card->serial);
    if (strcmp(wanted, "any") != 0 && !listed(wanted, card->filesystem))
        return error_set(err, ERROR_STATE,
                         "test card %s holds file system '%s', expected %s: "
                         "format it",
                         card->serial, card->filesystem, wanted);
    int rc = card->serial[0] ? test_card_look(c->fixture, card->serial, account, err) : 0;
    if (rc == 0 && account->worn[0])
        rc = error_set(err, ERROR_STATE, "test card %s is worn, exchange it: %s", card->serial,
                       account->worn);
    return rc;
}

/* How the card did goes on its account. One with which several units failed in a row is what is
 * wrong, and this unit has not failed: it is to be tried with another. */
static int put_on_account(struct step_context *c, const struct card_facts *card, double write_mb_s,
                          struct error *err)
{
    struct test_card_state state = {0};
    const struct test_card_use use = {
        .serial = card->serial,
        .chip_id = unit_link_facts(c->unit)->chip_id,
        .written_bytes = 2 * (step_number(c, "mib") * 1048576 + step_number(c, "probes") * 512),
        .write_mb_s = write_mb_s,
        .passed = !c->outside,
    };
    int rc = test_card_used(c->fixture, &use, &state, err);
    if (rc == 0 && c->outside && state.worn[0])
        rc = error_set(err, ERROR_STATE, "test card %s: %s; exchange it and try this unit again",
                       card->serial, state.worn);
    return rc;
}

/* ERROR_REMOTE: the unit says that the card, which it had seen a moment ago, gave up. */
static int speed_and_capacity(struct step_context *c, const struct card_facts *card, double seed,
                              double *write_mb_s, struct error *err)
{
    struct error why = {0};
    step_progress(c, 0.1, "speed");
    int rc = speed(c, seed, write_mb_s, &why);
    if (rc == 0) {
        step_progress(c, 0.6, "capacity");
        rc = probe(c, seed + 1, card->bytes, &why);
    }
    if (rc == 0)
        return step_value(c, "io_errors", 0, err);
    if (rc != ERROR_REMOTE || step_cancelled(c))
        return error_set(err, rc, "%s", why.text);
    rc = step_noted(c, "card_gave_up", why.text, err);
    return rc < 0 ? rc : nothing_read(c, true, err);
}

static int run(struct step_context *c, struct error *err)
{
    struct card_facts card = {0};
    struct test_card_state account = {0};
    /* Another salt every time: what an earlier test left must never pass for this one's data. */
    const double seed = (double)(clock_wall_ms() & 0x7fffffff);
    double write_mb_s = 0;
    step_progress(c, 0, "card status");
    int rc = read_facts(c, &card, err);
    if (rc == 0 && !card.present) {
        rc = step_value(c, "present", 0, err);
        return rc < 0 ? rc : nothing_read(c, false, err);
    }
    if (rc == 0)
        rc = fit_for_test(c, &card, &account, err);
    if (rc == 0)
        rc = step_noted(c, "test_card", card.serial, err);
    if (rc == 0)
        rc = step_value(c, "present", 1, err);
    if (rc == 0)
        rc = step_value(c, "capacity_gb", card.bytes / 1e9, err);
    if (rc == 0)
        rc = speed_and_capacity(c, &card, seed, &write_mb_s, err);
    if (rc == 0 && account.known)
        rc = put_on_account(c, &card, write_mb_s, err);
    return rc;
}

const struct step_kind step_card = {
    .name = "card",
    .about = "TF card: speed, bad blocks, real capacity",
    .params = params,
    .measurements = measurements,
    .run = run,
};
