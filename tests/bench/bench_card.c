/* What the card test costs beside the card: the time that `card.speed` answers over that within the
 * card's own transfers, whose bound is 5 %; and the speed it answers, of a file past every cache,
 * beside what fio reaches on the same file with the same requests, which the disk makes noisy. The
 * agent is whole, with a session; its card is a file of the build folder. Rounds of both take
 * turns, and the best of each counts: what else the machine does to its disk is nobody's. */
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "protocol/base/clock.h"
#include "tests/unit/firmware/agent_station.h"

enum { CARD_BYTES = 64 << 20, REQUEST = 256 << 10, TEST_MIB = 16, ROUNDS = 9, ALIGN = 4096 };

static const char path[] = "build/bench_card.img";

static struct {
    int fd;
    void *buffer; /* aligned, of one request */
    /* Of the writes that are timed: each MiB is written twice, the second time with what was there.
     */
    int writes, syncs;
    int64_t within_ns;
} file;

static int status(struct card *c, struct card_status *out, struct error *err)
{
    *out = (struct card_status){.present = true, .bytes = CARD_BYTES, .block_bytes = 512};
    return 0;
}

/* As the Linux HAL's direct_io: requests of 256 KiB through one aligned buffer. */
static int move(uint64_t offset, uint8_t *to, const uint8_t *from, size_t size, struct error *err)
{
    for (size_t done = 0; done < size; done += REQUEST) {
        const size_t n = size - done < REQUEST ? size - done : REQUEST;
        const off_t at = (off_t)(offset + done);
        if (from)
            memcpy(file.buffer, from + done, n);
        if ((from ? pwrite(file.fd, file.buffer, n, at) : pread(file.fd, file.buffer, n, at)) !=
            (ssize_t)n)
            return error_errno(err, ERROR_IO, "%s at byte %lld", path, (long long)at);
        if (to)
            memcpy(to + done, file.buffer, n);
    }
    return 0;
}

static int card_read(struct card *c, uint64_t offset, void *data, size_t size, struct error *err)
{
    return move(offset, data, NULL, size, err);
}

static int card_write(struct card *c, uint64_t offset, const void *data, size_t size,
                      struct error *err)
{
    const int64_t began = clock_mono_ns();
    int rc = move(offset, NULL, data, size, err);
    if (file.writes++ % 2 == 0)
        file.within_ns += clock_mono_ns() - began;
    return rc;
}

static int card_sync(struct card *c, struct error *err)
{
    const int64_t began = clock_mono_ns();
    int rc = fdatasync(file.fd) ? error_errno(err, ERROR_IO, "%s: cannot sync", path) : 0;
    if (file.syncs++ % 2 == 0)
        file.within_ns += clock_mono_ns() - began;
    return rc;
}

static const struct card_ops file_card = {status, card_read, card_write, card_sync};

/* MB/s over all that was written. */
static double agent_mb_s(struct fixture *f, double *overhead)
{
    char params[64];
    snprintf(params, sizeof params, "{\"bytes\":%d,\"seed\":%d}", TEST_MIB << 20, rand() % 100000);
    file.within_ns = 0;
    passes(f, "card.speed", params);
    *overhead = fmin(*overhead, number(f, "write_ms") * 1e6 / (double)file.within_ns);
    return TEST_MIB * 1048.576 / number(f, "write_ms");
}

static double fio_mb_s(void)
{
    char command[400], text[64] = "";
    snprintf(command, sizeof command,
             "fio --name=card --filename=%s --rw=write --bs=%d --direct=1 --ioengine=psync "
             "--offset=%d --size=%d --fdatasync=4 --overwrite=1 --output-format=json 2>/dev/null |"
             " jq .jobs[0].write.bw_bytes",
             path, REQUEST, CARD_BYTES - (TEST_MIB << 20), TEST_MIB << 20);
    FILE *said = popen(command, "r");
    if (!said || !fgets(text, sizeof text, said) || pclose(said) || atof(text) <= 0) {
        fprintf(stderr, "bench_card: fio printed no bandwidth\n");
        exit(3);
    }
    return atof(text) / 1e6;
}

int main(void)
{
    void *state = NULL;
    double ours = 0, peers = 0, overhead = INFINITY;
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
        peers = fmax(peers, fio_mb_s());
        ours = fmax(ours, agent_mb_s(f, &overhead));
    }
    printf(
        "{\"bench\":\"card test's write speed\",\"value\":%.2f,\"unit\":\"MB/s\","
        "\"reference\":%.2f,\"peer\":\"fio\",\"method\":\"%d MiB past the cache, requests of 256 "
        "KiB, a sync a MiB, best of %d rounds in turn\"}\n",
        ours, peers, TEST_MIB, ROUNDS);
    printf("{\"bench\":\"card test over its transfers\",\"value\":%.4f,\"unit\":\"ratio\","
           "\"reference\":1.05,\"peer\":\"the bound\",\"method\":\"time that card.speed answers "
           "over that within the card's writes and syncs\"}\n",
           overhead);
    disconnect(f);
    close(file.fd);
    unlink(path);
    return 0;
}
