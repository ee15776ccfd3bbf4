/* What a board's loader does with a card: section boot, member card. */
#include <string.h>

#include "protocol/formats/board_parts.h"

/* Of the SoC, not the board: what a loader that names no board can still be told by. */
static int read_chip(const struct json_document *doc, const cJSON *card, struct board_card *out,
                     struct error *err)
{
    static const char *const members[] = {"register", "value", NULL};
    const cJSON *chip;
    if (!board_member(card, "chip"))
        return 0;
    int rc = json_need_object(doc, card, "chip", &chip, err);
    if (!rc)
        rc = json_only(doc, chip, members, err);
    if (!rc)
        rc = board_need_address(doc, chip, "register", &out->chip_register, err);
    if (!rc)
        rc = board_need_address(doc, chip, "value", &out->chip_value, err);
    if (!rc && (!out->chip_register || out->chip_register % 2))
        rc = json_complain(doc, board_member(chip, "register"), err,
                           "'register' is 0x%llx, expected the even address of 16 bits",
                           (unsigned long long)out->chip_register);
    if (!rc && out->chip_value > UINT16_MAX)
        rc = json_complain(doc, board_member(chip, "value"), err,
                           "'value' is 0x%llx, expected 16 bits",
                           (unsigned long long)out->chip_value);
    return rc;
}

int board_read_card(const struct json_document *doc, const cJSON *boot, struct board_boot *out,
                    struct error *err)
{
    static const char *const members[] = {"device",  "prepare", "product", "chip",
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
        rc = read_chip(doc, object, card, err);
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
