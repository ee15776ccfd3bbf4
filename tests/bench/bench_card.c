/* What the card test costs beside the card, of writing and of reading: what `card.speed` answers
 * beside what fio takes for the same transfers in the same order on the same file (card_fio), past
 * every cache, in requests of 256 KiB; and beside the time within the transfers themselves, which
 * no disk makes noisy. The agent is whole, with a session; its card is a file of the build folder.
 * A disk is tens of times as fast as a card, and what its requests are made of shows: fio's buffer
 * is in small pages. bench_card_slow.sh has a card of a card's speed. Both take turns, each first
 * in every other round; the median of the rounds' ratios counts. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "protocol/base/clock.h"
#include "tests/unit/firmware/agent_station.h"

enum { CARD_BYTES = 64 << 20, REQUEST = 256 << 10, MIB = 1 << 20, TEST_MIB = 16, ROUNDS = 15 };
enum { ALIGN = 4096 };

static const char path[] = "build/bench_card.img";

static struct {
    int fd;
    void *buffer; /* aligned, of one request */
    /* Of the writes that are timed: each MiB is written twice, the second time with what was there.
     */
    int writes, syncs;
    int64_t write_ns;
    /* Each MiB is read twice, the first time to be kept. */
    int reads;
    int64_t read_ns;
} file;

static int status(struct card *c, struct card_status *out, struct error *err)
{
    *out = (struct card_status){.present = true, .bytes = CARD_BYTES, .block_bytes = 512};
    return 0;
}

/* As the Linux HAL's direct_io: requests of 256 KiB, through one aligned buffer what is not aligned
 * itself. */
static int move(uint64_t offset, uint8_t *to, const uint8_t *from, size_t size, struct error *err)
{
    for (size_t done = 0; done < size; done += REQUEST) {
        const size_t n = size - done < REQUEST ? size - done : REQUEST;
        const off_t at = (off_t)(offset + done);
        const bool copied = (uintptr_t)(from ? from : to) % ALIGN != 0;
        if (from && copied)
            memcpy(file.buffer, from + done, n);
        if ((from ? pwrite(file.fd, copied ? file.buffer : from + done, n, at)
                  : pread(file.fd, copied ? file.buffer : to + done, n, at)) != (ssize_t)n)
            return error_errno(err, ERROR_IO, "%s at byte %lld", path, (long long)at);
        if (to && copied)
            memcpy(to + done, file.buffer, n);
    }
    return 0;
}

static int card_read(struct card *c, uint64_t offset, void *data, size_t size, struct error *err)
{
    const int64_t began = clock_mono_ns();
    int rc = move(offset, data, NULL, size, err);
    if (file.reads++ % 2 == 1)
        file.read_ns += clock_mono_ns() - began;
    return rc;
}

static int card_write(struct card *c, uint64_t offset, const void *data, size_t size,
                      struct error *err)
{
    const int64_t began = clock_mono_ns();
    int rc = move(offset, NULL, data, size, err);
    if (file.writes++ % 2 == 0)
        file.write_ns += clock_mono_ns() - began;
    return rc;
}

static int card_sync(struct card *c, struct error *err)
{
    const int64_t began = clock_mono_ns();
    int rc = fdatasync(file.fd) ? error_errno(err, ERROR_IO, "%s: cannot sync", path) : 0;
    if (file.syncs++ % 2 == 0)
        file.write_ns += clock_mono_ns() - began;
    return rc;
}

static const struct card_ops file_card = {status, card_read, card_write, card_sync};

/* Milliseconds for TEST_MIB. */
struct times {
    double write_ms, read_ms;
};

static struct times agent(struct fixture *f, struct times *within)
{
    char params[64];
    struct times t;
    snprintf(params, sizeof params, "{\"bytes\":%d,\"seed\":%d}", TEST_MIB << 20, rand() % 100000);
    file.write_ns = file.read_ns = 0;
    file.writes = file.syncs = file.reads = 0;
    passes(f, "card.speed", params);
    t.write_ms = number(f, "write_ms");
    t.read_ms = number(f, "read_ms");
    *within = (struct times){(double)file.write_ns / 1e6, (double)file.read_ns / 1e6};
    return t;
}

/* The same transfers by fio. */
static struct times fio(void)
{
    char command[200], text[128] = "";
    struct times t;
    snprintf(command, sizeof command, "tests/bench/card_fio %s %d %d", path,
             CARD_BYTES - (TEST_MIB << 20), TEST_MIB);
    FILE *said = popen(command, "r");
    if (!said || !fgets(text, sizeof text, said) || pclose(said) ||
        sscanf(text, "%lf %lf", &t.write_ms, &t.read_ms) != 2 || t.write_ms <= 0 ||
        t.read_ms <= 0) {
        fprintf(stderr, "bench_card: fio told no times, but '%s'\n", text);
        exit(3);
    }
    return t;
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double of[ROUNDS])
{
    qsort(of, ROUNDS, sizeof *of, ascending);
    return of[ROUNDS / 2];
}

/* The rate, beside one that is by the rounds' ratios: the disk's own rate wanders more. */
static void tell(const char *what, double ours[ROUNDS], double share[ROUNDS], double over[ROUNDS])
{
    const double rate = TEST_MIB * 1048.576 / median(ours);
    printf("{\"bench\":\"card test's %s speed\",\"value\":%.2f,\"unit\":\"MB/s\","
           "\"reference\":%.2f,\"peer\":\"fio\",\"method\":\"%d MiB past the cache, the same "
           "transfers in the same order, %d rounds in turn: median, and median ratio\"}\n",
           what, rate, rate / median(share), TEST_MIB, ROUNDS);
    printf("{\"bench\":\"card test over its %ss\",\"value\":%.4f,\"unit\":\"ratio\","
           "\"reference\":1.05,\"peer\":\"the bound\",\"method\":\"time that card.speed answers "
           "over that within the transfers, median\"}\n",
           what, median(over));
}

int main(void)
{
    void *state = NULL;
    double ours[2][ROUNDS], share[2][ROUNDS], over[2][ROUNDS];
    file.fd = open(path, O_RDWR | O_CREAT | O_DIRECT | O_CLOEXEC, 0600);
    if (file.fd < 0 || posix_fallocate(file.fd, 0, CARD_BYTES) ||
        posix_memalign(&file.buffer, ALIGN, REQUEST)) {
        perror("bench_card: build/bench_card.img past the cache");
        return 3;
    }
    if (make(&state))
        return 3;
    struct fixture *f = state;
    f->m.hal.card = &file_card;
    secure_station(f);
    for (int i = 0; i < ROUNDS; i++) {
        struct times within, own, theirs;
        if (i % 2)
            theirs = fio();
        own = agent(f, &within);
        if (i % 2 == 0)
            theirs = fio();
        ours[0][i] = own.write_ms;
        ours[1][i] = own.read_ms;
        share[0][i] = theirs.write_ms / own.write_ms;
        share[1][i] = theirs.read_ms / own.read_ms;
        over[0][i] = own.write_ms / within.write_ms;
        over[1][i] = own.read_ms / within.read_ms;
    }
    tell("write", ours[0], share[0], over[0]);
    tell("read", ours[1], share[1], over[1]);
    disconnect(f);
    close(file.fd);
    unlink(path);
    return 0;
}
