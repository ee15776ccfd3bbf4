/* The factory agent: the methods by which a station reaches every part of the camera
 * (docs/protocol.md has their table). It gives evidence and never a verdict.
 *
 * What it offers follows from the hardware: a method whose part the HAL lacks is not there. Once
 * factory.lock was called, now or in an earlier life, nothing but `hello` answers. */
#ifndef TAKT_FIRMWARE_FACTORY_AGENT_H
#define TAKT_FIRMWARE_FACTORY_AGENT_H

#include <stdbool.h>

#include "firmware/hal/hal.h"
#include "protocol/wire/session.h"

struct agent;

struct agent_config {
    const struct board *board; /* must outlive the agent, as all below */
    const struct hal *hal;
    const char *bundle_key_pem;                   /* whose bundles are taken; NULL: none */
    void (*log)(void *context, const char *line); /* may be NULL; called from any thread */
    void *log_context;
};

/* Reads identity and slots; where no boot loader ran before, does its part (slots_boot). */
int agent_create(const struct agent_config *config, struct agent **out, struct error *err);
/* No session may use it any more. */
void agent_free(struct agent *a);

const char *agent_chip_id(const struct agent *a);
bool agent_locked(const struct agent *a); /* factory mode is closed for good */

/* For struct session_config: the methods this unit serves, and their context is the agent. Calls
 * that need the same part of the camera wait for one another. */
const struct method *agent_methods(const struct agent *a);

/* True once unit.restart was answered: drop the session and call agent_restart(). */
bool agent_restart_wanted(const struct agent *a);
/* Does not return on success. */
int agent_restart(struct agent *a, struct error *err);

#endif
