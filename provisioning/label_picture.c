#include "provisioning/label_picture.h"

#include <ctype.h>
#include <pango/pangocairo.h>
#include <qrencode.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE_DOTS_MAX = 2000, FIELD_BYTES_MAX = 1024, MODULE_DOTS_MAX = 10 };

/* The field that is being put together. */
struct field {
    int x, y;
    int height; /* of its letters, dots; 0: no text */
    int module; /* of its QR code, dots; 0: none */
    bool hex;   /* ^FH_: _XX is a byte */
    char text[FIELD_BYTES_MAX + 1];
};

struct drawing {
    int width, height;
    cairo_surface_t *surface;
    cairo_t *cr;
    struct field field;
};

/* ---- fields ------------------------------------------------------------------------------- */

static void draw_text(struct drawing *d)
{
    PangoLayout *layout = pango_cairo_create_layout(d->cr);
    PangoFontDescription *font = pango_font_description_from_string("Sans");
    pango_font_description_set_absolute_size(font, d->field.height * PANGO_SCALE * 0.75);
    pango_layout_set_font_description(layout, font);
    pango_layout_set_text(layout, d->field.text, -1);
    cairo_move_to(d->cr, d->field.x, d->field.y);
    pango_cairo_show_layout(d->cr, layout);
    pango_font_description_free(font);
    g_object_unref(layout);
}

/* The field's data begins with the level of error correction and "A," for any characters. */
static int draw_code(struct drawing *d, struct error *err)
{
    static const char levels[] = "LMQH"; /* as libqrencode counts them */
    const char *text = d->field.text;
    const char *level = *text ? strchr(levels, *text) : NULL;
    if (!level || strncmp(text + 1, "A,", 2) != 0)
        return error_set(err, ERROR_INPUT, "a QR code's field begins '%.3s', expected 'QA,'", text);
    QRcode *code =
        QRcode_encodeString8bit(text + 3, 0, (QRecLevel)(QR_ECLEVEL_L + (level - levels)));
    if (!code)
        return error_set(err, ERROR_INPUT, "no QR code holds '%.60s'", text + 3);
    for (int i = 0; i < code->width * code->width; i++)
        if (code->data[i] & 1)
            cairo_rectangle(d->cr, d->field.x + i % code->width * d->field.module,
                            d->field.y + i / code->width * d->field.module, d->field.module,
                            d->field.module);
    cairo_fill(d->cr);
    QRcode_free(code);
    return 0;
}

static int end_field(struct drawing *d, struct error *err)
{
    int rc = 0;
    if (!d->cr)
        return error_set(err, ERROR_INPUT, "a label's field comes before its size (^PW, ^LL)");
    if (d->field.module)
        rc = draw_code(d, err);
    else if (d->field.height)
        draw_text(d);
    d->field = (struct field){0};
    return rc;
}

/* ---- commands ----------------------------------------------------------------------------- */

static int start(struct drawing *d, struct error *err)
{
    if (!d->width || !d->height || d->cr)
        return 0;
    d->surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, d->width, d->height);
    if (cairo_surface_status(d->surface))
        return error_set(err, ERROR_MEMORY, "a label's picture: out of memory");
    d->cr = cairo_create(d->surface);
    cairo_set_source_rgb(d->cr, 1, 1, 1);
    cairo_paint(d->cr);
    cairo_set_source_rgb(d->cr, 0, 0, 0);
    return 0;
}

static int take_side(int *side, const char *from, const char *name, struct error *err)
{
    char *end;
    const long value = strtol(from, &end, 10);
    if (end == from || value < 1 || value > SIDE_DOTS_MAX)
        return error_set(err, ERROR_INPUT, "^%s%.12s: expected 1 to %d dots", name, from,
                         SIDE_DOTS_MAX);
    *side = (int)value;
    return 0;
}

static int take_data(struct field *f, const char *from, size_t size, struct error *err)
{
    size_t used = 0;
    for (size_t i = 0; i < size; i++) {
        char byte = from[i];
        if (f->hex && byte == '_') {
            const char digits[3] = {i + 1 < size ? from[i + 1] : 0, i + 2 < size ? from[i + 2] : 0};
            if (!isxdigit((unsigned char)digits[0]) || !isxdigit((unsigned char)digits[1]))
                return error_set(err, ERROR_INPUT, "'_' without two hexadecimal digits in a field");
            byte = (char)strtol(digits, NULL, 16);
            i += 2;
        }
        if (used == FIELD_BYTES_MAX || !byte)
            return error_set(err, ERROR_INPUT, "a field of more than %d bytes, or with a NUL in it",
                             FIELD_BYTES_MAX);
        f->text[used++] = byte;
    }
    f->text[used] = '\0';
    return 0;
}

/* One command, from behind its '^' to the next one. */
static int take_command(struct drawing *d, const char *c, size_t size, struct error *err)
{
    struct field *f = &d->field;
    int rc = 0, width;
    if (strncmp(c, "FD", 2) == 0)
        return take_data(f, c + 2, size - 2, err);
    if (strncmp(c, "FS", 2) == 0)
        return end_field(d, err);
    if (strncmp(c, "PW", 2) == 0)
        rc = take_side(&d->width, c + 2, "PW", err);
    else if (strncmp(c, "LL", 2) == 0)
        rc = take_side(&d->height, c + 2, "LL", err);
    else if (strncmp(c, "FO", 2) == 0 && sscanf(c + 2, "%d,%d", &f->x, &f->y) == 2)
        return 0;
    else if (strncmp(c, "A0N", 3) == 0 && sscanf(c + 3, ",%d,%d", &f->height, &width) == 2 &&
             f->height > 0 && f->height <= SIDE_DOTS_MAX)
        return 0;
    else if (strncmp(c, "BQN", 3) == 0 && sscanf(c + 3, ",2,%d", &f->module) == 1 &&
             f->module > 0 && f->module <= MODULE_DOTS_MAX)
        return 0;
    else if (strncmp(c, "FH_", 3) == 0)
        f->hex = true;
    else if (strncmp(c, "XA", 2) != 0 && strncmp(c, "XZ", 2) != 0 && strncmp(c, "CI28", 4) != 0 &&
             strncmp(c, "LH0,0", 5) != 0 && strncmp(c, "PQ1", 3) != 0)
        return error_set(err, ERROR_INPUT, "^%.*s is not drawn", size < 12 ? (int)size : 12, c);
    return rc ? rc : start(d, err);
}

static cairo_status_t append(void *png, const unsigned char *data, unsigned int size)
{
    return buffer_append(png, data, size) ? CAIRO_STATUS_WRITE_ERROR : CAIRO_STATUS_SUCCESS;
}

int label_picture(const char *zpl, struct buffer *png, struct error *err)
{
    struct drawing d = {0};
    int rc = 0;
    for (const char *at = strchr(zpl, '^'); at && !rc;) {
        const char *next = strchr(at + 1, '^');
        rc = take_command(&d, at + 1, next ? (size_t)(next - at - 1) : strlen(at + 1), err);
        at = next;
    }
    if (!rc && !d.cr)
        rc = error_set(err, ERROR_INPUT, "a label without its size (^PW, ^LL)");
    if (!rc && cairo_surface_write_to_png_stream(d.surface, append, png))
        rc = error_set(err, ERROR_MEMORY, "a label's picture: out of memory");
    if (d.cr)
        cairo_destroy(d.cr);
    if (d.surface)
        cairo_surface_destroy(d.surface);
    return rc;
}
