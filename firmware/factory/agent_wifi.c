/* wifi.join, wifi.throughput, wifi.leave. */
#include <string.h>

#include "firmware/factory/agent_parts.h"
#include "firmware/factory/params.h"
#include "firmware/factory/throughput.h"
#include "protocol/base/clock.h"

static void answer_link(struct agent_call *call, const struct radio_link *l)
{
    answer_text(call, call->result, "ssid", l->ssid);
    answer_text(call, call->result, "bssid", l->bssid);
    answer_number(call, call->result, "frequency_mhz", l->frequency_mhz);
    answer_number(call, call->result, "rssi_dbm", l->rssi_dbm);
    answer_number(call, call->result, "tx_rate_mbps", l->tx_rate_mbps);
    answer_text(call, call->result, "country", l->country);
}

static int link_facts(struct agent *a, struct agent_call *call, struct error *err)
{
    static const char *const no_params[] = {NULL};
    struct radio_link link;
    int rc = params_only(call->params, no_params, err);
    if (!rc)
        rc = a->hal->radio->link(a->hal->radio_state, &link, err);
    if (!rc && !link.associated)
        rc = error_set(err, ERROR_STATE, "the radio has joined no network");
    if (!rc)
        answer_link(call, &link);
    return rc;
}

static int join(struct agent *a, struct agent_call *call, struct error *err)
{
    static const char *const allowed[] = {"ssid", "passphrase", "timeout_ms", NULL};
    const char *ssid, *passphrase;
    long long timeout_ms;
    struct radio_link link;
    int64_t began = clock_mono_ms();
    int rc = params_only(call->params, allowed, err);
    if (!rc)
        rc = params_text(call->params, "ssid", 1, 32, &ssid, err);
    /* WPA2-PSK: 8 to 63 characters; "" joins an open network. */
    if (!rc)
        rc = params_text(call->params, "passphrase", 0, 63, &passphrase, err);
    if (!rc && passphrase[0] && strlen(passphrase) < 8)
        rc = error_set(err, ERROR_INPUT, "param 'passphrase' has %zu characters, expected 8 to 63",
                       strlen(passphrase));
    if (!rc)
        rc = params_integer(call->params, "timeout_ms", 100, 60000, &timeout_ms, err);
    if (!rc)
        rc = a->hal->radio->join(a->hal->radio_state, ssid, passphrase, (int)timeout_ms, err);
    int64_t took_ms = clock_mono_ms() - began;
    if (!rc)
        rc = a->hal->radio->link(a->hal->radio_state, &link, err);
    if (!rc && !link.associated)
        rc = error_set(err, ERROR_STATE, "joined '%s' and lost it at once", ssid);
    if (rc)
        return rc;
    answer_link(call, &link);
    answer_number(call, call->result, "duration_ms", (double)took_ms);
    return 0;
}

static bool stopped(void *context)
{
    return request_cancelled(context);
}

static int throughput(struct agent *a, struct agent_call *call, struct error *err)
{
    static const char *const allowed[] = {
        "host", "port", "seconds", "direction", "datagrams_mbit_s", NULL};
    static const char *const directions[] = {"up", "down", NULL};
    const char *host;
    long long port, seconds;
    int direction;
    struct radio_route route;
    struct throughput found;
    int rc = params_only(call->params, allowed, err);
    if (!rc)
        rc = params_text(call->params, "host", 1, sizeof route.host - 1, &host, err);
    if (!rc && (host[0] == '-' || host[strspn(host, "0123456789abcdefghijklmnopqrstuvwxyz"
                                                    "ABCDEFGHIJKLMNOPQRSTUVWXYZ.:-")]))
        rc = error_set(err, ERROR_INPUT, "param 'host' is '%s', expected a name or an address",
                       host);
    if (!rc)
        rc = params_integer(call->params, "port", 1, 65535, &port, err);
    if (!rc)
        rc = params_integer(call->params, "seconds", 1, 60, &seconds, err);
    if (!rc)
        rc = params_choice(call->params, "direction", directions, &direction, err);
    double datagrams_mbit_s = 0;
    if (!rc && params_has(call->params, "datagrams_mbit_s"))
        rc = params_number(call->params, "datagrams_mbit_s", 0.1, 100, &datagrams_mbit_s, err);
    if (!rc)
        rc = a->hal->radio->route(a->hal->radio_state, host, (int)port, &route, err);
    if (rc)
        return rc;
    const struct throughput_config config = {.host = route.host,
                                             .port = route.port,
                                             .interface = route.interface,
                                             .seconds = (int)seconds,
                                             .down = direction == 1,
                                             .datagrams_mbit_s = datagrams_mbit_s,
                                             .stop = stopped,
                                             .context = call->request};
    rc = throughput_measure(&config, &found, err);
    if (rc)
        return rc;
    answer_number(call, call->result, "bits_per_second", found.bits_per_second);
    answer_number(call, call->result, "bytes", found.bytes);
    answer_number(call, call->result, "seconds", found.seconds);
    answer_number(call, call->result, "retransmits", found.retransmits);
    if (datagrams_mbit_s > 0) {
        answer_number(call, call->result, "loss_percent", found.loss_percent);
        answer_number(call, call->result, "jitter_ms", found.jitter_ms);
    }
    return 0;
}

static int leave(struct agent *a, struct agent_call *call, struct error *err)
{
    static const char *const no_params[] = {NULL};
    int rc = params_only(call->params, no_params, err);
    if (!rc && a->hal->radio->leave(a->hal->radio_state))
        rc = error_set(err, ERROR_IO, "the radio did not leave its network");
    return rc;
}

const struct agent_method agent_wifi_methods[] = {
    {"wifi.join", PART_RADIO, join},
    {"wifi.link", PART_RADIO, link_facts},
    {"wifi.throughput", PART_RADIO, throughput},
    {"wifi.leave", PART_RADIO, leave},
    {0},
};
