/* What the card test costs beside the card, of writing and of reading: what `card.speed` answers
 * beside what fio takes for the same transfers in the same order on the same file (a log that fio
 * replays: a MiB is written, synced, read, written again as it was, synced; the read before, which
 * is not timed, is left out), past every cache, in requests of 256 KiB; and beside the time within
 * the transfers themselves, which no disk makes noisy. The agent is whole, with a session; its card
 * is a file of the build folder. Both take turns; the median of the rounds counts. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "protocol/base/clock.h"
#include "tests/unit/firmware/agent_station.h"

enum { CARD_BYTES = 64 << 20, REQUEST = 256 << 10, MIB = 1 << 20, TEST_MIB = 16, ROUNDS = 15 };
enum { ALIGN = 4096 };

static const char path[] = "build/bench_card.img", log_path[] = "build/bench_card.log";

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

/* The transfers that card.speed makes, as fio replays them. */
static int write_log(void)
{
    FILE *log = fopen(log_path, "w");
    if (!log)
        return -1;
    fprintf(log, "fio version 2 iolog\n%s add\n%s open\n", path, path);
    for (long at = CARD_BYTES - (TEST_MIB << 20); at < CARD_BYTES; at += MIB)
        for (int pass = 0; pass < 2; pass++) {
            for (long i = at; i < at + MIB && pass == 1; i += REQUEST)
                fprintf(log, "%s read %ld %d\n", path, i, REQUEST);
            for (long i = at; i < at + MIB; i += REQUEST)
                fprintf(log, "%s write %ld %d\n", path, i, REQUEST);
            fprintf(log, "%s datasync 0 0\n", path);
        }
    fprintf(log, "%s close\n", path);
    return fclose(log);
}

/* Of the writes half of what it took: each MiB is written twice, and of the agent's one is timed.
 */
static struct times fio(void)
{
    char command[400], text[128] = "";
    struct times t;
    snprintf(command, sizeof command,
             "fio --name=card --read_iolog=%s --replay_no_stall=1 --direct=1 --ioengine=psync "
             "--output-format=json 2>/dev/null | jq -r '.jobs[0] | \"\\((.write.lat_ns.mean * "
             ".write.total_ios + .sync.lat_ns.mean * .sync.lat_ns.N) / 2e6) "
             "\\(.read.lat_ns.mean * .read.total_ios / 1e6)\"'",
             log_path);
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

static void tell(const char *what, double ours[ROUNDS], double peers[ROUNDS], double over[ROUNDS])
{
    const double mb = TEST_MIB * 1.048576;
    printf("{\"bench\":\"card test's %s speed\",\"value\":%.2f,\"unit\":\"MB/s\","
           "\"reference\":%.2f,\"peer\":\"fio\",\"method\":\"%d MiB past the cache, the same "
           "transfers in the same order, medians of %d rounds in turn\"}\n",
           what, mb * 1000 / median(ours), mb * 1000 / median(peers), TEST_MIB, ROUNDS);
    printf("{\"bench\":\"card test over its %ss\",\"value\":%.4f,\"unit\":\"ratio\","
           "\"reference\":1.05,\"peer\":\"the bound\",\"method\":\"time that card.speed answers "
           "over that within the transfers, median\"}\n",
           what, median(over));
}

int main(void)
{
    void *state = NULL;
    double ours[2][ROUNDS], peers[2][ROUNDS], over[2][ROUNDS];
    file.fd = open(path, O_RDWR | O_CREAT | O_DIRECT | O_CLOEXEC, 0600);
    if (file.fd < 0 || posix_fallocate(file.fd, 0, CARD_BYTES) ||
        posix_memalign(&file.buffer, ALIGN, REQUEST) || write_log()) {
        perror("bench_card: build/bench_card.img past the cache");
        return 3;
    }
    if (make(&state))
        return 3;
    struct fixture *f = state;
    f->m.hal.card = &file_card;
    secure_station(f);
    for (int i = 0; i < ROUNDS; i++) {
        struct times within;
        const struct times theirs = fio(), own = agent(f, &within);
        ours[0][i] = own.write_ms;
        ours[1][i] = own.read_ms;
        peers[0][i] = theirs.write_ms;
        peers[1][i] = theirs.read_ms;
        over[0][i] = own.write_ms / within.write_ms;
        over[1][i] = own.read_ms / within.read_ms;
    }
    tell("write", ours[0], peers[0], over[0]);
    tell("read", ours[1], peers[1], over[1]);
    disconnect(f);
    close(file.fd);
    unlink(path);
    unlink(log_path);
    return 0;
}
