/* What an image of a board is made of that is not in this repository. */
#include <string.h>

#include "protocol/formats/board_parts.h"

static int read_input(const struct json_document *doc, const cJSON *item, struct board_image *image,
                      struct error *err)
{
    static const char *const members[] = {"name", "file", "package", "about", NULL};
    struct board_input *in = &image->inputs[image->input_count];
    if (!cJSON_IsObject(item))
        return json_complain(doc, item, err, "an input must be an object");
    int rc = json_only(doc, item, members, err);
    if (!rc)
        rc = board_need_name(doc, item, "name", in->name, err);
    if (!rc)
        rc = board_need_text(doc, item, "file", BOARD_WORD, in->file, sizeof in->file, err);
    if (!rc)
        rc = board_may_text(doc, item, "package", BOARD_WORD, in->package, sizeof in->package, err);
    if (!rc)
        rc = board_need_text(doc, item, "about", BOARD_PROSE, in->about, sizeof in->about, err);
    if (rc)
        return rc;
    /* A name in the builder's folder must stay in it; a package's file is where dpkg puts it. */
    if ((in->file[0] == '/') != (in->package[0] != '\0') || strstr(in->file, ".."))
        return json_complain(doc, board_member(item, "file"), err, "'file' is '%s', expected %s",
                             in->file,
                             in->package[0] ? "its path in the package, from '/' on"
                                            : "a path within the folder of inputs");
    for (size_t i = 0; i < image->input_count; i++)
        if (strcmp(image->inputs[i].name, in->name) == 0)
            return json_complain(doc, item, err, "input '%s' is there twice", in->name);
    image->input_count++;
    return 0;
}

/* UBIFS and JFFS2 know raw flash, ext4 a part that looks after itself. */
static int check_data(const struct json_document *doc, const cJSON *at, const struct board *b,
                      struct error *err)
{
    bool managed = strcmp(b->flash_kind, "emmc") == 0;
    if (managed == (strcmp(b->image.data, "ext4") == 0))
        return 0;
    return json_complain(doc, at, err, "'data' is %s on %s, expected %s", b->image.data,
                         b->flash_kind, managed ? "ext4" : "ubifs or jffs2");
}

int board_read_image(const struct json_document *doc, const cJSON *image, struct board *b,
                     struct error *err)
{
    static const char *const members[] = {"data", "inputs", NULL};
    static const char *const systems[] = {"ubifs", "jffs2", "ext4", NULL};
    const cJSON *list, *item;
    int rc = json_only(doc, image, members, err);
    if (!rc)
        rc = board_need_one_of(doc, image, "data", systems, b->image.data, sizeof b->image.data,
                               err);
    if (!rc)
        rc = check_data(doc, board_member(image, "data"), b, err);
    if (!rc)
        rc = json_need_array(doc, image, "inputs", &list, err);
    if (rc)
        return rc;
    cJSON_ArrayForEach(item, list)
    {
        if (b->image.input_count == BOARD_INPUTS_MAX)
            return json_complain(doc, item, err, "more than %d 'inputs'", BOARD_INPUTS_MAX);
        rc = read_input(doc, item, &b->image, err);
        if (rc)
            return rc;
    }
    return 0;
}
