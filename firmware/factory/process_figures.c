#include "firmware/factory/process_figures.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

uint64_t process_figures_line(const char *text, const char *name)
{
    const size_t length = strlen(name);
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, name, length) == 0 && line[length] == ':')
            return strtoull(line + length + 1, NULL, 10);
    }
    return 0;
}

static void read_text(const char *path, char *out, size_t size)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    const ssize_t n = fd < 0 ? 0 : read(fd, out, size - 1);
    out[n > 0 ? n : 0] = '\0';
    if (fd >= 0)
        close(fd);
}

/* Without the one that looks. */
static unsigned count_descriptors(void)
{
    DIR *folder = opendir("/proc/self/fd");
    unsigned count = 0;
    if (!folder)
        return 0;
    for (const struct dirent *e; (e = readdir(folder));)
        count += e->d_name[0] != '.';
    closedir(folder);
    return count - 1;
}

void process_figures_read(struct process_figures *out)
{
    char text[4096];
    read_text("/proc/self/status", text, sizeof text);
    out->rss_bytes = process_figures_line(text, "VmRSS") * 1024;
    out->rss_peak_bytes = process_figures_line(text, "VmHWM") * 1024;
    out->threads = (unsigned)process_figures_line(text, "Threads");
    out->descriptors = count_descriptors();
    struct timespec used = {0};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    out->cpu_ms = (double)used.tv_sec * 1000 + (double)used.tv_nsec / 1e6;
    read_text("/proc/meminfo", text, sizeof text);
    out->memory_total_bytes = process_figures_line(text, "MemTotal") * 1024;
    out->memory_available_bytes = process_figures_line(text, "MemAvailable") * 1024;
}
