/* A table that someone brings as a file: CSV (RFC 4180, UTF-8 with or without BOM, LF or CRLF) with
 * a header; blank lines are skipped. Every complaint is "FILE:LINE: what, and what was expected".
 */
#ifndef TAKT_STATION_CLI_TABLE_FILE_H
#define TAKT_STATION_CLI_TABLE_FILE_H

#include <stddef.h>

#include "protocol/base/error.h"

struct table_file;

/* Reads at most 256 MiB; "-" is stdin. Every row has as many fields as the header; at least one row
 * must follow it. ERROR_MISSING, ERROR_INPUT. */
int table_file_read(const char *path, struct table_file **out, struct error *err);
void table_file_free(struct table_file *t); /* NULL is fine */

size_t table_file_rows(const struct table_file *t);
/* The column of this name (letters' case does not count), or -1. */
int table_file_column(const struct table_file *t, const char *name);
/* The column that holds the values: `name` when given, else "value", else the only one. ERROR_INPUT
 * naming the columns there are. */
int table_file_value_column(const struct table_file *t, const char *name, int *out,
                            struct error *err);
const char *table_file_text(const struct table_file *t, size_t row, int column);
/* A finite number, nothing beside it but blanks. */
int table_file_number(const struct table_file *t, size_t row, int column, double *out,
                      struct error *err);
/* All of a column's numbers, table_file_rows() of them; the caller's, free(). */
int table_file_numbers(const struct table_file *t, int column, double **out, struct error *err);
/* ERROR_INPUT with the row's file and line before the message. */
int table_file_complain(const struct table_file *t, size_t row, struct error *err,
                        const char *format, ...) __attribute__((format(printf, 4, 5)));

#endif
