/* An RSA-3072 key for tests, by OpenSSL's command: a program of this machine even for tests of a
 * camera's architecture, where finding two primes takes a minute. */
#ifndef TAKT_TESTS_UNIT_PROTOCOL_RSA_KEY_H
#define TAKT_TESTS_UNIT_PROTOCOL_RSA_KEY_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/formats/signing.h"

/* What a command prints, as text to be freed; NULL when it prints nothing. */
static inline char *rsa_key_read(const char *command, const char *input)
{
    static char text[8192];
    char line[8192 + 128];
    snprintf(line, sizeof line, "%s%s%s", command, input ? " <<'END'\n" : "", input ? input : "");
    FILE *f = popen(line, "r");
    size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;
    text[n] = '\0';
    if (f)
        pclose(f);
    return n ? strdup(text) : NULL;
}

static inline int rsa_key_of_openssl(struct signing_key *out)
{
    out->private_pem = rsa_key_read("openssl genrsa 3072 2>/dev/null", NULL);
    out->public_pem =
        out->private_pem ? rsa_key_read("openssl pkey -pubout", out->private_pem) : NULL;
    return out->public_pem ? 0 : -1;
}

#endif
