#include "station/study/study_journal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "protocol/base/json.h"

struct study_journal {
    FILE *file;
    char *path;
    int items;
    cJSON *results[]; /* by item */
};

/* Lines up to the first that is not whole; *end is where that begins. */
static int read_lines(struct study_journal *j, const char *subject, long *end, struct error *err)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t n;
    int rc = 0;
    *end = 0;
    for (int number = 0; rc == 0 && (n = getline(&line, &room, j->file)) > 0; number++) {
        if (line[n - 1] != '\n')
            break;
        line[n - 1] = '\0';
        cJSON *row = number ? cJSON_Parse(line) : NULL;
        const int item = (int)json_number(row, "item", -1);
        if (number == 0 && strcmp(line, subject) != 0) {
            rc = error_set(err, ERROR_STATE,
                           "%s has results of another study (%.120s): --again begins anew", j->path,
                           line);
        } else if (number && item < 0) {
            cJSON_Delete(row);
            break;
        } else if (number && item < j->items) {
            cJSON_Delete(j->results[item]);
            j->results[item] = cJSON_DetachItemFromObjectCaseSensitive(row, "result");
        }
        cJSON_Delete(row);
        *end += n;
    }
    free(line);
    return rc;
}

int study_journal_open(const char *path, const char *subject, int items, bool again,
                       struct study_journal **out, struct error *err)
{
    struct study_journal *j = *out = calloc(1, sizeof *j + (size_t)items * sizeof j->results[0]);
    long end = 0;
    if (!j || !(j->path = strdup(path)))
        return error_set(err, ERROR_MEMORY, "out of memory for %d results", items);
    j->items = items;
    int rc = 0;
    j->file = fopen(path, again ? "w+e" : "a+e");
    if (!j->file)
        rc = error_errno(err, ERROR_IO, "cannot open %s", path);
    if (!rc) {
        rewind(j->file);
        rc = read_lines(j, subject, &end, err);
    }
    if (!rc && ftruncate(fileno(j->file), end))
        rc = error_errno(err, ERROR_IO, "cannot shorten %s", path);
    if (!rc) {
        fseek(j->file, end, SEEK_SET);
        if (end == 0 && (fprintf(j->file, "%s\n", subject) < 0 || fflush(j->file)))
            rc = error_errno(err, ERROR_IO, "cannot write %s", path);
    }
    if (rc) {
        study_journal_close(j);
        *out = NULL;
    }
    return rc;
}

void study_journal_close(struct study_journal *j)
{
    if (!j)
        return;
    if (j->file)
        fclose(j->file);
    for (int i = 0; i < j->items; i++)
        cJSON_Delete(j->results[i]);
    free(j->path);
    free(j);
}

cJSON *study_journal_result(const struct study_journal *j, int item)
{
    return j->results[item];
}

int study_journal_add(struct study_journal *j, int item, cJSON *document, struct error *err)
{
    char *text = cJSON_PrintUnformatted(document);
    cJSON_Delete(j->results[item]);
    j->results[item] = document;
    int rc = text ? 0 : error_set(err, ERROR_MEMORY, "out of memory for a result");
    if (!rc &&
        (fprintf(j->file, "{\"item\":%d,\"result\":%s}\n", item, text) < 0 || fflush(j->file)))
        rc = error_errno(err, ERROR_IO, "cannot write %s", j->path);
    cJSON_free(text);
    return rc;
}
