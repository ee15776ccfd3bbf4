/* For the files of this folder: the agent's insides, a call being served, and who serves what. */
#ifndef TAKT_FIRMWARE_FACTORY_AGENT_PARTS_H
#define TAKT_FIRMWARE_FACTORY_AGENT_PARTS_H

#include <pthread.h>
#include <stdatomic.h>

#include "firmware/factory/agent.h"
#include "firmware/factory/factory_partition.h"
#include "firmware/factory/finalize.h"
#include "firmware/factory/identity_store.h"
#include "firmware/update/slots.h"
#include "firmware/update/writer.h"
#include "protocol/formats/token.h"

/* What only one call at a time may use. Microphone and speaker are two: one hears the other. */
enum agent_part {
    PART_SYSTEM,
    PART_FLASH, /* with slots, writer and identity */
    PART_CAMERA,
    PART_MOTOR,
    PART_MICROPHONE,
    PART_SPEAKER,
    PART_RADIO,
    PART_BLUETOOTH,
    PART_CARD,
    PART_GPIO,
    PARTS,
    PART_NONE = PARTS, /* takes and leaves its part by itself */
};

struct agent {
    struct agent_config config;
    const struct hal *hal;
    const struct board *board;
    char chip_id[33];
    char running; /* slot 'a' or 'b' */
    int64_t started_ms;
    atomic_bool locked;    /* the lock is set in the identity record */
    atomic_bool finalized; /* locked, or the loader was closed at start */
    atomic_bool restart_wanted;
    /* Why factory mode was closed at start though the lock was not seen; "" when it was open. */
    char trouble[240];
    struct factory_credentials credentials; /* as read at start; empty unless whole */
    /* Who is in: sessions whose tokens were accepted, all of one station and order. */
    struct agent_place {
        pthread_mutex_t lock;
        int inside;
        char station[TOKEN_NAME_MAX + 1], order[TOKEN_NAME_MAX + 1];
    } place;
    struct method methods[48]; /* what this unit serves; ends with a NULL name */
    pthread_mutex_t parts[PARTS];

    struct slots slots;          /* PART_FLASH */
    struct writer *writer;       /* PART_FLASH; NULL before flash.begin */
    struct identity_store store; /* PART_FLASH */
    bool streaming;              /* PART_CAMERA */
};

struct agent_session {
    struct agent *agent;
    char nonce[TOKEN_NONCE_TEXT];
    atomic_bool entered;
    bool inside;         /* counts in the agent's place, under its lock */
    atomic_int refusals; /* of tokens */
};

/* A call being served. */
struct agent_call {
    struct agent_session *session;
    struct request *request;
    const cJSON *params;
    cJSON *result;  /* an object to fill */
    bool no_memory; /* an answer_...() failed */
};

struct agent_method {
    const char *name;
    enum agent_part part;
    int (*serve)(struct agent *a, struct agent_call *call, struct error *err);
};

/* Each ends with a NULL name. */
extern const struct agent_method agent_system_methods[], agent_flash_methods[],
    agent_identity_methods[], agent_camera_methods[], agent_ptz_methods[],
    agent_microphone_methods[], agent_speaker_methods[], agent_wifi_methods[], agent_card_methods[],
    agent_bluetooth_methods[], agent_gpio_methods[], agent_factory_methods[],
    agent_health_methods[];

/* Waits for a part as long as the call lives; ERROR_CANCELLED when it does not any more. */
int agent_take(struct agent *a, struct agent_call *call, enum agent_part part, struct error *err);
void agent_leave(struct agent *a, enum agent_part part);
/* Lets this session in; ERROR_BUSY when another station is and stays. Several sessions of one
 * station may be in at once when their tokens name it and the same order. */
int agent_take_place(struct agent_call *call, const struct token *token, struct error *err);
/* Is no other station in than the one that says it is this one ("" does not say)? ERROR_BUSY
 * likewise. A courtesy: what counts is the token. */
int agent_need_place(const struct agent_call *call, const char *station, struct error *err);
/* Why factory mode is closed; NULL while it is open. */
const char *agent_closed(const struct agent *a);
/* What leaving factory mode works on; borrows from the agent. */
struct finalize agent_finalize(struct agent *a);
void agent_log(const struct agent *a, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A card that can be written, of a size that the card's tests can work with. */
int agent_card_usable(struct agent *a, struct card_status *s, struct error *err);
int agent_card_format(struct agent *a, struct agent_call *call, struct error *err);

/* Members of the result, or of an object within it. */
void answer_number(struct agent_call *call, cJSON *object, const char *name, double value);
void answer_text(struct agent_call *call, cJSON *object, const char *name, const char *text);
void answer_flag(struct agent_call *call, cJSON *object, const char *name, bool value);
cJSON *answer_array(struct agent_call *call, cJSON *object, const char *name);
cJSON *answer_object(struct agent_call *call, cJSON *object, const char *name);
cJSON *answer_item(struct agent_call *call, cJSON *array); /* a new object in an array */

#endif
