#include "station/flash/uart/load_tftp.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "station/flash/network/tftp_server.h"

enum {
    SET_MS = 5000,
    DHCP_MS = 60000,
    /* The loader's own patience: it gives up by itself, and says so, before this is over. */
    FETCH_MS = 60000,
    FETCH_MS_PER_MIB = 10000,
};

/* Where the transfer is, by the server's thread: this side waits for the loader's answer then, and
 * reads it when that thread has ended. */
struct fetch {
    struct flash_meter *meter;
    uint64_t base, done, resent;
    char why[200]; /* of the last one that broke off */
};

static void on_progress(void *context, const struct tftp_progress *p)
{
    struct fetch *f = context;
    f->done = p->done;
    f->resent += p->event == TFTP_ENDED || p->event == TFTP_BROKE_OFF ? p->resent : 0;
    if (p->event == TFTP_BROKE_OFF)
        snprintf(f->why, sizeof f->why, ", broken off: %s", p->why);
    if (f->meter)
        flash_meter_at(f->meter, f->base + p->done);
}

/* "192.168.7.21/24" as the loader wants it: address and mask apart. */
static int split_address(const char *text, char address[INET_ADDRSTRLEN],
                         char mask[INET_ADDRSTRLEN], struct error *err)
{
    struct in_addr at;
    const char *slash = strchr(text, '/');
    const size_t size = slash ? (size_t)(slash - text) : 0;
    char *end = NULL;
    const unsigned long bits = slash ? strtoul(slash + 1, &end, 10) : 0;
    if (size && size < INET_ADDRSTRLEN) {
        memcpy(address, text, size);
        address[size] = '\0';
    }
    if (!size || size >= INET_ADDRSTRLEN || inet_pton(AF_INET, address, &at) != 1 ||
        !*(slash + 1) || *end || bits < 1 || bits > 32)
        return error_set(err, ERROR_INPUT,
                         "unit's address %s: expected an IPv4 address and the bits of its network, "
                         "as 192.168.7.21/24",
                         text);
    at.s_addr = htonl(UINT32_MAX << (32 - bits));
    inet_ntop(AF_INET, &at, mask, INET_ADDRSTRLEN);
    return 0;
}

/* Nothing of this is saved on the unit. */
static int set_network(struct loader *c, const struct flash_job *job, struct error *err)
{
    struct loader_answer answer;
    char address[INET_ADDRSTRLEN], mask[INET_ADDRSTRLEN];
    int rc = 0;
    if (job->unit_address) {
        rc = split_address(job->unit_address, address, mask, err);
        rc = rc ? rc : loader_run(c, SET_MS, &answer, err, "setenv ipaddr %s", address);
        rc = rc ? rc : loader_run(c, SET_MS, &answer, err, "setenv netmask %s", mask);
    } else {
        /* The address alone: what the DHCP server would have it load is not ours. */
        rc = loader_run(c, SET_MS, &answer, err, "setenv autoload no");
        rc = rc ? rc : loader_run(c, DHCP_MS, &answer, err, "dhcp");
    }
    /* Once through its retries and no more: else it would try until someone presses Ctrl-C. */
    rc = rc ? rc : loader_run(c, SET_MS, &answer, err, "setenv netretry no");
    return rc ? rc : loader_run(c, SET_MS, &answer, err, "setenv serverip %s", job->tftp);
}

static int start_server(const struct flash_job *job, const struct tftp_file *file,
                        struct fetch *fetch, struct tftp_server **out, struct error *err)
{
    const struct tftp_config config = {.address = job->tftp,
                                       .port = TFTP_PORT,
                                       .files = file,
                                       .file_count = file ? 1 : 0,
                                       .progress = fetch ? on_progress : NULL,
                                       .context = fetch};
    return tftp_server_start(&config, out, err);
}

int load_tftp_check(const struct flash_job *job, struct error *err)
{
    char address[INET_ADDRSTRLEN], mask[INET_ADDRSTRLEN];
    struct tftp_server *server = NULL;
    if (!job->board->boot.tftp)
        return error_set(err, ERROR_INPUT,
                         "board %s: its boot loader has no network to get images from ('tftp')",
                         job->board->name);
    int rc = job->unit_address ? split_address(job->unit_address, address, mask, err) : 0;
    rc = rc ? rc : start_server(job, NULL, NULL, &server, err);
    tftp_server_stop(server);
    return rc;
}

int load_by_tftp(struct loader *c, const struct flash_job *job, const struct load *load,
                 struct flash_meter *meter, uint64_t meter_base, struct error *err)
{
    struct fetch fetch = {.meter = meter, .base = meter_base};
    const struct tftp_file file = {
        .name = load->name, .bytes = load->size, .read = tftp_read_memory, .context = load->data};
    struct tftp_server *server = NULL;
    struct loader_answer answer;
    int rc = start_server(job, &file, &fetch, &server, err);
    rc = rc ? rc : set_network(c, job, err);
    rc = rc ? rc
            : loader_run(c, FETCH_MS + (int)(load->size >> 20) * FETCH_MS_PER_MIB, &answer, err,
                         "tftpboot 0x%llx %s", (unsigned long long)load->address, load->name);
    tftp_server_stop(server);
    flash_log_note(job->log, "tftp: %llu of %zu bytes of %s over, %llu blocks sent again%s",
                   (unsigned long long)fetch.done, load->size, load->name,
                   (unsigned long long)fetch.resent, fetch.why);
    return rc;
}
