/* The flasher's protocol over a terminal, with nothing of a machine in between:
 *
 *   flasher_line unit PTY            firmware/flasher on this processor, a NOR in memory that takes
 *                                    a real part's times (64 KiB erased in 45 ms, 256 bytes
 *                                    programmed in 400 us); until killed
 *   flasher_line station PTY BYTES   loads so many random bytes, writes and verifies them; prints
 *                                    {"bytes", "loading_s", "writing_s", "frames_again"}
 *
 * So a rate that falls short is known to be the protocol's or the machine's. */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "protocol/base/clock.h"
#include "protocol/base/digest.h"
#include "protocol/base/splitmix.h"
#include "station/flash/uart/flasher_link.h"

#include "tests/unit/firmware/flasher_program.h"

enum {
    BLOCK = 256 * 1024, /* what one erase takes and one WRITE brings */
    FLASH = 64 * BLOCK,
    STAGING = 32 * BLOCK,
    PAGE = 256,
    PAGE_NS = 400 * 1000,
    ERASE_NS = BLOCK / 65536 * 45 * 1000 * 1000,
    QUIET_MS = 10000,
};

/* ---- the unit: line and flash beneath the flasher ------------------------------------------ */

static int terminal = -1;
static uint8_t held[2 * FLASHER_WINDOW];
static size_t came, taken; /* only grow */
static _Alignas(4) uint8_t flash_bytes[FLASH], staging[STAGING];

void line_open(uintptr_t registers)
{
}

static void line_wait(int64_t until_ns)
{
    const int64_t left_ns = until_ns - clock_mono_ns();
    const struct timespec wait = {.tv_nsec = left_ns > 0 ? (long)(left_ns % 1000000000) : 0};
    struct pollfd p = {.fd = terminal, .events = came - taken < sizeof held ? POLLIN : 0};
    ppoll(&p, 1, &wait, NULL);
    line_poll();
}

void line_poll(void)
{
    const size_t at = came % sizeof held, room = sizeof held - (came - taken);
    const size_t end = sizeof held - at;
    const ssize_t n = read(terminal, held + at, room < end ? room : end);
    came += n > 0 ? (size_t)n : 0;
}

int line_get(void)
{
    if (came == taken)
        line_poll();
    return came == taken ? -1 : held[taken++ % sizeof held];
}

void line_put(const uint8_t *data, uint32_t size)
{
    while (size) {
        const ssize_t n = write(terminal, data, size);
        if (n < 0) {
            line_wait(clock_mono_ns() + 1000000);
            continue;
        }
        data += n;
        size -= (uint32_t)n;
    }
}

void line_flush(void)
{
}

static void flash_is_busy(int64_t for_ns)
{
    const int64_t end_ns = clock_mono_ns() + for_ns;
    while (clock_mono_ns() < end_ns)
        line_wait(end_ns);
}

bool nor_open(struct nor *n)
{
    n->bytes = FLASH;
    return true;
}

const volatile uint32_t *nor_at(const struct nor *n, uint32_t offset, uint32_t *left)
{
    *left = FLASH - offset;
    return (const volatile uint32_t *)(flash_bytes + offset);
}

bool nor_erase(struct nor *n, uint32_t offset)
{
    memset(flash_bytes + offset, 0xff, BLOCK);
    flash_is_busy(ERASE_NS);
    return true;
}

bool nor_program(struct nor *n, uint32_t offset, const uint32_t *data, uint32_t bytes)
{
    for (uint32_t i = 0; i < bytes; i++)
        flash_bytes[offset + i] &= ((const uint8_t *)data)[i];
    flash_is_busy((int64_t)(bytes + PAGE - 1) / PAGE * PAGE_NS);
    return true;
}

static int be_unit(const char *path)
{
    struct termios raw;
    terminal = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (terminal < 0 || tcgetattr(terminal, &raw)) {
        perror(path);
        return 3;
    }
    cfmakeraw(&raw);
    cfsetspeed(&raw, B115200);
    tcsetattr(terminal, TCSANOW, &raw);
    f.staging = staging;
    f.staging_bytes = STAGING;
    f.nor = (struct nor){.bytes = FLASH, .erase_bytes = BLOCK, .wait = line_poll};
    crc_open();
    for (;;) { /* as flasher_main() does, which knows addresses of 32 bits only */
        const int size = take_frame();
        if (size >= 0)
            serve((uint32_t)size);
        else
            line_wait(clock_mono_ns() + 500000000);
    }
}

/* ---- the station ----------------------------------------------------------------------------- */

static int write_block_of(struct flasher_link *link, uint32_t at, const uint8_t *data, size_t size,
                          struct error *err)
{
    uint8_t request[12 + DIGEST_BYTES], answer[FLASHER_CONTENT_MAX];
    flasher_put_number(request, at);
    flasher_put_number(request + 4, at);
    flasher_put_number(request + 8, (uint32_t)size);
    digest_bytes(data, size, request + 12);
    return flasher_link_request(link, FLASHER_WRITE, 0, request, sizeof request, QUIET_MS, answer,
                                &(size_t){0}, NULL, NULL, err);
}

static int be_station(const char *path, size_t bytes)
{
    static struct board board; /* one whose loader has no rate of its own */
    char port[300];
    snprintf(port, sizeof port, "pty:%s", path);
    const struct flash_job job = {.board = &board, .port = port};
    struct flasher_link link = {0};
    struct error err = {0};
    uint8_t answer[FLASHER_CONTENT_MAX];
    uint8_t *data = malloc(bytes);
    uint64_t seed = 4;
    double loading_s = 0, writing_s = 0;
    int rc = data ? 0 : error_set(&err, ERROR_MEMORY, "no memory");
    for (size_t i = 0; !rc && i < bytes; i++)
        data[i] = (uint8_t)splitmix_next(&seed);
    rc = rc ? rc : loader_open(&job, &link.line, &err);
    rc = rc ? rc
            : flasher_link_request(&link, FLASHER_HELLO, 0, NULL, 0, QUIET_MS, answer, &(size_t){0},
                                   NULL, NULL, &err);
    const int64_t began_ns = clock_mono_ns();
    for (size_t at = 0; !rc && at < bytes; at += BLOCK)
        rc = flasher_link_stream(&link, (uint32_t)at, data + at,
                                 bytes - at < BLOCK ? bytes - at : BLOCK, NULL, NULL, NULL, &err);
    const int64_t loaded_ns = clock_mono_ns();
    for (size_t at = 0; !rc && at < bytes; at += BLOCK)
        rc = write_block_of(&link, (uint32_t)at, data + at, bytes - at < BLOCK ? bytes - at : BLOCK,
                            &err);
    loading_s = (double)(loaded_ns - began_ns) / 1e9;
    writing_s = (double)(clock_mono_ns() - loaded_ns) / 1e9;
    if (rc)
        fprintf(stderr, "flasher_line: %s\n", err.text);
    else
        printf("{\"bytes\":%zu,\"loading_s\":%.3f,\"writing_s\":%.3f,\"frames_again\":%lu}\n",
               bytes, loading_s, writing_s, link.resent);
    loader_close(link.line);
    free(data);
    return rc ? 1 : 0;
}

int main(int argc, char **argv)
{
    const long bytes = argc == 4 ? strtol(argv[3], NULL, 10) : 0;
    if (argc == 3 && strcmp(argv[1], "unit") == 0)
        return be_unit(argv[2]);
    if (argc == 4 && strcmp(argv[1], "station") == 0 && bytes > 0 && bytes <= STAGING)
        return be_station(argv[2], (size_t)bytes);
    fprintf(stderr, "usage: flasher_line unit PTY | station PTY BYTES (at most %d)\n", STAGING);
    return 2;
}
