/* In the place of a kernel: says on the UART what U-Boot started it with, and restarts the machine.
 * A start takes a second, so that a test can have dozens of them. */
#include <stddef.h>
#include <stdint.h>

static volatile uint32_t *const uart = (volatile uint32_t *)0x09000000; /* PL011 of QEMU's virt */

static void say(const char *text)
{
    for (; *text; text++)
        *uart = (uint8_t)*text;
}

/* The property bootargs, by its first word: the tree's structure does not matter here. */
static const char *arguments_of(const uint8_t *tree)
{
    static const char first[] = "console=";
    uint32_t size =
        (uint32_t)tree[4] << 24 | (uint32_t)tree[5] << 16 | (uint32_t)tree[6] << 8 | tree[7];
    for (uint32_t at = 0; at + sizeof first < size; at++) {
        size_t same = 0;
        while (same < sizeof first - 1 && tree[at + same] == (uint8_t)first[same])
            same++;
        if (same == sizeof first - 1)
            return (const char *)tree + at;
    }
    return "no arguments";
}

__attribute__((used)) static void start(const uint8_t *tree)
{
    say("\r\nSTUB " STUB_NAME " ");
    say(arguments_of(tree));
    say("\r\n");
    /* PSCI SYSTEM_RESET */
    register uint32_t function __asm__("r0") = 0x84000009;
    __asm__ volatile(".arch_extension virt\n hvc #0" : : "r"(function));
    for (;;)
        ;
}

/* The linker puts this section first, where U-Boot enters. */
__attribute__((naked, section(".text.unlikely"))) void _start(void)
{
    __asm__ volatile("ldr sp, =0x43000000\n mov r0, r2\n bl start\n");
}
