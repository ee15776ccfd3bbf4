#include "station/campaign/profile.h"

int64_t profile_length_ms(const struct profile *p)
{
    int64_t sum = 0;
    for (size_t i = 0; i < p->leg_count; i++)
        sum += p->legs[i].over_ms;
    return sum;
}

int64_t profile_cycles(const struct profile *p, int64_t at_ms)
{
    const int64_t length = profile_length_ms(p);
    if (length <= 0 || at_ms < length)
        return 0;
    return p->repeat ? at_ms / length : 1;
}

/* Where `at_ms` lies: the leg, what went before it and the value it begins with. One past the last
 * leg when all are over. */
struct place {
    size_t leg;
    int64_t began_ms;
    double from;
};

static struct place place_at(const struct profile *p, int64_t at_ms)
{
    const int64_t length = profile_length_ms(p);
    struct place at = {0, 0, p->start};
    if (p->repeat && length > 0 && at_ms >= length) {
        at.began_ms = at_ms / length * length;
        at.from = p->legs[p->leg_count - 1].to;
    }
    while (at.leg < p->leg_count && at_ms - at.began_ms >= p->legs[at.leg].over_ms) {
        at.began_ms += p->legs[at.leg].over_ms;
        at.from = p->legs[at.leg].to;
        at.leg++;
    }
    return at;
}

double profile_at(const struct profile *p, int64_t at_ms)
{
    if (at_ms < 0)
        at_ms = 0;
    const struct place at = place_at(p, at_ms);
    if (at.leg == p->leg_count)
        return at.from;
    const struct profile_leg *leg = &p->legs[at.leg];
    return at.from + (leg->to - at.from) * (double)(at_ms - at.began_ms) / (double)leg->over_ms;
}

int64_t profile_next_ms(const struct profile *p, int64_t at_ms, int64_t every_ms)
{
    if (at_ms < 0)
        at_ms = 0;
    const struct place at = place_at(p, at_ms);
    if (at.leg == p->leg_count)
        return INT64_MAX;
    const struct profile_leg *leg = &p->legs[at.leg];
    const int64_t end = at.began_ms + leg->over_ms;
    if (leg->to == at.from)
        return at.leg + 1 == p->leg_count && !p->repeat ? INT64_MAX : end;
    return at_ms + every_ms < end ? at_ms + every_ms : end;
}
