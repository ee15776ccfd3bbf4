/* Any bytes as a board file: read or refused, never worse; what is read must hold together. */
#include <stdlib.h>
#include <string.h>

#include "protocol/formats/board.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void check_partitions(const struct board *b)
{
    for (size_t i = 0; i < b->partition_count; i++) {
        const struct board_partition *p = &b->partitions[i];
        must(p->size_bytes && p->size_bytes % b->erase_bytes == 0);
        must(p->offset_bytes % b->erase_bytes == 0);
        must(p->offset_bytes + p->size_bytes <= b->flash_bytes);
        for (size_t k = 0; k < i; k++) {
            const struct board_partition *q = &b->partitions[k];
            must(p->offset_bytes >= q->offset_bytes + q->size_bytes ||
                 q->offset_bytes >= p->offset_bytes + p->size_bytes);
        }
    }
    must(board_partition(b, "identity", 0)->protected_);
    must(board_partition(b, "factory", 0)->protected_);
    must(board_partition(b, "env", 0)->size_bytes >= 2 * (uint64_t)b->erase_bytes);
    must(board_partition(b, "kernel", 'a')->size_bytes ==
         board_partition(b, "kernel", 'b')->size_bytes);
    must(board_partition(b, "rootfs", 'a')->size_bytes ==
         board_partition(b, "rootfs", 'b')->size_bytes);
    must(board_partition(b, "data", 0) != NULL);
}

/* What goes into scripts needs no quoting there. */
static void check_plain(const char *text, size_t size)
{
    must(memchr(text, '\0', size) && !strpbrk(text, "\"'`$\\;\n"));
}

static void check_boot(const struct board *b)
{
    uint64_t mapped = 0;
    for (size_t i = 0; i < b->boot.bank_count; i++) {
        must(b->boot.banks[i].writable_bytes <= b->boot.banks[i].size_bytes);
        mapped += b->boot.banks[i].size_bytes;
    }
    must(!b->boot.bank_count || mapped == b->flash_bytes);
    for (const char *key = b->boot.stop_keys; *key; key++)
        must(board_key_name(*key)[0]);
    check_plain(b->boot.erase, sizeof b->boot.erase);
    check_plain(b->boot.write, sizeof b->boot.write);
    check_plain(b->boot.read, sizeof b->boot.read);
    if (b->boot.bank_count)
        must(board_flash_address(b, 0) == b->boot.banks[0].address);
    else
        must(board_flash_address(b, b->flash_bytes - 1) == b->flash_bytes - 1);
}

static void check_linux(const struct board *b)
{
    const struct board_motor *const motors[] = {&b->linux.pan, &b->linux.tilt};
    check_plain(b->linux.arguments, sizeof b->linux.arguments);
    for (size_t i = 0; i < b->linux.module_count; i++)
        check_plain(b->linux.modules[i].options, sizeof b->linux.modules[i].options);
    for (size_t i = 0; i < b->linux.gpio_count; i++)
        must(board_gpio(b, b->linux.gpio[i].name) == &b->linux.gpio[i]);
    for (size_t m = 0; m < 2; m++) {
        must(motors[m]->phase_count == 0 || motors[m]->phase_count == BOARD_PHASES_MAX);
        for (size_t i = 0; i < motors[m]->phase_count; i++)
            must(board_gpio(b, motors[m]->phases[i]) != NULL);
    }
    must(!b->linux.mtd[0] || !b->linux.block[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct board b;
    struct error err = {0};
    if (board_parse("fuzz", (const char *)data, size, &b, &err)) {
        must(err.text[0]); /* never refused without a word */
        return 0;
    }
    check_partitions(&b);
    check_boot(&b);
    check_linux(&b);
    for (size_t i = 0; i < b.image.input_count; i++)
        must(!strstr(b.image.inputs[i].file, ".."));
    return 0;
}
