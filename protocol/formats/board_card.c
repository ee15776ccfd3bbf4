/* What a board's loader does with a card: section boot, member card. */
#include <string.h>

#include "protocol/formats/board_parts.h"

int board_read_card(const struct json_document *doc, const cJSON *boot, struct board_boot *out,
                    struct error *err)
{
    static const char *const members[] = {"device",  "prepare", "product",
                                          "flasher", "script",  NULL};
    static const char *const scripts[] = {"boot.scr", "sigmastar", NULL};
    struct board_card *card = &out->card;
    char script[BOARD_NAME_MAX] = "";
    const cJSON *object;
    if (!board_member(boot, "card"))
        return 0;
    int rc = json_need_object(doc, boot, "card", &object, err);
    if (!rc)
        rc = json_only(doc, object, members, err);
    if (!rc)
        rc = board_need_text(doc, object, "device", BOARD_WORDS, card->device, sizeof card->device,
                             err);
    if (!rc)
        rc = board_may_text(doc, object, "prepare", BOARD_WORDS, card->prepare,
                            sizeof card->prepare, err);
    if (!rc)
        rc = board_may_text(doc, object, "product", BOARD_WORD, card->product, sizeof card->product,
                            err);
    if (!rc)
        rc = board_may_text(doc, object, "flasher", BOARD_WORD, card->flasher, sizeof card->flasher,
                            err);
    if (!rc && board_member(object, "script"))
        rc = board_need_one_of(doc, object, "script", scripts, script, sizeof script, err);
    card->sigmastar = strcmp(script, "sigmastar") == 0;
    if (!rc && strchr(card->flasher, '/'))
        rc = json_complain(doc, board_member(object, "flasher"), err,
                           "flasher is '%s', expected the name of a file without a folder",
                           card->flasher);
    if (!rc && !*card->flasher && (!*out->write || !*out->read))
        rc = json_complain(doc, object, err,
                           "a 'card' without a 'flasher' needs the loader's 'commands' write and "
                           "read");
    return rc;
}
