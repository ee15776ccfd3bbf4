/* What is written of a campaign. */
#include <math.h>

#include "reports/campaign.h"
#include "reports/store/statements.h"

int store_campaign_open(struct store *s, struct campaign_record *c, struct error *err)
{
    int64_t open = 0;
    int rc = store_number(s, ST_CAMPAIGN_OPEN, &open, err, "");
    if (rc < 0)
        return rc;
    if (rc)
        return error_set(err, ERROR_STATE, "campaign %lld has not ended: stop it first",
                         (long long)open);
    rc = store_save(s, err);
    if (rc)
        return rc;
    rc = store_number(s, ST_CAMPAIGN_ADD, &c->id, err, "tttttttttttii", c->name, c->file, c->sha256,
                      c->plan, c->plan_sha256, c->limits_sha256, c->lot, c->operator_name,
                      c->station, c->program_version, c->clock, c->seed, c->started_ms);
    if (rc > 0)
        rc = store_run(s, ST_CAMPAIGN_REPORT, err, "irrr", c->id, c->confidence, c->activation_ev,
                       c->use_c);
    return store_keep(s, rc, err);
}

int store_campaign_figure(struct store *s, int64_t campaign, const struct campaign_figure_record *f,
                          struct error *err)
{
    return store_run(s, ST_CAMPAIGN_FIGURE_ADD, err, "iittrrrrrr", campaign, (int64_t)f->number,
                     f->name, f->unit, f->low, f->high, f->min_percent, f->max_percent,
                     f->min_change, f->max_change);
}

int store_campaign_instrument(struct store *s, int64_t campaign, const struct instrument_record *i,
                              struct error *err)
{
    return store_run(s, ST_CAMPAIGN_INSTRUMENT_ADD, err, "itttttt", campaign, i->class_name,
                     i->name, i->serial, i->certificate, i->calibrated_on, i->due_on);
}

int store_campaign_unit(struct store *s, int64_t campaign, const struct campaign_unit_record *u,
                        struct error *err)
{
    return store_run(s, ST_CAMPAIGN_UNIT_PUT, err, "iittttttiiit", campaign, (int64_t)u->number,
                     u->place, u->port, u->chip_id, u->serial, u->state, u->cause,
                     (int64_t)u->cause_figure, u->joined_ms, u->watched_ms, u->watch);
}

int store_campaign_event(struct store *s, int64_t campaign, const struct campaign_event_record *e,
                         struct error *err)
{
    return store_run(s, ST_CAMPAIGN_EVENT_ADD, err, "iiiitt", campaign, (int64_t)e->unit,
                     e->elapsed_ms, e->at_ms, e->kind, e->text);
}

int store_campaign_row(struct store *s, int64_t campaign, const struct campaign_row_record *r,
                       struct error *err)
{
    return store_run(s, ST_CAMPAIGN_ROW_ADD, err, "iiiiirrrr", campaign, (int64_t)r->unit,
                     (int64_t)r->figure, r->from_ms, (int64_t)r->samples, r->lowest, r->highest,
                     r->mean, r->deviation);
}

int store_campaign_progress(struct store *s, int64_t campaign, const char *state,
                            const char *reason, int64_t elapsed_ms, int64_t at_ms,
                            const char *progress, struct error *err)
{
    int64_t id = 0;
    int rc = store_number(s, ST_CAMPAIGN_PROGRESS, &id, err, "ittiit", campaign, state, reason,
                          elapsed_ms, at_ms, progress);
    if (rc < 0)
        return rc;
    return rc ? 0 : error_set(err, ERROR_STATE, "campaign %lld is not open", (long long)campaign);
}
