#include "firmware/factory/boot_stages.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <time.h>
#include <unistd.h>

struct boot_clock {
    pthread_mutex_t lock;
    struct boot_stages stages;
    double zero_ms; /* of the monotonic clock, where all stages count from */
};

static double clock_ms(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (double)t.tv_sec * 1000 + (double)t.tv_nsec / 1e6;
}

/* Milliseconds of ARM's generic timer, which counts from power-on; false where there is none. It is
 * there, and the kernel lets user space read it, when its event stream is announced. */
static bool counter_ms(double *out)
{
#if defined(__arm__) && !defined(__SOFTFP__)
    enum { EVENT_STREAM = 1 << 21 };
    uint64_t count;
    uint32_t hz;
    if (!(getauxval(AT_HWCAP) & EVENT_STREAM))
        return false;
    __asm__ volatile("isb; mrrc p15, 1, %Q0, %R0, c14" : "=r"(count) : : "memory");
    __asm__ volatile("mrc p15, 0, %0, c14, c0, 0" : "=r"(hz));
#elif defined(__aarch64__)
    enum { EVENT_STREAM = 1 << 2 };
    uint64_t count, hz;
    if (!(getauxval(AT_HWCAP) & EVENT_STREAM))
        return false;
    __asm__ volatile("isb; mrs %0, cntvct_el0" : "=r"(count) : : "memory");
    __asm__ volatile("mrs %0, cntfrq_el0" : "=r"(hz));
#else
    uint64_t count = 0, hz = 0;
#endif
    if (!hz)
        return false;
    *out = (double)count * 1000 / (double)hz;
    return true;
}

bool boot_read_stat(const char *text, long *parent, unsigned long long *start_ticks)
{
    const char *at = strrchr(text, ')');
    char state;
    return at && sscanf(at + 1,
                        " %c %ld %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d "
                        "%*d %llu",
                        &state, parent, start_ticks) == 3;
}

static bool read_stat(const char *pid, long *parent, unsigned long long *start_ticks)
{
    char path[300], text[1024];
    snprintf(path, sizeof path, "/proc/%s/stat", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    if (n <= 0)
        return false;
    text[n] = '\0';
    return boot_read_stat(text, parent, start_ticks);
}

/* When the oldest living child of init started: camd itself, if init started nothing before. In
 * milliseconds since the kernel's start; 0 = not to be seen. */
static double init_ms(void)
{
    unsigned long long oldest = 0, ticks;
    long parent;
    DIR *folder = opendir("/proc");
    if (!folder)
        return 0;
    for (struct dirent *e; (e = readdir(folder));)
        if (e->d_name[0] >= '1' && e->d_name[0] <= '9' && read_stat(e->d_name, &parent, &ticks) &&
            parent == 1 && ticks && (!oldest || ticks < oldest))
            oldest = ticks;
    closedir(folder);
    return (double)oldest * 1000 / (double)sysconf(_SC_CLK_TCK);
}

struct boot_clock *boot_clock_start(void)
{
    struct boot_clock *c = calloc(1, sizeof *c);
    double counted;
    if (!c)
        return NULL;
    pthread_mutex_init(&c->lock, NULL);
    struct boot_stages *s = &c->stages;
    /* From the kernel's start; a machine that slept meanwhile is none that just started. */
    double now = clock_ms(CLOCK_MONOTONIC);
    s->from_power_on = counter_ms(&counted) && counted > now;
    s->kernel_ms = s->from_power_on ? counted - now : 0;
    c->zero_ms = -s->kernel_ms;
    double init = init_ms();
    s->init_ms = init > 0 ? s->kernel_ms + init : 0;
    s->camd_ms = now - c->zero_ms;
    return c;
}

void boot_clock_free(struct boot_clock *c)
{
    if (!c)
        return;
    pthread_mutex_destroy(&c->lock);
    free(c);
}

/* The first time counts. */
static bool mark(struct boot_clock *c, double *stage, double mono_ms)
{
    if (!c)
        return false;
    pthread_mutex_lock(&c->lock);
    bool first = *stage == 0;
    if (first)
        *stage = mono_ms - c->zero_ms;
    pthread_mutex_unlock(&c->lock);
    return first;
}

void boot_clock_frame(struct boot_clock *c, int64_t at_us)
{
    if (c)
        mark(c, &c->stages.first_frame_ms, (double)at_us / 1000);
}

bool boot_clock_hello(struct boot_clock *c)
{
    return c && mark(c, &c->stages.hello_ms, clock_ms(CLOCK_MONOTONIC));
}

void boot_clock_read(struct boot_clock *c, struct boot_stages *out)
{
    pthread_mutex_lock(&c->lock);
    *out = c->stages;
    pthread_mutex_unlock(&c->lock);
}

void boot_stages_format(const struct boot_stages *s, char *out, size_t size)
{
    const struct {
        const char *name;
        double ms;
    } stages[] = {{"kernel", s->kernel_ms},
                  {"init", s->init_ms},
                  {"camd", s->camd_ms},
                  {"first frame", s->first_frame_ms},
                  {"hello", s->hello_ms}};
    int used = snprintf(out, size, "%s 0", s->from_power_on ? "power-on" : "kernel");
    for (size_t i = 0; i < sizeof stages / sizeof stages[0]; i++)
        if (stages[i].ms > 0 && used >= 0 && (size_t)used < size)
            used += snprintf(out + used, size - (size_t)used, ", %s %.0f", stages[i].name,
                             stages[i].ms);
    if (used >= 0 && (size_t)used < size)
        snprintf(out + used, size - (size_t)used, " ms");
}
