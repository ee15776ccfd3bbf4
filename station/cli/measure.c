/* takt measure: the measuring functions on files. */
#include <cjson/cJSON.h>
#include <errno.h>
#include <libavutil/log.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/base/json.h"
#include "station/cli/command.h"
#include "station/cli/measure_kinds.h"

static const char usage[] =
    "takt measure KIND FILE... [--json] [--roi x,y,w,h] [--linear] [--frame N]";

static const struct {
    const char *name;
    measure_kind *run;
    int least, most; /* files or values */
    const char *takes, *about;
} kinds[] = {
    {"sharpness", measure_sharpness, 1, 1, "PICTURE",
     "MTF50 of a slanted edge (ISO 12233), of the region or of the chart's middle"},
    {"color", measure_color, 1, 1, "PICTURE",
     "24 patches against the ColorChecker: Lab D50, CIEDE2000, white balance"},
    {"deltae", measure_deltae, 2, 2, "L,a,b L,a,b", "difference of two colours"},
    {"shading", measure_shading, 1, 1, "PICTURE",
     "corners over centre of an even field, and where its middle lies"},
    {"noise", measure_noise, 1, 64, "PICTURE PICTURE...",
     "temporal and fixed-pattern noise of a still scene; or of one video's frames"},
    {"defects", measure_defects, 1, 1, "PICTURE", "dead, bright and hot pixels, clusters"},
    {"registration", measure_registration, 2, 2, "PICTURE PICTURE",
     "shift and turn of the second against the first"},
    {"audio", measure_audio, 1, 1, "SOUND", "levels, tone, distortion and noise of a recording"},
    {"sweep", measure_sweep, 2, 2, "REFERENCE RECORDING",
     "response, distortion, rub & buzz and delay of a swept sine"},
    {NULL, NULL, 0, 0, NULL, NULL},
};

static void help(void)
{
    printf("usage: %s\n\n", usage);
    for (size_t i = 0; kinds[i].name; i++)
        printf("  %-13s%-22s%s\n", kinds[i].name, kinds[i].takes, kinds[i].about);
    puts("\nPictures are PNG, JPEG, PNM or a video's frame; sounds WAV (the first channel).\n"
         "  --json            one JSON document on stdout\n"
         "  --roi x,y,w,h     only this region, in pixels\n"
         "  --linear          the data are linear; otherwise sRGB is undone\n"
         "  --frame N         the video's frame, from 0\n"
         "  --corners x1,y1,x2,y2,x3,y3,x4,y4\n"
         "                    color: outer corners of the 24 patches: top left, top right, bottom\n"
         "                    right, bottom left\n"
         "  --match-exposure  color: scale by the grey row first\n"
         "  --focal-px F      registration: also pan and tilt of a camera of this focal length\n\n"
         "Levels of light are fractions of full scale. docs/measurements.md says how each figure\n"
         "is made. Exit status: 0 measured, 2 wrong use or input.");
}

/* Exactly `count` numbers with commas between. */
static bool numbers(const char *text, double *out, int count)
{
    for (int i = 0; i < count; i++) {
        char *end;
        errno = 0;
        out[i] = strtod(text, &end);
        if (end == text || errno || !isfinite(out[i]) || *end != (i + 1 < count ? ',' : '\0'))
            return false;
        text = end + 1;
    }
    return true;
}

bool measure_numbers(const char *text, double *out, int count)
{
    return numbers(text, out, count);
}

/* For the eye: six digits, and a curve only as its length; --json has every digit and point. */
static void print_plain(const cJSON *result)
{
    const cJSON *field;
    cJSON_ArrayForEach(field, result)
    {
        if (cJSON_IsNumber(field)) {
            if (isfinite(field->valuedouble))
                printf("%-22s %.6g\n", field->string, field->valuedouble);
            else
                printf("%-22s none\n", field->string);
            continue;
        }
        if (cJSON_GetArraySize(field) > 24) {
            printf("%-22s %d entries, shown by --json\n", field->string, cJSON_GetArraySize(field));
            continue;
        }
        char *text = cJSON_PrintUnformatted(field);
        if (text)
            printf("%-22s %s\n", field->string, text);
        cJSON_free(text);
    }
}

static int print_result(const cJSON *result, bool json, struct error *err)
{
    if (json) {
        char *text = cJSON_Print(result);
        if (!text)
            return error_set(err, ERROR_MEMORY, "no memory to print the result");
        puts(text);
        cJSON_free(text);
    } else {
        print_plain(result);
    }
    if (fflush(stdout) != 0 || ferror(stdout))
        return error_errno(err, ERROR_IO, "cannot write the result");
    return 0;
}

static int option(struct measure_request *r, const char *name, const char *value, bool *takes_value)
{
    double v[8];
    *takes_value = true;
    if (strcmp(name, "--roi") == 0) {
        if (!value || !numbers(value, v, 4))
            return cli_usage("takt measure: --roi takes x,y,w,h, not '%s'", value ? value : "");
        for (int i = 0; i < 4; i++)
            if (v[i] != floor(v[i]) || v[i] < 0 || v[i] > PICTURE_SIDE_MAX)
                return cli_usage("takt measure: --roi takes whole pixels, 0 to %d, not '%s'",
                                 PICTURE_SIDE_MAX, value);
        r->roi = (struct region){(int)v[0], (int)v[1], (int)v[2], (int)v[3]};
        r->has_roi = true;
    } else if (strcmp(name, "--corners") == 0) {
        if (!value || !numbers(value, v, 8))
            return cli_usage("takt measure: --corners takes eight numbers, not '%s'",
                             value ? value : "");
        for (int i = 0; i < 4; i++)
            r->corners[i] = (struct point){v[2 * i], v[2 * i + 1]};
        r->has_corners = true;
    } else if (strcmp(name, "--frame") == 0) {
        if (!value || !numbers(value, v, 1) || v[0] != floor(v[0]) || v[0] < 0 || v[0] > 1e6)
            return cli_usage("takt measure: --frame takes a number from 0, not '%s'",
                             value ? value : "");
        r->frame = (int)v[0];
    } else if (strcmp(name, "--focal-px") == 0) {
        if (!value || !numbers(value, v, 1) || v[0] < 1)
            return cli_usage("takt measure: --focal-px takes pixels, not '%s'", value ? value : "");
        r->focal_px = v[0];
    } else {
        static const char *const names[] = {
            "--json",     "--roi",  "--linear",         "--frame", "--corners",
            "--focal-px", "--help", "--match-exposure", NULL};
        const char *near = json_nearest(name, names);
        return near ? cli_usage("takt measure: unknown option '%s', did you mean '%s'?", name, near)
                    : cli_usage("takt measure: unknown option '%s'", name);
    }
    return 0;
}

int cli_measure(int argc, char **argv)
{
    struct measure_request r = {0};
    struct error err = {0};
    bool json = false;
    char *words[65];
    int count = 0;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            help();
            return CLI_OK;
        }
        if (strcmp(argv[i], "--json") == 0) {
            json = true;
        } else if (strcmp(argv[i], "--linear") == 0) {
            r.linear = true;
        } else if (strcmp(argv[i], "--match-exposure") == 0) {
            r.match_exposure = true;
        } else if (strncmp(argv[i], "--", 2) == 0) {
            bool takes_value;
            int rc = option(&r, argv[i], i + 1 < argc ? argv[i + 1] : NULL, &takes_value);
            if (rc != 0)
                return rc;
            i += takes_value;
        } else if (count < 65) {
            words[count++] = argv[i];
        } else {
            return cli_usage("takt measure: more than 64 files");
        }
    }
    if (count == 0)
        return cli_usage("takt measure: a kind is missing, see takt measure --help");
    const char *names[sizeof kinds / sizeof kinds[0]];
    size_t k = 0;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        names[i] = kinds[i].name;
    while (kinds[k].name && strcmp(kinds[k].name, words[0]) != 0)
        k++;
    if (!kinds[k].name) {
        const char *near = json_nearest(words[0], names);
        return near ? cli_usage("takt measure: unknown kind '%s', did you mean '%s'?", words[0],
                                near)
                    : cli_usage("takt measure: unknown kind '%s'", words[0]);
    }
    r.files = words + 1;
    r.count = count - 1;
    if (r.count < kinds[k].least || r.count > kinds[k].most)
        return cli_usage("takt measure %s: takes %s, %d given", kinds[k].name, kinds[k].takes,
                         r.count);

    av_log_set_level(AV_LOG_QUIET); /* what is wrong with a file is said once, by us */
    cJSON *result = cJSON_CreateObject();
    int rc = result ? kinds[k].run(&r, result, &err)
                    : error_set(&err, ERROR_MEMORY, "no memory for the result");
    if (rc == 0)
        rc = print_result(result, json, &err);
    cJSON_Delete(result);
    if (rc < 0) {
        error_context(&err, "%s", kinds[k].name);
        return cli_fail("measure", &err);
    }
    return CLI_OK;
}
