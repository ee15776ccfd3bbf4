/* A run as messages of the Connected Factory Exchange (IPC-2591), names and members as the
 * standard's SDK has them, without I/O. Which of our words becomes which of theirs:
 * docs/records.md. */
#ifndef TAKT_REPORTS_OUTBOX_CFX_MESSAGES_H
#define TAKT_REPORTS_OUTBOX_CFX_MESSAGES_H

#include "reports/outbox/connector.h"

enum { CFX_RUN_MESSAGES = 3 };

struct cfx_message {
    char name[64];                    /* "CFX.Production.WorkStarted" */
    char topic[64];                   /* its namespace: "CFX.Production" */
    char unique_id[OUTBOX_UUID_TEXT]; /* the envelope's; the AMQP message's id too */
    int64_t time_ms;                  /* of the event */
    cJSON *envelope;
};

/* WorkStarted, UnitsTested and WorkCompleted of a run, in this order, from endpoint `handle`. The
 * same run gives the same bytes. Freed by cfx_free, one by one. */
int cfx_run(const struct outbox_message *m, const char *handle,
            struct cfx_message out[CFX_RUN_MESSAGES], struct error *err);

/* CFX.EndpointConnected, CFX.Heartbeat and CFX.EndpointShuttingDown, as of `wall_ms`. */
int cfx_connected(const char *handle, const char *broker, const char *address, int64_t wall_ms,
                  struct cfx_message *out, struct error *err);
int cfx_heartbeat(const char *handle, int every_s, int64_t wall_ms, struct cfx_message *out,
                  struct error *err);

int cfx_leaving(const char *handle, int64_t wall_ms, struct cfx_message *out, struct error *err);

void cfx_free(struct cfx_message *m);

#endif
