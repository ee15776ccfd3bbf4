#include "station/steps/unit_wifi.h"

#include <math.h>

#include "protocol/base/json.h"
#include "station/steps/unit_link.h"

enum { TRIES = 3 };

int unit_wifi_join(struct step_context *c, const struct access_point_facts *ap, int join_ms,
                   cJSON **joined, struct error *err)
{
    cJSON *join = cJSON_CreateObject();
    cJSON_AddStringToObject(join, "ssid", ap->ssid);
    cJSON_AddStringToObject(join, "passphrase", ap->passphrase);
    cJSON_AddNumberToObject(join, "timeout_ms", join_ms);
    return unit_call(c->unit, "wifi.join", join, join_ms + 5000, joined, err);
}

/* TCP as fast as it goes, or datagrams at a rate. */
static int send_data(struct step_context *c, const struct access_point_facts *ap,
                     const char *direction, double seconds, double datagrams_mbit_s, cJSON **answer,
                     struct error *err)
{
    cJSON *params = cJSON_CreateObject();
    cJSON_AddStringToObject(params, "host", ap->iperf3_host);
    cJSON_AddNumberToObject(params, "port", ap->iperf3_port);
    cJSON_AddNumberToObject(params, "seconds", seconds);
    cJSON_AddStringToObject(params, "direction", direction);
    if (datagrams_mbit_s > 0)
        cJSON_AddNumberToObject(params, "datagrams_mbit_s", datagrams_mbit_s);
    return unit_call(c->unit, "wifi.throughput", params, (int)(seconds * 1000) + 10000, answer,
                     err);
}

int unit_wifi_traffic(struct step_context *c, const struct access_point_facts *ap,
                      const char *direction, double seconds, double *mbit_s, double *retransmits,
                      struct error *err)
{
    cJSON *answer = NULL;
    int rc = send_data(c, ap, direction, seconds, 0, &answer, err);
    if (rc == 0) {
        *mbit_s = json_number(answer, "bits_per_second", 0) / 1e6;
        *retransmits += json_number(answer, "retransmits", 0);
    }
    cJSON_Delete(answer);
    return rc;
}

int unit_wifi_datagrams(struct step_context *c, const struct access_point_facts *ap,
                        const char *direction, double seconds, double mbit_s, double *loss_percent,
                        double *jitter_ms, struct error *err)
{
    struct error why = {0};
    cJSON *answer = NULL;
    int rc = ERROR_REMOTE;
    /* iperf3 waits for ever for a first datagram that was lost. */
    for (int i = 0; i < TRIES && rc == ERROR_REMOTE; i++)
        rc = send_data(c, ap, direction, seconds, mbit_s, &answer, &why);
    if (rc < 0)
        return error_set(err, rc, "%s", why.text);
    *loss_percent = fmax(*loss_percent, json_number(answer, "loss_percent", 100));
    *jitter_ms = fmax(*jitter_ms, json_number(answer, "jitter_ms", 0));
    cJSON_Delete(answer);
    return 0;
}
