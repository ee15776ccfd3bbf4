/* A block device past every cache of the kernel (O_DIRECT), through one aligned buffer. */
#ifndef TAKT_FIRMWARE_HAL_LINUX_DIRECT_IO_H
#define TAKT_FIRMWARE_HAL_LINUX_DIRECT_IO_H

#include <stdbool.h>

#include "firmware/hal/linux/parts.h"

struct direct_io;

struct direct_facts {
    uint64_t bytes;
    uint32_t block_bytes; /* the grain of every access */
    bool read_only;
};

/* Also devices that are write-protected: writing then is ERROR_REFUSED. */
int direct_open(const struct linux_unit *u, const char *path, struct direct_io **out,
                struct error *err);
void direct_close(struct direct_io *d); /* NULL is fine */

/* ERROR_MISSING when the medium is gone. */
int direct_facts(struct direct_io *d, struct direct_facts *out, struct error *err);

/* Any offset and size; what is written must be whole blocks. ERROR_CLOSED when the medium is gone.
 */
int direct_read(struct direct_io *d, uint64_t offset, void *data, size_t size, struct error *err);
/* data NULL: bytes of 0xFF. */
int direct_write(struct direct_io *d, uint64_t offset, const void *data, size_t size,
                 struct error *err);
/* What was written survives a power cut, as far as the part's own cache obeys. */
int direct_sync(struct direct_io *d, struct error *err);

#endif
