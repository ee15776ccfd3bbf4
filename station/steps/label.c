/* The label, from committed data alone: what the store has, not what this process remembers. */
#include <stdio.h>
#include <string.h>

#include "fixtures/label_printer.h"
#include "protocol/base/json.h"
#include "provisioning/label.h"
#include "station/steps/step.h"

static const struct step_param params[] = {
    {"identity_step", PARAM_TEXT, "identity", 0, 0, "id of the step that confirmed DID and MAC"},
    {"serial_step", PARAM_TEXT, "scan", 0, 0, "id of the step that read the serial"},
    {0}};

/* The text a step of this run committed; ERROR_STATE when there is none. Owned by *figures. */
static int committed_text(struct step_context *c, const char *step_id, const char *name,
                          cJSON **figures, const char **out, struct error *err)
{
    int rc = *figures ? 0 : c->services->committed(c->engine, step_id, figures, err);
    if (rc < 0)
        return rc;
    *out = json_string(*figures, name, "");
    return (*out)[0] ? 0
                     : error_set(err, ERROR_STATE, "step \"%s\" of this run committed no \"%s\"",
                                 step_id, name);
}

static int print(struct step_context *c, const struct label *label, struct error *err)
{
    struct buffer zpl = {0};
    int rc = label_zpl(label, &zpl, err);
    const char *text = rc == 0 ? buffer_text(&zpl) : NULL;
    if (rc == 0 && !text)
        rc = error_set(err, ERROR_MEMORY, "label: out of memory");
    if (rc == 0)
        rc = label_printer_print(c->fixture, text, err);
    if (rc == 0)
        rc = c->services->attached(c->engine, "label", "text/plain", zpl.data, zpl.size, err);
    buffer_free(&zpl);
    return rc;
}

static int run(struct step_context *c, struct error *err)
{
    cJSON *identity = NULL, *scan = NULL;
    struct label label = {.product = c->product};
    char setup[LABEL_SETUP_MAX];
    const char *identity_step = step_text(c, "identity_step");
    step_progress(c, 0, "printing");
    int rc = committed_text(c, identity_step, "did", &identity, &label.did, err);
    if (rc == 0)
        rc = committed_text(c, identity_step, "mac", &identity, &label.mac, err);
    if (rc == 0)
        rc = committed_text(c, step_text(c, "serial_step"), "serial", &scan, &label.serial, err);
    if (rc == 0) {
        /* What the app reads to find this camera; the key is not in it. */
        snprintf(setup, sizeof setup, "takt:%s?did=%s&mac=%s&sn=%s", label.product, label.did,
                 label.mac, label.serial);
        label.setup = setup;
        rc = print(c, &label, err);
    }
    cJSON_Delete(identity);
    cJSON_Delete(scan);
    return rc;
}

const struct step_kind step_label = {
    .name = "label",
    .about = "the unit's label, printed from committed data",
    .params = params,
    .run = run,
};
