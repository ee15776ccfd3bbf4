#include "station/campaign/interlock.h"

#include <stdio.h>

bool interlock_judge(const struct campaign *c, const struct interlock_view *v, char why[160])
{
    why[0] = '\0';
    if (v->chamber_c > c->chamber_c_max)
        snprintf(why, 160, "the chamber is at %.1f degC, above the interlock's %.1f", v->chamber_c,
                 c->chamber_c_max);
    else if (v->chamber_c < c->chamber_c_min)
        snprintf(why, 160, "the chamber is at %.1f degC, below the interlock's %.1f", v->chamber_c,
                 c->chamber_c_min);
    else if (v->alarm)
        snprintf(why, 160, "the chamber's own safety circuit has tripped (at %.1f degC)",
                 v->chamber_c);
    else if (v->door_open)
        snprintf(why, 160, "the chamber's door is open");
    else if (v->now_ms - v->contact_ms > c->contact_ms)
        snprintf(why, 160, "the chamber has not answered for %.0f s, at most %.0f are allowed",
                 (double)(v->now_ms - v->contact_ms) / 1000, (double)c->contact_ms / 1000);
    return why[0] != '\0';
}
