/* takt serve: the read-only dashboard, a process of its own with a reader's handle on the store. */
#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "protocol/base/clock.h"
#include "reports/dashboard.h"
#include "reports/line_day.h"
#include "reports/query.h"
#include "reports/render.h"
#include "reports/store.h"
#include "station/cli/command.h"
#include "station/cli/state_place.h"
#include "station/engine/client.h"

enum { CONNECTIONS = 64, IDLE_S = 15, TAKTD_MS = 300, FRESH_MS = 1000, NAME_MAX_BYTES = 256 };

static const char usage[] =
    "takt serve (--station STATION.json | --store FILE|ADDRESS) [--listen ADDRESS[:PORT]] [--lang "
    "en|zh]\n\n"
    "  --listen  127.0.0.1:8080 unless told otherwise; [::1]:8080; port 0 takes a free one.\n"
    "            Nothing asks for a password: what listens beyond this machine is read by all\n"
    "  --lang    the page's language; a page can be asked for in another with ?lang=zh\n\n"
    "  /             today's yield, units by the hour, failures, slots; renews itself\n"
    "  /unit/NAME    a unit's record, likewise /run/NUMBER and /order/ORDER\n"
    "  /dashboard.json";

struct server {
    struct state_place place;
    const char *language;
    bool loopback; /* then only this machine's names are answered */
    struct store *reader;
    ino_t file;      /* that it reads: a store that was recovered is another file */
    cJSON *document; /* of the last update */
    int64_t fresh_until_ms;
};

/* ---- today ---------------------------------------------------------------------------------- */

/* The present local day's beginning, and what to add to UTC for local time. */
static void local_day(int64_t now_ms, int64_t *day_ms, int64_t *zone_ms)
{
    time_t now = (time_t)(now_ms / 1000);
    struct tm tm;
    localtime_r(&now, &tm);
    *zone_ms = (int64_t)tm.tm_gmtoff * 1000;
    tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
    tm.tm_isdst = -1;
    *day_ms = (int64_t)mktime(&tm) * 1000;
}

/* What taktd says of its slots; NULL when it does not answer at once. */
static cJSON *ask_slots(const struct server *s)
{
    struct client *client = NULL;
    cJSON *status = NULL, *slots = NULL;
    if (client_connect(s->place.socket, &client, NULL))
        return NULL;
    if (client_call(client, "status", NULL, TAKTD_MS, &status, NULL) == 0)
        slots = cJSON_DetachItemFromObjectCaseSensitive(status, "slots");
    cJSON_Delete(status);
    client_close(client);
    return slots;
}

/* Opens the store, again when another file has taken its place. */
static int open_store(struct server *s, struct error *err)
{
    struct stat st = {0};
    if (!store_is_address(s->place.store) && stat(s->place.store, &st))
        return error_errno(err, errno == ENOENT ? ERROR_MISSING : ERROR_IO, "no store at %s",
                           s->place.store);
    if (s->reader && st.st_ino == s->file)
        return 0;
    store_close(s->reader);
    s->reader = NULL;
    s->file = st.st_ino;
    return store_open_reader(s->place.store, &s->reader, err);
}

/* However many screens ask: the store and taktd are asked once a second. */
static int renew(struct server *s, struct error *err)
{
    int64_t now_ms = clock_wall_ms(), mono_ms = clock_mono_ms(), day_ms, zone_ms;
    if (s->document && mono_ms < s->fresh_until_ms)
        return 0;
    int rc = open_store(s, err);
    if (rc)
        return rc;
    local_day(now_ms, &day_ms, &zone_ms);
    cJSON *document = NULL;
    rc = line_day_document(s->reader, day_ms, zone_ms, now_ms, &document, err);
    if (rc)
        return rc;
    if (*s->place.socket) {
        cJSON *slots = ask_slots(s);
        cJSON_AddItemToObject(document, "slots", slots ? slots : cJSON_CreateNull());
    }
    cJSON_Delete(s->document);
    s->document = document;
    s->fresh_until_ms = mono_ms + FRESH_MS;
    return 0;
}

/* ---- pages ---------------------------------------------------------------------------------- */

/* What a page may load and run. */
#define POLICY                                                                                     \
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; img-src "    \
    "data:"
static const char dashboard_policy[] =
    POLICY "; style-src 'self'; script-src 'self'; connect-src 'self'";
static const char report_policy[] = POLICY "; style-src 'unsafe-inline'";

struct answer {
    struct buffer body;
    const char *type, *policy;
};

static int page_dashboard(struct server *s, const char *name, const char *language,
                          struct answer *a, struct error *err)
{
    int rc = renew(s, err);
    return rc ? rc : dashboard_page(s->document, language, &a->body, err);
}

static int page_live(struct server *s, const char *name, const char *language, struct answer *a,
                     struct error *err)
{
    int rc = renew(s, err);
    return rc ? rc : dashboard_body(s->document, language, &a->body, err);
}

static int page_json(struct server *s, const char *name, const char *language, struct answer *a,
                     struct error *err)
{
    int rc = renew(s, err);
    char *text = rc ? NULL : cJSON_Print(s->document);
    if (!rc)
        rc = text ? buffer_append_text(&a->body, text) : ERROR_MEMORY;
    cJSON_free(text);
    a->type = "application/json";
    return rc;
}

static int page_style(struct server *s, const char *name, const char *language, struct answer *a,
                      struct error *err)
{
    a->type = "text/css; charset=utf-8";
    return buffer_append_text(&a->body, dashboard_style());
}

static int page_script(struct server *s, const char *name, const char *language, struct answer *a,
                       struct error *err)
{
    a->type = "text/javascript; charset=utf-8";
    return buffer_append_text(&a->body, dashboard_script());
}

static int read_attachment(void *context, const char *sha256, struct buffer *out, struct error *err)
{
    const struct server *s = context;
    return store_attachment_read(s->place.attachments, sha256, out, err);
}

static int render(struct server *s, cJSON *document, const char *language, struct answer *a,
                  struct error *err)
{
    const struct render_options options = {
        .language = language, .attachment = read_attachment, .context = s};
    int rc = renderer_find("html")->render(document, &options, &a->body, err);
    cJSON_Delete(document);
    a->policy = report_policy;
    return rc;
}

static int page_unit(struct server *s, const char *name, const char *language, struct answer *a,
                     struct error *err)
{
    cJSON *document = NULL;
    int rc = open_store(s, err);
    rc = rc ? rc : query_unit(s->reader, name, &document, err);
    return rc ? rc : render(s, document, language, a, err);
}

static int page_order(struct server *s, const char *name, const char *language, struct answer *a,
                      struct error *err)
{
    cJSON *document = NULL;
    int rc = open_store(s, err);
    rc = rc ? rc : query_order(s->reader, name, &document, err);
    return rc ? rc : render(s, document, language, a, err);
}

static int page_run(struct server *s, const char *name, const char *language, struct answer *a,
                    struct error *err)
{
    cJSON *document = NULL;
    char *end;
    errno = 0;
    long long run = strtoll(name, &end, 10);
    if (end == name || *end || errno)
        return error_set(err, ERROR_MISSING, "a run is a number");
    int rc = open_store(s, err);
    rc = rc ? rc : query_run(s->reader, run, &document, err);
    return rc ? rc : render(s, document, language, a, err);
}

/* A path that ends in '/' is followed by a name. */
static const struct {
    const char *path;
    int (*write)(struct server *s, const char *name, const char *language, struct answer *a,
                 struct error *err);
} pages[] = {
    {"/", page_dashboard},      {"/live", page_live},         {"/dashboard.json", page_json},
    {"/style.css", page_style}, {"/refresh.js", page_script}, {"/unit/", page_unit},
    {"/order/", page_order},    {"/run/", page_run},
};
enum { PAGES = sizeof pages / sizeof pages[0] };

static size_t find_page(const char *url, const char **name)
{
    size_t i = 0;
    *name = "";
    for (; i < PAGES; i++) {
        size_t n = strlen(pages[i].path);
        if (!strcmp(url, pages[i].path) && (i == 0 || pages[i].path[n - 1] != '/'))
            break;
        if (i && pages[i].path[n - 1] == '/' && !strncmp(url, pages[i].path, n) && url[n]) {
            *name = url + n;
            break;
        }
    }
    return i;
}

/* ---- HTTP ----------------------------------------------------------------------------------- */

static enum MHD_Result send_answer(struct MHD_Connection *c, unsigned status, struct answer *a)
{
    static const char *const fixed[][2] = {{"X-Content-Type-Options", "nosniff"},
                                           {"Referrer-Policy", "no-referrer"},
                                           {"Cache-Control", "no-store"},
                                           {"Allow", "GET, HEAD"}};
    struct MHD_Response *r =
        MHD_create_response_from_buffer(a->body.size, a->body.data, MHD_RESPMEM_MUST_COPY);
    if (!r)
        return MHD_NO;
    MHD_add_response_header(r, "Content-Type", a->type);
    MHD_add_response_header(r, "Content-Security-Policy", a->policy);
    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++)
        MHD_add_response_header(r, fixed[i][0], fixed[i][1]);
    enum MHD_Result queued = MHD_queue_response(c, status, r);
    MHD_destroy_response(r);
    return queued;
}

static enum MHD_Result refuse(struct MHD_Connection *c, unsigned status, const char *why)
{
    struct answer a = {.type = "text/plain; charset=utf-8", .policy = POLICY};
    buffer_printf(&a.body, "%s\n", why);
    enum MHD_Result queued = send_answer(c, status, &a);
    buffer_free(&a.body);
    return queued;
}

/* A page of another site whose name was made to point here (DNS rebinding) sends its own name. */
static bool is_this_machine(const char *host)
{
    static const char *const names[] = {"localhost", "127.", "[::1]"};
    for (size_t i = 0; host && i < 3; i++) {
        size_t n = strlen(names[i]);
        if (strncasecmp(host, names[i], n) != 0)
            continue;
        if (i != 1)
            return host[n] == '\0' || host[n] == ':';
        size_t digits = strspn(host, "0123456789."); /* an address, not 127.example.org */
        return host[digits] == '\0' || host[digits] == ':';
    }
    return false;
}

static const char *language_of(const struct server *s, struct MHD_Connection *c)
{
    const char *asked = MHD_lookup_connection_value(c, MHD_GET_ARGUMENT_KIND, "lang");
    const char *known = render_language(asked);
    return known ? known : s->language;
}

static enum MHD_Result answer(void *context, struct MHD_Connection *c, const char *url,
                              const char *method, const char *version, const char *upload,
                              size_t *upload_size, void **state)
{
    struct server *s = context;
    struct error err = {0};
    const char *name;
    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
        return refuse(c, MHD_HTTP_METHOD_NOT_ALLOWED, "this dashboard is only read");
    if (s->loopback && !is_this_machine(MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Host")))
        return refuse(c, MHD_HTTP_FORBIDDEN, "ask for it as localhost or 127.0.0.1");
    size_t page = find_page(url, &name);
    if (page == PAGES || strlen(name) > NAME_MAX_BYTES)
        return refuse(c, MHD_HTTP_NOT_FOUND, "there is no such page; / is the dashboard");
    struct answer a = {.type = "text/html; charset=utf-8", .policy = dashboard_policy};
    int rc = pages[page].write(s, name, language_of(s, c), &a, &err);
    enum MHD_Result queued =
        rc == 0 ? send_answer(c, MHD_HTTP_OK, &a)
        : rc == ERROR_MISSING
            ? refuse(c, MHD_HTTP_NOT_FOUND, err.text)
            : refuse(c, MHD_HTTP_SERVICE_UNAVAILABLE, err.text[0] ? err.text : error_name(rc));
    buffer_free(&a.body);
    return queued;
}

/* "127.0.0.1", "127.0.0.1:8080", "[::1]:8080", "0.0.0.0:80"; numbers only, no names. */
static int parse_address(const char *text, struct sockaddr_storage *out)
{
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
                             .ai_socktype = SOCK_STREAM},
                    *found = NULL;
    char host[64], port[8] = "8080";
    const char *end = *text == '[' ? strchr(text, ']') : NULL;
    const char *colon = end ? (end[1] == ':' ? end + 1 : NULL) : strrchr(text, ':');
    const char *from = end ? text + 1 : text;
    size_t length = end ? (size_t)(end - from) : colon ? (size_t)(colon - text) : strlen(text);
    if (length == 0 || length >= sizeof host || (end && !colon && end[1]))
        return -1;
    memcpy(host, from, length);
    host[length] = '\0';
    if (colon && (strlen(colon + 1) == 0 || strlen(colon + 1) > 5 ||
                  strspn(colon + 1, "0123456789") != strlen(colon + 1) || atoi(colon + 1) > 65535))
        return -1;
    if (colon)
        snprintf(port, sizeof port, "%s", colon + 1);
    if (getaddrinfo(host, port, &hints, &found))
        return -1;
    memcpy(out, found->ai_addr, found->ai_addrlen);
    freeaddrinfo(found);
    return 0;
}

static bool is_loopback(const struct sockaddr_storage *a)
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)a;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)a;
    return a->ss_family == AF_INET ? ntohl(v4->sin_addr.s_addr) >> 24 == 127
                                   : IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
}

/* Serves until SIGINT or SIGTERM. */
static int serve(struct server *s, const char *listen_at, struct error *err)
{
    struct sockaddr_storage address = {0};
    sigset_t ends;
    int got;
    if (parse_address(listen_at, &address))
        return error_set(err, ERROR_INPUT,
                         "--listen %s: expected an address like 127.0.0.1:8080 or [::1]:8080",
                         listen_at);
    s->loopback = is_loopback(&address);
    int rc = renew(s, err); /* the day so far, before anyone waits for it */
    if (rc)
        return rc;
    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &ends, NULL);
    signal(SIGPIPE, SIG_IGN);
    /* One thread: the reader's handle and the day are its own. */
    unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_ERROR_LOG |
                     (address.ss_family == AF_INET6 ? MHD_USE_IPv6 : 0);
    struct MHD_Daemon *daemon = MHD_start_daemon(
        flags, 0, NULL, NULL, answer, s, MHD_OPTION_SOCK_ADDR, (struct sockaddr *)&address,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)IDLE_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)32768, MHD_OPTION_END);
    if (!daemon)
        return error_errno(err, ERROR_IO, "cannot listen at %s", listen_at);
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT);
    char host[INET6_ADDRSTRLEN] = "";
    getnameinfo((struct sockaddr *)&address, sizeof address, host, sizeof host, NULL, 0,
                NI_NUMERICHOST);
    fprintf(stderr,
            address.ss_family == AF_INET6 ? "takt serve: http://[%s]:%d/\n"
                                          : "takt serve: http://%s:%d/\n",
            host, info ? info->port : 0);
    sigwait(&ends, &got);
    MHD_stop_daemon(daemon);
    return 0;
}

int cli_serve(int argc, char **argv)
{
    static const struct option options[] = {
        {"station", required_argument, NULL, 's'}, {"store", required_argument, NULL, 'S'},
        {"listen", required_argument, NULL, 'a'},  {"lang", required_argument, NULL, 'l'},
        {"help", no_argument, NULL, 'h'},          {NULL, 0, NULL, 0},
    };
    struct server s = {.language = "en"};
    struct error err = {0};
    const char *station = NULL, *store = NULL, *listen_at = "127.0.0.1:8080";
    int option;
    optind = 1;
    while ((option = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
        switch (option) {
        case 's':
            station = optarg;
            break;
        case 'S':
            store = optarg;
            break;
        case 'a':
            listen_at = optarg;
            break;
        case 'l':
            s.language = optarg;
            break;
        case 'h':
            printf("usage: %s\n", usage);
            return CLI_OK;
        default:
            return cli_bad_option("serve", option, argv, options);
        }
    }
    if (optind != argc)
        return cli_usage("takt serve: takes no '%s', see takt serve --help", argv[optind]);
    if (!station == !store)
        return cli_usage("takt serve: %s, see takt serve --help",
                         station ? "--station and --store say the same, give one"
                                 : "--station or --store is needed");
    if (!render_language(s.language))
        return cli_usage("takt serve: no language '%s': en or zh", s.language);
    int rc = state_place_of(station, store, &s.place, &err);
    if (!rc)
        rc = serve(&s, listen_at, &err);
    cJSON_Delete(s.document);
    store_close(s.reader);
    return rc ? cli_fail("serve", &err) : CLI_OK;
}
