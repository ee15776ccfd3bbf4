#include "station/steps/label_facts.h"

#include <stdio.h>
#include <string.h>

#include "protocol/base/json.h"

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

int label_facts_take(struct step_context *c, struct label_facts *out, struct error *err)
{
    const char *identity_step = step_text(c, "identity_step");
    *out = (struct label_facts){.label.product = c->product};
    struct label *l = &out->label;
    int rc = committed_text(c, identity_step, "did", &out->identity, &l->did, err);
    if (rc == 0)
        rc = committed_text(c, identity_step, "mac", &out->identity, &l->mac, err);
    if (rc == 0)
        rc = committed_text(c, step_text(c, "serial_step"), "serial", &out->scan, &l->serial, err);
    if (rc == 0) {
        /* What the app reads to find this camera; the key is not in it. */
        snprintf(out->setup, sizeof out->setup, "takt:%s?did=%s&mac=%s&sn=%s", l->product, l->did,
                 l->mac, l->serial);
        l->setup = out->setup;
    }
    return rc;
}

void label_facts_free(struct label_facts *f)
{
    cJSON_Delete(f->identity);
    cJSON_Delete(f->scan);
    memset(f, 0, sizeof *f);
}
