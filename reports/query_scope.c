#include "reports/query_scope.h"

#include <stdio.h>
#include <string.h>

#include "protocol/base/buffer.h"

/* Written out for the column, so that its index is used. Reports are of production, unless they are
 * of another mode by name: a golden or an engineering run is no unit of an order. */
static int put_scope(struct buffer *b, const struct query_scope *scope)
{
    return buffer_printf(b, " r.%s=?1 AND r.started_ms>=?2 AND r.started_ms<?3 %s", scope->column,
                         scope->text ? "" : "AND r.mode='production' ");
}

/* A unit's first judged run; a run that never learned its unit stands for one. Aborted and skipped
 * ones say nothing about a unit. */
static int put_first(struct buffer *b, const struct query_scope *scope)
{
    int rc = buffer_append_text(b, "(SELECT min(r.id) id FROM run r WHERE");
    rc = rc ? rc : put_scope(b, scope);
    return rc ? rc
              : buffer_append_text(b, "AND r.verdict IN (1, 2, 3, 4) GROUP BY coalesce(r.unit, "
                                      "-r.id) ORDER BY 1)");
}

struct rows *scope_open(struct store *s, const struct query_scope *scope, const char *sql,
                        struct error *err)
{
    static const struct {
        const char *mark;
        int (*put)(struct buffer *b, const struct query_scope *scope);
    } marks[] = {{"{scope}", put_scope}, {"{first}", put_first}};
    struct buffer text = {0};
    int rc = 0;
    while (*sql && !rc) {
        size_t n = strcspn(sql, "{"), k = 0;
        rc = buffer_append(&text, sql, n);
        sql += n;
        for (; *sql && k < 2; k++)
            if (!strncmp(sql, marks[k].mark, strlen(marks[k].mark))) {
                rc = rc ? rc : marks[k].put(&text, scope);
                sql += strlen(marks[k].mark);
                break;
            }
    }
    const char *whole = rc ? NULL : buffer_text(&text);
    struct rows *st = NULL;
    if (whole)
        st = scope->text
                 ? rows_open_many(s, err, whole, "tii", scope->text, scope->from_ms, scope->to_ms)
                 : rows_open_many(s, err, whole, "iii", scope->id, scope->from_ms, scope->to_ms);
    else
        rows_out_of_memory(err);
    buffer_free(&text);
    return st;
}

int scope_add_identities(struct store *s, const struct query_scope *scope, cJSON *object,
                         struct error *err)
{
    int there = rows_have_identities(s, err);
    if (there < 0)
        return there;
    if (!there)
        return cJSON_AddArrayToObject(object, "identities") ? 0 : rows_out_of_memory(err);
    return rows_array(scope_open(s, scope,
                                 "SELECT s.name state, count(*) count FROM identity i"
                                 " JOIN identity_state s ON s.id=i.state WHERE i.chip_id IN"
                                 " (SELECT u.chip_id FROM run r JOIN unit u ON u.id=r.unit"
                                 " WHERE{scope}) GROUP BY s.id ORDER BY s.id",
                                 err),
                      object, "identities", err);
}
