#include "reports/store/schema.h"

#include <stddef.h>

/* Text that repeats (figures with their limits, step names, file hashes) is kept once and named by
 * number: a measurement row is about 20 bytes, so ten years of a line fit on one disk. Rows of a
 * run lie together: its steps and measurements are keyed by the run and need no index beside. */
static const char schema_1[] =
    "CREATE TABLE verdict(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;"
    "INSERT INTO verdict VALUES (0,''),(1,'pass'),(2,'fail'),(3,'error'),(4,'timeout'),"
    "  (5,'aborted'),(6,'skipped');"

    "CREATE TABLE site(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;"
    "CREATE TABLE line(id INTEGER PRIMARY KEY, site INTEGER NOT NULL REFERENCES site,"
    "  name TEXT NOT NULL, UNIQUE(site, name)) STRICT;"
    "CREATE TABLE station(id INTEGER PRIMARY KEY, line INTEGER NOT NULL REFERENCES line,"
    "  name TEXT NOT NULL, UNIQUE(line, name)) STRICT;"
    "CREATE TABLE product(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;"
    "CREATE TABLE work_order(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,"
    "  product INTEGER NOT NULL REFERENCES product, opened_ms INTEGER NOT NULL) STRICT;"

    "CREATE TABLE file_version(id INTEGER PRIMARY KEY,"
    "  kind TEXT NOT NULL CHECK(kind IN ('plan','limits','product','bundle')),"
    "  name TEXT NOT NULL, sha256 TEXT NOT NULL CHECK(length(sha256) IN (0, 64)),"
    "  UNIQUE(kind, sha256, name)) STRICT;"

    "CREATE TABLE unit(id INTEGER PRIMARY KEY, chip_id TEXT UNIQUE, serial TEXT,"
    "  first_ms INTEGER NOT NULL, CHECK(chip_id <> ''), CHECK(serial <> '')) STRICT;"
    "CREATE INDEX unit_serial ON unit(serial) WHERE serial IS NOT NULL;"

    "CREATE TABLE run(id INTEGER PRIMARY KEY, unit INTEGER REFERENCES unit,"
    "  work_order INTEGER NOT NULL REFERENCES work_order,"
    "  product INTEGER NOT NULL REFERENCES product,"
    "  plan INTEGER NOT NULL REFERENCES file_version,"
    "  limits INTEGER NOT NULL REFERENCES file_version,"
    "  product_file INTEGER NOT NULL REFERENCES file_version,"
    "  bundle INTEGER NOT NULL REFERENCES file_version,"
    "  program_version TEXT NOT NULL, station INTEGER NOT NULL REFERENCES station,"
    "  slot INTEGER NOT NULL, serial TEXT NOT NULL, operator TEXT NOT NULL, mode TEXT NOT NULL,"
    "  started_ms INTEGER NOT NULL, ended_ms INTEGER,"
    "  verdict INTEGER NOT NULL DEFAULT 0 REFERENCES verdict, message TEXT,"
    "  CHECK((verdict = 0) = (ended_ms IS NULL))) STRICT;"
    "CREATE INDEX run_unit ON run(unit);"
    "CREATE INDEX run_order ON run(work_order);"
    "CREATE INDEX run_station ON run(station, started_ms);"
    "CREATE INDEX run_serial ON run(serial) WHERE serial <> '';"
    "CREATE INDEX run_open ON run(id) WHERE verdict = 0;"

    "CREATE TABLE step_name(id INTEGER PRIMARY KEY, name TEXT NOT NULL, kind TEXT NOT NULL,"
    "  UNIQUE(name, kind)) STRICT;"
    "CREATE TABLE step(run INTEGER NOT NULL REFERENCES run, step INTEGER NOT NULL,"
    "  attempt INTEGER NOT NULL CHECK(attempt >= 1), name INTEGER NOT NULL REFERENCES step_name,"
    "  verdict INTEGER NOT NULL REFERENCES verdict, message TEXT, started_ms INTEGER NOT NULL,"
    "  duration_ms REAL NOT NULL, PRIMARY KEY(run, step, attempt)) STRICT, WITHOUT ROWID;"

    "CREATE TABLE figure(id INTEGER PRIMARY KEY, name TEXT NOT NULL, unit TEXT NOT NULL,"
    "  low REAL NOT NULL, high REAL NOT NULL, UNIQUE(name, unit, low, high)) STRICT;"
    "CREATE TABLE measurement(run INTEGER NOT NULL, step INTEGER NOT NULL,"
    "  attempt INTEGER NOT NULL, n INTEGER NOT NULL, figure INTEGER NOT NULL REFERENCES figure,"
    "  value REAL, verdict INTEGER NOT NULL REFERENCES verdict,"
    "  PRIMARY KEY(run, step, attempt, n),"
    "  FOREIGN KEY(run, step, attempt) REFERENCES step) STRICT, WITHOUT ROWID;"
    "CREATE TABLE note(run INTEGER NOT NULL, step INTEGER NOT NULL, attempt INTEGER NOT NULL,"
    "  n INTEGER NOT NULL, name TEXT NOT NULL, text TEXT NOT NULL,"
    "  PRIMARY KEY(run, step, attempt, n),"
    "  FOREIGN KEY(run, step, attempt) REFERENCES step) STRICT, WITHOUT ROWID;"
    "CREATE TABLE content(id INTEGER PRIMARY KEY,"
    "  sha256 TEXT NOT NULL UNIQUE CHECK(length(sha256) = 64), bytes INTEGER NOT NULL) STRICT;"
    "CREATE TABLE attachment(run INTEGER NOT NULL, step INTEGER NOT NULL,"
    "  attempt INTEGER NOT NULL, n INTEGER NOT NULL, name TEXT NOT NULL, mime TEXT NOT NULL,"
    "  content INTEGER NOT NULL REFERENCES content, PRIMARY KEY(run, step, attempt, n),"
    "  FOREIGN KEY(run, step, attempt) REFERENCES step) STRICT, WITHOUT ROWID;";

/* What was measured stays as it was measured. */
static const struct store_rule rules_1[] = {
    {"step_stays", "UPDATE", "step", NULL, "a recorded step is never changed"},
    {"step_kept", "DELETE", "step", NULL, "a recorded step is never removed"},
    {"measurement_stays", "UPDATE", "measurement", NULL, "a recorded measurement is never changed"},
    {"measurement_kept", "DELETE", "measurement", NULL, "a recorded measurement is never removed"},
    {"verdict_stays", "UPDATE OF verdict, ended_ms", "run", "old.verdict <> 0",
     "a closed run is never changed"},
    {"run_kept", "DELETE", "run", NULL, "a run is never removed"},
    {NULL, NULL, NULL, NULL, NULL},
};

/* Traceability, and what goes out.
 *
 * What touched a unit is a set that stays the same for days: the instruments of a slot with their
 * calibrations are a `tooling`, kept once, and a run names it by number. The outbox holds which run
 * goes to whom; what is sent is made from the record itself, which never changes again. */
static const char schema_2[] =
    "CREATE TABLE store_identity(id INTEGER PRIMARY KEY CHECK(id = 1), name TEXT NOT NULL"
    "  CHECK(length(name) = 32)) STRICT;"

    "CREATE TABLE operator(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,"
    "  first_ms INTEGER NOT NULL) STRICT;"
    "CREATE TABLE instrument(id INTEGER PRIMARY KEY, class TEXT NOT NULL, name TEXT NOT NULL,"
    "  serial TEXT NOT NULL, UNIQUE(class, name, serial)) STRICT;"
    "CREATE TABLE calibration(id INTEGER PRIMARY KEY,"
    "  instrument INTEGER NOT NULL REFERENCES instrument, certificate TEXT NOT NULL,"
    "  calibrated_on TEXT NOT NULL, due_on TEXT NOT NULL,"
    "  UNIQUE(instrument, certificate, calibrated_on, due_on)) STRICT;"
    "CREATE TABLE tooling(id INTEGER PRIMARY KEY,"
    "  sha256 TEXT NOT NULL UNIQUE CHECK(length(sha256) = 64)) STRICT;"
    "CREATE TABLE tooling_part(tooling INTEGER NOT NULL REFERENCES tooling,"
    "  calibration INTEGER NOT NULL REFERENCES calibration,"
    "  PRIMARY KEY(tooling, calibration)) STRICT, WITHOUT ROWID;"
    "CREATE INDEX tooling_part_calibration ON tooling_part(calibration);"
    "ALTER TABLE run ADD COLUMN tooling INTEGER REFERENCES tooling;"
    "CREATE INDEX run_tooling ON run(tooling) WHERE tooling IS NOT NULL;"
    "CREATE INDEX run_plan ON run(plan);"
    "CREATE INDEX run_limits ON run(limits);"
    "CREATE INDEX run_bundle ON run(bundle);"
    "CREATE INDEX run_product_file ON run(product_file);"
    "CREATE INDEX run_operator ON run(operator);"
    "CREATE INDEX run_program ON run(program_version);"

    "CREATE TABLE defect(id INTEGER PRIMARY KEY, unit INTEGER NOT NULL REFERENCES unit,"
    "  run INTEGER REFERENCES run, code TEXT NOT NULL CHECK(code <> ''), place TEXT NOT NULL,"
    "  text TEXT NOT NULL, operator TEXT NOT NULL, found_ms INTEGER NOT NULL) STRICT;"
    "CREATE INDEX defect_unit ON defect(unit);"
    "CREATE TABLE repair(id INTEGER PRIMARY KEY, defect INTEGER NOT NULL REFERENCES defect,"
    "  action TEXT NOT NULL CHECK(action <> ''), part TEXT NOT NULL, text TEXT NOT NULL,"
    "  operator TEXT NOT NULL, done_ms INTEGER NOT NULL) STRICT;"
    "CREATE INDEX repair_defect ON repair(defect);"

    "CREATE TABLE outbox_state(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;"
    "INSERT INTO outbox_state VALUES (0,'waiting'),(1,'sent'),(2,'parked');"
    "CREATE TABLE destination(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,"
    "  connector TEXT NOT NULL, active INTEGER NOT NULL) STRICT;"
    "CREATE TABLE outbox(id INTEGER PRIMARY KEY,"
    "  destination INTEGER NOT NULL REFERENCES destination,"
    "  run INTEGER NOT NULL REFERENCES run, queued_ms INTEGER NOT NULL,"
    "  state INTEGER NOT NULL DEFAULT 0 REFERENCES outbox_state,"
    "  attempts INTEGER NOT NULL DEFAULT 0, settled_ms INTEGER, reason TEXT,"
    "  UNIQUE(run, destination)) STRICT;"
    "CREATE INDEX outbox_waiting ON outbox(destination, id) WHERE state = 0;"
    "CREATE INDEX outbox_parked ON outbox(destination, id) WHERE state = 2;"
    /* What this store was sent by others: the key of each message, in the same transaction. */
    "CREATE TABLE received(id INTEGER PRIMARY KEY, message TEXT NOT NULL UNIQUE,"
    "  run INTEGER NOT NULL REFERENCES run) STRICT;";

static const struct store_rule rules_2[] = {
    {"defect_stays", "UPDATE", "defect", NULL, "a recorded defect is never changed"},
    {"defect_kept", "DELETE", "defect", NULL, "a recorded defect is never removed"},
    {"repair_stays", "UPDATE", "repair", NULL, "a recorded repair is never changed"},
    {"repair_kept", "DELETE", "repair", NULL, "a recorded repair is never removed"},
    {"outbox_sent_stays", "UPDATE OF state", "outbox", "old.state = 1 AND new.state <> 1",
     "what was sent is never sent again"},
    {NULL, NULL, NULL, NULL, NULL},
};

/* Tallies: what a wall screen shows of a day, added up as each run is closed, in its transaction,
 * so that asking costs the same in a store of any size. A day begins at some quarter of an hour, in
 * whatever zone, so runs are counted by the quarter they began in and the minute they ended in.
 *
 * Units need no tally: of a day they are its judged runs without those whose unit had one before,
 * and `run_again` names that one. */
static const char schema_3[] =
    "CREATE TABLE tally(started INTEGER NOT NULL, ended INTEGER NOT NULL,"
    "  runs INTEGER NOT NULL, passed INTEGER NOT NULL, first_run INTEGER NOT NULL,"
    "  PRIMARY KEY(started, ended))"
    "  STRICT, WITHOUT ROWID;"
    "CREATE TABLE tally_failure(started INTEGER NOT NULL,"
    "  name INTEGER NOT NULL REFERENCES step_name, figure INTEGER NOT NULL,"
    "  failures INTEGER NOT NULL, PRIMARY KEY(started, name, figure)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE run_again(run INTEGER NOT NULL REFERENCES run,"
    "  previous INTEGER NOT NULL REFERENCES run, PRIMARY KEY(run)) STRICT, WITHOUT ROWID;"
    "CREATE INDEX run_failed ON run(id) WHERE verdict IN (2, 3, 4);";

static const struct store_rule no_rules[] = {{NULL, NULL, NULL, NULL, NULL}};

/* Campaigns. A unit's row and the campaign's are where they stand and are written anew; events and
 * rows of samples are added and stay.
 *
 * And tallies by station, so that stations which share a store do not wait for each other's row. */
static const char schema_4[] =
    "DROP TABLE tally;"
    "DROP TABLE tally_failure;"
    "DELETE FROM run_again;"
    "CREATE TABLE tally(started INTEGER NOT NULL, ended INTEGER NOT NULL,"
    "  station INTEGER NOT NULL REFERENCES station, runs INTEGER NOT NULL,"
    "  passed INTEGER NOT NULL, first_run INTEGER NOT NULL, PRIMARY KEY(started, ended, station))"
    "  STRICT, WITHOUT ROWID;"
    "CREATE TABLE tally_failure(started INTEGER NOT NULL,"
    "  name INTEGER NOT NULL REFERENCES step_name, figure INTEGER NOT NULL,"
    "  station INTEGER NOT NULL REFERENCES station, failures INTEGER NOT NULL,"
    "  PRIMARY KEY(started, name, figure, station)) STRICT, WITHOUT ROWID;" STORE_TALLIES_FILL
    "CREATE INDEX run_mode ON run(mode) WHERE mode <> 'production';"
    "CREATE TABLE campaign(id INTEGER PRIMARY KEY, name TEXT NOT NULL, file TEXT NOT NULL,"
    "  sha256 TEXT NOT NULL CHECK(length(sha256) = 64), plan TEXT NOT NULL,"
    "  plan_sha256 TEXT NOT NULL, limits_sha256 TEXT NOT NULL, lot TEXT NOT NULL,"
    "  operator TEXT NOT NULL, station TEXT NOT NULL, program_version TEXT NOT NULL,"
    "  clock TEXT NOT NULL, seed INTEGER NOT NULL, started_ms INTEGER NOT NULL, confidence REAL,"
    "  activation_ev REAL, use_c REAL, state TEXT NOT NULL DEFAULT 'running'"
    "  CHECK(state IN ('running', 'paused', 'held', 'finished', 'stopped')),"
    "  reason TEXT NOT NULL DEFAULT '', elapsed_ms INTEGER NOT NULL DEFAULT 0,"
    "  at_ms INTEGER NOT NULL DEFAULT 0, progress TEXT NOT NULL DEFAULT '') STRICT;"
    "CREATE INDEX campaign_open ON campaign(id) WHERE state NOT IN ('finished', 'stopped');"
    "CREATE TABLE campaign_figure(campaign INTEGER NOT NULL REFERENCES campaign,"
    "  number INTEGER NOT NULL, name TEXT NOT NULL, unit TEXT NOT NULL, low REAL, high REAL,"
    "  min_percent REAL, max_percent REAL, min_change REAL, max_change REAL,"
    "  PRIMARY KEY(campaign, number)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE campaign_instrument(campaign INTEGER NOT NULL REFERENCES campaign,"
    "  class TEXT NOT NULL, name TEXT NOT NULL, serial TEXT NOT NULL, certificate TEXT NOT NULL,"
    "  calibrated_on TEXT NOT NULL, due_on TEXT NOT NULL, PRIMARY KEY(campaign, class, name))"
    "  STRICT, WITHOUT ROWID;"
    "CREATE TABLE campaign_unit(campaign INTEGER NOT NULL REFERENCES campaign,"
    "  number INTEGER NOT NULL CHECK(number >= 1), place TEXT NOT NULL, port TEXT NOT NULL,"
    "  chip_id TEXT NOT NULL, serial TEXT NOT NULL, state TEXT NOT NULL, cause TEXT NOT NULL,"
    "  cause_figure INTEGER NOT NULL, joined_ms INTEGER NOT NULL, watched_ms INTEGER NOT NULL,"
    "  watch TEXT NOT NULL, PRIMARY KEY(campaign, number)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE campaign_event(campaign INTEGER NOT NULL REFERENCES campaign,"
    "  n INTEGER NOT NULL, unit INTEGER NOT NULL, elapsed_ms INTEGER NOT NULL,"
    "  at_ms INTEGER NOT NULL, kind TEXT NOT NULL, text TEXT NOT NULL, PRIMARY KEY(campaign, n))"
    "  STRICT, WITHOUT ROWID;"
    "CREATE TABLE campaign_row(campaign INTEGER NOT NULL REFERENCES campaign,"
    "  unit INTEGER NOT NULL, figure INTEGER NOT NULL, from_ms INTEGER NOT NULL,"
    "  samples INTEGER NOT NULL CHECK(samples >= 1), lowest REAL NOT NULL, highest REAL NOT NULL,"
    "  mean REAL NOT NULL, deviation REAL NOT NULL, PRIMARY KEY(campaign, unit, figure, from_ms))"
    "  STRICT, WITHOUT ROWID;";

static const struct store_rule rules_4[] = {
    {"campaign_kept", "DELETE", "campaign", NULL, "a campaign is never removed"},
    {"campaign_stays", "UPDATE", "campaign", "old.state IN ('finished', 'stopped')",
     "a campaign that has ended is never changed"},
    {"campaign_event_stays", "UPDATE", "campaign_event", NULL, "an event is never changed"},
    {"campaign_event_kept", "DELETE", "campaign_event", NULL, "an event is never removed"},
    {"campaign_row_stays", "UPDATE", "campaign_row", NULL, "what was sampled is never changed"},
    {"campaign_row_kept", "DELETE", "campaign_row", NULL, "what was sampled is never removed"},
    {NULL, NULL, NULL, NULL, NULL},
};

/* Whose key signed the plan of a run, as a fingerprint: NULL where none was asked for. */
static const char schema_5[] = "ALTER TABLE run ADD COLUMN plan_signer TEXT;";

/* What a day's screen adds up is production: golden units, campaigns and repairs were in it. */
static const char schema_6[] = STORE_TALLIES_EMPTY STORE_TALLIES_FILL;

const struct store_migration store_migrations[STORE_VERSION] = {
    {schema_1, rules_1}, {schema_2, rules_2},  {schema_3, no_rules},
    {schema_4, rules_4}, {schema_5, no_rules}, {schema_6, no_rules},
};
