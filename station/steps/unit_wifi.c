#include "station/steps/unit_wifi.h"

#include "protocol/base/json.h"
#include "station/steps/unit_link.h"

int unit_wifi_join(struct step_context *c, const struct access_point_facts *ap, int join_ms,
                   cJSON **joined, struct error *err)
{
    cJSON *join = cJSON_CreateObject();
    cJSON_AddStringToObject(join, "ssid", ap->ssid);
    cJSON_AddStringToObject(join, "passphrase", ap->passphrase);
    cJSON_AddNumberToObject(join, "timeout_ms", join_ms);
    return unit_call(c->unit, "wifi.join", join, join_ms + 5000, joined, err);
}

int unit_wifi_traffic(struct step_context *c, const struct access_point_facts *ap,
                      const char *direction, double seconds, double *mbit_s, double *retransmits,
                      struct error *err)
{
    cJSON *params = cJSON_CreateObject(), *answer = NULL;
    cJSON_AddStringToObject(params, "host", ap->iperf3_host);
    cJSON_AddNumberToObject(params, "port", ap->iperf3_port);
    cJSON_AddNumberToObject(params, "seconds", seconds);
    cJSON_AddStringToObject(params, "direction", direction);
    int rc =
        unit_call(c->unit, "wifi.throughput", params, (int)(seconds * 1000) + 10000, &answer, err);
    if (rc == 0) {
        *mbit_s = json_number(answer, "bits_per_second", 0) / 1e6;
        *retransmits += json_number(answer, "retransmits", 0);
    }
    cJSON_Delete(answer);
    return rc;
}
