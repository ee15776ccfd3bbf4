/* A call without a wire: what session.h gives to those who serve one, over the caller's own
 * memory. */
#ifndef TAKT_TESTS_REHEARSAL_DIRECT_CALL_H
#define TAKT_TESTS_REHEARSAL_DIRECT_CALL_H

#include "protocol/wire/session.h"

struct request {
    const struct call *call;
    int64_t until_ns;
};

struct request direct_request(const struct call *call);

#endif
