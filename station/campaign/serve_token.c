#include "station/campaign/serve_parts.h"

#include <stdio.h>
#include <time.h>

#include "protocol/base/json.h"

enum { TOKEN_MS = 15000 };

/* From the crew's threads; the loop brings the answer. */
int served_token(void *context, const char *chip_id, const char *nonce, struct unit_token *out,
                 struct error *err)
{
    struct served *s = context;
    struct waiting w = {0};
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += TOKEN_MS / 1000;
    cJSON *question = cJSON_CreateObject();
    pthread_mutex_lock(&s->lock);
    w.id = ++s->last_ask;
    w.next = s->waiting;
    s->waiting = &w;
    cJSON_AddStringToObject(question, "ask", "token");
    cJSON_AddNumberToObject(question, "id", w.id);
    cJSON_AddStringToObject(question, "chip_id", chip_id);
    cJSON_AddStringToObject(question, "nonce", nonce);
    int rc = s->wire->send(s->wire->context, question, err);
    while (!rc && !w.answer && !s->gone)
        if (pthread_cond_timedwait(&s->answered, &s->lock, &until))
            rc = error_set(err, ERROR_TIMEOUT, "taktd gave no token within %d s", TOKEN_MS / 1000);
    for (struct waiting **p = &s->waiting; *p; p = &(*p)->next)
        if (*p == &w) {
            *p = w.next;
            break;
        }
    pthread_mutex_unlock(&s->lock);
    cJSON_Delete(question);
    if (w.answer)
        rc = (int)json_number(w.answer, "rc", ERROR_PROTOCOL);
    else if (!rc)
        rc = error_set(err, ERROR_CLOSED, "taktd is gone");
    if (w.answer && rc)
        error_set(err, rc, "%s", json_string(w.answer, "text", "no token, no reason"));
    if (w.answer && !rc) {
        snprintf(out->text, sizeof out->text, "%s", json_string(w.answer, "token", ""));
        snprintf(out->signature_hex, sizeof out->signature_hex, "%s",
                 json_string(w.answer, "signature", ""));
    }
    cJSON_Delete(w.answer);
    return rc;
}

bool served_take_answer(struct served *s, cJSON *message)
{
    const int id = (int)json_number(message, "answer", 0);
    bool taken = false;
    pthread_mutex_lock(&s->lock);
    for (struct waiting *w = s->waiting; w && !taken; w = w->next)
        if (w->id == id && !w->answer) {
            w->answer = message;
            taken = true;
        }
    pthread_cond_broadcast(&s->answered);
    pthread_mutex_unlock(&s->lock);
    return taken;
}
