#include "provisioning/pool_csv.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "protocol/base/digest.h"

enum { COLUMNS = 3, FIELD_MAX = 2 * IDENTITY_KEY_MAX + 2 };
enum column { DID, MAC, KEY };
static const char *const column_names[COLUMNS] = {"did", "mac", "key"};

struct line {
    const char *name; /* of the file */
    int number;
    char fields[COLUMNS][FIELD_MAX];
    int count;
};

static int complain(const struct line *l, struct error *err, const char *expected)
{
    return error_set(err, ERROR_INPUT, "%s:%d: %s", l->name, l->number, expected);
}

/* One field from p up to end; returns where the next begins (past the comma) or end + 1. */
static const char *take_field(const char *p, const char *end, char *out, const char **why)
{
    size_t n = 0;
    while (p < end && (*p == ' ' || *p == '\t'))
        p++;
    bool quoted = p < end && *p == '"';
    p += quoted;
    for (;; p++) {
        if (p == end) {
            if (quoted)
                *why = "a quote is not closed on this line";
            break;
        }
        if (quoted && *p == '"') {
            if (p + 1 == end || p[1] != '"') {
                p++;
                break;
            }
            p++;
        } else if (!quoted && *p == ',') {
            break;
        }
        if (*p == '\0' || n + 1 >= FIELD_MAX) {
            *why = *p ? "a field is longer than any did, mac or key" : "a NUL byte";
            break;
        }
        out[n++] = *p;
    }
    if (!quoted)
        while (n && (out[n - 1] == ' ' || out[n - 1] == '\t'))
            n--;
    out[n] = '\0';
    while (!*why && p < end && (*p == ' ' || *p == '\t'))
        p++;
    if (!*why && p < end && *p != ',')
        *why = "text after a closing quote";
    return p + 1;
}

static int split(struct line *l, const char *p, const char *end, struct error *err)
{
    const char *why = NULL;
    l->count = 0;
    while (p <= end && !why) {
        if (l->count == COLUMNS)
            return complain(l, err, "more than the three fields did, mac and key");
        p = take_field(p, end, l->fields[l->count], &why);
        l->count++;
    }
    if (why)
        return complain(l, err, why);
    if (l->count != COLUMNS)
        return complain(l, err, "expected the three fields did, mac and key");
    return 0;
}

static int read_header(const struct line *l, enum column order[COLUMNS], struct error *err)
{
    unsigned seen = 0;
    for (int i = 0; i < COLUMNS; i++)
        for (int c = 0; c < COLUMNS; c++)
            if (!strcasecmp(l->fields[i], column_names[c])) {
                order[i] = (enum column)c;
                seen |= 1u << c;
            }
    if (seen != (1u << COLUMNS) - 1)
        return complain(l, err, "the first line must be the header did,mac,key");
    return 0;
}

static int read_did(const struct line *l, const char *text, struct identity *out, struct error *err)
{
    size_t n = strlen(text);
    if (n == 0 || n >= sizeof out->did)
        return complain(l, err, "a did has 1 to 32 characters");
    for (size_t i = 0; i < n; i++)
        if (!(isalnum((unsigned char)text[i]) && (unsigned char)text[i] < 128) &&
            !strchr("._:-", text[i]))
            return complain(l, err, "a did is made of letters, digits and . _ : -");
    memcpy(out->did, text, n + 1);
    return 0;
}

static int read_mac(const struct line *l, const char *text, struct identity *out, struct error *err)
{
    static const char zero[6] = {0};
    char digits[13];
    uint8_t octets[6];
    bool shaped = strlen(text) == 17;
    for (int i = 0; shaped && i < 6; i++) {
        digits[2 * i] = text[3 * i];
        digits[2 * i + 1] = text[3 * i + 1];
        shaped = i == 5 || (text[3 * i + 2] == text[2] && strchr(":-", text[2]));
    }
    digits[12] = '\0';
    if (!shaped || hex_decode(digits, octets, sizeof octets))
        return complain(l, err, "a mac is written as 50:ec:50:01:02:03");
    if (octets[0] & 1)
        return complain(l, err, "the mac has its group bit set: it names no single unit");
    if (octets[0] & 2)
        return complain(l, err, "the mac has its local bit set: it is not an assigned address");
    if (!memcmp(octets, zero, sizeof octets))
        return complain(l, err, "the mac is all zeros");
    for (int i = 0; i < 6; i++) {
        hex_encode(&octets[i], 1, out->mac + 3 * i);
        out->mac[3 * i + 2] = i < 5 ? ':' : '\0';
    }
    return 0;
}

static int read_key(const struct line *l, const char *text, struct identity *out, struct error *err)
{
    size_t n = strlen(text);
    if (n % 2 || n < 2 * 16 || n > 2 * IDENTITY_KEY_MAX || hex_decode(text, out->key, n / 2))
        return complain(l, err, "a key is 16 to 64 bytes in hex digits");
    out->key_bytes = n / 2;
    return 0;
}

int pool_csv_parse(const char *name, const char *text, size_t size,
                   int (*each)(void *context, int line, const struct identity *i,
                               struct error *err),
                   void *context, struct error *err)
{
    static int (*const readers[COLUMNS])(const struct line *, const char *, struct identity *,
                                         struct error *) = {read_did, read_mac, read_key};
    struct line l = {.name = name};
    enum column order[COLUMNS] = {DID, MAC, KEY};
    bool header = true;
    int identities = 0, rc = 0;
    const char *p = text, *end = text + size;
    if (size >= 3 && !memcmp(p, "\xef\xbb\xbf", 3))
        p += 3;
    while (!rc && p < end) {
        const char *next = memchr(p, '\n', (size_t)(end - p));
        const char *stop = next ? next : end;
        l.number++;
        const char *last = stop;
        while (last > p && (last[-1] == '\r' || last[-1] == ' ' || last[-1] == '\t'))
            last--;
        if (last > p) {
            rc = split(&l, p, last, err);
            if (!rc && header)
                rc = read_header(&l, order, err);
            if (!rc && !header) {
                struct identity i = {.state = IDENTITY_FREE};
                for (int f = 0; f < COLUMNS && !rc; f++)
                    rc = readers[order[f]](&l, l.fields[f], &i, err);
                if (!rc)
                    rc = each(context, l.number, &i, err);
                identity_wipe(&i);
                identities++;
            }
            header = false;
        }
        p = next ? next + 1 : end;
    }
    if (!rc && identities == 0)
        rc = error_set(err, ERROR_INPUT,
                       "%s:%d: no identities: expected the header did,mac,key "
                       "and one identity a line",
                       name, l.number ? l.number : 1);
    explicit_bzero(&l, sizeof l);
    return rc;
}
