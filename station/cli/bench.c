/* takt bench: the virtual fixture and its virtual cameras. */
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "fixtures/virtual/bench.h"
#include "fixtures/virtual/machine.h"
#include "station/cli/command.h"
#include "station/cli/places.h"

static const char usage[] =
    "takt bench up --units N --dir D [--defect SLOT:KIND]... [--random-defects N]\n"
    "       [--seed N] [--pty [--baud N]] [--board NAME] [--bundle FILE]\n"
    "       [--machine [--flash FILE]]\n"
    "       takt bench machine --dir D [--flash FILE] [--chip-id HEX] [--port N] [--tftp DIR]\n"
    "       [--record NAME] [-- ARGUMENT...]\n"
    "       takt bench defects";

static void help(void)
{
    printf(
        "usage: %s\n\n"
        "Brings up N virtual cameras and the instruments around them, in the foreground until\n"
        "Ctrl-C. D/station.json is the station file for them.\n\n"
        "  --units N            cameras, 1 to %d\n"
        "  --dir D              where they live; flash and cards are kept there\n"
        "  --defect SLOT:KIND   gives the unit of a slot a defect (`takt bench defects` lists)\n"
        "  --one-air            the cameras share the access point's air; one measures at a time\n"
        "  --chamber            a climatic chamber around the cameras, an attenuator before each\n"
        "  --simulated-time     campaigns go by a clock that stands still until it is told to go "
        "on\n"
        "  --random-defects N   so many units get a defect nobody named\n"
        "  --seed N             the same seed makes the same units (1)\n"
        "  --pty, --baud N      units on a UART instead of TCP (921600; a machine: 115200)\n"
        "  --machine            each unit a machine in QEMU that boots the whole firmware\n"
        "  --flash FILE         what a new machine's flash holds (image/qemu-virt/flash.img\n"
        "                       beside takt, as `make image BOARD=qemu-virt` makes it)\n"
        "  --board NAME         the cameras' board (ssc337de-nand128; a machine: qemu-virt)\n"
        "  --bundle FILE        what the station flashes (D/bundle.takt; a machine: the one\n"
        "                       beside its flash image, with bundle.pem, its key)\n\n"
        "takt bench machine is one such machine alone, with power, until it or what started it is\n"
        "killed: flash.img, card.img, uart.log, uart.sock and qmp.sock are in D, what its\n"
        "network offers by TFTP in --tftp, every write to its flash in D's file --record (as\n"
        "dm-log-writes), and what follows -- goes to QEMU.\n",
        usage, BENCH_UNITS_MAX);
}

static int list_defects(void)
{
    for (const struct bench_defect_kind *k = bench_defect_kinds(); k->kind; k++)
        printf("%-16s %s\n", k->kind, k->about);
    return CLI_OK;
}

/* "2:defocus"; the text is cut in two. */
static int take_defect(char *text, struct bench_defect *out)
{
    char *end;
    const long slot = strtol(text, &end, 10);
    if (end == text || *end != ':' || !end[1] || slot < 1 || slot > BENCH_UNITS_MAX)
        return -1;
    *out = (struct bench_defect){.slot = (int)slot, .kind = end + 1};
    return 0;
}

static int take_number(const char *text, unsigned long long high, unsigned long long *out)
{
    char *end;
    *out = strtoull(text, &end, 10);
    return end == text || *end || text[0] == '-' || *out > high ? -1 : 0;
}

struct options {
    struct bench_config config;
    struct machine_config machine; /* of `takt bench machine` */
    struct bench_defect defects[BENCH_UNITS_MAX];
    const char *board;
    const char *flash;
};

static int take_option(int option, char *value, struct options *o)
{
    unsigned long long n = 0;
    switch (option) {
    case 'u':
        if (take_number(value, BENCH_UNITS_MAX, &n) < 0 || n < 1)
            return cli_usage("takt bench: --units %s: expected 1 to %d", value, BENCH_UNITS_MAX);
        o->config.units = (int)n;
        return 0;
    case 'd':
        o->config.dir = value;
        return 0;
    case 'x':
        if (o->config.defect_count == BENCH_UNITS_MAX ||
            take_defect(value, &o->defects[o->config.defect_count]) < 0)
            return cli_usage("takt bench: --defect %s: expected SLOT:KIND, as in 2:defocus", value);
        o->config.defect_count++;
        return 0;
    case 'r':
        if (take_number(value, BENCH_UNITS_MAX, &n) < 0)
            return cli_usage("takt bench: --random-defects %s: expected a number", value);
        o->config.random_defects = (int)n;
        return 0;
    case 's':
        if (take_number(value, UINT64_MAX, &n) < 0)
            return cli_usage("takt bench: --seed %s: expected a number", value);
        o->config.seed = n;
        return 0;
    case 'A':
        o->config.one_air = true;
        return 0;
    case 'C':
        o->config.chamber = true;
        return 0;
    case 'S':
        o->config.simulated_time = true;
        return 0;
    case 'p':
        o->config.pty = true;
        return 0;
    case 'b':
        if (take_number(value, 4000000, &n) < 0 || n < 1200)
            return cli_usage("takt bench: --baud %s: expected 1200 to 4000000", value);
        o->config.baud = (int)n;
        return 0;
    case 'o':
        o->board = value;
        return 0;
    case 'f':
        o->config.bundle_path = value;
        return 0;
    case 'm':
        o->config.unit_kind = "machine";
        return 0;
    case 'F':
        o->flash = value;
        return 0;
    case 'c':
        o->machine.chip_id = value;
        return 0;
    case 't':
        o->machine.tftp = value;
        return 0;
    case 'R':
        o->machine.record = value;
        return 0;
    case 'P':
        if (take_number(value, 65535, &n) < 0 || n < 1)
            return cli_usage("takt bench: --port %s: expected 1 to 65535", value);
        o->machine.agent_port = (int)n;
        return 0;
    }
    return 0;
}

/* What lies beside a machine's flash image comes from the same build. */
struct image_files {
    char flash[PATH_MAX], bundle[PATH_MAX], bundle_key[PATH_MAX];
};

static void name_beside(char out[PATH_MAX], const char *flash, const char *name)
{
    const char *slash = strrchr(flash, '/');
    snprintf(out, PATH_MAX, "%.*s%s", slash ? (int)(slash + 1 - flash) : 0, flash, name);
}

static void find_image(struct options *o, const struct places *places, struct image_files *f)
{
    snprintf(f->flash, sizeof f->flash, "%.3900s/image/qemu-virt/flash.img", places->programs);
    /* As seen from anywhere: the station file names what lies beside it. */
    o->config.flash_image = o->flash;
    if (!o->flash || realpath(o->flash, f->flash))
        o->config.flash_image = f->flash;
    name_beside(f->bundle, o->config.flash_image, "bundle.takt");
    name_beside(f->bundle_key, o->config.flash_image, "bundle.pem");
    if (!o->config.bundle_path && access(f->bundle, F_OK) == 0)
        o->config.bundle_path = f->bundle;
    if (access(f->bundle_key, F_OK) == 0)
        o->config.bundle_key_path = f->bundle_key;
}

/* Becomes the machine: whoever started this has its process, kills it for a power cut, and takes it
 * along when it ends itself. */
static int machine(struct options *o)
{
    const pid_t started_by = getppid();
    struct places places;
    struct machine_command command;
    struct image_files image;
    struct error err = {0};
    o->machine.folder = o->config.dir;
    if (!o->machine.folder)
        return cli_usage("takt bench machine: --dir is needed, see takt bench --help");
    int rc = places_find(&places, &err);
    if (rc == 0) {
        find_image(o, &places, &image);
        o->machine.flash_image = o->config.flash_image;
        rc = machine_check(o->machine.flash_image, &err);
    }
    if (rc == 0)
        rc = machine_prepare(&o->machine, &err);
    if (rc == 0)
        rc = machine_command(&o->machine, &command, &err);
    if (rc == 0 && chdir(o->machine.folder) != 0)
        rc = error_errno(&err, ERROR_IO, "cannot go to %s", o->machine.folder);
    if (rc == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != started_by) /* it died before it could be asked for */
            return EXIT_FAILURE;
        execvp(command.argv[0], (char *const *)command.argv);
        rc = error_errno(&err, ERROR_MISSING, "cannot run %s", command.argv[0]);
    }
    return cli_fail("bench", &err);
}

static int up(struct options *o)
{
    struct places places;
    char camd[PATH_MAX + 8], board[PATH_MAX];
    struct image_files image;
    struct error err = {0};
    if (!o->config.units || !o->config.dir)
        return cli_usage("takt bench up: %s is needed, see takt bench --help",
                         o->config.units ? "--dir" : "--units");
    if (o->flash && !o->config.unit_kind)
        return cli_usage("takt bench up: --flash is for --machine");
    if (!o->board)
        o->board = o->config.unit_kind ? "qemu-virt" : "ssc337de-nand128";
    int rc = places_find(&places, &err);
    if (rc == 0)
        rc = places_board(o->board, board, &err);
    if (rc < 0)
        return cli_fail("bench", &err);
    o->config.defects = o->defects;
    if (o->config.unit_kind)
        find_image(o, &places, &image);
    snprintf(camd, sizeof camd, "%s/camd", places.programs);
    o->config.camd_path = camd;
    o->config.boards_dir = places.boards;
    o->config.products_dir = places.products;
    o->config.campaigns_dir = places.campaigns;
    o->config.board_path = board;
    rc = bench_up(&o->config, &err);
    return rc < 0 ? cli_fail("bench", &err) : CLI_OK;
}

int cli_bench(int argc, char **argv)
{
    static const struct option options[] = {
        {"units", required_argument, NULL, 'u'},   {"dir", required_argument, NULL, 'd'},
        {"defect", required_argument, NULL, 'x'},  {"random-defects", required_argument, NULL, 'r'},
        {"seed", required_argument, NULL, 's'},    {"one-air", no_argument, NULL, 'A'},
        {"chamber", no_argument, NULL, 'C'},       {"simulated-time", no_argument, NULL, 'S'},
        {"pty", no_argument, NULL, 'p'},           {"baud", required_argument, NULL, 'b'},
        {"board", required_argument, NULL, 'o'},   {"bundle", required_argument, NULL, 'f'},
        {"machine", no_argument, NULL, 'm'},       {"flash", required_argument, NULL, 'F'},
        {"chip-id", required_argument, NULL, 'c'}, {"port", required_argument, NULL, 'P'},
        {"tftp", required_argument, NULL, 't'},    {"record", required_argument, NULL, 'R'},
        {"help", no_argument, NULL, 'h'},          {0}};
    struct options o = {.config = {.seed = 1, .stop_fd = -1}, .machine = {.chip_id = "1"}};
    int option;
    while ((option = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
        if (option == 'h') {
            help();
            return CLI_OK;
        }
        const int status = option == '?' || option == ':'
                               ? cli_bad_option("bench", option, argv, options)
                               : take_option(option, optarg, &o);
        if (status != 0)
            return status;
    }
    if (argc - optind == 1 && strcmp(argv[optind], "defects") == 0)
        return list_defects();
    if (argc > optind && strcmp(argv[optind], "machine") == 0) {
        o.machine.more = (const char *const *)&argv[optind + 1];
        return machine(&o);
    }
    if (argc - optind != 1 || strcmp(argv[optind], "up") != 0)
        return cli_usage(
            "takt bench: expected `up`, `machine` or `defects`, see takt bench --help");
    return up(&o);
}
