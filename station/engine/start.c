/* What must hold before a run may begin: everything that can be known without touching a unit. */
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>

#include "protocol/base/digest.h"
#include "protocol/base/file.h"
#include "station/engine/core.h"
#include "station/engine/pool_process.h"

enum { DISK_BYTES_MIN = 16 << 20 };

static int check_disk(const struct engine *e, struct error *err)
{
    struct statvfs disk;
    if (statvfs(e->station->state_dir, &disk))
        return error_errno(err, ERROR_IO, "cannot look at the disk of %s", e->station->state_dir);
    unsigned long long free_bytes = (unsigned long long)disk.f_bavail * disk.f_frsize;
    if (free_bytes >= DISK_BYTES_MIN)
        return 0;
    return error_set(err, ERROR_FULL,
                     "the disk of %s has %llu bytes free, expected at least %d: free some space",
                     e->station->state_dir, free_bytes, DISK_BYTES_MIN);
}

static int check_wiring(const struct engine *e, const struct slot *s, const struct plan *p,
                        struct error *err)
{
    for (size_t i = 0; i < p->step_count + p->teardown_count; i++)
        for (size_t n = 0; n < p->steps[i].need_count; n++) {
            size_t w = 0;
            while (w < s->place->wire_count &&
                   strcmp(s->place->wires[w].class_name, p->steps[i].needs[n]) != 0)
                w++;
            if (w == s->place->wire_count)
                return error_set(err, ERROR_INPUT,
                                 "%s:%d: slot %d has no '%s' in its wiring, but step '%s' of plan "
                                 "%s/%s (line %d) needs one",
                                 e->station->path, s->place->line, s->place->number,
                                 p->steps[i].needs[n], p->steps[i].id, p->product, p->name,
                                 p->steps[i].line);
        }
    return 0;
}

static bool takes_identity(const struct engine *e, const struct plan *p)
{
    for (size_t i = 0; i < p->step_count; i++) {
        const struct step_kind *kind = vocabulary_kind(&e->vocabulary, p->steps[i].kind);
        if (kind && kind->needs_identity)
            return true;
    }
    return false;
}

/* Runs under way that have not come to their identity yet count too. */
static int check_pool(struct engine *e, const struct plan *p, size_t slots, struct error *err)
{
    struct pool_counts counts;
    if (!takes_identity(e, p))
        return 0;
    if (!e->pool)
        return error_set(err, ERROR_MISSING,
                         "%s:1: plan %s/%s gives identities, but the station names no 'custody' "
                         "to keep their keys",
                         e->station->path, p->product, p->name);
    int rc = pool_counts(e->pool, &counts, err);
    if (rc)
        return rc;
    /* A shared pool that was not looked at yet refuses nobody; while it is away, what was leased
     * counts. */
    if (pool_process_unknown(e))
        return 0;
    if (pool_process_free(e) > 0)
        counts.of[IDENTITY_FREE] += pool_process_free(e);
    long long wanted = (long long)slots;
    for (size_t i = 0; i < e->slot_count; i++) {
        const struct slot *s = &e->slots[i];
        if (s->state == SLOT_IDLE || !s->progress.plan || s->progress.ending)
            continue;
        for (int k = 0; k < (int)s->run.plan->step_count; k++) {
            const struct step_kind *kind = slot_kind(s, k);
            if (kind && kind->needs_identity && s->progress.steps[k].state <= STEP_RUNNING) {
                wanted++;
                break;
            }
        }
    }
    if (counts.of[IDENTITY_FREE] >= wanted)
        return 0;
    return error_set(err, ERROR_FULL,
                     "the pool has %lld free identities, expected at least %lld for the slots of "
                     "plan %s/%s: import more (takt identity import)",
                     (long long)counts.of[IDENTITY_FREE], wanted, p->product, p->name);
}

/* The first step that flashes; NULL for a plan that needs no bundle. */
static const struct plan_step *bundle_step(const struct engine *e, const struct plan *p)
{
    for (size_t i = 0; i < p->step_count; i++) {
        const struct step_kind *kind = vocabulary_kind(&e->vocabulary, p->steps[i].kind);
        if (kind && kind->needs_bundle)
            return &p->steps[i];
    }
    return NULL;
}

static int check_bundle(const struct engine *e, const struct plan *p, char sha256[65],
                        struct error *err)
{
    uint8_t hash[DIGEST_BYTES];
    const struct plan_step *step = bundle_step(e, p);
    sha256[0] = '\0';
    if (!step)
        return 0;
    if (!e->station->bundle[0])
        return error_set(
            err, ERROR_INPUT,
            "%s:1: 'bundle' is missing, but step '%s' of plan %s/%s (line %d) needs one",
            e->station->path, step->id, p->product, p->name, step->line);
    int rc = digest_file(e->station->bundle, hash, NULL, err);
    if (rc)
        return error_context(err, "the station's bundle");
    hex_encode(hash, sizeof hash, sha256);
    return 0;
}

int engine_prepare(struct engine *e, const struct start *start, struct slot *const *slots,
                   size_t count, struct plan **plan, struct board *board, char bundle_sha256[65],
                   struct error *err)
{
    char path[PATH_MAX], file[80];
    *plan = NULL;
    int rc = count ? check_disk(e, err) : 0;
    if (!rc)
        rc = plan_load(e->station->products_dir, start->plan, &e->vocabulary.words, plan, err);
    if (rc)
        return rc;
    snprintf(file, sizeof file, "%s.json", (*plan)->board);
    rc = file_join(path, sizeof path, e->station->boards_dir, file, err);
    if (!rc)
        rc = board_load(path, board, err);
    for (size_t i = 0; !rc && i < count; i++)
        rc = check_wiring(e, slots[i], *plan, err);
    if (!rc)
        rc = check_bundle(e, *plan, bundle_sha256, err);
    if (!rc && count)
        rc = check_pool(e, *plan, count, err);
    if (rc) {
        plan_free(*plan);
        *plan = NULL;
    }
    return rc;
}
