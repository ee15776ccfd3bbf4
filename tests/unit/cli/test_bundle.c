/* takt bundle: keys of either kind, made here or by openssl, sign what is then verified; the exit
 * status says which way a check went. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "station/cli/command.h"

static char folder[] = "/tmp/test_cli_bundle.XXXXXX";

/* Words are split at blanks; "@" is the folder. */
static int takt(const char *line)
{
    char text[512] = "", *argv[24] = {NULL};
    int argc = 0;
    for (const char *c = line; *c; c++) {
        size_t n = strlen(text);
        snprintf(text + n, sizeof text - n, "%.*s", *c == '@' ? (int)sizeof folder : 1,
                 *c == '@' ? folder : c);
    }
    for (char *word = strtok(text, " "); word; word = strtok(NULL, " "))
        argv[argc++] = word;
    optind = 0; /* getopt begins anew */
    return cli_bundle(argc, argv);
}

static void shell(const char *command)
{
    char line[512];
    snprintf(line, sizeof line, "cd %s && { %s; }", folder, command);
    if (system(line) != 0)
        fail_msg("%s", line);
}

static int make(void **state)
{
    assert_non_null(mkdtemp(folder));
    shell("seq 100000 >rootfs");
    return 0;
}

static int drop(void **state)
{
    char line[64];
    snprintf(line, sizeof line, "rm -r %s", folder);
    return system(line);
}

static void test_either_kind_of_key_makes_and_verifies(void **state)
{
    static const char *const keys[][2] = {
        {"key --out @/a", "key --out @/b"},
        {"key --out @/a --kind p256", "key --out @/b --kind rsa3072"},
        {"key --out @/a --kind rsa3072", "key --out @/b"},
    };
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        char line[64];
        for (int k = 0; k < 2; k++) {
            snprintf(line, sizeof line, "bundle %s", keys[i][k]);
            assert_int_equal(takt(line), CLI_OK);
        }
        shell("test $(stat -c %a a) = 600 && openssl pkey -in a -pubout | cmp -s - a.pub");
        assert_int_equal(
            takt("bundle make --board firmware/boards/ssc337de-nand128.json --version 1.0 "
                 "--release 1 --key @/a --image rootfs=@/rootfs --out @/out"),
            CLI_OK);
        assert_int_equal(takt("bundle show @/out"), CLI_OK);
        assert_int_equal(takt("bundle verify @/out --key @/a.pub"), CLI_OK);
        assert_int_equal(takt("bundle verify @/out --key @/b.pub"), CLI_FAILED);
        assert_int_equal(takt("bundle verify @/out --key @/a"),
                         CLI_USAGE); /* not the public half */
        shell("printf x | dd of=out bs=1 seek=500000 conv=notrunc status=none");
        assert_int_equal(takt("bundle verify @/out --key @/a.pub"), CLI_FAILED);
    }
    assert_int_equal(takt("bundle key --out @/c --kind rsa2048"), CLI_USAGE);
    shell("! test -e c");
}

/* As the help says: openssl's keys do as well, and openssl can check what they signed. */
static void test_keys_of_openssl_do_as_well(void **state)
{
    static const char *const keys[] = {"openssl ecparam -genkey -name prime256v1 -out key",
                                       "openssl genrsa -out key 3072 2>&1"};
    for (size_t i = 0; i < 2; i++) {
        shell(keys[i]);
        shell("openssl pkey -in key -pubout -out key.pub");
        assert_int_equal(
            takt("bundle make --board firmware/boards/ssc337de-nand128.json --version 1.0 "
                 "--release 1 --key @/key --image rootfs=@/rootfs --out @/out"),
            CLI_OK);
        assert_int_equal(takt("bundle verify @/out --key @/key.pub"), CLI_OK);
        shell("m=$(od -An -tu4 -j8 -N4 out); s=$(od -An -tu4 -j12 -N4 out); "
              "tail -c +17 out | head -c $m >m; tail -c +$((17 + m)) out | head -c $s >s; "
              "openssl dgst -sha256 -verify key.pub -signature s m >v");
    }
    shell("openssl genrsa -out key 2048 2>&1");
    assert_int_equal(takt("bundle make --board firmware/boards/ssc337de-nand128.json --version 1.0 "
                          "--release 1 --key @/key --image rootfs=@/rootfs --out @/none"),
                     CLI_USAGE);
    shell("! test -e none");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_either_kind_of_key_makes_and_verifies),
        cmocka_unit_test(test_keys_of_openssl_do_as_well),
    };
    return cmocka_run_group_tests(tests, make, drop);
}
