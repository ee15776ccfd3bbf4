/* PDF, A4, by cairo; pango sets the text, so a serial of any script finds its glyphs. */
#include <cairo-pdf.h>
#include <string.h>

#include "reports/render_pdf.h"

static cairo_status_t append(void *context, const unsigned char *data, unsigned int size)
{
    return buffer_append(context, data, size) ? CAIRO_STATUS_WRITE_ERROR : CAIRO_STATUS_SUCCESS;
}

static int render(const cJSON *document, const struct render_options *options, struct buffer *out,
                  struct error *err)
{
    static const struct {
        const char *document;
        void (*write)(struct sheet *s, const cJSON *document);
    } pages[] = {{"unit", pdf_unit},        {"run", pdf_unit},    {"order", pdf_order},
                 {"station", pdf_order},    {"shift", pdf_order}, {"mode", pdf_order},
                 {"campaign", pdf_campaign}};
    static const struct render_options plain = {0};
    enum { PAGES = sizeof pages / sizeof pages[0] };
    struct sheet s = {.options = options ? options : &plain};
    size_t page = 0;
    while (page < PAGES && !member_is(document, "document", pages[page].document))
        page++;
    if (page == PAGES)
        return error_set(err, ERROR_INPUT, "no page for a document '%s'",
                         member_text(document, "document"));
    s.language = word_language(s.options->language);
    /* Points are 1/72 inch, the sheet's pixels 1/96. */
    cairo_surface_t *surface =
        cairo_pdf_surface_create_for_stream(append, out, SHEET_WIDTH * 0.75, SHEET_HEIGHT * 0.75);
    s.cr = cairo_create(surface);
    cairo_scale(s.cr, 0.75, 0.75);
    /* Fonts of its own: the thread's default ones would be kept until the process ends. */
    PangoFontMap *fonts = pango_cairo_font_map_new();
    PangoContext *context = pango_font_map_create_context(fonts);
    pango_cairo_update_context(s.cr, context);
    s.layout = pango_layout_new(context);
    const char *when = member_text(document, "last");
    if (*when) /* the same records give the same file */
        cairo_pdf_surface_set_metadata(surface, CAIRO_PDF_METADATA_CREATE_DATE, when);
    pages[page].write(&s, document);
    cairo_pdf_surface_set_metadata(surface, CAIRO_PDF_METADATA_TITLE, s.foot);
    g_object_unref(s.layout);
    g_object_unref(context);
    g_object_unref(fonts);
    cairo_status_t drawn = cairo_status(s.cr);
    cairo_destroy(s.cr);
    cairo_surface_finish(surface);
    drawn = drawn ? drawn : cairo_surface_status(surface);
    cairo_surface_destroy(surface);
    if (drawn)
        return error_set(err, drawn == CAIRO_STATUS_NO_MEMORY ? ERROR_MEMORY : ERROR_IO,
                         "cannot write the PDF: %s", cairo_status_to_string(drawn));
    return 0;
}

const struct renderer render_pdf = {"pdf", "application/pdf", render};
