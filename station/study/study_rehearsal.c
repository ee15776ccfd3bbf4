#include "station/study/study_rehearsal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { JOBS_MAX = 64, LINE_ROOM = 1 << 20 };

struct job {
    pid_t pid;
    FILE *to;
    int from;
    int item; /* -1: it has none */
    char *line;
    size_t length;
};

static void run_program(const struct study_rehearsal_config *c, int in, int out)
{
    char plan[128], seed[24];
    snprintf(plan, sizeof plan, "%s/%s", c->study->product, c->study->plan);
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)c->seed);
    const char *const argv[] = {
        c->program, "--products", c->products_dir, "--boards", c->boards_dir, "--plan", plan,
        "--seed",   seed,         "--dir",         c->dir,     NULL};
    /* A unit touches a hundred megabytes: in large pages, where the kernel has them, that is a
     * fifth of its time less. */
    setenv("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1", 0);
    if (dup2(in, 0) < 0 || dup2(out, 1) < 0)
        _exit(127);
    execv(argv[0], (char *const *)argv);
    fprintf(stderr, "takt qa: cannot run %s\n", argv[0]);
    _exit(127);
}

static int start_job(const struct study_rehearsal_config *c, struct job *j, struct error *err)
{
    int in[2], out[2];
    *j = (struct job){.item = -1, .from = -1, .line = malloc(LINE_ROOM)};
    if (!j->line)
        return error_set(err, ERROR_MEMORY, "out of memory for a rehearsal");
    if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC))
        return error_errno(err, ERROR_IO, "no pipe for a rehearsal");
    j->pid = fork();
    if (j->pid == 0) {
        close(in[1]);
        close(out[0]);
        run_program(c, in[0], out[1]);
    }
    close(in[0]);
    close(out[1]);
    j->to = fdopen(in[1], "w");
    j->from = out[0];
    return j->pid > 0 && j->to ? 0 : error_errno(err, ERROR_IO, "cannot start a rehearsal");
}

static void end_job(struct job *j)
{
    if (j->to)
        fclose(j->to);
    if (j->from >= 0)
        close(j->from);
    if (j->pid > 0) {
        if (j->item >= 0)
            kill(j->pid, SIGTERM);
        waitpid(j->pid, NULL, 0);
    }
    free(j->line);
}

/* False once there is nothing more to give. */
static bool give_unit(const struct study_rehearsal_config *c, struct job *j)
{
    cJSON *unit = c->next(c->context, &j->item);
    char *text = unit ? cJSON_PrintUnformatted(unit) : NULL;
    cJSON_Delete(unit);
    if (!text) {
        j->item = -1;
        return false;
    }
    /* A program that ended shows where its answer is awaited. */
    fprintf(j->to, "%s\n", text);
    fflush(j->to);
    cJSON_free(text);
    return true;
}

static int take_answer(const struct study_rehearsal_config *c, struct job *j, struct error *err)
{
    const ssize_t n = read(j->from, j->line + j->length, LINE_ROOM - 1 - j->length);
    if (n < 0 && errno == EINTR)
        return 0;
    if (n <= 0)
        return error_set(err, ERROR_STATE, "%s ended before its unit was done", c->program);
    j->length += (size_t)n;
    if (j->line[j->length - 1] != '\n')
        return 0;
    j->line[j->length] = '\0';
    j->length = 0;
    cJSON *document = cJSON_Parse(j->line);
    if (!document)
        return error_set(err, ERROR_PROTOCOL, "%s gave no result: %.80s", c->program, j->line);
    const int item = j->item;
    j->item = -1;
    return c->done(c->context, item, document, err);
}

int study_rehearse(const struct study_rehearsal_config *c, struct error *err)
{
    struct job jobs[JOBS_MAX] = {0};
    struct pollfd waits[JOBS_MAX];
    int started = 0, rc = 0;
    const int wanted = c->jobs < JOBS_MAX ? c->jobs : JOBS_MAX;
    void (*was)(int) = signal(SIGPIPE, SIG_IGN);
    for (bool more = true; started < wanted && rc == 0 && more;) {
        rc = start_job(c, &jobs[started], err);
        started++;
        more = rc == 0 && give_unit(c, &jobs[started - 1]);
    }
    for (bool busy = true; rc == 0 && busy;) {
        busy = false;
        for (int i = 0; i < started; i++) {
            waits[i] =
                (struct pollfd){.fd = jobs[i].item >= 0 ? jobs[i].from : -1, .events = POLLIN};
            busy = busy || jobs[i].item >= 0;
        }
        if (busy && poll(waits, (nfds_t)started, -1) < 0 && errno != EINTR)
            rc = error_errno(err, ERROR_IO, "cannot wait for rehearsals");
        for (int i = 0; i < started && rc == 0; i++)
            if (waits[i].fd >= 0 && waits[i].revents) {
                rc = take_answer(c, &jobs[i], err);
                if (rc == 0 && jobs[i].item < 0)
                    give_unit(c, &jobs[i]);
            }
    }
    for (int i = 0; i < started; i++)
        end_job(&jobs[i]);
    signal(SIGPIPE, was);
    return rc;
}
