/* castflash: the RAM flasher's program. It waits for a station's cast, takes the bundle and writes
 * it while it still comes: one thread receives, one looks at the flash, erases, programs and
 * verifies. What it must not write (a locked unit, another board, what no key signed) it refuses
 * before anything is erased.
 *
 * Exit status: 0 flashed and verified, 1 not, 2 wrong use, 3 the hardware failed. */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "firmware/cast/flash_side.h"
#include "firmware/cast/receiver.h"
#include "protocol/base/clock.h"
#include "protocol/base/file.h"
#include "protocol/formats/card_record.h"

enum {
    FAILED = 1,
    WRONG_USE = 2,
    HARDWARE_FAILED = 3,
    PEM_FILE_MAX = 65536,
    SOCKET_BYTES = 2 << 20, /* a fifth of a second of a fast wire, for an unlucky moment */
    LOOK_AHEAD = 16,        /* chunks looked at before the one being written */
    LOST_MS = 15000,        /* of a station that said nothing any more */
    END_WAIT_MS = 20000,    /* for the station's word that it knows */
    BUFFER_MIB = 16,
};

struct options {
    const char *backend, *hal_options, *board, *key, *group, *interface, *bundle, *report;
    uint16_t port;
    size_t buffer_bytes;
};

struct flasher {
    struct options options;
    struct board board;
    struct buffer key;
    const struct hal_backend *backend;
    struct hal hal;
    struct flash_side flash;
    struct system_facts facts;

    int fd, wake_fd;
    struct sockaddr_in station;
    bool has_station;
    pthread_t writer;
    pthread_mutex_t mutex; /* over the receiver and what follows */
    pthread_cond_t work;
    struct cast_receiver *receiver;
    bool stop;
    int64_t began_ns, ended_ns;
    struct card_record record; /* of a card */
};

static volatile sig_atomic_t ended_by_signal;

static void on_end(int number)
{
    ended_by_signal = 1;
}

static void say(const char *text)
{
    fprintf(stderr, "castflash: %s\n", text);
}

/* ---- the flash's side: a thread ----------------------------------------------------------- */

/* Not for each chunk looked at: a unit whose flash is as it is to be would do little else. */
static void wake_network(const struct flasher *f)
{
    const uint64_t one = 1;
    if (cast_receiver_due_ms(f->receiver) > clock_mono_ms())
        return;
    if (write(f->wake_fd, &one, sizeof one) < 0)
        return; /* it is awake already */
}

/* What lies behind a block that went bad has moved. */
static void spoil_behind(struct flasher *f, const struct chunk_ordered *chunks, size_t count,
                         size_t index)
{
    for (size_t i = 0; i < count; i++)
        if (chunks[i].partition == chunks[index].partition &&
            chunks[i].offset > chunks[index].offset)
            cast_receiver_spoilt(f->receiver, i);
}

/* One piece of work, with the lock given up meanwhile. False when there is none. */
static bool work(struct flasher *f, size_t *looked)
{
    struct error err = {0};
    size_t count, index = 0, lowest = 0;
    const struct chunk_ordered *chunks = cast_receiver_chunks(f->receiver, &count);
    uint8_t *data = NULL;
    bool is_there = false, moved = false;
    int rc;
    while (lowest < count && cast_receiver_is_settled(f->receiver, lowest))
        lowest++;
    const bool look_first = *looked < count && *looked < lowest + LOOK_AHEAD;
    if (!look_first)
        data = cast_receiver_ready(f->receiver, &index);
    if (!data) {
        if (*looked >= count)
            return false;
        index = *looked;
    }
    const bool is_last = cast_receiver_unsettled(f->receiver) == 1;
    pthread_mutex_unlock(&f->mutex);
    rc = data ? flash_side_write(&f->flash, &chunks[index], data, &moved, &err)
              : flash_side_look(&f->flash, &chunks[index], &is_there, &err);
    /* Once all is settled the station is told so: then it must be in the flash. */
    if (!rc && is_last && (data || is_there) && !moved)
        rc = flash_side_sync(&f->flash, &err);
    pthread_mutex_lock(&f->mutex);
    if (rc) {
        say(err.text);
        cast_receiver_fail(f->receiver, err.text);
    } else if (data) {
        cast_receiver_written(f->receiver, index);
    } else {
        cast_receiver_looked(f->receiver, index, is_there);
        ++*looked;
    }
    if (moved)
        spoil_behind(f, chunks, count, index);
    cast_receiver_progress(f->receiver, f->flash.programmed, f->flash.skipped);
    wake_network(f);
    return !rc;
}

static void *write_chunks(void *context)
{
    struct flasher *f = context;
    struct error err = {0};
    size_t count, looked = 0;
    pthread_mutex_lock(&f->mutex);
    while (!f->stop && (cast_receiver_chunks(f->receiver, &count), !count))
        pthread_cond_wait(&f->work, &f->mutex);
    f->began_ns = clock_mono_ns();
    if (!f->stop && flash_side_check(&f->flash, cast_receiver_manifest(f->receiver),
                                     cast_receiver_slot(f->receiver), &err)) {
        say(err.text);
        cast_receiver_fail(f->receiver, err.text);
        wake_network(f);
    }
    while (!f->stop && !cast_receiver_why(f->receiver)[0]) {
        if (work(f, &looked))
            continue;
        if (!cast_receiver_is_done(f->receiver) && !f->stop)
            pthread_cond_wait(&f->work, &f->mutex);
        if (cast_receiver_is_done(f->receiver))
            break;
    }
    f->ended_ns = clock_mono_ns();
    wake_network(f);
    pthread_mutex_unlock(&f->mutex);
    return NULL;
}

/* ---- the network's side ------------------------------------------------------------------- */

static int open_socket(struct flasher *f, struct error *err)
{
    const struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(f->options.port)};
    const int on = 1, room = SOCKET_BYTES;
    struct ip_mreqn group = {0};
    if (inet_pton(AF_INET, f->options.group, &group.imr_multiaddr) != 1)
        return error_set(err, ERROR_INPUT, "--group %s: expected an IPv4 address",
                         f->options.group);
    if (f->options.interface && !(group.imr_ifindex = (int)if_nametoindex(f->options.interface)))
        return error_errno(err, ERROR_INPUT, "--interface %s", f->options.interface);
    f->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    f->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (f->fd < 0 || f->wake_fd < 0)
        return error_errno(err, ERROR_IO, "cannot make a socket");
    setsockopt(f->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (setsockopt(f->fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room))
        setsockopt(f->fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    if (bind(f->fd, (const struct sockaddr *)&at, sizeof at))
        return error_errno(err, ERROR_IO, "cannot listen on UDP port %u", f->options.port);
    /* Without the group a station can still send to this unit alone. */
    if (setsockopt(f->fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof group))
        fprintf(stderr, "castflash: cannot join group %s: %s\n", f->options.group, strerror(errno));
    return 0;
}

static void take_packets(struct flasher *f)
{
    uint8_t data[CAST_PACKET_MAX + 1];
    struct sockaddr_in from;
    socklen_t size = sizeof from;
    ssize_t n;
    while ((n = recvfrom(f->fd, data, sizeof data, 0, (struct sockaddr *)&from, &size)) >= 0) {
        if (cast_receiver_take(f->receiver, data, (size_t)n, clock_mono_ms()) &&
            cast_type(data, (size_t)n) == CAST_ANNOUNCE) {
            f->station = from;
            f->has_station = true;
        }
        size = sizeof from;
    }
}

static void tell(struct flasher *f)
{
    uint8_t out[CAST_PACKET_MAX];
    const size_t size = cast_receiver_status(f->receiver, clock_mono_ms(), out);
    if (size && f->has_station)
        sendto(f->fd, out, size, 0, (const struct sockaddr *)&f->station, sizeof f->station);
}

static int wait_ms(const struct flasher *f)
{
    const int64_t due = cast_receiver_due_ms(f->receiver), now = clock_mono_ms();
    if (due - now > 1000)
        return 1000;
    return due <= now ? 0 : (int)(due - now);
}

/* Until this unit's part is over. */
static void serve(struct flasher *f)
{
    int64_t over_ms = 0;
    for (;;) {
        struct pollfd fds[] = {{.fd = f->fd, .events = POLLIN},
                               {.fd = f->wake_fd, .events = POLLIN}};
        uint64_t count;
        pthread_mutex_lock(&f->mutex);
        const int wait = wait_ms(f);
        pthread_mutex_unlock(&f->mutex);
        poll(fds, 2, wait);
        if (fds[1].revents && read(f->wake_fd, &count, sizeof count) < 0)
            continue;
        pthread_mutex_lock(&f->mutex);
        take_packets(f);
        tell(f);
        pthread_cond_signal(&f->work);
        const int64_t now = clock_mono_ms();
        const bool is_over =
            cast_receiver_why(f->receiver)[0] || cast_receiver_is_done(f->receiver);
        if (is_over && !over_ms)
            over_ms = now;
        const bool lost = !is_over && cast_receiver_silent_ms(f->receiver, now) > LOST_MS;
        if (lost)
            cast_receiver_fail(f->receiver, "the station fell silent");
        const bool leave =
            lost || ended_by_signal ||
            (is_over && (cast_receiver_has_ended(f->receiver) || now - over_ms > END_WAIT_MS));
        pthread_mutex_unlock(&f->mutex);
        if (leave)
            return;
    }
}

static int flash_by_network(struct flasher *f, struct error *err)
{
    const struct cast_receiver_config config = {.board = &f->board,
                                                .public_key_pem = buffer_text(&f->key),
                                                .unit = f->facts.chip_id,
                                                .buffer_bytes = f->options.buffer_bytes};
    int rc = open_socket(f, err);
    if (!rc)
        rc = cast_receiver_open(&config, &f->receiver, err);
    if (rc)
        return rc;
    if (pthread_create(&f->writer, NULL, write_chunks, f))
        return error_set(err, ERROR_MEMORY, "cannot start a thread");
    say("waiting for a station");
    serve(f);
    pthread_mutex_lock(&f->mutex);
    f->stop = true; /* what is being erased or written comes to its end */
    pthread_cond_signal(&f->work);
    pthread_mutex_unlock(&f->mutex);
    pthread_join(f->writer, NULL);
    if (cast_receiver_is_done(f->receiver))
        return 0;
    const char *why = cast_receiver_why(f->receiver);
    return error_set(err, ERROR_CLOSED, "%s", why[0] ? why : "ended before the whole bundle came");
}

/* ---- from a file, by the same writer ------------------------------------------------------ */

static int read_chunk(const struct bundle *b, const struct chunk_ordered *c, uint8_t *data,
                      struct error *err)
{
    for (size_t done = 0; done < c->bytes;) {
        const int n = bundle_read(b, c->image, c->offset + done, data + done, c->bytes - done, err);
        if (n < 0)
            return n;
        done += (size_t)n;
    }
    uint8_t hash[DIGEST_BYTES];
    const int rc = digest_bytes(data, c->bytes, hash);
    if (!rc && memcmp(hash, c->image->chunk_sha256[c->index], sizeof hash) != 0)
        return error_set(err, ERROR_MISMATCH, "image '%s': chunk %zu is not the one it was",
                         c->image->name, c->index);
    return rc;
}

static void note_written(struct card_record *record, const char *partition)
{
    const size_t used = strlen(record->written), name = strlen(partition);
    /* In order: the partition before is the last one noted. */
    if (used >= name && strcmp(record->written + used - name, partition) == 0)
        return;
    snprintf(record->written + used, sizeof record->written - used, "%s%s", used ? " " : "",
             partition);
}

static int flash_from_file(struct flasher *f, struct error *err)
{
    struct bundle *bundle = NULL;
    struct chunk_ordered *chunks = NULL;
    size_t count = 0;
    uint8_t *data = malloc(BUNDLE_CHUNK_MAX);
    int rc = data ? 0 : error_set(err, ERROR_MEMORY, "no memory for a chunk");
    if (!rc)
        rc = bundle_open(f->options.bundle, buffer_text(&f->key), &bundle, err);
    if (!rc)
        card_record_stamp(bundle, f->record.bundle);
    if (!rc)
        rc = flash_side_check(&f->flash, bundle_manifest(bundle), 'a', err);
    /* All of it, before anything is erased: a card may be short or altered. */
    if (!rc)
        rc = bundle_verify(bundle, err);
    if (!rc)
        rc = chunk_order(&f->board, bundle_manifest(bundle), 'a', &chunks, &count, err);
    f->began_ns = clock_mono_ns();
    for (size_t i = 0; i < count && !rc && !ended_by_signal; i++) {
        bool is_there, moved = false;
        rc = flash_side_look(&f->flash, &chunks[i], &is_there, err);
        if (!rc && !is_there)
            rc = read_chunk(bundle, &chunks[i], data, err);
        if (!rc && !is_there)
            rc = flash_side_write(&f->flash, &chunks[i], data, &moved, err);
        if (!rc && !is_there)
            note_written(&f->record, chunks[i].partition->name);
        /* In order, so what moved is written still. */
    }
    if (!rc && ended_by_signal)
        rc = error_set(err, ERROR_CANCELLED, "ended from outside");
    if (!rc)
        rc = flash_side_sync(&f->flash, err);
    f->ended_ns = clock_mono_ns();
    free(chunks);
    free(data);
    bundle_close(bundle);
    return rc;
}

/* What the unit did, onto the card. One that cannot take it is told, and the unit is as it is. */
static void leave_record(struct flasher *f, const struct error *err)
{
    struct error why = {0};
    struct card_record *r = &f->record;
    r->flashed = !err->code;
    if (!*r->bundle)
        snprintf(r->bundle, sizeof r->bundle, "a bundle that was not taken");
    snprintf(r->unit, sizeof r->unit, "%s", f->facts.chip_id);
    snprintf(r->why, sizeof r->why, "%.*s", (int)sizeof r->why - 1, err->text);
    if (card_record_add(f->options.report, r, &why))
        say(why.text);
}

/* ---- start and end ------------------------------------------------------------------------ */

static int wrong_use(const char *what)
{
    fprintf(stderr,
            "castflash: %s\nusage: castflash --board FILE --key FILE [--hal linux|emulator]"
            " [--hal-options TEXT] [--group A] [--port N] [--interface NAME]"
            " [--buffer-mib N] [--bundle FILE [--report FILE]]\n",
            what);
    return WRONG_USE;
}

static int read_options(int argc, char **argv, struct options *o)
{
    static const struct option options[] = {{"board", required_argument, NULL, 'b'},
                                            {"key", required_argument, NULL, 'k'},
                                            {"hal", required_argument, NULL, 'H'},
                                            {"hal-options", required_argument, NULL, 'O'},
                                            {"group", required_argument, NULL, 'g'},
                                            {"port", required_argument, NULL, 'p'},
                                            {"interface", required_argument, NULL, 'i'},
                                            {"buffer-mib", required_argument, NULL, 'm'},
                                            {"bundle", required_argument, NULL, 'f'},
                                            {"report", required_argument, NULL, 'r'},
                                            {0}};
    long number;
    int option;
    *o = (struct options){.backend = "linux",
                          .group = CAST_GROUP,
                          .port = CAST_PORT,
                          .buffer_bytes = (size_t)BUFFER_MIB << 20};
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
        switch (option) {
        case 'b':
            o->board = optarg;
            break;
        case 'k':
            o->key = optarg;
            break;
        case 'H':
            o->backend = optarg;
            break;
        case 'O':
            o->hal_options = optarg;
            break;
        case 'g':
            o->group = optarg;
            break;
        case 'i':
            o->interface = optarg;
            break;
        case 'f':
            o->bundle = optarg;
            break;
        case 'r':
            o->report = optarg;
            break;
        case 'p':
            number = strtol(optarg, NULL, 10);
            if (number < 1 || number > 65535)
                return wrong_use("--port: expected 1 to 65535");
            o->port = (uint16_t)number;
            break;
        case 'm':
            number = strtol(optarg, NULL, 10);
            if (number < 1 || number > 1024)
                return wrong_use("--buffer-mib: expected 1 to 1024");
            o->buffer_bytes = (size_t)number << 20;
            break;
        default:
            return WRONG_USE;
        }
    if (optind != argc || !o->board || !o->key)
        return wrong_use("--board and --key are needed, and options alone");
    if (o->report && !o->bundle)
        return wrong_use("--report is what becomes of a --bundle");
    return 0;
}

static void log_line(void *context, const char *line)
{
    say(line);
}

static int open_unit(struct flasher *f, struct error *err)
{
    const struct hal_config config = {
        .board = &f->board, .options = f->options.hal_options, .log = log_line};
    f->key.limit_bytes = PEM_FILE_MAX;
    int rc = board_load(f->options.board, &f->board, err);
    if (!rc)
        rc = file_read(f->options.key, &f->key, err);
    if (!rc && !buffer_text(&f->key))
        rc = error_set(err, ERROR_MEMORY, "no memory for %s", f->options.key);
    f->backend = hal_backend_find(f->options.backend);
    if (!rc && !f->backend)
        rc = error_set(err, ERROR_INPUT, "there is no HAL \"%s\"", f->options.backend);
    if (!rc && f->backend->open(&config, &f->hal, err)) {
        f->backend = NULL;
        rc = err->code;
    }
    if (!rc && !f->hal.flash)
        rc = error_set(err, ERROR_MISSING, "board %s names no flash", f->board.name);
    if (!rc)
        rc = f->hal.system->facts(f->hal.system_state, &f->facts, err);
    f->flash.hal = &f->hal;
    f->flash.board = &f->board;
    return rc;
}

static void print_result(const struct flasher *f, int rc)
{
    printf("{\"unit\":\"%s\",\"flashed\":%s,\"programmed_bytes\":%llu,\"skipped_bytes\":%llu,"
           "\"busy_s\":%.3f,\"seconds\":%.3f}\n",
           f->facts.chip_id, rc ? "false" : "true", (unsigned long long)f->flash.programmed,
           (unsigned long long)f->flash.skipped, (double)f->flash.busy_ns / 1e9,
           (double)(f->ended_ns - f->began_ns) / 1e9);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    static struct flasher f = {.fd = -1,
                               .wake_fd = -1,
                               .mutex = PTHREAD_MUTEX_INITIALIZER,
                               .work = PTHREAD_COND_INITIALIZER};
    const struct sigaction end = {.sa_handler = on_end};
    struct error err = {0};
    int status = read_options(argc, argv, &f.options);
    if (status)
        return status;
    sigaction(SIGINT, &end, NULL);
    sigaction(SIGTERM, &end, NULL);
    int rc = open_unit(&f, &err);
    if (rc) {
        fprintf(stderr, "castflash: %s\n", err.text);
        status = rc == ERROR_INPUT ? WRONG_USE : HARDWARE_FAILED;
    } else {
        rc = f.options.bundle ? flash_from_file(&f, &err) : flash_by_network(&f, &err);
        if (rc)
            fprintf(stderr, "castflash: not flashed: %s\n", err.text);
        if (f.options.report)
            leave_record(&f, &err);
        print_result(&f, rc);
        status = rc ? FAILED : 0;
    }
    cast_receiver_close(f.receiver);
    if (f.backend)
        f.backend->close(&f.hal);
    buffer_free(&f.key);
    return status;
}
