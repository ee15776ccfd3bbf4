#include "provisioning/pool_csv.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "protocol/base/digest.h"
#include "provisioning/mac.h"

enum { COLUMNS = 3, FIELD_MAX = 2 * IDENTITY_KEY_MAX + 2 };

struct line {
    const char *name; /* of the file */
    int number;
    char fields[COLUMNS][FIELD_MAX];
    int count;
};

struct row { /* of either table, as far as it was read */
    struct identity identity;
    const char *range[COLUMNS];
};

struct table {
    const char *columns[COLUMNS];
    int needed;                        /* the first so many must be there */
    const char *expected[COLUMNS + 1]; /* by how many the header names */
    int (*readers[COLUMNS])(const struct line *, const char *, struct row *, struct error *);
    int (*hand_over)(const struct pool_csv_reader *r, const struct line *l, struct row *row,
                     struct error *err);
};

struct header {
    const struct table *table;
    int count, order[COLUMNS];
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
            return complain(l, err, "more than the three fields of a line");
        p = take_field(p, end, l->fields[l->count], &why);
        l->count++;
    }
    return why ? complain(l, err, why) : 0;
}

static int read_did(const struct line *l, const char *text, struct row *row, struct error *err)
{
    struct identity *out = &row->identity;
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

static int read_mac(const struct line *l, const char *text, struct row *row, struct error *err)
{
    uint64_t mac;
    const char *why = mac_parse(text, &mac);
    if (why)
        return complain(l, err, why);
    mac_format(mac, row->identity.mac);
    return 0;
}

static int read_key(const struct line *l, const char *text, struct row *row, struct error *err)
{
    struct identity *out = &row->identity;
    size_t n = strlen(text);
    if (n % 2 || n < 2 * 16 || n > 2 * IDENTITY_KEY_MAX || hex_decode(text, out->key, n / 2))
        return complain(l, err, "a key is 16 to 64 bytes in hex digits");
    out->key_bytes = n / 2;
    return 0;
}

static int read_end(const struct line *l, const char *text, struct row *row, struct error *err)
{
    (void)l;
    row->range[!row->range[0] ? 0 : !row->range[1] ? 1 : 2] = text;
    return 0;
}

static int hand_identity(const struct pool_csv_reader *r, const struct line *l, struct row *row,
                         struct error *err)
{
    row->identity.state = IDENTITY_FREE;
    return r->identity(r->context, l->number, &row->identity, err);
}

static int hand_range(const struct pool_csv_reader *r, const struct line *l, struct row *row,
                      struct error *err)
{
    struct mac_range range;
    const char *why = mac_range_parse(row->range[0], row->range[1], row->range[2], &range);
    return why ? complain(l, err, why) : r->range(r->context, l->number, &range, err);
}

static const struct table tables[] = {
    {.columns = {"did", "key", "mac"},
     .needed = 2,
     .expected = {[2] = "expected the two fields did and key",
                  [3] = "expected the three fields did, mac and key"},
     .readers = {read_did, read_key, read_mac},
     .hand_over = hand_identity},
    {.columns = {"did", "mac"},
     .needed = 1,
     .expected = {[1] = "expected the one field did", [2] = "expected the two fields did and mac"},
     .readers = {read_did, read_mac},
     .hand_over = hand_identity},
    {.columns = {"prefix", "first", "last"},
     .needed = 3,
     .expected = {[3] = "expected the three fields prefix, first and last"},
     .readers = {read_end, read_end, read_end},
     .hand_over = hand_range},
};

/* Whether the line is the header of a table: no data can be, since no mac, key or prefix is a
 * column's name. */
static bool take_header(const struct line *l, struct header *out)
{
    for (size_t t = 0; t < sizeof tables / sizeof tables[0]; t++) {
        struct header h = {.table = &tables[t], .count = l->count};
        const int columns = tables[t].columns[COLUMNS - 1] ? COLUMNS : COLUMNS - 1;
        unsigned seen = 0;
        for (int i = 0; i < l->count; i++)
            for (int c = 0; c < columns; c++)
                if (!strcasecmp(l->fields[i], tables[t].columns[c])) {
                    h.order[i] = c;
                    seen |= 1u << c;
                }
        const unsigned needed = (1u << tables[t].needed) - 1, all = (1u << columns) - 1;
        if ((seen & needed) == needed && (seen == needed || seen == all) &&
            l->count == (seen == all ? columns : tables[t].needed)) {
            *out = h;
            return true;
        }
    }
    return false;
}

static int take_row(const struct line *l, const struct header *h, const struct pool_csv_reader *r,
                    struct error *err)
{
    struct row row = {0};
    int rc = l->count == h->count ? 0 : complain(l, err, h->table->expected[h->count]);
    for (int c = 0; c < COLUMNS && !rc; c++)
        for (int f = 0; f < l->count && !rc; f++)
            if (h->order[f] == c)
                rc = h->table->readers[c](l, l->fields[f], &row, err);
    if (!rc)
        rc = h->table->hand_over(r, l, &row, err);
    identity_wipe(&row.identity);
    return rc;
}

int pool_csv_parse(const char *name, const char *text, size_t size,
                   const struct pool_csv_reader *reader, struct error *err)
{
    struct line l = {.name = name};
    struct header header = {0};
    int rows = 0, rc = 0;
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
            if (!rc && take_header(&l, &header))
                ;
            else if (!rc && !header.table)
                rc = complain(&l, err,
                              "the first line must be a header: did,mac,key or did,key or did,mac "
                              "or did or prefix,first,last");
            else if (!rc && ++rows)
                rc = take_row(&l, &header, reader, err);
        }
        p = next ? next + 1 : end;
    }
    if (!rc && rows == 0)
        rc = error_set(err, ERROR_INPUT,
                       "%s:%d: no identities: expected the header did,mac,key "
                       "and one identity a line",
                       name, l.number ? l.number : 1);
    explicit_bzero(&l, sizeof l);
    return rc;
}
