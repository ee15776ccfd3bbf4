/* Asks the factory's system whether this unit may run here. No answer is dealt with as the plan
 * says: "refuse" (unless it says otherwise) ends the run, "run" goes on, with a note of it. */
#include <string.h>

#include "reports/ask.h"
#include "station/steps/step.h"

static int run(struct step_context *c, struct error *err)
{
    const struct credentials *who = c->credentials;
    const struct ask_question q = {.url = step_text(c, "url"),
                                   .serial = c->serial,
                                   .order = c->order,
                                   .product = c->product,
                                   .station = c->station,
                                   .timeout_ms = (long)step_number(c, "timeout_ms"),
                                   .ca = step_text(c, "ca"),
                                   .certificate_pem = who ? who->certificate_pem : NULL,
                                   .private_key_pem = who ? who->private_key_pem : NULL};
    struct ask_answer answer;
    struct error why = {0};
    bool goes_on = strcmp(step_text(c, "no_answer"), "run") == 0;
    if (!goes_on && strcmp(step_text(c, "no_answer"), "refuse") != 0)
        return error_set(err, ERROR_INPUT, "no_answer is '%s', expected refuse or run",
                         step_text(c, "no_answer"));
    int rc = ask_line(&q, &answer, &why);
    if (rc && !goes_on)
        return error_set(err, rc, "no answer whether this unit may run here: %s", why.text);
    if (rc)
        return step_noted(c, "no_answer", why.text, err);
    if (*answer.reason && (rc = step_noted(c, "reason", answer.reason, err)))
        return rc;
    rc = step_value(c, "allowed", answer.allowed, err);
    if (!rc && !answer.allowed) /* whether a limit says so or not */
        rc = error_set(err, ERROR_REFUSED, "this unit may not run here: %s",
                       *answer.reason ? answer.reason : "no reason was given");
    return rc;
}

static const struct step_param params[] = {
    {"url", PARAM_TEXT, "", 0, 0, "where to ask: http://… or https://…"},
    {"timeout_ms", PARAM_NUMBER, "2000", 50, 60000, "ms to wait for the answer"},
    {"no_answer", PARAM_TEXT, "refuse", 0, 0, "what then: refuse or run"},
    {"ca", PARAM_TEXT, "/etc/ssl/certs/ca-certificates.crt", 0, 0,
     "file of the authorities one of which the system's certificate is from"},
    {NULL, PARAM_NUMBER, NULL, 0, 0, NULL},
};

static const struct step_measurement measurements[] = {
    {"allowed", "1", "1 when the unit may run here, else 0; a 0 ends the run"},
    {NULL, NULL, NULL},
};

const struct step_kind step_permission = {
    .name = "permission",
    .about = "asks the factory's system whether the unit may run here",
    .params = params,
    .measurements = measurements,
    .run = run,
};
