/* A factory's system as the outbox meets it: an HTTP server that keeps each key once, on disk, and
 * a bad network in front of it, both processes of their own that can be killed. Include after
 * cmocka.h. */
#ifndef TESTS_UNIT_ENGINE_LINE_RECEIVER_H
#define TESTS_UNIT_ENGINE_LINE_RECEIVER_H

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "protocol/base/buffer.h"
#include "protocol/base/clock.h"
#include "protocol/base/file.h"
#include "protocol/base/splitmix.h"

enum { RECEIVER_KEYS_MAX = 4096 };

/* A socket that stays with the test, so that a killed server comes back at the same port. */
static inline int receiver_listen(int *port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, size), 0);
    assert_int_equal(listen(fd, 64), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &size), 0);
    *port = ntohs(at.sin_port);
    return fd;
}

/* A whole request: headers and as many bytes as they say. False when the peer went. */
static inline bool receiver_request(int fd, struct buffer *b)
{
    char bytes[8192];
    for (;;) {
        const char *text = buffer_text(b), *end = text ? strstr(text, "\r\n\r\n") : NULL;
        const char *length = end ? strcasestr(text, "Content-Length:") : NULL;
        if (end && length && b->size >= (size_t)(end - text) + 4 + (size_t)atol(length + 15))
            return true;
        ssize_t n = read(fd, bytes, sizeof bytes);
        if (n <= 0 || buffer_append(b, bytes, (size_t)n))
            return false;
    }
}

static inline void receiver_answer(int fd, const char *status, const char *body)
{
    char text[300];
    int n = snprintf(text, sizeof text,
                     "HTTP/1.1 %s\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s", status,
                     strlen(body), body);
    ssize_t done = write(fd, text, (size_t)n);
    (void)done;
}

/* Keeps "KEY RUN\n" a message in `file`; refuses runs of order "REFUSED" while `file`.strict is
 * there; now and then has no time. */
static inline _Noreturn void receiver_serve(int listen_fd, const char *file, uint64_t seed)
{
    char strict[200];
    snprintf(strict, sizeof strict, "%s.strict", file);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) {
        struct buffer request = {0}, kept = {0};
        struct error err;
        int fd = accept(listen_fd, NULL, NULL);
        if (fd < 0 || !receiver_request(fd, &request)) {
            close(fd);
            buffer_free(&request);
            continue;
        }
        char key[64] = "", line[100];
        long run = 0;
        const char *text = buffer_text(&request), *p = strcasestr(text, "Idempotency-Key: ");
        if (p)
            sscanf(p + 17, "%63[0-9a-f-]", key);
        if ((p = strstr(text, "{\"run\":")))
            run = atol(p + 7);
        file_read(file, &kept, &err);
        if (strstr(buffer_text(&kept), key)) {
            receiver_answer(fd, "200 OK", "again");
        } else if (strstr(text, "\"order\":\"REFUSED\"") && !access(strict, F_OK)) {
            receiver_answer(fd, "422 Unprocessable", "no such order");
        } else if (splitmix_next(&seed) % 8 == 0) {
            receiver_answer(fd, "503 Busy", "later");
        } else {
            int n = snprintf(line, sizeof line, "%s %ld\n", key, run);
            int out = open(file, O_WRONLY | O_CREAT | O_APPEND, 0600);
            if (write(out, line, (size_t)n) == n)
                receiver_answer(fd, "201 Created", "");
            close(out);
        }
        close(fd);
        buffer_free(&request);
        buffer_free(&kept);
    }
}

static inline int receiver_forward(int port, const struct buffer *request, struct buffer *answer)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr = {htonl(INADDR_LOOPBACK)},
                             .sin_port = htons((uint16_t)port)};
    char bytes[4096];
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd, (struct sockaddr *)&at, sizeof at) == 0 &&
        write(fd, request->data, request->size) == (ssize_t)request->size)
        for (ssize_t n; (n = read(fd, bytes, sizeof bytes)) > 0;)
            buffer_append(answer, bytes, (size_t)n);
    return close(fd);
}

/* Of each eight requests about one is lost, one loses its answer, one comes twice, one late. */
static inline _Noreturn void network_serve(int listen_fd, int port, uint64_t seed)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) {
        struct buffer request = {0}, answer = {0};
        int fd = accept(listen_fd, NULL, NULL);
        if (fd >= 0 && receiver_request(fd, &request)) {
            uint64_t fate = splitmix_next(&seed) % 8;
            if (fate == 2)
                receiver_forward(port, &request, &answer);
            if (fate == 3)
                clock_sleep_until_ns(clock_mono_ns() + 30000000);
            answer.size = 0;
            if (fate != 0)
                receiver_forward(port, &request, &answer);
            if (fate != 1 && answer.size) {
                ssize_t done = write(fd, answer.data, answer.size);
                (void)done;
            }
        }
        close(fd);
        buffer_free(&request);
        buffer_free(&answer);
    }
}

static inline void receiver_kill(pid_t *pid)
{
    kill(*pid, SIGKILL);
    waitpid(*pid, NULL, 0);
    *pid = 0;
}

#endif
