#include "provisioning/label.h"

#include <string.h>

static int field_text(struct buffer *out, const char *text)
{
    int rc = 0;
    for (const unsigned char *p = (const unsigned char *)text; *p && !rc; p++) {
        /* '_' is ^FH's own mark; '^' and '~' begin commands. */
        if (*p < 0x20 || *p > 0x7e || strchr("^~_", *p))
            rc = buffer_printf(out, "_%02X", *p);
        else
            rc = buffer_append(out, p, 1);
    }
    return rc;
}

static int check(const char *name, const char *text, size_t most, struct error *err)
{
    if (!text || !*text)
        return error_set(err, ERROR_INPUT, "a label needs a %s: none is committed", name);
    if (strlen(text) > most)
        return error_set(err, ERROR_INPUT, "the %s of a label has %zu bytes, at most %zu fit", name,
                         strlen(text), most);
    return 0;
}

/* Millimetres to dots. */
enum { DOTS = 8, WIDTH = 50 * DOTS, HEIGHT = 30 * DOTS };

static int line(struct buffer *out, int y, const char *name, const char *text)
{
    int rc = buffer_printf(out, "^FO%d,%d^A0N,22,22^FH_^FD%s", 21 * DOTS, y, name);
    if (!rc)
        rc = field_text(out, text);
    return rc ? rc : buffer_append_text(out, "^FS\n");
}

int label_zpl(const struct label *l, struct buffer *out, struct error *err)
{
    int rc = 0;
    if ((rc = check("did", l->did, LABEL_TEXT_MAX, err)) ||
        (rc = check("mac", l->mac, LABEL_TEXT_MAX, err)) ||
        (rc = check("serial", l->serial, LABEL_TEXT_MAX, err)) ||
        (rc = check("setup code", l->setup, LABEL_SETUP_MAX, err)) ||
        (rc = check("product", l->product, LABEL_TEXT_MAX, err)))
        return rc;
    size_t before = out->size;
    /* ^BQN,2,4: QR model 2, 4 dots a module; "QA,": error correction Q, any characters. */
    if ((rc = buffer_printf(out, "^XA\n^CI28\n^PW%d\n^LL%d\n^LH0,0\n^FO%d,%d^BQN,2,4^FH_^FDQA,",
                            WIDTH, HEIGHT, 2 * DOTS, 4 * DOTS)) ||
        (rc = field_text(out, l->setup)) || (rc = buffer_append_text(out, "^FS\n")) ||
        (rc = line(out, 4 * DOTS, "", l->product)) ||
        (rc = line(out, 10 * DOTS, "SN ", l->serial)) ||
        (rc = line(out, 15 * DOTS, "DID ", l->did)) ||
        (rc = line(out, 20 * DOTS, "MAC ", l->mac)) ||
        (rc = buffer_append_text(out, "^PQ1\n^XZ\n"))) {
        out->size = before;
        return error_set(err, rc, "cannot write a label: out of memory");
    }
    return 0;
}

bool label_is(const struct label *l, const char *code, enum label_code holds)
{
    const char *own = holds == LABEL_SERIAL ? l->serial : l->setup;
    return own && *own && strcmp(own, code) == 0;
}
