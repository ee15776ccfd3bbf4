/* One small list of errors, and the message a person will read.
 *
 * Every function that can fail returns 0 or one of these negative codes and,
 * when given a struct error, leaves one line in it: what was tried, on what,
 * what came back and what was expected. */
#ifndef TAKT_PROTOCOL_BASE_ERROR_H
#define TAKT_PROTOCOL_BASE_ERROR_H

enum error_code {
    ERROR_MEMORY = -1,     /* an allocation failed */
    ERROR_IO = -2,         /* the operating system refused: read, write, open, ... */
    ERROR_TIMEOUT = -3,    /* the deadline passed */
    ERROR_CLOSED = -4,     /* the peer or the port is gone */
    ERROR_PROTOCOL = -5,   /* the peer broke the rules of the protocol */
    ERROR_INPUT = -6,      /* a file, argument or value from outside is wrong */
    ERROR_MISSING = -7,    /* what was asked for does not exist */
    ERROR_BUSY = -8,       /* someone else holds it */
    ERROR_REFUSED = -9,    /* not allowed: signature, role, lock */
    ERROR_FULL = -10,      /* no room: disk, pool, quota */
    ERROR_CANCELLED = -11, /* the caller took the request back */
    ERROR_MISMATCH = -12,  /* read back and compared, and it differs */
    ERROR_STATE = -13,     /* not possible in the present state */
    ERROR_REMOTE = -14,    /* the peer answered with an error of its own */
};

struct error {
    int code;       /* 0 or an error_code */
    char text[480]; /* one line, no newline at the end; "" when code is 0 */
};

/* Sets code and text; returns code, so `return error_set(err, ERROR_IO, ...)` works.
 * err may be NULL. */
int error_set(struct error *err, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same with ": " and the text of the present errno behind the message. */
int error_errno(struct error *err, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "context: " before the text already there; returns err's code. */
int error_context(struct error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The code's name as scripts see it: "timeout", "refused", ... Never NULL. */
const char *error_name(int code);

#endif
