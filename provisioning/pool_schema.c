#include "provisioning/pool_schema.h"

#include "provisioning/database.h"

/* The numbers of enum identity_state stand in these rows and triggers. The triggers hold the rules
 * of the pool for whoever writes to the file, also a person with an SQLite shell. */
static const char schema_1[] =
    "CREATE TABLE pool_setting(name TEXT PRIMARY KEY, value ANY NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE TABLE identity_state(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;"
    "INSERT INTO identity_state VALUES (0,'free'),(1,'reserved'),(2,'injected'),(3,'confirmed'),"
    "  (4,'quarantined');"
    "CREATE TABLE identity_import(id INTEGER PRIMARY KEY, file TEXT NOT NULL,"
    "  sha256 TEXT NOT NULL, operator TEXT NOT NULL, wall_ms INTEGER NOT NULL) STRICT;"
    "CREATE TABLE identity(id INTEGER PRIMARY KEY,"
    "  did TEXT NOT NULL UNIQUE, mac TEXT NOT NULL UNIQUE,"
    "  key_fingerprint BLOB NOT NULL UNIQUE CHECK(length(key_fingerprint) = 32),"
    "  key_sealed BLOB NOT NULL, import INTEGER NOT NULL REFERENCES identity_import,"
    "  import_line INTEGER NOT NULL,"
    "  state INTEGER NOT NULL DEFAULT 0 REFERENCES identity_state,"
    "  chip_id TEXT UNIQUE, serial TEXT, work_order TEXT, station TEXT,"
    "  reserved_ms INTEGER, injected_ms INTEGER, confirmed_ms INTEGER, quarantined_ms INTEGER,"
    "  reason TEXT, CHECK((state = 0) = (chip_id IS NULL)), CHECK(chip_id <> '')) STRICT;"
    "CREATE INDEX identity_free ON identity(id) WHERE state = 0;"
    "CREATE TRIGGER identity_begins_free BEFORE INSERT ON identity"
    "  WHEN new.state <> 0 BEGIN"
    "  SELECT RAISE(ABORT, 'an identity comes into the pool free'); END;"
    "CREATE TRIGGER identity_goes_forward BEFORE UPDATE OF state ON identity"
    "  WHEN new.state < old.state OR (old.state = 0 AND new.state > 1) BEGIN"
    "  SELECT RAISE(ABORT, 'an identity''s state never goes back'); END;"
    "CREATE TRIGGER identity_is_one_units BEFORE UPDATE OF chip_id ON identity"
    "  WHEN old.chip_id IS NOT NULL AND new.chip_id IS NOT old.chip_id BEGIN"
    "  SELECT RAISE(ABORT, 'an identity is never given to another unit'); END;"
    "CREATE TRIGGER identity_stays BEFORE UPDATE OF did, mac, key_fingerprint, key_sealed"
    "  ON identity BEGIN SELECT RAISE(ABORT, 'did, mac and key never change'); END;"
    "CREATE TRIGGER identity_kept BEFORE DELETE ON identity BEGIN"
    "  SELECT RAISE(ABORT, 'an identity is never removed'); END;"
    "INSERT INTO pool_setting VALUES ('version', 1);";

/* Scrapped units, and quotas. */
static const char schema_2[] =
    "INSERT INTO identity_state VALUES (5,'scrapped');"
    "ALTER TABLE identity ADD COLUMN operator TEXT;"
    "ALTER TABLE identity ADD COLUMN scrapped_ms INTEGER;"
    "CREATE TABLE identity_quota(kind TEXT NOT NULL CHECK(kind IN ('order','station','operator')),"
    "  name TEXT NOT NULL, allowed INTEGER NOT NULL CHECK(allowed >= 0), used INTEGER NOT NULL,"
    "  PRIMARY KEY(kind, name)) STRICT, WITHOUT ROWID;"
    "UPDATE pool_setting SET value = 2 WHERE name = 'version';";

/* MAC addresses by range, as numbers; `next` is the first that was not given out. */
static const char schema_3[] =
    "CREATE TABLE mac_range(id INTEGER PRIMARY KEY, prefix TEXT NOT NULL, first INTEGER NOT NULL,"
    "  last INTEGER NOT NULL CHECK(last >= first),"
    "  next INTEGER NOT NULL CHECK(next BETWEEN first AND last + 1),"
    "  import INTEGER NOT NULL REFERENCES identity_import, import_line INTEGER NOT NULL) STRICT;"
    "CREATE TRIGGER mac_range_apart BEFORE INSERT ON mac_range"
    "  WHEN EXISTS (SELECT 1 FROM mac_range WHERE first <= new.last AND last >= new.first) BEGIN"
    "  SELECT RAISE(ABORT, 'two ranges of mac addresses never overlap'); END;"
    "CREATE TRIGGER mac_range_goes_forward BEFORE UPDATE ON mac_range"
    "  WHEN new.next < old.next OR new.first <> old.first OR new.last <> old.last BEGIN"
    "  SELECT RAISE(ABORT, 'a mac address is given once'); END;"
    "CREATE TRIGGER mac_range_kept BEFORE DELETE ON mac_range BEGIN"
    "  SELECT RAISE(ABORT, 'a range of mac addresses is never removed'); END;"
    "UPDATE pool_setting SET value = 3 WHERE name = 'version';";

/* Identities of a pool that stations share: `shared` is the number there, `reported` the state it
 * was last told of. What a lease held and gave back is not held any more. */
static const char schema_4[] =
    "CREATE TABLE pool_lease(id INTEGER PRIMARY KEY, token TEXT NOT NULL UNIQUE,"
    "  wanted INTEGER NOT NULL, asked_ms INTEGER NOT NULL, ends_ms INTEGER NOT NULL,"
    "  state INTEGER NOT NULL DEFAULT 0 CHECK(state BETWEEN 0 AND 3)) STRICT;"
    "CREATE TRIGGER pool_lease_goes_forward BEFORE UPDATE ON pool_lease"
    "  WHEN new.state < old.state OR new.token <> old.token OR new.ends_ms > old.ends_ms BEGIN"
    "  SELECT RAISE(ABORT, 'a lease never begins again'); END;"
    "ALTER TABLE identity ADD COLUMN held INTEGER NOT NULL DEFAULT 1;"
    "ALTER TABLE identity ADD COLUMN lease INTEGER REFERENCES pool_lease;"
    "ALTER TABLE identity ADD COLUMN shared INTEGER;"
    "ALTER TABLE identity ADD COLUMN reported INTEGER;"
    "DROP INDEX identity_free;"
    "CREATE INDEX identity_free ON identity(id) WHERE state = 0 AND held = 1;"
    "CREATE UNIQUE INDEX identity_shared ON identity(shared) WHERE shared IS NOT NULL;"
    "CREATE INDEX identity_leased ON identity(lease) WHERE state = 0 AND held = 1;"
    "CREATE INDEX identity_unreported ON identity(id) WHERE shared IS NOT NULL AND reported <> "
    "state;"
    "CREATE TRIGGER identity_is_held BEFORE UPDATE OF state ON identity"
    "  WHEN old.state = 0 AND new.state > 0 AND old.held = 0 BEGIN"
    "  SELECT RAISE(ABORT, 'an identity that was given back is not this station''s'); END;"
    "UPDATE pool_setting SET value = 4 WHERE name = 'version';";

/* Certificates of units that made their keys themselves. */
static const char schema_5[] =
    "CREATE TABLE identity_certificate(did TEXT PRIMARY KEY REFERENCES identity(did),"
    "  der BLOB NOT NULL, issued_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE TRIGGER identity_certificate_stays BEFORE UPDATE ON identity_certificate BEGIN"
    "  SELECT RAISE(ABORT, 'a certificate never changes'); END;"
    "CREATE TRIGGER identity_certificate_kept BEFORE DELETE ON identity_certificate BEGIN"
    "  SELECT RAISE(ABORT, 'a certificate is never removed'); END;"
    "UPDATE pool_setting SET value = 5 WHERE name = 'version';";

static const char *const migrations[POOL_VERSION] = {schema_1, schema_2, schema_3, schema_4,
                                                     schema_5};

static int read_version(sqlite3 *db, int64_t *version, struct error *err)
{
    *version = 0;
    sqlite3_stmt *st = database_prepare(
        db, err, "SELECT 1 FROM sqlite_schema WHERE type='table' AND name='pool_setting'", "");
    if (!st)
        return err ? err->code : ERROR_IO;
    int rc = database_step(db, st, err, "cannot read the pool's version");
    sqlite3_finalize(st);
    if (rc <= 0)
        return rc;
    st = database_prepare(db, err, "SELECT value FROM pool_setting WHERE name='version'", "");
    if (!st)
        return err ? err->code : ERROR_IO;
    rc = database_step(db, st, err, "cannot read the pool's version");
    if (rc == 1)
        *version = sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    return rc < 0 ? rc : 0;
}

int pool_schema_migrate(sqlite3 *db, struct error *err)
{
    int64_t version = 0;
    int rc = read_version(db, &version, err);
    if (!rc && version > POOL_VERSION)
        return error_set(err, ERROR_STATE,
                         "the identities are of version %lld, this program knows up to %d: use the "
                         "newer program",
                         (long long)version, POOL_VERSION);
    for (; !rc && version < POOL_VERSION; version++)
        rc = database_run(db, migrations[version], err, "cannot make the pool's tables");
    return rc;
}
