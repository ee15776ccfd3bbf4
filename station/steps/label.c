/* The label, from committed data alone: what the store has, not what this process remembers. */
#include "fixtures/label_printer.h"
#include "provisioning/label_picture.h"
#include "station/steps/label_facts.h"

static const struct step_param params[] = {LABEL_FACTS_PARAMS, {0}};

static int print(struct step_context *c, const struct label *label, struct error *err)
{
    struct buffer zpl = {0}, picture = {0};
    int rc = label_zpl(label, &zpl, err);
    const char *text = rc == 0 ? buffer_text(&zpl) : NULL;
    if (rc == 0 && !text)
        rc = error_set(err, ERROR_MEMORY, "label: out of memory");
    if (rc == 0)
        rc = label_printer_print(c->fixture, text, err);
    if (rc == 0)
        rc = c->services->attached(c->engine, "label", "text/plain", zpl.data, zpl.size, err);
    if (rc == 0)
        rc = label_picture(text, &picture, err);
    if (rc == 0)
        rc = c->services->attached(c->engine, "label_picture", "image/png", picture.data,
                                   picture.size, err);
    buffer_free(&zpl);
    buffer_free(&picture);
    return rc;
}

static int run(struct step_context *c, struct error *err)
{
    struct label_facts facts;
    step_progress(c, 0, "printing");
    int rc = label_facts_take(c, &facts, err);
    if (rc == 0)
        rc = print(c, &facts.label, err);
    label_facts_free(&facts);
    return rc;
}

const struct step_kind step_label = {
    .name = "label",
    .about = "the unit's label, printed from committed data",
    .params = params,
    .run = run,
};
