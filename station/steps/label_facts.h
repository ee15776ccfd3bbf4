/* A unit's label from what its run committed. */
#ifndef TAKT_STATION_STEPS_LABEL_FACTS_H
#define TAKT_STATION_STEPS_LABEL_FACTS_H

#include "provisioning/label.h"
#include "station/steps/step.h"

struct label_facts {
    struct label label; /* points into the rest */
    char setup[LABEL_SETUP_MAX];
    cJSON *identity, *scan;
};

/* Params of every step that needs them. */
#define LABEL_FACTS_PARAMS                                                                         \
    {"identity_step", PARAM_TEXT, "identity", 0, 0, "id of the step that confirmed DID and MAC"},  \
    {                                                                                              \
        "serial_step", PARAM_TEXT, "scan", 0, 0, "id of the step that read the serial"             \
    }

/* ERROR_STATE when something of it is not committed. Free in any case. */
int label_facts_take(struct step_context *c, struct label_facts *out, struct error *err);
void label_facts_free(struct label_facts *f);

#endif
