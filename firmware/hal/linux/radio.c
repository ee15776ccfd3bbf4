/* Wi-Fi: wpa_supplicant joins, busybox's udhcpc gets the address, nl80211 tells what came of it. */
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "firmware/hal/linux/nl80211.h"
#include "firmware/hal/linux/parts.h"
#include "firmware/hal/linux/supplicant.h"
#include "protocol/base/clock.h"

enum { LOOK_NS = 20000000 };

struct radio {
    struct linux_unit *unit;
};

extern char **environ;

int linux_radio_open(struct linux_unit *u, struct radio **out, struct error *err)
{
    struct radio *r = *out = calloc(1, sizeof *r);
    if (!r)
        return error_set(err, ERROR_MEMORY, "no memory for the radio");
    r->unit = u;
    return 0;
}

void linux_radio_close(struct radio *r)
{
    free(r);
}

static const char *interface_of(const struct radio *r)
{
    return r->unit->board->linux.radio;
}

/* ---- the address --------------------------------------------------------------------------- */

static bool has_address(const char *interface)
{
    struct ifaddrs *all, *a;
    bool found = false;
    if (getifaddrs(&all))
        return false;
    for (a = all; a && !found; a = a->ifa_next)
        found =
            a->ifa_addr && a->ifa_addr->sa_family == AF_INET && strcmp(a->ifa_name, interface) == 0;
    freeifaddrs(all);
    return found;
}

/* ioctl() on the interface by name. */
static int interface_ioctl(const char *interface, unsigned long request, struct ifreq *r)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    snprintf(r->ifr_name, sizeof r->ifr_name, "%s", interface);
    int rc = fd < 0 ? -1 : ioctl(fd, request, r);
    int failed = errno;
    if (fd >= 0)
        close(fd);
    errno = failed;
    return rc;
}

static void drop_address(const char *interface)
{
    struct ifreq r;
    memset(&r, 0, sizeof r);
    r.ifr_addr.sa_family = AF_INET; /* 0.0.0.0 takes away the one it has */
    interface_ioctl(interface, SIOCSIFADDR, &r);
}

/* udhcpc ends once it has a lease (-q) or none came (-n); the image's script sets the address. */
static int lease(const char *interface, int64_t until_ms, struct error *err)
{
    char *argv[] = {"udhcpc",          "-f", "-q", "-n", "-t", "5", "-T", "1", "-i",
                    (char *)interface, NULL};
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t none;
    pid_t pid;
    int status = 0;
    sigemptyset(&none);
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attributes);
    for (int fd = 0; fd < 3; fd++)
        posix_spawn_file_actions_addopen(&files, fd, "/dev/null", O_RDWR, 0);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setsigmask(&attributes, &none);
    errno = posix_spawnp(&pid, argv[0], &files, &attributes, argv, environ);
    int rc = errno ? error_errno(err, errno == ENOENT ? ERROR_MISSING : ERROR_IO,
                                 "joined, but cannot start udhcpc for an address")
                   : 0;
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    if (rc)
        return rc;
    pid_t ended = 0;
    while ((ended = waitpid(pid, &status, WNOHANG)) == 0 && clock_mono_ms() < until_ms)
        clock_sleep_until_ns(clock_mono_ns() + LOOK_NS);
    if (ended != pid) {
        kill(-pid, SIGKILL);
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    if (has_address(interface))
        return 0;
    return error_set(err, ERROR_TIMEOUT, "joined, but no DHCP server gave an address");
}

/* ---- the ops ------------------------------------------------------------------------------- */

int linux_radio_power(struct radio *r, bool on, struct error *err)
{
    const char *interface = interface_of(r);
    struct ifreq request;
    memset(&request, 0, sizeof request);
    int rc = interface_ioctl(interface, SIOCGIFFLAGS, &request);
    bool is_on = request.ifr_flags & IFF_UP;
    if (!rc && is_on != on) {
        request.ifr_flags = (short)(request.ifr_flags ^ IFF_UP);
        rc = interface_ioctl(interface, SIOCSIFFLAGS, &request);
    }
    if (rc && errno == ENODEV)
        return 0; /* its driver did not load: it draws nothing */
    return rc ? error_errno(err, ERROR_IO, "cannot switch %s %s", interface, on ? "on" : "off") : 0;
}

static int leave(struct radio *r)
{
    struct supplicant *s;
    int rc = supplicant_open(r->unit, interface_of(r), &s, NULL);
    if (!rc)
        rc = supplicant_leave(s, NULL);
    supplicant_close(s);
    drop_address(interface_of(r));
    return rc;
}

static int join(struct radio *r, const char *ssid, const char *passphrase, int timeout_ms,
                struct error *err)
{
    const char *interface = interface_of(r);
    struct supplicant *s = NULL;
    int64_t began = clock_mono_ms();
    int rc = linux_radio_power(r, true, err);
    if (!rc)
        rc = supplicant_open(r->unit, interface, &s, err);
    if (!rc)
        drop_address(interface);
    if (!rc)
        rc = supplicant_join(s, ssid, passphrase, !r->unit->board->radio_5ghz, timeout_ms, err);
    bool joined = !rc;
    supplicant_close(s);
    if (joined)
        rc = lease(interface, began + timeout_ms, err);
    if (joined && rc)
        leave(r);
    return rc;
}

static int radio_link(struct radio *r, struct radio_link *out, struct error *err)
{
    return nl80211_link(interface_of(r), out, err);
}

static int route(struct radio *r, const char *host, int port, struct radio_route *out,
                 struct error *err)
{
    struct radio_link link;
    int rc = nl80211_link(interface_of(r), &link, err);
    if (rc)
        return rc;
    if (!link.associated)
        return error_set(err, ERROR_STATE, "no route to %s: the radio has joined no network", host);
    memset(out, 0, sizeof *out);
    snprintf(out->host, sizeof out->host, "%s", host);
    snprintf(out->interface, sizeof out->interface, "%s", interface_of(r));
    out->port = port;
    return 0;
}

const struct radio_ops linux_radio_ops = {join, leave, radio_link, route};
