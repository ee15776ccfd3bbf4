/* A message into a store, once. */
#ifndef TAKT_REPORTS_OUTBOX_LINE_STORE_H
#define TAKT_REPORTS_OUTBOX_LINE_STORE_H

#include "reports/outbox/connector.h"
#include "reports/store.h"

/* The run and the message's key in one transaction; nothing when the key is there already. */
int line_store_write(struct store *s, const struct outbox_message *m, struct error *err);

#endif
