/* The code on the housing becomes the unit's serial. One given beforehand must be the same. */
#include <ctype.h>
#include <string.h>

#include "fixtures/scanner.h"
#include "station/steps/step.h"

static const struct step_param params[] = {
    {"timeout_s", PARAM_NUMBER, "5", 0.5, 120, "how long the reader may look for a code, s"}, {0}};

/* What labels, file names and reports can all carry. */
static bool plain(const char *code)
{
    if (!code[0])
        return false;
    for (; *code; code++)
        if (!isalnum((unsigned char)*code) && !strchr("-_.:/", *code))
            return false;
    return true;
}

static int run(struct step_context *c, struct error *err)
{
    char code[64];
    step_progress(c, 0, "reading the code");
    int rc =
        scanner_read(c->fixture, (int)(step_number(c, "timeout_s") * 1000), code, sizeof code, err);
    if (rc < 0)
        return rc;
    if (!plain(code))
        return error_set(err, ERROR_INPUT,
                         "the scanned code holds other signs than letters, digits and -_.:/");
    if (c->serial[0] && strcmp(c->serial, code) != 0)
        return error_set(err, ERROR_MISMATCH, "scanned \"%s\", but the run is for serial \"%s\"",
                         code, c->serial);
    return step_noted(c, "serial", code, err);
}

const struct step_kind step_scan = {
    .name = "scan",
    .about = "serial from the slot's code reader",
    .params = params,
    .run = run,
};
