/* "May this unit run here?", asked of the factory's system over HTTP, with a time limit. */
#ifndef TAKT_REPORTS_ASK_H
#define TAKT_REPORTS_ASK_H

#include <stdbool.h>

#include "protocol/base/error.h"

struct ask_question {
    const char *url; /* gets ?serial=&order=&product=&station= */
    const char *serial, *order, *product, *station;
    long timeout_ms; /* of the whole question */
    /* Over https: whom the system must be signed by (a file; "" or NULL the machine's authorities),
     * and who asks (PEM; NULL nobody). */
    const char *ca, *certificate_pem, *private_key_pem;
};
struct ask_answer {
    bool allowed;
    char reason[200]; /* the system's own words, printable; "" when it gave none */
};
/* The answer is a JSON object {"allowed": bool, "reason": text}. ERROR_TIMEOUT when none came in
 * time, ERROR_CLOSED when the system cannot be reached, ERROR_PROTOCOL for anything else that is
 * no answer (another status than 200 included): none of them is a yes. */
int ask_line(const struct ask_question *q, struct ask_answer *out, struct error *err);

#endif
