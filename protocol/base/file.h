/* Whole files: read with a bound, written so that a crash leaves the old or the new content. */
#ifndef TAKT_PROTOCOL_BASE_FILE_H
#define TAKT_PROTOCOL_BASE_FILE_H

#include <sys/types.h>

#include "protocol/base/buffer.h"
#include "protocol/base/error.h"

/* Appends the file's content to `out`, whose limit_bytes bounds it (ERROR_FULL past it).
 * ERROR_MISSING when there is no such file, else ERROR_IO. */
int file_read(const char *path, struct buffer *out, struct error *err);

/* Temporary file in the same folder, fsync, rename, fsync of the folder. ERROR_FULL on a full disk;
 * on any failure the temporary file is removed and the old content stays. */
int file_write(const char *path, const void *data, size_t size, mode_t mode, struct error *err);

/* Makes a folder and its parents; an existing one is fine. */
int file_make_folders(const char *path, mode_t mode, struct error *err);

/* A path joined from folder and name into out; ERROR_INPUT when it does not fit.
 * An absolute name stands alone. */
int file_join(char *out, size_t out_size, const char *folder, const char *name, struct error *err);

/* All `size` bytes, through short reads and writes and signals. ERROR_CLOSED at an early end. */
int file_write_all(int fd, const void *data, size_t size, struct error *err);
int file_read_all(int fd, void *data, size_t size, struct error *err);

#endif
