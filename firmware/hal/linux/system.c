/* Chip id, why and from which slot the unit started, temperature, load states, restart. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reboot.h>
#include <unistd.h>

#include "firmware/hal/linux/health.h"
#include "firmware/hal/linux/kernel_argument.h"
#include "firmware/hal/linux/parts.h"

enum { BURNERS_MAX = 8, COMMAND_LINE_MAX = 4096 };

struct system_control {
    struct linux_unit *unit;
    char boot_slot[2];
    char boot_reason[24]; /* as the loader says it; "" = it does not */
    pthread_t burners[BURNERS_MAX];
    int burner_count;
    atomic_bool cool;
};

int linux_system_open(struct linux_unit *u, struct system_control **out, struct error *err)
{
    char line[COMMAND_LINE_MAX], slot[8];
    struct system_control *s = *out = calloc(1, sizeof *s);
    if (!s)
        return error_set(err, ERROR_MEMORY, "no memory for the system's facts");
    s->unit = u;
    if (linux_read_line("/proc/cmdline", line, sizeof line, NULL))
        line[0] = '\0';
    if (kernel_argument(line, "takt.slot", slot, sizeof slot)) {
        if (strcmp(slot, "a") == 0 || strcmp(slot, "b") == 0)
            memcpy(s->boot_slot, slot, 2);
        else
            linux_log(u, "boot: the kernel was told takt.slot=%s, expected a or b", slot);
    }
    kernel_argument(line, "takt.reset", s->boot_reason, sizeof s->boot_reason);
    return 0;
}

static void cool_down(struct system_control *s)
{
    s->cool = true;
    for (int i = 0; i < s->burner_count; i++)
        pthread_join(s->burners[i], NULL);
    s->burner_count = 0;
    s->cool = false;
}

void linux_system_close(struct system_control *s)
{
    if (!s)
        return;
    cool_down(s);
    free(s);
}

/* The id as hex: files of /sys may carry "0x" or capitals. A unit without one is still served, but
 * can be told apart by nothing. */
static int read_chip_id(const struct linux_unit *u, char out[33], struct error *err)
{
    const char *path = u->board->linux.chip_id;
    char line[128];
    if (!path[0])
        return error_set(err, ERROR_MISSING, "the board names no 'chip_id'");
    int rc;
    while ((rc = linux_read_line(path, line, sizeof line, NULL)) == ERROR_MISSING && linux_wait(u))
        ;
    if (rc)
        return linux_read_line(path, line, sizeof line, err);
    const char *hex = strncmp(line, "0x", 2) == 0 ? line + 2 : line;
    size_t length = strspn(hex, "0123456789abcdefABCDEF");
    if (hex[length] || length < 8 || length > 32)
        return error_set(err, ERROR_INPUT, "%s holds '%.40s', expected 8 to 32 hex digits", path,
                         line);
    for (size_t i = 0; i <= length; i++)
        out[i] = hex[i] >= 'A' && hex[i] <= 'F' ? (char)(hex[i] - 'A' + 'a') : hex[i];
    return 0;
}

static double read_temperature(const struct linux_unit *u)
{
    char line[32];
    if (!u->board->linux.temperature[0] ||
        linux_read_line(u->board->linux.temperature, line, sizeof line, NULL))
        return 0;
    return strtol(line, NULL, 10) / 1000.0;
}

static int facts(struct system_control *s, struct system_facts *out, struct error *err)
{
    memset(out, 0, sizeof *out);
    memcpy(out->boot_slot, s->boot_slot, sizeof out->boot_slot);
    snprintf(out->boot_reason, sizeof out->boot_reason, "%s",
             linux_watchdog_bit(s->unit) ? "watchdog"
             : s->boot_reason[0]         ? s->boot_reason
                                         : "power-on");
    out->temperature_c = read_temperature(s->unit);
    return read_chip_id(s->unit, out->chip_id, err);
}

static int health(struct system_control *s, struct system_health *out, struct error *err)
{
    linux_health_read("/sys", out);
    return 0;
}

static void *burn(void *context)
{
    struct system_control *s = context;
    volatile double x = 1;
    while (!s->cool)
        for (int i = 0; i < 100000; i++)
            x = x * 1.0000001 + 1e-9;
    return NULL;
}

static int heat_up(struct system_control *s, struct error *err)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    for (int i = 0; i < BURNERS_MAX && i < processors; i++) {
        if (pthread_create(&s->burners[i], NULL, burn, s))
            return error_set(err, ERROR_MEMORY, "cannot start the load's thread");
        s->burner_count++;
    }
    return 0;
}

static int load(struct system_control *s, enum system_load state, struct error *err)
{
    const struct linux_unit *u = s->unit;
    int rc = 0;
    if (state != LOAD_STANDBY && state != LOAD_IDLE && state != LOAD_STREAMING &&
        state != LOAD_FULL)
        return error_set(err, ERROR_INPUT, "there is no load %d", (int)state);
    cool_down(s);
    if (u->radio)
        rc = linux_radio_power(u->radio, state != LOAD_STANDBY, err);
    if (u->bluetooth && state == LOAD_STANDBY)
        linux_bluetooth_silence(u->bluetooth);
    /* Idle leaves the stream as it is. */
    if (!rc && u->camera && state != LOAD_IDLE)
        rc = linux_camera_ops.stream(u->camera, state != LOAD_STANDBY, err);
    if (!rc && state == LOAD_FULL)
        rc = heat_up(s, err);
    return rc;
}

/* ---- sleep --------------------------------------------------------------------------------- */

static const char power_state[] = "/sys/power/state",
                  alarm_file[] = "/sys/class/rtc/rtc0/wakealarm";

static int tell(const char *path, const char *text, const char *what, struct error *err)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return error_errno(err, errno == ENOENT ? ERROR_MISSING : ERROR_IO, "%s: cannot open %s",
                           what, path);
    const ssize_t n = write(fd, text, strlen(text));
    const int failed = n < 0 ? errno : 0;
    close(fd);
    errno = failed;
    return n < 0 ? error_errno(err, ERROR_IO, "%s: cannot write '%s' to %s", what, text, path) : 0;
}

/* Suspended to memory, or to idle where the kernel has no more, until the real-time clock's alarm:
 * whole seconds, so it may be up to one longer than asked. */
static int unit_sleep(struct system_control *s, int ms, struct error *err)
{
    char states[64], alarm[24];
    int rc = linux_read_line(power_state, states, sizeof states, NULL);
    const char *deepest = strstr(states, "mem") ? "mem" : strstr(states, "freeze") ? "freeze" : "";
    if (rc || !deepest[0])
        return error_set(err, ERROR_MISSING, "this kernel cannot suspend: %s has no mem or freeze",
                         power_state);
    snprintf(alarm, sizeof alarm, "+%d", (ms + 999) / 1000);
    rc = tell(alarm_file, "0", "no clock to be woken by", err); /* an old alarm is in the way */
    if (!rc)
        rc = tell(alarm_file, alarm, "no clock to be woken by", err);
    if (!rc)
        rc = tell(power_state, deepest, "cannot sleep", err);
    tell(alarm_file, "0", "", NULL);
    return rc;
}

static int restart(struct system_control *s, struct error *err)
{
    sync();
    reboot(RB_AUTOBOOT);
    return error_errno(err, ERROR_IO, "cannot restart");
}

const struct system_ops linux_system_ops = {
    .facts = facts, .health = health, .load = load, .sleep = unit_sleep, .restart = restart};
