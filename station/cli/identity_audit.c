/* takt identity: the audit chain and its witnesses. */
#include <stdio.h>
#include <string.h>

#include "protocol/base/clock.h"
#include "protocol/base/file.h"
#include "protocol/base/json.h"
#include "provisioning/audit.h"
#include "provisioning/audit_witness.h"
#include "reports/store_schema.h"
#include "station/cli/command.h"
#include "station/cli/identity_parts.h"

int identity_witness(const struct identity_request *r, struct error *err)
{
    struct station_file *station = NULL;
    struct signer *signer = NULL;
    struct buffer text = {0};
    sqlite3 *db = NULL;
    if (!r->out)
        return error_set(err, ERROR_INPUT, "--out is needed: where the witness goes");
    int rc = station_file_load(r->station, &station, err);
    if (!rc && !station->token_key[0])
        rc = error_set(err, ERROR_INPUT, "%s names no \"token_key\" to sign with", r->station);
    if (!rc)
        rc = signer_open(station->token_key, &signer, err);
    if (!rc)
        rc = store_file_open(r->place.store, &db, err);
    if (!rc)
        rc = audit_witness_make(db, signer, station->station, clock_wall_ms(), &text, err);
    if (!rc)
        rc = file_write(r->out, text.data, text.size, 0644, err);
    sqlite3_close(db);
    signer_close(signer);
    station_file_free(station);
    buffer_free(&text);
    return rc;
}

static int check_witness(const struct identity_request *r, sqlite3 *db, struct audit_head *head,
                         struct error *err)
{
    struct buffer text = {0}, key = {0};
    int rc = r->key ? file_read(r->key, &key, err)
                    : error_set(err, ERROR_INPUT,
                                "--key is needed: the public half of the key that signed it");
    if (!rc)
        rc = file_read(r->witness, &text, err);
    if (!rc && (!buffer_text(&key) || !buffer_text(&text)))
        rc = error_set(err, ERROR_MEMORY, "%s: out of memory", r->witness);
    if (!rc)
        rc = audit_witness_check(db, r->witness, buffer_text(&text), text.size, buffer_text(&key),
                                 head, err);
    buffer_free(&text);
    buffer_free(&key);
    return rc;
}

static void print_audit(const struct identity_request *r, int64_t entries,
                        const struct audit_head *head, const struct audit_head *witnessed,
                        const struct error *finding)
{
    if (r->json) {
        cJSON *document = cJSON_CreateObject();
        cJSON_AddBoolToObject(document, "intact", !finding->code);
        cJSON_AddNumberToObject(document, "entries", (double)entries);
        if (witnessed->entries)
            cJSON_AddNumberToObject(document, "witnessed", (double)witnessed->entries);
        cJSON_AddStringToObject(document, finding->code ? "finding" : "head",
                                finding->code ? finding->text : head->hash);
        char *text = cJSON_PrintUnformatted(document);
        puts(text ? text : "{}");
        cJSON_free(text);
        cJSON_Delete(document);
    } else if (!finding->code) {
        printf("audit entries: %lld, each as it was written; head %s\n", (long long)entries,
               head->hash);
        if (witnessed->entries)
            printf("entry %lld is the one that %s is a witness of\n", (long long)witnessed->entries,
                   r->witness);
    }
}

/* A broken chain is a finding, printed like the good news; it is also the error returned. */
int identity_audit(const struct identity_request *r, struct error *err)
{
    struct audit_head head = {0}, witnessed = {0};
    sqlite3 *db = NULL;
    int64_t entries = 0;
    int rc = store_file_open(r->place.store, &db, err);
    if (rc)
        return rc;
    rc = audit_verify(db, &entries, err);
    if (!rc)
        rc = audit_head(db, &head, err);
    if (!rc && r->witness)
        rc = check_witness(r, db, &witnessed, err);
    sqlite3_close(db);
    if (!rc || rc == ERROR_MISMATCH)
        print_audit(r, entries, &head, &witnessed, err);
    return rc;
}
