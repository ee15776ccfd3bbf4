/* What a subcommand prints, and its exit status. */
#ifndef TAKT_TESTS_PRINTED_H
#define TAKT_TESTS_PRINTED_H

#include <stdio.h>
#include <unistd.h>

#include "station/cli/command.h"

/* Runs it with stdout and stderr in one file; text gets what it printed. */
static inline int printed(cli_command *command, char *text, size_t size, int argc,
                          const char **argv)
{
    fflush(stdout);
    fflush(stderr);
    int saved_out = dup(1), saved_err = dup(2);
    FILE *file = tmpfile();
    dup2(fileno(file), 1);
    dup2(fileno(file), 2);
    int status = command(argc, (char **)argv);
    fflush(stdout);
    fflush(stderr);
    dup2(saved_out, 1);
    dup2(saved_err, 2);
    close(saved_out);
    close(saved_err);
    rewind(file);
    text[fread(text, 1, size - 1, file)] = '\0';
    fclose(file);
    return status;
}

#define PRINTED(command, text, ...)                                                                \
    printed(command, text, sizeof(text),                                                           \
            (int)(sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *)),                         \
            (const char *[]){__VA_ARGS__, NULL})

#endif
