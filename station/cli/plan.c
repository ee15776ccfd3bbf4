/* takt plan: whether a plan, its limits and its product hold together, before a unit meets them. */
#include <getopt.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "protocol/formats/board.h"
#include "station/cli/command.h"
#include "station/cli/places.h"
#include "station/cli/plan_sign.h"
#include "station/cli/plan_simulate.h"
#include "station/engine/vocabulary.h"
#include "station/plan/plan.h"

static const char usage[] = "takt plan check PRODUCT/PLAN [--products DIR] [--boards DIR]\n"
                            "       takt plan sign PRODUCT/PLAN --key FILE [--products DIR]\n"
                            "       takt plan accept PRODUCT/PLAN --station STATION.json\n"
                            "       takt plan simulate PRODUCT/PLAN ..., see takt plan simulate "
                            "--help";

static void help(void)
{
    printf("usage: %s\n\n"
           "check loads a plan with its product, limits and board as a run would, and says with "
           "file and\n"
           "line what does not hold. Exit status 0 when all does, else 2.\n"
           "sign does so, too, and writes an engineer's signature over the three files to\n"
           "PRODUCT/PLAN.sig: a station whose file names a plan_key runs nothing else.\n"
           "accept lets a station work by the files as they are now, after they were changed; it\n"
           "asks for a technician's or an engineer's session (takt operator sign-in).\n\n"
           "  --products DIR   where products lie (those of this installation)\n"
           "  --boards DIR     where boards lie\n"
           "  --key FILE       PEM: the engineer's private key (takt bundle key makes one)\n"
           "  --station FILE   the station that accepts\n",
           usage);
}

static void summary(const struct plan *p, const struct board *b)
{
    size_t limits = 0;
    for (size_t i = 0; i < p->step_count; i++)
        limits += p->steps[i].limit_count;
    printf("%s/%s: %zu steps, %zu for the teardown, %zu limits, board %s\n", p->product, p->name,
           p->step_count, p->teardown_count, limits, b->name);
}

static int check(const char *reference, const char *products, const char *boards)
{
    struct vocabulary words;
    struct plan *plan = NULL;
    struct board board;
    struct error err = {0};
    char path[PATH_MAX + 64];
    vocabulary_fill(&words, step_kinds());
    int rc = plan_load(products, reference, &words.words, &plan, &err);
    if (rc == 0) {
        snprintf(path, sizeof path, "%s/%s.json", boards, plan->board);
        rc = board_load(path, &board, &err);
    }
    if (rc == 0)
        summary(plan, &board);
    else
        cli_fail("plan", &err);
    plan_free(plan);
    return rc < 0 ? CLI_USAGE : CLI_OK;
}

int cli_plan(int argc, char **argv)
{
    static const struct option options[] = {
        {"products", required_argument, NULL, 'p'}, {"boards", required_argument, NULL, 'b'},
        {"key", required_argument, NULL, 'k'},      {"station", required_argument, NULL, 's'},
        {"help", no_argument, NULL, 'h'},           {0}};
    if (argc > 1 && strcmp(argv[1], "simulate") == 0)
        return plan_simulate(argc, argv);
    const char *products = NULL, *boards = NULL, *key = NULL, *station = NULL;
    struct places places;
    struct error err = {0};
    int option;
    while ((option = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
        switch (option) {
        case 'p':
            products = optarg;
            break;
        case 'b':
            boards = optarg;
            break;
        case 'k':
            key = optarg;
            break;
        case 's':
            station = optarg;
            break;
        case 'h':
            help();
            return CLI_OK;
        default:
            return cli_bad_option("plan", option, argv, options);
        }
    }
    const char *what = argc - optind == 2 ? argv[optind] : "";
    const char *reference = *what ? argv[optind + 1] : NULL;
    const bool signs = strcmp(what, "sign") == 0, accepts = strcmp(what, "accept") == 0;
    if (!signs && !accepts && strcmp(what, "check") != 0)
        return cli_usage("takt plan: expected `check`, `sign`, `accept` or `simulate` and "
                         "PRODUCT/PLAN, see takt plan --help");
    if (signs && !key)
        return cli_usage("takt plan sign: --key is needed: the engineer's private key");
    if (accepts)
        return station ? plan_accept(reference, station)
                       : cli_usage("takt plan accept: --station is needed: the one that accepts");
    if ((!products || (!signs && !boards)) && places_find(&places, &err) < 0)
        return cli_fail("plan", &err);
    if (!products)
        products = places.products;
    return signs ? plan_sign(reference, products, key)
                 : check(reference, products, boards ? boards : places.boards);
}
