/* Loops over pixels become vectors by the compiler alone. VECTORIZED before a function has it
 * compiled twice, for what every x86-64 has and for AVX2, and the better one taken when the program
 * is loaded. Neither fuses a multiplication with an addition; sums may come in another order,
 * within the last digits of a float. */
#ifndef TAKT_PROTOCOL_BASE_VECTOR_H
#define TAKT_PROTOCOL_BASE_VECTOR_H

#if defined __x86_64__ && defined __GNUC__ && !defined __clang__ &&                                \
    !defined __SANITIZE_ADDRESS__ && !defined __SANITIZE_THREAD__
#define VECTORIZED __attribute__((target_clones("avx2", "default")))
#else
#define VECTORIZED
#endif

#endif
