/* The radio: who it joins, at what rate, and that traffic goes no faster. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "protocol/base/clock.h"
#include "tests/unit/firmware/hal/emulator/rig.h"

/* A host behind the access point: takes one connection, reads or writes until the other side has
 * had enough, and counts. */
struct host {
    int listener, port;
    bool sends;
    pthread_t thread;
    atomic_llong bytes;
};

static void *serve(void *context)
{
    struct host *h = context;
    static const char data[65536];
    static char back[65536];
    int fd = accept(h->listener, NULL, NULL);
    ssize_t n = 1;
    while (fd >= 0 && n > 0) {
        n = h->sends ? send(fd, data, sizeof data, MSG_NOSIGNAL) : recv(fd, back, sizeof back, 0);
        atomic_fetch_add(&h->bytes, n > 0 ? n : 0);
    }
    close(fd);
    return NULL;
}

static void host_start(struct host *h, bool sends)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof a;
    h->sends = sends;
    h->listener = socket(AF_INET, SOCK_STREAM, 0);
    atomic_init(&h->bytes, 0);
    assert_int_equal(bind(h->listener, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(h->listener, 4), 0);
    assert_int_equal(getsockname(h->listener, (struct sockaddr *)&a, &size), 0);
    h->port = ntohs(a.sin_port);
    assert_int_equal(pthread_create(&h->thread, NULL, serve, h), 0);
}

static void host_end(struct host *h)
{
    pthread_join(h->thread, NULL);
    close(h->listener);
}

static int dial(struct rig *r, int port)
{
    struct radio_route route;
    struct error err = {0};
    if (r->hal.radio->route(r->hal.radio_state, "127.0.0.1", port, &route, &err))
        fail_msg("%s", err.text);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)route.port)};
    assert_int_equal(inet_pton(AF_INET, route.host, &a.sin_addr), 1);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    return fd;
}

static void join(struct rig *r)
{
    struct error err = {0};
    if (r->hal.radio->join(r->hal.radio_state, "takt-line", "takt-takt", 2000, &err))
        fail_msg("%s", err.text);
}

/* Bits a second that arrive, one way, over `seconds` once the first ones have. */
static double rate(struct rig *r, bool up, double seconds)
{
    struct host h;
    static char data[32768];
    host_start(&h, !up);
    int fd = dial(r, h.port);
    int flags = fcntl(fd, F_GETFL);
    assert_int_equal(fcntl(fd, F_SETFL, flags | O_NONBLOCK), 0);
    int64_t now = clock_mono_ns(), start = now + 200000000, end = start + (int64_t)(seconds * 1e9);
    long long got = 0, at_start = 0;
    while (now < end) {
        ssize_t n = up ? send(fd, data, sizeof data, MSG_NOSIGNAL) : recv(fd, data, sizeof data, 0);
        got += n > 0 ? n : 0;
        if (n < 0)
            usleep(500);
        now = clock_mono_ns();
        long long arrived = up ? atomic_load(&h.bytes) : got;
        if (now < start)
            at_start = arrived;
        got = up ? arrived : got;
    }
    close(fd);
    hal_emulator.close(&r->hal); /* what is still on its way is lost with the unit */
    host_end(&h);
    return (double)(got - at_start) * 8 / seconds;
}

/* Never faster than the air, however the machine is loaded; slower only by its hiccups. */
static void near(double got, double air)
{
    assert_true(got < 1.05 * air && got > 0.7 * air);
}

/* MCS 7 with a short guard interval is 72.2 Mbit/s; 60 % of it is payload. */
static void test_traffic_is_as_fast_as_the_radio(void **state)
{
    struct rig r;
    rig_start(&r, "{\"boot_ms\": 0, \"radio_fading_db\": 0, \"radio_join_ms\": 20}");
    for (int up = 0; up < 2; up++) {
        rig_open(&r);
        join(&r);
        near(rate(&r, up, 0.8), 72.2e6 * 0.6);
    }
    rig_end(&r);
}

static void test_a_weak_antenna_is_slow(void **state)
{
    struct rig r;
    struct radio_link link;
    struct error err = {0};
    rig_start(&r, "{\"boot_ms\": 0, \"radio_fading_db\": 0, \"radio_join_ms\": 20,"
                  " \"antenna_gain_db\": -38}");
    rig_open(&r);
    join(&r);
    assert_int_equal(r.hal.radio->link(r.hal.radio_state, &link, &err), 0);
    assert_float_equal(link.rssi_dbm, -88, 0.01);
    assert_float_equal(link.tx_rate_mbps, 14.4, 0.01);
    near(rate(&r, true, 0.8), 14.4e6 * 0.6);
    rig_end(&r);
}

static void test_a_radio_of_another_region_says_so_and_hears_fewer_channels(void **state)
{
    struct rig r;
    struct radio_link link;
    struct error err = {0};
    rig_start(&r, "{\"boot_ms\": 0, \"radio_join_ms\": 20, \"radio_region\": 1}");
    rig_open(&r);
    join(&r);
    assert_int_equal(r.hal.radio->link(r.hal.radio_state, &link, &err), 0);
    assert_string_equal(link.country, "US");
    /* Channel 13 of 2.4 GHz is China's, not the United States'. */
    atomic_store(&r.world->access_point_mhz, 2472);
    assert_int_equal(r.hal.radio->join(r.hal.radio_state, "takt-line", "takt-takt", 2000, &err),
                     ERROR_MISSING);
    rig_end(&r);
}

static void test_bytes_come_through_whole(void **state)
{
    enum { BYTES = 300000 };
    struct rig r;
    struct host h;
    static char data[BYTES];
    rig_start(&r, "{\"boot_ms\": 0, \"radio_join_ms\": 20}");
    rig_open(&r);
    join(&r);
    host_start(&h, false);
    int fd = dial(&r, h.port);
    size_t sent = 0;
    while (sent < BYTES) {
        ssize_t n = send(fd, data + sent, BYTES - sent, 0);
        assert_true(n > 0);
        sent += (size_t)n;
    }
    shutdown(fd, SHUT_WR);
    host_end(&h); /* it saw the end of the stream, and before it every byte */
    assert_int_equal(atomic_load(&h.bytes), BYTES);
    assert_int_equal(recv(fd, data, 1, 0), 0);
    close(fd);
    rig_end(&r);
}

static void test_leaving_breaks_what_is_open(void **state)
{
    struct rig r;
    struct host h;
    struct radio_route route;
    struct error err = {0};
    char byte;
    rig_start(&r, "{\"boot_ms\": 0, \"radio_join_ms\": 20}");
    rig_open(&r);
    assert_int_equal(r.hal.radio->route(r.hal.radio_state, "127.0.0.1", 9, &route, &err),
                     ERROR_STATE);
    join(&r);
    host_start(&h, false);
    int fd = dial(&r, h.port);
    assert_int_equal(send(fd, "x", 1, 0), 1);
    usleep(50000);
    r.hal.radio->leave(r.hal.radio_state);
    assert_true(recv(fd, &byte, 1, 0) <= 0);
    close(fd);
    host_end(&h);
    rig_end(&r);
}

static void test_joining_fails_for_its_reason(void **state)
{
    struct rig r;
    struct error err = {0};
    rig_start(&r, "{\"boot_ms\": 0, \"radio_join_ms\": 50}");
    rig_open(&r);
    const struct radio_ops *ops = r.hal.radio;
    struct radio *s = r.hal.radio_state;
    assert_int_equal(ops->join(s, "takt-line", "wrong-key", 2000, &err), ERROR_REFUSED);
    assert_int_equal(ops->join(s, "elsewhere", "takt-takt", 2000, &err), ERROR_MISSING);
    assert_int_equal(ops->join(s, "takt-line", "takt-takt", 10, &err), ERROR_TIMEOUT);
    atomic_store(&r.world->access_point_dbm, -105);
    assert_int_equal(ops->join(s, "takt-line", "takt-takt", 2000, &err), ERROR_MISSING);
    atomic_store(&r.world->access_point_dbm, -50);
    atomic_store(&r.world->access_point_mhz, 5180); /* the radio has one band */
    assert_int_equal(ops->join(s, "takt-line", "takt-takt", 2000, &err), ERROR_MISSING);
    rig_end(&r);
}

/* As a supplicant: it goes back by itself, unless it is one that does not, or was told to leave. */
static void test_a_lost_network_is_gone_back_to(void **state)
{
    static const char *const units[] = {
        "{\"boot_ms\": 0, \"radio_fading_db\": 0, \"radio_join_ms\": 20}",
        "{\"boot_ms\": 0, \"radio_fading_db\": 0, \"radio_join_ms\": 20, \"radio_returns\": 0}"};
    for (int stays_away = 0; stays_away < 2; stays_away++) {
        struct rig r;
        struct error err = {0};
        struct radio_link link;
        struct radio_route route;
        rig_start(&r, units[stays_away]);
        rig_open(&r);
        join(&r);
        const double near_dbm = atomic_load(&r.world->access_point_dbm);
        atomic_store(&r.world->access_point_dbm, near_dbm - 80);
        assert_int_equal(r.hal.radio->link(r.hal.radio_state, &link, &err), 0);
        assert_false(link.associated);
        assert_int_equal(r.hal.radio->route(r.hal.radio_state, "127.0.0.1", 1, &route, &err),
                         ERROR_STATE);
        atomic_store(&r.world->access_point_dbm, near_dbm);
        assert_int_equal(r.hal.radio->link(r.hal.radio_state, &link, &err), 0);
        assert_int_equal(link.associated, !stays_away);
        assert_int_equal(r.hal.radio->leave(r.hal.radio_state), 0);
        assert_int_equal(r.hal.radio->link(r.hal.radio_state, &link, &err), 0);
        assert_false(link.associated);
        rig_end(&r);
    }
}

/* Two access points of one network on two channels: the nearer is joined and gone over to, unless
 * the radio is one that stays where it is. */
static void test_a_nearer_access_point_is_gone_over_to(void **state)
{
    static const char *const units[] = {
        "{\"boot_ms\": 0, \"radio_fading_db\": 0, \"radio_join_ms\": 20}",
        "{\"boot_ms\": 0, \"radio_fading_db\": 0, \"radio_join_ms\": 20, \"radio_roams\": 0}"};
    for (int stays = 0; stays < 2; stays++) {
        struct rig r;
        struct error err = {0};
        struct radio_link link;
        char first[sizeof link.bssid];
        rig_start(&r, units[stays]);
        rig_open(&r);
        const double near_dbm = atomic_load(&r.world->access_point_dbm);
        const int mhz = atomic_load(&r.world->access_point_mhz);
        atomic_store(&r.world->second_access_point_dbm, near_dbm - 60);
        atomic_store(&r.world->second_access_point_mhz, 2462);
        join(&r);
        assert_int_equal(r.hal.radio->link(r.hal.radio_state, &link, &err), 0);
        assert_int_equal(link.frequency_mhz, mhz);
        strcpy(first, link.bssid);

        /* A little nearer is no reason to go. */
        atomic_store(&r.world->second_access_point_dbm, near_dbm + 5);
        assert_int_equal(r.hal.radio->link(r.hal.radio_state, &link, &err), 0);
        assert_int_equal(link.frequency_mhz, mhz);

        atomic_store(&r.world->access_point_dbm, near_dbm - 90);
        assert_int_equal(r.hal.radio->link(r.hal.radio_state, &link, &err), 0);
        assert_int_equal(link.associated, !stays);
        if (!stays) {
            assert_int_equal(link.frequency_mhz, 2462);
            assert_string_not_equal(link.bssid, first);
        }

        /* Back again, and the other one is switched off. */
        atomic_store(&r.world->access_point_dbm, near_dbm);
        atomic_store(&r.world->second_access_point_mhz, 0);
        assert_int_equal(r.hal.radio->leave(r.hal.radio_state), 0);
        join(&r);
        assert_int_equal(r.hal.radio->link(r.hal.radio_state, &link, &err), 0);
        assert_int_equal(link.frequency_mhz, mhz);
        rig_end(&r);
    }
}

/* An access point that moves while a unit is with it is followed as far as the country's rules go.
 */
static void test_a_channel_that_is_not_allowed_is_lost(void **state)
{
    static const char *const units[] = {
        "{\"boot_ms\": 0, \"radio_fading_db\": 0, \"radio_join_ms\": 20}",
        "{\"boot_ms\": 0, \"radio_fading_db\": 0, \"radio_join_ms\": 20, \"radio_region\": 1}"};
    for (int american = 0; american < 2; american++) {
        struct rig r;
        struct error err = {0};
        struct radio_link link;
        rig_start(&r, units[american]);
        rig_open(&r);
        join(&r);
        atomic_store(&r.world->access_point_mhz, 2462);
        assert_int_equal(r.hal.radio->link(r.hal.radio_state, &link, &err), 0);
        assert_int_equal(link.frequency_mhz, 2462);
        atomic_store(&r.world->access_point_mhz, 2472);
        assert_int_equal(r.hal.radio->link(r.hal.radio_state, &link, &err), 0);
        assert_int_equal(link.associated, !american);
        rig_end(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_traffic_is_as_fast_as_the_radio),
        cmocka_unit_test(test_a_weak_antenna_is_slow),
        cmocka_unit_test(test_bytes_come_through_whole),
        cmocka_unit_test(test_a_radio_of_another_region_says_so_and_hears_fewer_channels),
        cmocka_unit_test(test_a_lost_network_is_gone_back_to),
        cmocka_unit_test(test_a_nearer_access_point_is_gone_over_to),
        cmocka_unit_test(test_a_channel_that_is_not_allowed_is_lost),
        cmocka_unit_test(test_leaving_breaks_what_is_open),
        cmocka_unit_test(test_joining_fails_for_its_reason),
    };
    return cmocka_run_group_tests_name("radio", tests, NULL, NULL);
}
