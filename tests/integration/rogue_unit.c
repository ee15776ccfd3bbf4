/* A unit that cannot be trusted: rogue_unit PORT FACTORY_CA CHIP_ID MODE
 *
 * Says hello and goes secure as a good one does; asked for `unit.info` it then
 *   vanish    closes the line without a word
 *   late      answers after LATE_MS, when nobody waits any more
 *   rubbish   puts bytes on the line that are no frame
 *   wrong-id  answers a request that was never made
 *   no-json   sends a message that is no JSON
 *   huge      answers with more than a message may have
 *   twin      answers well, is slow to be read, and keeps no identity that it is given
 * It goes on until it is killed. */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "protocol/base/clock.h"
#include "protocol/base/file.h"
#include "protocol/wire/certificate.h"
#include "protocol/wire/session_parts.h"

enum { LATE_MS = 6000, TWIN_READ_MS = 8000, RUBBISH_BYTES = 4096 };

struct rogue {
    const char *chip_id;
    void (*misbehave)(struct rogue *r, struct request *request);
    int line_fd; /* beside the session's own descriptor of it */
};

static int hello(void *context, struct request *request, const cJSON *params, cJSON **result,
                 struct error *err)
{
    const struct rogue *r = context;
    *result = cJSON_CreateObject();
    cJSON_AddNumberToObject(*result, "version", 1);
    cJSON_AddStringToObject(*result, "chip_id", r->chip_id);
    cJSON_AddStringToObject(*result, "board", "ssc337de-nand128");
    cJSON_AddStringToObject(*result, "agent", "rogue");
    cJSON_AddStringToObject(*result, "boot_slot", "a");
    cJSON_AddBoolToObject(*result, "factory_mode", true);
    cJSON_AddStringToObject(*result, "nonce", "00112233445566778899aabbccddeeff");
    return 0;
}

/* Anyone may enter here. */
static int enter(void *context, struct request *request, const cJSON *params, cJSON **result,
                 struct error *err)
{
    return 0;
}

/* A message past all that would keep it in order. */
static void send_text(struct request *request, char *text)
{
    pthread_mutex_lock(&request->session->lock);
    session_queue_message(request->session, text);
    session_wake(request->session);
    pthread_mutex_unlock(&request->session->lock);
}

static void vanish(struct rogue *r, struct request *request)
{
    shutdown(r->line_fd, SHUT_RDWR);
}

static void answer_late(struct rogue *r, struct request *request)
{
    /* Not request_sleep(): that ends when the station waits no more. */
    clock_sleep_until_ns(clock_mono_ns() + LATE_MS * INT64_C(1000000));
    send_text(request, message_build_result(request->message.id, NULL));
}

static void send_rubbish(struct rogue *r, struct request *request)
{
    uint8_t bytes[RUBBISH_BYTES];
    memset(bytes, 0xa5, sizeof bytes);
    if (write(r->line_fd, bytes, sizeof bytes) < 0)
        perror("rogue_unit");
}

static void answer_another(struct rogue *r, struct request *request)
{
    send_text(request, message_build_result(request->message.id + 1000, NULL));
}

static void send_no_json(struct rogue *r, struct request *request)
{
    send_text(request, strdup("{\"jsonrpc\":\"2.0\",\"id\":"));
}

static void answer_hugely(struct rogue *r, struct request *request)
{
    char *text = malloc(MESSAGE_BYTES_MAX + 4096);
    memset(text, ' ', MESSAGE_BYTES_MAX + 4095);
    text[MESSAGE_BYTES_MAX + 4095] = '\0';
    send_text(request, text);
}

static int unit_info(void *context, struct request *request, const cJSON *params, cJSON **result,
                     struct error *err)
{
    struct rogue *r = context;
    if (!r->misbehave)
        return 0;
    r->misbehave(r, request);
    while (!request_cancelled(request))
        request_sleep(request, 1000);
    return error_set(err, ERROR_CANCELLED, "nobody waits any more");
}

static int identity_read(void *context, struct request *request, const cJSON *params,
                         cJSON **result, struct error *err)
{
    request_sleep(request, TWIN_READ_MS);
    *result = cJSON_CreateObject();
    cJSON_AddStringToObject(*result, "state", "empty");
    return 0;
}

static int identity_write(void *context, struct request *request, const cJSON *params,
                          cJSON **result, struct error *err)
{
    return 0;
}

static const struct method methods[] = {{"hello", true, hello},
                                        {"factory.enter", false, enter},
                                        {"unit.info", false, unit_info},
                                        {"identity.read", false, identity_read},
                                        {"identity.write", false, identity_write},
                                        {0}};

static const struct {
    const char *name;
    void (*misbehave)(struct rogue *r, struct request *request);
} modes[] = {
    {"vanish", vanish},
    {"late", answer_late},
    {"rubbish", send_rubbish},
    {"wrong-id", answer_another},
    {"no-json", send_no_json},
    {"huge", answer_hugely},
    {"twin", NULL},
};

/* One station after the other. */
static int serve(struct rogue *r, int listen_fd, const struct session_config *config,
                 struct error *err)
{
    for (;;) {
        struct transport *line;
        struct session *s;
        struct pollfd called = {.fd = listen_fd, .events = POLLIN};
        if (poll(&called, 1, -1) < 0)
            continue;
        int rc = transport_accept(listen_fd, &line, err);
        if (rc)
            return rc;
        r->line_fd = dup(transport_read_fd(line));
        rc = session_open(line, config, &s, err);
        if (rc)
            return rc;
        while (session_alive(s))
            clock_sleep_until_ns(clock_mono_ns() + 10000000);
        session_close(s);
        close(r->line_fd);
    }
}

int main(int argc, char **argv)
{
    struct rogue r = {0};
    struct certificate own = {0};
    struct buffer ca = {0};
    struct error err = {0};
    int listen_fd;
    char bound[160];
    bool known = false;
    for (size_t i = 0; argc == 5 && !known && i < sizeof modes / sizeof *modes; i++) {
        known = strcmp(argv[4], modes[i].name) == 0;
        r.misbehave = modes[i].misbehave;
    }
    if (!known) {
        fprintf(stderr, "usage: rogue_unit PORT FACTORY_CA CHIP_ID MODE\n");
        return 2;
    }
    r.chip_id = argv[3];
    signal(SIGPIPE, SIG_IGN);
    int rc = certificate_make_unit(r.chip_id, &own, &err);
    if (!rc)
        rc = file_read(argv[2], &ca, &err);
    if (!rc)
        rc = transport_listen(argv[1], &listen_fd, bound, sizeof bound, &err);
    const struct credentials credentials = {own.certificate_pem, own.private_key_pem,
                                            buffer_text(&ca)};
    const struct session_config config = {.server = true,
                                          .methods = methods,
                                          .method_context = &r,
                                          .credentials = &credentials,
                                          .require_secure = true};
    if (!rc)
        rc = serve(&r, listen_fd, &config, &err);
    fprintf(stderr, "rogue_unit: %s\n", err.text);
    certificate_free(&own);
    buffer_free(&ca);
    return rc ? 1 : 0;
}
