#include "station/console/next.h"

#include <stdio.h>
#include <string.h>

#include "station/console/words.h"

static void of_slot(const struct tile *t, char *out, size_t size)
{
    static const struct {
        const char *verdict, *text;
    } texts[] = {
        {"pass", N_("slot %d: take it out, insert the next and scan its label")},
        {"fail", N_("slot %d: to the rejects, insert the next and scan its label")},
        {"error", N_("slot %d: call the technician")},
        {"timeout", N_("slot %d: call the technician")},
        {"aborted", N_("slot %d: scan its label to test it again")},
    };
    const char *text = N_("insert a unit and scan the label of slot %d");
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (strcmp(texts[i].verdict, t->verdict) == 0)
            text = texts[i].text;
    snprintf(out, size, _(text), t->slot);
}

bool next_thing(const struct next_scene *s, char *out, size_t size)
{
    const char *text = NULL;
    bool trouble = true;
    if (!s->connected)
        text = _("taktd does not answer; waiting for it");
    else if (s->paused[0])
        text = _("nothing can be recorded: call the technician");
    else
        trouble = false;
    if (text)
        snprintf(out, size, "%s", text);
    else if (!s->accounts)
        snprintf(out, size, "%s", _("press b: make the account of the first engineer"));
    else if (!s->signed_in)
        snprintf(out, size, "%s", _("scan your badge, or press b to sign in"));
    else if (!s->order)
        snprintf(out, size, "%s", _("scan the order, or press o to type it"));
    else if (!s->target)
        snprintf(out, size, "%s", _("every slot is at work: wait"));
    else
        of_slot(s->target, out, size);
    return trouble;
}
