/* Any bytes as a factory token, and as factory credentials: read or refused, never worse. What is
 * read as a token is written again byte for byte the same: there is one way to write it. */
#include <stdlib.h>
#include <string.h>

#include "protocol/formats/factory_credentials.h"
#include "protocol/formats/token.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct token t;
    struct error err = {0};
    char text[TOKEN_TEXT_MAX + 1];
    if (token_read((const char *)data, size, &t, &err)) {
        if (!err.text[0])
            abort(); /* refused without a word */
    } else if (token_write(&t, text, &err) || strlen(text) != size ||
               memcmp(text, data, size) != 0) {
        abort();
    }
    struct factory_credentials *c = malloc(sizeof *c);
    err = (struct error){0};
    if (c && factory_credentials_decode(data, size, c, &err) && !err.text[0])
        abort();
    free(c);
    return 0;
}
