/* takt report: the record of a unit, an order or a station, as a page, a table or a document. */
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "protocol/base/file.h"
#include "reports/campaign_compare.h"
#include "reports/campaign_summary.h"
#include "reports/query.h"
#include "reports/render.h"
#include "reports/store.h"
#include "station/cli/command.h"
#include "station/cli/dates.h"
#include "station/cli/state_place.h"

static const char usage[] =
    "takt report unit NAME | order ORDER | station STATION | mode MODE\n"
    "            | campaign NUMBER [--against NUMBER|LOT]\n"
    "            | shift STATION --from TIME --to TIME\n"
    "         (--station STATION.json | --store FILE|ADDRESS) [--format html|pdf|xlsx|csv|json]\n"
    "         [--lang en|zh] [--out FILE|FOLDER/]\n\n"
    "  unit     by serial, chip id, DID or MAC: every run, step, attempt and figure\n"
    "  order    its units, yields, failures, capability and control charts; likewise station\n"
    "  mode     the runs of a mode other than production, with bounds of the MTBF\n"
    "  campaign survival, causes, bound of the MTBF, figures and conditions over time, every\n"
    "           unit, instrument and event; --against sets another one's\n"
    "           survival beside it, or the latest of the same name of another lot\n"
    "  shift    the same of a station's runs between two times, 2026-11-22T06:00 (UTC); --to may\n"
    "           be left out: eight hours later\n"
    "  --out    a file instead of stdout; an order as html into a FOLDER/ gets index.html and a\n"
    "           page of each unit, linked";

static const struct {
    const char *name;
    int (*query)(struct store *reader, const char *name, cJSON **out, struct error *err);
} subjects[] = {{"unit", query_unit}, {"order", query_order},          {"station", query_station},
                {"mode", query_mode}, {"campaign", campaign_document}, {"shift", NULL}};

struct report {
    struct state_place place;
    const struct renderer *renderer;
    struct render_options options;
    const char *out;        /* NULL is stdout */
    int64_t from_ms, to_ms; /* of a shift */
    const char *against;    /* of a campaign: another's number, or a lot */
    struct store *reader;
};

static int read_attachment(void *context, const char *sha256, struct buffer *out, struct error *err)
{
    const struct report *r = context;
    return store_attachment_read(r->place.attachments, sha256, out, err);
}

static int write_page(struct report *r, const cJSON *document, const char *path, struct error *err)
{
    struct buffer page = {0};
    int rc = r->renderer->render(document, &r->options, &page, err);
    if (!rc && path)
        rc = file_write(path, page.data, page.size, 0644, err);
    else if (!rc && (fwrite(page.data, 1, page.size, stdout) != page.size || fflush(stdout)))
        rc = error_errno(err, ERROR_IO, "cannot write to stdout");
    buffer_free(&page);
    return rc;
}

/* The order's own page and one of each of its units, which link to each other by run number. */
static int write_folder(struct report *r, const cJSON *order, struct error *err)
{
    char path[PATH_MAX], name[64];
    const cJSON *row;
    int rc = file_make_folders(r->out, 0755, err);
    cJSON_ArrayForEach(row, cJSON_GetObjectItemCaseSensitive(order, "units"))
    {
        cJSON *unit = NULL;
        const cJSON *run = cJSON_GetObjectItemCaseSensitive(row, "run");
        const cJSON *chip = cJSON_GetObjectItemCaseSensitive(row, "chip_id");
        const cJSON *serial = cJSON_GetObjectItemCaseSensitive(row, "serial");
        if (rc)
            break;
        if (cJSON_IsString(chip))
            rc = query_unit(r->reader, chip->valuestring, &unit, err);
        else if (cJSON_IsString(serial) && *serial->valuestring)
            rc = query_unit(r->reader, serial->valuestring, &unit, err);
        else
            rc = query_run(r->reader, (int64_t)cJSON_GetNumberValue(run), &unit, err);
        snprintf(name, sizeof name, r->options.unit_href, (long long)cJSON_GetNumberValue(run));
        if (!rc && !(rc = file_join(path, sizeof path, r->out, name, err)))
            rc = write_page(r, unit, path, err);
        cJSON_Delete(unit);
    }
    if (!rc && !(rc = file_join(path, sizeof path, r->out, "index.html", err)))
        rc = write_page(r, order, path, err);
    return rc;
}

static bool is_folder(const char *path)
{
    struct stat st;
    size_t n = strlen(path);
    return (n && path[n - 1] == '/') || (!stat(path, &st) && S_ISDIR(st.st_mode));
}

static int produce(struct report *r, size_t subject, const char *name, struct error *err)
{
    cJSON *document = NULL;
    int rc = store_open_reader(r->place.store, &r->reader, err);
    if (rc)
        return rc;
    if (subjects[subject].query)
        rc = subjects[subject].query(r->reader, name, &document, err);
    else
        rc = query_shift(r->reader, name, r->from_ms, r->to_ms, &document, err);
    if (!rc && r->against)
        rc = campaign_compare(r->reader, document, r->against, err);
    if (!rc && r->out && is_folder(r->out)) {
        if (strcmp(subjects[subject].name, "unit") == 0 ||
            strcmp(subjects[subject].name, "campaign") == 0 ||
            strcmp(r->renderer->name, "html") != 0) {
            rc = error_set(err, ERROR_INPUT,
                           "--out %s is a folder: only an order or a station as html fills one",
                           r->out);
        } else {
            r->options.unit_href = "run-%lld.html";
            rc = write_folder(r, document, err);
        }
    } else if (!rc) {
        rc = write_page(r, document, r->out, err);
    }
    cJSON_Delete(document);
    store_close(r->reader);
    return rc;
}

static int shift_times(struct report *r, bool is_shift, const char *from, const char *to)
{
    if (!is_shift)
        return from || to ? cli_usage("takt report: --from and --to belong to a shift") : 0;
    if (!from)
        return cli_usage("takt report shift: --from is needed, see takt report --help");
    if (!cli_read_date(from, &r->from_ms))
        return cli_usage("takt report shift: --from takes " CLI_DATE_FORM ", not '%s'", from);
    r->to_ms = r->from_ms + INT64_C(8) * 3600 * 1000;
    if (to && !cli_read_date(to, &r->to_ms))
        return cli_usage("takt report shift: --to takes " CLI_DATE_FORM ", not '%s'", to);
    if (r->to_ms <= r->from_ms)
        return cli_usage("takt report shift: --to %s is not after --from %s", to, from);
    return 0;
}

int cli_report(int argc, char **argv)
{
    static const struct option options[] = {
        {"station", required_argument, NULL, 's'},
        {"store", required_argument, NULL, 'S'},
        {"format", required_argument, NULL, 'f'},
        {"lang", required_argument, NULL, 'l'},
        {"out", required_argument, NULL, 'o'},
        {"json", no_argument, NULL, 'j'},
        {"against", required_argument, NULL, 'a'},
        {"from", required_argument, NULL, 'F'},
        {"to", required_argument, NULL, 'T'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    struct report r = {0};
    struct error err = {0};
    const char *from = NULL, *to = NULL;
    const char *station = NULL, *store = NULL, *format = "html", *language = "en";
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
        case 'f':
            format = optarg;
            break;
        case 'j':
            format = "json";
            break;
        case 'l':
            language = optarg;
            break;
        case 'F':
            from = optarg;
            break;
        case 'a':
            r.against = optarg;
            break;
        case 'T':
            to = optarg;
            break;
        case 'o':
            r.out = optarg;
            break;
        case 'h':
            printf("usage: %s\n", usage);
            return CLI_OK;
        default:
            return cli_bad_option("report", option, argv, options);
        }
    }
    if (argc - optind != 2)
        return cli_usage(
            "takt report: expected unit, order, station, mode, campaign or shift and a "
            "name, see takt report "
            "--help");
    size_t subject = 0, count = sizeof subjects / sizeof subjects[0];
    while (subject < count && strcmp(subjects[subject].name, argv[optind]) != 0)
        subject++;
    if (subject == count)
        return cli_usage("takt report: '%s' is not unit, order, station, mode, campaign or shift, "
                         "see takt report "
                         "--help",
                         argv[optind]);
    int wrong = shift_times(&r, !subjects[subject].query, from, to);
    if (wrong)
        return wrong;
    r.renderer = renderer_find(format);
    if (!r.renderer)
        return cli_usage("takt report: no format '%s': html, pdf, xlsx, csv or json", format);
    const bool is_campaign = strcmp(subjects[subject].name, "campaign") == 0;
    if (r.against && !is_campaign)
        return cli_usage("takt report: --against belongs to a campaign");
    if (!render_language(language))
        return cli_usage("takt report: no language '%s': en or zh", language);
    if (!station == !store)
        return cli_usage("takt report: %s, see takt report --help",
                         station ? "--station and --store say the same, give one"
                                 : "--station or --store is needed");
    r.options =
        (struct render_options){.language = language, .attachment = read_attachment, .context = &r};
    int rc = state_place_of(station, store, &r.place, &err);
    if (!rc)
        rc = produce(&r, subject, argv[optind + 1], &err);
    return rc ? cli_fail("report", &err) : CLI_OK;
}
