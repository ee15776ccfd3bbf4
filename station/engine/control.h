/* The control socket: JSON-RPC 2.0 for people's programs, over STATE/taktd.sock (mode 0660).
 *
 *   status                                       what `status` events carry, too
 *   subscribe                                    events {"method": "status", "params": {...}} on
 *                                                change, at most ten a second
 *   run.start {plan, order, slots?, serials?, operator?, mode?, again?} -> {"runs": [{slot, run}]}
 *             without slots: every idle one; serials go with the slots, in their order; mode is
 *             production, engineering, repair, golden or gauge; again: beyond the retest policy
 *   run.abort {slot} or {"all": true}, operator?                  -> {"aborting": [slot]}
 *   plan.accept {plan}                                            -> {"plan", "changed"}
 *             its files as they are now hold from now on (acceptance.h)
 *   pool.import {path, operator?}                                 -> {"imported": n}
 *   pool.status                                                   -> {"free": n, ...}
 *   operator.*                                   accounts and signing in: control_operator.h
 *   qa.run {file, order?, slots?, rack?, operator?}               -> {"campaign": id}
 *             without slots: every idle one; rack: units that stand in no slot, unless false
 *   qa.pause, qa.resume, qa.stop {operator?}     of the campaign that is open
 *   qa.leave, qa.join {unit}                     one of its units, taken out and put back
 *   stop {force?}                                refused while runs are under way, unless forced
 *
 * Once the station has accounts, what changes anything needs {"session"} of someone whose role may
 * (operators.h); it then counts, not "operator". Aborting is for everyone, always.
 *
 * Status: a slot with a run has "mode", "steps" [{id, state: waiting | running | over | skipped,
 * verdict?, attempt?, teardown?, fraction?, text?}] (of plans up to 64 steps), "waits" (for what,
 * in words, "" for nothing); an idle one whose last unit passed "first_pass". "golden" {plan,
 * serials, state: ok | overdue | out_of_band | never, run?, last_ms?, due_ms?} is of the plan that
 * was started last, where that has a golden unit.
 *
 * An error's "code" is a negative ERROR_*, its "message" what to tell people. */
#ifndef TAKT_STATION_ENGINE_CONTROL_H
#define TAKT_STATION_ENGINE_CONTROL_H

#include "station/engine/core.h"

int control_open(struct engine *e, struct error *err);
void control_close(struct engine *e);
/* Sends due events; when to be called next, or -1. */
int64_t control_tick(struct engine *e, int64_t now_ns);
/* Between rounds: frees clients that are gone. */
void control_sweep(struct engine *e);

#endif
