#include "provisioning/cryptoki.h"

#include <openssl/crypto.h>
#include <p11-kit/p11-kit.h>
#include <p11-kit/uri.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "protocol/base/file.h"
#include "provisioning/secret.h"

enum { SLOTS_MAX = 64, PIN_MAX = 255, LABEL_MAX = 64 };

struct cryptoki {
    const char *what;
    pid_t process;
    CK_FUNCTION_LIST *module;
    bool initialized;
    CK_SESSION_HANDLE session;
    char label[LABEL_MAX + 1];
};

static int fail(const char *what, CK_RV rv, struct error *err, const char *doing)
{
    return error_set(
        err, rv == CKR_DEVICE_REMOVED || rv == CKR_TOKEN_NOT_PRESENT ? ERROR_CLOSED : ERROR_IO,
        "%s: the PKCS#11 token refused to %s: %s", what, doing, p11_kit_strerror(rv));
}

int cryptoki_fail(const struct cryptoki *c, CK_RV rv, struct error *err, const char *doing)
{
    return fail(c->what, rv, err, doing);
}

/* ---- the URI ------------------------------------------------------------------------------- */

static int parse(struct cryptoki *c, const char *text, P11KitUri *uri, struct error *err)
{
    char whole[1024];
    const int n = snprintf(whole, sizeof whole, "pkcs11:%s", text);
    if (n >= (int)sizeof whole || p11_kit_uri_parse(whole, P11_KIT_URI_FOR_ANY, uri) ||
        p11_kit_uri_any_unrecognized(uri))
        return error_set(err, ERROR_INPUT,
                         "%s: 'pkcs11:%.200s' is no PKCS#11 URI (RFC 7512): expected "
                         "token=…;object=…?module-path=…&pin-source=…",
                         c->what, text);
    if (p11_kit_uri_get_pin_value(uri))
        return error_set(err, ERROR_REFUSED,
                         "%s: a PIN does not belong into a URI: put it into a file of mode 0600 "
                         "and name that as pin-source",
                         c->what);
    const CK_ATTRIBUTE *label = p11_kit_uri_get_attribute(uri, CKA_LABEL);
    if (!label || label->ulValueLen < 1 || label->ulValueLen > LABEL_MAX)
        return error_set(err, ERROR_INPUT, "%s: the URI names no object, expected object=NAME",
                         c->what);
    memcpy(c->label, label->pValue, label->ulValueLen);
    if (!p11_kit_uri_get_module_path(uri) || !p11_kit_uri_get_pin_source(uri))
        return error_set(err, ERROR_INPUT, "%s: the URI needs module-path and pin-source", c->what);
    return 0;
}

/* ---- opening ------------------------------------------------------------------------------- */

static int load(struct cryptoki *c, const char *path, struct error *err)
{
    if (access(path, R_OK))
        return error_errno(err, ERROR_MISSING, "%s: cannot load the PKCS#11 module %s", c->what,
                           path);
    c->module = p11_kit_module_load(path, 0);
    if (!c->module)
        return error_set(err, ERROR_INPUT, "%s: %s is no PKCS#11 module: %s", c->what, path,
                         p11_kit_message());
    const CK_RV rv = p11_kit_module_initialize(c->module);
    c->initialized = rv == CKR_OK;
    return c->initialized ? 0 : fail(c->what, rv, err, "start");
}

/* The slot whose token is the URI's. */
static int find_token(struct cryptoki *c, P11KitUri *uri, CK_SLOT_ID *out, struct error *err)
{
    CK_SLOT_ID slots[SLOTS_MAX];
    CK_ULONG count = SLOTS_MAX;
    CK_TOKEN_INFO info;
    const CK_RV rv = c->module->C_GetSlotList(CK_TRUE, slots, &count);
    if (rv != CKR_OK)
        return fail(c->what, rv, err, "list its slots");
    for (CK_ULONG i = 0; i < count; i++) {
        if (c->module->C_GetTokenInfo(slots[i], &info) == CKR_OK &&
            (info.flags & CKF_TOKEN_INITIALIZED) && p11_kit_uri_match_token_info(uri, &info)) {
            *out = slots[i];
            return 0;
        }
    }
    const unsigned char *label = p11_kit_uri_get_token_info(uri)->label;
    int length = sizeof info.label; /* padded with blanks */
    while (length && (label[length - 1] == ' ' || !label[length - 1]))
        length--;
    return error_set(err, ERROR_MISSING, "%s: no PKCS#11 token '%.*s' in %s", c->what, length,
                     label, p11_kit_uri_get_module_path(uri));
}

static int read_pin(const char *path, char pin[PIN_MAX + 1], struct error *err)
{
    off_t size;
    int fd, rc = secret_file_open("the PIN", path, &fd, &size, err);
    if (rc)
        return rc;
    memset(pin, 0, PIN_MAX + 1);
    if (size < 1 || size > PIN_MAX)
        rc = error_set(err, ERROR_INPUT, "the PIN %s has %lld bytes, expected 1 to %d", path,
                       (long long)size, PIN_MAX);
    if (!rc)
        rc = file_read_all(fd, pin, (size_t)size, err);
    close(fd);
    pin[strcspn(pin, "\r\n")] = '\0';
    return rc;
}

static int log_in(struct cryptoki *c, const char *pin_path, struct error *err)
{
    char pin[PIN_MAX + 1];
    int rc = read_pin(pin_path, pin, err);
    if (rc)
        return rc;
    const CK_RV rv =
        c->module->C_Login(c->session, CKU_USER, (unsigned char *)pin, (CK_ULONG)strlen(pin));
    OPENSSL_cleanse(pin, sizeof pin);
    if (rv == CKR_PIN_INCORRECT || rv == CKR_PIN_LOCKED || rv == CKR_PIN_EXPIRED)
        return error_set(err, ERROR_REFUSED, "%s: the PIN of %s: %s", c->what, pin_path,
                         p11_kit_strerror(rv));
    if (rv != CKR_OK && rv != CKR_USER_ALREADY_LOGGED_IN)
        return fail(c->what, rv, err, "log in");
    return 0;
}

int cryptoki_open(const char *what, const char *text, struct cryptoki **out, struct error *err)
{
    struct cryptoki *c = calloc(1, sizeof *c);
    P11KitUri *uri = p11_kit_uri_new();
    CK_SLOT_ID slot;
    CK_RV rv;
    *out = NULL;
    int rc = c && uri ? 0 : error_set(err, ERROR_MEMORY, "%s: out of memory", what);
    if (rc)
        goto out;
    *c = (struct cryptoki){.what = what, .process = getpid(), .session = CK_INVALID_HANDLE};
    rc = parse(c, text, uri, err);
    if (!rc)
        rc = load(c, p11_kit_uri_get_module_path(uri), err);
    if (!rc)
        rc = find_token(c, uri, &slot, err);
    if (rc)
        goto out;
    rv = c->module->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL,
                                  &c->session);
    rc = rv == CKR_OK ? log_in(c, p11_kit_uri_get_pin_source(uri), err)
                      : fail(what, rv, err, "open a session");
out:
    p11_kit_uri_free(uri);
    if (rc)
        cryptoki_close(c);
    else
        *out = c;
    return rc;
}

void cryptoki_close(void *cryptoki)
{
    struct cryptoki *c = cryptoki;
    if (!c)
        return;
    if (c->process == getpid()) {
        if (c->session != CK_INVALID_HANDLE)
            c->module->C_CloseSession(c->session);
        if (c->initialized)
            p11_kit_module_finalize(c->module);
        if (c->module)
            p11_kit_module_release(c->module);
    }
    free(c);
}

/* ---- open ---------------------------------------------------------------------------------- */

int cryptoki_here(const struct cryptoki *c, struct error *err)
{
    return c->process == getpid()
               ? 0
               : error_set(err, ERROR_STATE, "%s is not in this process: it was forked", c->what);
}

CK_FUNCTION_LIST *cryptoki_calls(struct cryptoki *c)
{
    return c->module;
}

CK_SESSION_HANDLE cryptoki_session(const struct cryptoki *c)
{
    return c->session;
}

const char *cryptoki_label(const struct cryptoki *c)
{
    return c->label;
}

int cryptoki_find(struct cryptoki *c, CK_OBJECT_CLASS class, CK_OBJECT_HANDLE *out,
                  struct error *err)
{
    CK_ATTRIBUTE wanted[] = {{CKA_CLASS, &class, sizeof class},
                             {CKA_LABEL, c->label, strlen(c->label)}};
    CK_OBJECT_HANDLE found[2];
    CK_ULONG count = 0;
    CK_RV rv = c->module->C_FindObjectsInit(c->session, wanted, 2);
    if (rv == CKR_OK)
        rv = c->module->C_FindObjects(c->session, found, 2, &count);
    if (rv == CKR_OK)
        rv = c->module->C_FindObjectsFinal(c->session);
    if (rv != CKR_OK)
        return cryptoki_fail(c, rv, err, "look for its key");
    if (count == 0)
        return error_set(err, ERROR_MISSING, "%s: the PKCS#11 token has no key '%s'", c->what,
                         c->label);
    if (count > 1)
        return error_set(err, ERROR_INPUT, "%s: the PKCS#11 token has several keys '%s'", c->what,
                         c->label);
    *out = found[0];
    return 0;
}
