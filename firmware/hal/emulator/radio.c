/* Wi-Fi: hears the world's access points at some level, settles on a rate, carries traffic. */
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "firmware/hal/emulator/chance.h"
#include "firmware/hal/emulator/parts.h"
#include "firmware/hal/emulator/power.h"
#include "firmware/hal/emulator/relay.h"
#include "protocol/base/clock.h"

/* 802.11n, one stream, 20 MHz, short guard interval (IEEE 802.11-2016, table 19-27), and the level
 * a small 2.4 GHz module needs for each: some 10 dB better than the standard asks. */
static const struct {
    double mbps, least_dbm;
} schemes[8] = {{7.2, -92},  {14.4, -89}, {21.7, -87}, {28.9, -84},
                {43.3, -81}, {57.8, -77}, {65.0, -75}, {72.2, -73}};
static const double fading_seconds = 1.5, quiet_share = 0.05;

enum { ACCESS_POINTS = 2, ROAM_DB = 8 /* nearer by so much, another one is gone over to */ };

/* Whose rules the radio keeps, and the highest channel of 2.4 GHz that they allow. */
static const struct {
    char country[3];
    int highest_mhz;
} regions[] = {{"CN", 2472}, {"US", 2462}, {"JP", 2472}, {"00", 2462}};

struct radio {
    struct unit *unit;
    struct relay *relay;
    pthread_mutex_t lock;      /* the relay's thread asks for the rate */
    struct chance chance, air; /* of the level, of the datagrams */
    double fading_db;
    int64_t faded_ns;
    enum system_load load;
    bool associated;
    int at;      /* the access point it is or was with */
    bool wanted; /* told to be in the network, and not to leave it since */
};

/* Lock held. Of one access point; all fade alike, by what moves around the unit. */
static double level_dbm(struct radio *r, int at)
{
    const struct world *w = r->unit->world;
    const struct physics *ph = &r->unit->physics;
    int64_t now = clock_mono_ns();
    double keep = exp(-(double)(now - r->faded_ns) / 1e9 / fading_seconds);
    r->faded_ns = now;
    r->fading_db = keep * r->fading_db +
                   sqrt(1 - keep * keep) * ph->radio_fading_db * chance_normal(&r->chance);
    return atomic_load(at ? &w->second_access_point_dbm : &w->access_point_dbm) +
           ph->antenna_gain_db + r->fading_db;
}

static int channel_mhz(const struct radio *r, int at)
{
    const struct world *w = r->unit->world;
    return atomic_load(at ? &w->second_access_point_mhz : &w->access_point_mhz);
}

/* May its country's rules let it go there, and is there one at all? */
static bool allowed(const struct radio *r, int at)
{
    const int mhz = channel_mhz(r, at);
    return mhz && (mhz < 5000 ? mhz <= regions[(int)r->unit->physics.radio_region].highest_mhz
                              : r->unit->board.radio_5ghz);
}

/* Lock held. 0 = the level carries nothing. */
static double phy_mbps(struct radio *r, double dbm)
{
    for (int i = (int)r->unit->physics.radio_mcs_max; i >= 0; i--)
        if (dbm >= schemes[i].least_dbm)
            return schemes[i].mbps;
    return 0;
}

/* A network that is heard no more is lost, one that is heard again is gone back to by itself, as a
 * supplicant does. Lock held; true when it was lost just now. */
static bool follow(struct radio *r)
{
    const double here_dbm = level_dbm(r, r->at);
    const int other = !r->at;
    if (r->unit->physics.radio_roams > 0 && r->wanted && allowed(r, other)) {
        const double there_dbm = level_dbm(r, other);
        if (phy_mbps(r, there_dbm) > 0 && there_dbm > here_dbm + ROAM_DB)
            r->at = other;
    }
    const double dbm = r->at == other ? level_dbm(r, other) : here_dbm;
    const bool heard = allowed(r, r->at) && phy_mbps(r, dbm) > 0;
    const bool lost = r->associated && !heard;
    if (lost)
        r->associated = false;
    else if (r->wanted && heard && r->unit->physics.radio_returns > 0)
        r->associated = true;
    return lost;
}

static void draw(struct radio *r, double used)
{
    const struct physics *ph = &r->unit->physics;
    double watts = r->load == LOAD_STANDBY ? 0 : ph->radio_idle_w;
    double send = r->load == LOAD_FULL ? 1 : used > 1 ? 1 : used;
    if (r->load != LOAD_STANDBY)
        watts += send * (ph->radio_send_w - ph->radio_idle_w);
    power_draw(r->unit->power, POWER_RADIO, watts);
}

static double channel(void *context, double used)
{
    struct radio *r = context;
    struct world *w = r->unit->world;
    const double share = atomic_load(&w->air_share);
    pthread_mutex_lock(&r->lock);
    double mbps = r->associated ? phy_mbps(r, level_dbm(r, r->at)) : 0;
    draw(r, used);
    pthread_mutex_unlock(&r->lock);
    if (used > quiet_share)
        atomic_store(&w->air_used_ms, clock_mono_ms());
    return mbps * r->unit->physics.radio_efficiency * (share > 0 ? share : 1) * 1e6 / 8;
}

static int64_t datagram(void *context)
{
    struct radio *r = context;
    const struct physics *ph = &r->unit->physics;
    pthread_mutex_lock(&r->lock);
    const bool lost = !r->associated || chance_uniform(&r->air) * 100 < ph->radio_loss_percent;
    const double held_ms = -ph->radio_jitter_ms * log1p(-chance_uniform(&r->air));
    pthread_mutex_unlock(&r->lock);
    return lost ? -1 : (int64_t)(held_ms * 1e6);
}

int emulated_radio_open(struct unit *unit, struct radio **out, struct error *err)
{
    struct radio *r = *out = calloc(1, sizeof *r);
    if (!r)
        return error_set(err, ERROR_MEMORY, "no memory for the emulated radio");
    r->unit = unit;
    r->load = LOAD_IDLE;
    r->faded_ns = clock_mono_ns();
    pthread_mutex_init(&r->lock, NULL);
    chance_start(&r->chance, (uint64_t)unit->physics.seed,
                 (uint64_t)unit->physics.power_ups << 32 | 0x77696669);
    chance_start(&r->air, (uint64_t)unit->physics.seed,
                 (uint64_t)unit->physics.power_ups << 32 | 0x64677261);
    const struct relay_channel air = {channel, datagram, r};
    int rc = relay_create(&air, &r->relay, err);
    if (rc) {
        emulated_radio_close(r);
        *out = NULL;
    }
    return rc;
}

void emulated_radio_close(struct radio *r)
{
    if (!r)
        return;
    relay_free(r->relay);
    pthread_mutex_destroy(&r->lock);
    free(r);
}

void emulated_radio_load(struct radio *r, enum system_load load)
{
    pthread_mutex_lock(&r->lock);
    r->load = load;
    bool off = load == LOAD_STANDBY && (r->associated || r->wanted);
    if (off)
        r->associated = r->wanted = false;
    draw(r, 0);
    pthread_mutex_unlock(&r->lock);
    if (off)
        relay_break(r->relay);
}

static int join(struct radio *r, const char *ssid, const char *passphrase, int timeout_ms,
                struct error *err)
{
    const struct world *w = r->unit->world;
    const struct physics *ph = &r->unit->physics;
    bool heard = false;
    int64_t began = clock_mono_ns();
    double takes_ms = ph->radio_join_ms;
    pthread_mutex_lock(&r->lock);
    r->associated = r->wanted = false;
    double nearest_dbm = -INFINITY;
    for (int i = 0; i < ACCESS_POINTS; i++) {
        const double dbm = allowed(r, i) ? level_dbm(r, i) : -INFINITY;
        if (!(dbm > nearest_dbm) || !phy_mbps(r, dbm))
            continue;
        nearest_dbm = dbm;
        r->at = i;
        heard = !strcmp(ssid, w->ssid);
    }
    bool asleep = r->load == LOAD_STANDBY;
    pthread_mutex_unlock(&r->lock);
    if (asleep)
        return error_set(err, ERROR_STATE, "the radio is off in standby");
    if (takes_ms > timeout_ms) {
        clock_sleep_until_ns(began + (int64_t)timeout_ms * 1000000);
        return error_set(err, ERROR_TIMEOUT, "not associated with \"%s\" within %d ms", ssid,
                         timeout_ms);
    }
    clock_sleep_until_ns(began + (int64_t)(takes_ms * 1e6));
    if (!heard)
        return error_set(err, ERROR_MISSING, "no network \"%s\" is heard%s", ssid,
                         r->unit->board.radio_5ghz ? "" : " at 2.4 GHz, the board's only band");
    if (strcmp(passphrase, w->passphrase))
        return error_set(err, ERROR_REFUSED, "\"%s\" refused the passphrase", ssid);
    pthread_mutex_lock(&r->lock);
    r->associated = r->wanted = true;
    pthread_mutex_unlock(&r->lock);
    return 0;
}

static int leave(struct radio *r)
{
    pthread_mutex_lock(&r->lock);
    r->associated = r->wanted = false;
    draw(r, 0); /* what it sent last is over */
    pthread_mutex_unlock(&r->lock);
    relay_break(r->relay);
    return 0;
}

static int radio_link(struct radio *r, struct radio_link *out, struct error *err)
{
    memset(out, 0, sizeof *out);
    strcpy(out->country, regions[(int)r->unit->physics.radio_region].country);
    pthread_mutex_lock(&r->lock);
    const bool lost = follow(r);
    if (r->associated) {
        out->associated = true;
        snprintf(out->ssid, sizeof out->ssid, "%s", r->unit->world->ssid);
        snprintf(out->bssid, sizeof out->bssid, "02:00:00:00:01:%02d", r->at);
        out->frequency_mhz = channel_mhz(r, r->at);
        out->rssi_dbm = level_dbm(r, r->at);
        out->tx_rate_mbps = phy_mbps(r, out->rssi_dbm);
    }
    pthread_mutex_unlock(&r->lock);
    if (lost)
        relay_break(r->relay);
    return 0;
}

static int route(struct radio *r, const char *host, int port, struct radio_route *out,
                 struct error *err)
{
    pthread_mutex_lock(&r->lock);
    const bool lost = follow(r), associated = r->associated;
    pthread_mutex_unlock(&r->lock);
    if (lost)
        relay_break(r->relay);
    if (!associated)
        return error_set(err, ERROR_STATE, "no route to %s: the radio has joined no network", host);
    memset(out, 0, sizeof *out);
    snprintf(out->host, sizeof out->host, "127.0.0.1");
    return relay_route(r->relay, host, port, &out->port, err);
}

const struct radio_ops emulated_radio_ops = {join, leave, radio_link, route};
