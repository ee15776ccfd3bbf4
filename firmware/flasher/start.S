/* The boot loader calls this on its own stack and may be gone back to. What the program must know of
 * the board stands behind the mark, put there by the station (protocol/wire/flasher.h). */
    .section .text.start, "ax"
    .syntax unified
    .arm
    .globl flasher_start
flasher_start:
    b 2f
    .globl flasher_board
flasher_board:
    .ascii "TAKTFLSH"
    .space 64
2:  push {r4-r11, lr}
    ldr r0, =bss_start
    ldr r1, =bss_end
    mov r2, #0
1:  cmp r0, r1
    strlo r2, [r0], #4
    blo 1b
    mov r6, sp
    ldr sp, =stack_end
    ldr r0, =flasher_board
    bl flasher_main
    mov sp, r6
    pop {r4-r11, pc}
    .section .note.GNU-stack, "", %progbits
