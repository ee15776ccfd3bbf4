/* Between the files that read a board: one file a section, and what all of them ask of a member.
 * Every complaint is json_complain()'s: FILE:LINE, what is wrong, what was expected. */
#ifndef TAKT_PROTOCOL_FORMATS_BOARD_PARTS_H
#define TAKT_PROTOCOL_FORMATS_BOARD_PARTS_H

#include "protocol/base/json.h"
#include "protocol/formats/board.h"

/* A section: its object is there, and of type object. */
typedef int board_section(const struct json_document *doc, const cJSON *object, struct board *b,
                          struct error *err);
board_section board_read_flash, board_read_boot, board_read_network, board_read_image,
    board_read_linux;

/* Of section boot, behind its commands and addresses: what it says of a card, if anything. */
int board_read_card(const struct json_document *doc, const cJSON *boot, struct board_boot *out,
                    struct error *err);

/* ---- members: need = must be there, may = left as it is when it is not ----------------------- */

const cJSON *board_member(const cJSON *object, const char *name);

/* A name is used in paths, tables and messages: short, and only letters that need no quoting. */
int board_name_of(const struct json_document *doc, const cJSON *at, const char *what,
                  const char *text, char out[BOARD_NAME_MAX], struct error *err);
int board_need_name(const struct json_document *doc, const cJSON *object, const char *member,
                    char out[BOARD_NAME_MAX], struct error *err);
int board_may_name(const struct json_document *doc, const cJSON *object, const char *member,
                   char out[BOARD_NAME_MAX], struct error *err);

int board_need_number(const struct json_document *doc, const cJSON *object, const char *member,
                      double low, double high, double *out, struct error *err);
int board_may_bool(const struct json_document *doc, const cJSON *object, const char *member,
                   bool *out, struct error *err);
/* "0x40400000": numbers that people know in hex are written so. */
int board_need_address(const struct json_document *doc, const cJSON *object, const char *member,
                       uint64_t *out, struct error *err);

/* Texts by what becomes of them. All are one line and not empty. */
enum board_text {
    BOARD_PROSE, /* for people: anything but control characters */
    BOARD_WORDS, /* goes into scripts and command lines: ASCII without " ' ` $ \ and ; */
    BOARD_PATH,  /* BOARD_WORDS that begin with '/', without spaces */
    BOARD_WORD,  /* BOARD_WORDS without spaces */
};
int board_text_of(const struct json_document *doc, const cJSON *at, const char *what,
                  enum board_text kind, const char *text, char *out, size_t size,
                  struct error *err);
int board_need_text(const struct json_document *doc, const cJSON *object, const char *member,
                    enum board_text kind, char *out, size_t size, struct error *err);
int board_may_text(const struct json_document *doc, const cJSON *object, const char *member,
                   enum board_text kind, char *out, size_t size, struct error *err);

/* One of a NULL-terminated list, else a complaint that names the list and the nearest of it. */
int board_one_of(const struct json_document *doc, const cJSON *at, const char *what,
                 const char *const *allowed, const char *text, struct error *err);
int board_need_one_of(const struct json_document *doc, const cJSON *object, const char *member,
                      const char *const *allowed, char *out, size_t size, struct error *err);

#endif
