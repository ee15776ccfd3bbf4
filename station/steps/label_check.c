/* The label that is on the unit, before it leaves: what it says must be what this unit was given.
 * Labels get mixed up between printer and housing, where no other step looks. */
#include <string.h>

#include "fixtures/scanner.h"
#include "station/steps/label_facts.h"

static const struct step_param params[] = {
    LABEL_FACTS_PARAMS,
    {"timeout_s", PARAM_NUMBER, "5", 0.5, 120, "how long the reader may look for a code, s"},
    {"holds", PARAM_TEXT, "setup", 0, 0,
     "what the code that is read holds: the \"setup\" text, or the \"serial\" alone"},
    {0}};

static const struct step_measurement measurements[] = {
    {"label_matches", "bool", "1 when the scanned label is the one printed for this unit"}, {0}};

static int run(struct step_context *c, struct error *err)
{
    struct label_facts facts;
    char code[LABEL_SETUP_MAX];
    const bool serial = strcmp(step_text(c, "holds"), "serial") == 0;
    int rc = label_facts_take(c, &facts, err);
    step_progress(c, 0, "reading the code");
    if (rc == 0)
        rc = scanner_read(c->fixture, (int)(step_number(c, "timeout_s") * 1000), code, sizeof code,
                          err);
    if (rc == 0) {
        const bool same = label_is(&facts.label, code, serial ? LABEL_SERIAL : LABEL_SETUP);
        rc = step_noted(c, "scanned", code, err);
        if (rc == 0)
            rc = step_value(c, "label_matches", same, err);
    }
    label_facts_free(&facts);
    return rc;
}

const struct step_kind step_label_check = {
    .name = "label_check",
    .about = "the label on the unit is the unit's own",
    .params = params,
    .measurements = measurements,
    .run = run,
};
