/* A wrong call is answered by one line on stderr that says what was wrong, and by exit status 2. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "station/cli/command.h"

/* What a command says on stderr; stdout must stay empty. */
static int call(cli_command *command, const char *const *words, char *said, size_t size)
{
    char *argv[8] = {NULL};
    int argc = 0;
    for (; words[argc]; argc++)
        argv[argc] = (char *)words[argc];
    FILE *out = tmpfile(), *err = tmpfile();
    assert_non_null(out);
    assert_non_null(err);
    fflush(stdout);
    int saved_out = dup(1), saved_err = dup(2);
    dup2(fileno(out), 1);
    dup2(fileno(err), 2);
    optind = 0; /* getopt begins anew */
    int status = command(argc, argv);
    fflush(stdout);
    dup2(saved_out, 1);
    dup2(saved_err, 2);
    close(saved_out);
    close(saved_err);
    fseek(out, 0, SEEK_END);
    assert_int_equal(ftell(out), 0);
    rewind(err);
    said[fread(said, 1, size - 1, err)] = '\0';
    fclose(out);
    fclose(err);
    return status;
}

static void test_a_wrong_call_gets_one_line_that_names_the_mistake(void **state)
{
    static const struct {
        cli_command *command;
        const char *words[6];
        const char *names; /* must stand in the line */
    } calls[] = {
        {cli_run, {"run"}, "--station"},
        {cli_run, {"run", "--station", "s", "--plan", "p"}, "--order"},
        {cli_run, {"run", "--statoin", "s"}, "did you mean '--station'"},
        {cli_run, {"run", "--plan"}, "--plan needs a value"},
        {cli_run, {"run", "--json=1"}, "--json takes no value"},
        {cli_run, {"run", "-x"}, "'-x'"},
        {cli_run, {"run", "--slot", "0"}, "--slot 0"},
        {cli_console, {"console"}, "--station"},
        {cli_console, {"console", "--qqqqqqqq"}, "'--qqqqqqqq'"},
        {cli_console, {"console", "--station", "s", "--language", "fr"}, "'fr'"},
        {cli_operator, {"operator", "list"}, "--station"},
        {cli_operator, {"operator", "add", "--station", "s"}, "a NAME"},
        {cli_operator, {"operator", "hire", "li", "--station", "s"}, "what to do"},
        {cli_bench, {"bench"}, "up"},
        {cli_bench, {"bench", "up", "--units", "65"}, "65"},
        {cli_bench, {"bench", "up", "--dirr", "65"}, "did you mean '--dir'"},
        {cli_board, {"board"}, "check"},
        {cli_board, {"board", "check"}, "check"},
        {cli_board, {"board", "show", "a", "b"}, "show"},
        {cli_board, {"board", "show", "--jsom", "a"}, "did you mean '--json'"},
        {cli_bundle, {"bundle", "mak"}, "make"},
        {cli_bundle, {"bundle", "verify", "f"}, "--key"},
        {cli_bundle, {"bundle", "key", "--out"}, "--out needs a value"},
        {cli_identity, {"identity", "imprt"}, "import"},
        {cli_identity, {"identity", "status"}, "--station"},
        {cli_identity, {"identity", "--stat"}, "--station needs a value"},
        {cli_measure, {"measure"}, "kind"},
        {cli_measure, {"measure", "sharpnes"}, "did you mean 'sharpness'"},
        {cli_measure, {"measure", "shading", "--roy", "1"}, "did you mean '--roi'"},
        {cli_plan, {"plan", "sgn", "p"}, "check"},
        {cli_plan, {"plan", "sign", "p"}, "--key"},
        {cli_plan, {"plan", "accept", "p"}, "--station"},
        {cli_plan, {"plan", "--productz", "p"}, "did you mean '--products'"},
        {cli_report, {"report", "unit"}, "name"},
        {cli_report, {"report", "unit", "u", "--format", "docx"}, "'docx'"},
        {cli_report, {"report", "unit", "u"}, "--station"},
        {cli_station, {"station", "stat"}, "status"},
        {cli_station, {"station", "--forc=1", "stop"}, "--force"},
    };
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        char said[2048], start[32];
        int status = call(calls[i].command, calls[i].words, said, sizeof said);
        snprintf(start, sizeof start, "takt %s", calls[i].words[0]);
        const char *end = strchr(said, '\n');
        if (status != CLI_USAGE || !end || end[1] || !strstr(said, calls[i].names) ||
            strncmp(said, start, strlen(start)) != 0)
            fail_msg("takt %s %s: status %d, said: %s", calls[i].words[0],
                     calls[i].words[1] ? calls[i].words[1] : "", status, said);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_wrong_call_gets_one_line_that_names_the_mistake),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
