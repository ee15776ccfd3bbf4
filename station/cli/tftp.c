/* takt tftp: what boot loaders load, served to a rack of them, with a line for each unit. */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "protocol/base/file.h"
#include "station/cli/command.h"
#include "station/flash/network/tftp_server.h"

enum { FILES_MAX = 32 };

struct row {
    char client[24], file[32];
    struct tftp_progress now;
    char why[96];
};

struct serving {
    struct tftp_file files[FILES_MAX];
    struct tftp_bundle_image images[FILES_MAX];
    struct buffer bytes[FILES_MAX];
    size_t count;
    struct bundle *bundle;
    struct {
        char client[24];
        int slot;
    } slots[TFTP_CLIENTS_MAX];
    size_t slot_count;
    struct row rows[TFTP_CLIENTS_MAX]; /* by client, in the order they came */
    size_t row_count, drawn;
};

static void help(void)
{
    printf("usage: takt tftp [--file [NAME=]PATH]... [--bundle FILE --key FILE] [option...]\n\n"
           "Serves these files alone, read-only, to up to 64 units at once, until Ctrl-C.\n\n"
           "  --file [NAME=]PATH  a file; asked for by its name unless another is given\n"
           "  --bundle FILE       the images of a bundle, each under its own name\n"
           "  --key FILE          the public key the bundle must be signed with\n"
           "  --listen ADDRESS    the station's address towards the units; all unless given\n"
           "  --port PORT         69 unless given; 0: a free one, said on stdout\n"
           "  --slot ADDRESS=N    the unit at this address sits in slot N; may be repeated\n");
}

/* ---- progress: a line a unit -------------------------------------------------------------- */

static int slot_of(const struct serving *s, const char *client)
{
    for (size_t i = 0; i < s->slot_count; i++)
        if (strcmp(s->slots[i].client, client) == 0)
            return s->slots[i].slot;
    return 0;
}

static struct row *row_of(struct serving *s, const char *client)
{
    for (size_t i = 0; i < s->row_count; i++)
        if (strcmp(s->rows[i].client, client) == 0)
            return &s->rows[i];
    struct row *r = &s->rows[s->row_count < TFTP_CLIENTS_MAX ? s->row_count++ : 0];
    *r = (struct row){0};
    snprintf(r->client, sizeof r->client, "%s", client);
    return r;
}

static void print_row(const struct serving *s, const struct row *r)
{
    static const char *const events[] = {"begins", "", "done", "broke off"};
    const struct tftp_progress *p = &r->now;
    const int slot = slot_of(s, r->client);
    char place[16] = "";
    if (slot)
        snprintf(place, sizeof place, "slot %-3d ", slot);
    fprintf(stderr, "%s%-15s %-16s %7.2f of %.2f MB %5.1f s %6.2f MB/s %4llu again  %s%s%s\n",
            place, r->client, r->file, (double)p->done / 1e6, (double)p->total / 1e6, p->seconds,
            p->seconds > 0 ? (double)p->done / 1e6 / p->seconds : 0, (unsigned long long)p->resent,
            events[p->event], r->why[0] ? ": " : "", r->why);
}

static void show(void *context, const struct tftp_progress *p)
{
    struct serving *s = context;
    struct row *r = row_of(s, p->client);
    r->now = *p;
    snprintf(r->file, sizeof r->file, "%s", p->file);
    snprintf(r->why, sizeof r->why, "%s", p->why);
    if (!isatty(STDERR_FILENO)) {
        if (p->event != TFTP_MOVED)
            print_row(s, r);
        return;
    }
    if (s->drawn)
        fprintf(stderr, "\033[%zuA", s->drawn);
    for (size_t i = 0; i < s->row_count; i++) {
        fputs("\033[K", stderr);
        print_row(s, &s->rows[i]);
    }
    s->drawn = s->row_count;
}

/* ---- what is served ----------------------------------------------------------------------- */

static int add_file(struct serving *s, char *text, struct error *err)
{
    char *path = strchr(text, '=');
    const char *name = text;
    if (s->count == FILES_MAX)
        return error_set(err, ERROR_INPUT, "--file %s: at most %d files are served", text,
                         FILES_MAX);
    if (path) {
        *path++ = 0;
    } else {
        path = text;
        name = strrchr(text, '/') ? strrchr(text, '/') + 1 : text;
    }
    /* As it is now: a file changed under way would reach some units half old, half new. */
    struct buffer *bytes = &s->bytes[s->count];
    const int rc = file_read(path, bytes, err);
    if (!rc)
        s->files[s->count++] = (struct tftp_file){name, bytes->size, tftp_read_memory, bytes->data};
    return rc;
}

static int add_bundle(struct serving *s, const char *path, const char *key_path, struct error *err)
{
    struct buffer key = {0};
    int rc = file_read(key_path, &key, err);
    if (!rc && !buffer_text(&key))
        rc = error_set(err, ERROR_MEMORY, "%s: out of memory", key_path);
    if (!rc)
        rc = bundle_open(path, buffer_text(&key), &s->bundle, err);
    buffer_free(&key);
    const struct bundle_manifest *m = rc ? NULL : bundle_manifest(s->bundle);
    for (size_t i = 0; m && i < m->image_count && s->count < FILES_MAX; i++) {
        s->images[s->count] = (struct tftp_bundle_image){s->bundle, &m->images[i]};
        s->files[s->count] = tftp_file_of_image(m->images[i].name, &s->images[s->count]);
        s->count++;
    }
    return rc;
}

static int add_slot(struct serving *s, const char *text)
{
    const char *equals = strchr(text, '=');
    const int slot = equals ? atoi(equals + 1) : 0;
    if (slot < 1 || (size_t)(equals - text) >= sizeof s->slots[0].client ||
        s->slot_count == TFTP_CLIENTS_MAX)
        return cli_usage("takt tftp: --slot %s: expected ADDRESS=N", text);
    memcpy(s->slots[s->slot_count].client, text, (size_t)(equals - text));
    s->slots[s->slot_count++].slot = slot;
    return CLI_OK;
}

static int serve(struct serving *s, const char *listen, uint16_t port)
{
    struct error err = {0};
    struct tftp_server *server;
    sigset_t ends;
    int number;
    const struct tftp_config config = {.address = listen,
                                       .port = port,
                                       .files = s->files,
                                       .file_count = s->count,
                                       .progress = show,
                                       .context = s};
    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &ends, NULL);
    if (tftp_server_start(&config, &server, &err))
        return cli_fail("tftp", &err);
    printf("%s:%u\n", listen ? listen : "0.0.0.0", tftp_server_port(server));
    fflush(stdout);
    sigwait(&ends, &number);
    tftp_server_stop(server);
    return CLI_OK;
}

int cli_tftp(int argc, char **argv)
{
    static const struct option options[] = {
        {"file", required_argument, NULL, 'f'}, {"bundle", required_argument, NULL, 'b'},
        {"key", required_argument, NULL, 'k'},  {"listen", required_argument, NULL, 'l'},
        {"port", required_argument, NULL, 'p'}, {"slot", required_argument, NULL, 's'},
        {"help", no_argument, NULL, 'h'},       {0}};
    static struct serving s;
    struct error err = {0};
    const char *bundle = NULL, *key = NULL, *listen = NULL;
    long port = TFTP_PORT;
    char *end;
    int option, rc = 0, status = CLI_OK;
    while (!rc && !status && (option = getopt_long(argc, argv, ":h", options, NULL)) != -1)
        switch (option) {
        case 'f':
            rc = add_file(&s, optarg, &err);
            break;
        case 'b':
            bundle = optarg;
            break;
        case 'k':
            key = optarg;
            break;
        case 'l':
            listen = optarg;
            break;
        case 'p':
            port = strtol(optarg, &end, 10);
            if (*end || port < 0 || port > 65535)
                status = cli_usage("takt tftp: --port %s: expected 0 to 65535", optarg);
            break;
        case 's':
            status = add_slot(&s, optarg);
            break;
        case 'h':
            help();
            return CLI_OK;
        default:
            status = cli_bad_option("tftp", option, argv, options);
        }
    if (!rc && !status && (optind != argc || (bundle && !key)))
        status = optind != argc
                     ? cli_usage("takt tftp: %s: expected options alone, see takt tftp --help",
                                 argv[optind])
                     : cli_usage("takt tftp: --bundle needs --key");
    if (!rc && !status && bundle)
        rc = add_bundle(&s, bundle, key, &err);
    if (!rc && !status && !s.count)
        status = cli_usage("takt tftp: nothing to serve: expected --file or --bundle");
    if (rc)
        status = cli_fail("tftp", &err);
    if (!status)
        status = serve(&s, listen, (uint16_t)port);
    for (size_t i = 0; i < FILES_MAX; i++)
        buffer_free(&s.bytes[i]);
    bundle_close(s.bundle);
    return status;
}
