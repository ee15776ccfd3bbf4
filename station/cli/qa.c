/* takt qa: studies of what the tests are worth. */
#include <stdio.h>
#include <string.h>

#include "protocol/base/json.h"
#include "station/cli/command.h"
#include "station/cli/qa_study.h"

enum { NAMES_MAX = 16 };

static void help(FILE *out)
{
    fputs("usage: takt qa run NAME [option...]\n\nGauge studies, on a population of virtual "
          "units:\n\n",
          out);
    for (const struct study *const *s = studies(); *s; s++)
        fprintf(out, "  %-14s plan %s/%s, %d kinds of defect\n", (*s)->name, (*s)->product,
                (*s)->plan, (*s)->kind_count);
    fputs("\n`takt qa run NAME --help` says more.\n", out);
}

static int run(int argc, char **argv)
{
    const char *names[NAMES_MAX];
    size_t n = 0;
    if (argc < 2)
        return cli_usage("takt qa run: expected a study's name, see takt qa --help");
    const struct study *study = study_find(argv[1]);
    if (study)
        return cli_qa_study(study, argc - 1, argv + 1);
    for (const struct study *const *s = studies(); *s && n < NAMES_MAX - 1; s++)
        names[n++] = (*s)->name;
    names[n] = NULL;
    const char *nearest = json_nearest(argv[1], names);
    return nearest
               ? cli_usage("takt qa run: unknown study '%s', did you mean '%s'?", argv[1], nearest)
               : cli_usage("takt qa run: unknown study '%s', see takt qa --help", argv[1]);
}

int cli_qa(int argc, char **argv)
{
    if (argc >= 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        help(stdout);
        return CLI_OK;
    }
    if (argc >= 2 && strcmp(argv[1], "run") == 0)
        return run(argc - 1, argv + 1);
    return argc < 2 ? cli_usage("takt qa: expected a subcommand, see takt qa --help")
                    : cli_usage("takt qa: unknown subcommand '%s', expected run", argv[1]);
}
