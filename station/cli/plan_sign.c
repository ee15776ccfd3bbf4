/* takt plan sign, takt plan accept: an engineer's word for a plan, and a technician's at the line.
 */
#include "station/cli/plan_sign.h"

#include <limits.h>
#include <openssl/crypto.h>
#include <stdio.h>

#include "protocol/base/file.h"
#include "protocol/base/json.h"
#include "station/cli/command.h"
#include "station/engine/client.h"
#include "station/engine/station_file.h"
#include "station/engine/vocabulary.h"
#include "station/plan/plan_signature.h"

enum { KEY_BYTES_MAX = 16384, CALL_MS = 10000 };

int plan_sign(const char *reference, const char *products, const char *key)
{
    struct vocabulary words;
    struct plan *plan = NULL;
    struct buffer pem = {.limit_bytes = KEY_BYTES_MAX};
    struct error err = {0};
    vocabulary_fill(&words, step_kinds());
    int rc = plan_load(products, reference, &words.words, &plan, &err);
    if (!rc)
        rc = file_read(key, &pem, &err);
    if (!rc && !buffer_text(&pem))
        rc = error_set(&err, ERROR_MEMORY, "reading %s: out of memory", key);
    if (!rc)
        rc = plan_signature_write(products, plan, buffer_text(&pem), &err);
    if (!rc)
        printf("%s is signed: plan %.12s, limits %.12s, product %.12s\n", reference,
               plan->plan_sha256, plan->limits_sha256, plan->product_sha256);
    if (pem.data)
        OPENSSL_cleanse(pem.data, pem.size);
    buffer_free(&pem);
    plan_free(plan);
    return rc ? cli_fail("plan", &err) : CLI_OK;
}

int plan_accept(const char *reference, const char *station)
{
    char socket_path[PATH_MAX];
    struct client *taktd = NULL;
    struct error err = {0};
    cJSON *result = NULL;
    int rc = station_file_socket(station, socket_path, &err);
    if (!rc)
        rc = client_connect(socket_path, &taktd, &err);
    if (!rc) {
        cJSON *params = cJSON_CreateObject();
        cJSON_AddStringToObject(params, "plan", reference);
        cJSON_AddStringToObject(params, "operator", cli_operator_name());
        rc = client_call(taktd, "plan.accept", params, CALL_MS, &result, &err);
    }
    if (!rc) {
        const char *changed = json_string(result, "changed", "");
        printf("%s as it is now holds (%s%s)\n", reference, *changed ? "changed: " : "unchanged",
               changed);
    }
    cJSON_Delete(result);
    client_close(taktd);
    if (!rc)
        return CLI_OK;
    const int said = cli_fail("plan", &err);
    return rc == ERROR_REFUSED ? CLI_USAGE : said; /* as takt run says of what may not be */
}
