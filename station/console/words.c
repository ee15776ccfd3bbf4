#include "station/console/words.h"

#include <limits.h>
#include <locale.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

/* glibc's own counter: raised, it makes gettext look the language up again. */
extern int _nl_msg_cat_cntr;

static bool is_chinese(const char *language)
{
    return language && strncmp(language, "zh", 2) == 0;
}

static void choose(bool chinese)
{
    /* zh_CN as a language works under any UTF-8 locale; the locale itself need not be there. */
    setenv("LANGUAGE", chinese ? "zh_CN" : "en", 1);
    _nl_msg_cat_cntr++;
}

/* Beside the program in a build folder, below share/ once installed. */
static void bind_catalogues(void)
{
    char path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 32);
    if (n > 0) {
        path[n] = '\0';
        char *slash = strrchr(path, '/');
        strcpy(slash, "/locale");
        if (access(path, F_OK) != 0)
            strcpy(slash, "/../share/locale");
        bindtextdomain("takt", path);
    }
    bind_textdomain_codeset("takt", "UTF-8");
    textdomain("takt");
}

void words_start(const char *language)
{
    /* A machine without the operator's locale still shows every character. */
    if (!setlocale(LC_ALL, "") || MB_CUR_MAX == 1)
        setlocale(LC_ALL, "C.UTF-8");
    const char *from_environment = getenv("LANGUAGE");
    if (!from_environment || !*from_environment)
        from_environment = getenv("LANG");
    bind_catalogues();
    choose(is_chinese(language ? language : from_environment));
}

void words_switch(void)
{
    choose(!is_chinese(getenv("LANGUAGE")));
}

struct word {
    const char *name, *text;
};

static const char *look_up(const struct word *words, const char *name)
{
    for (; words->name; words++)
        if (strcmp(words->name, name) == 0)
            return _(words->text);
    return name;
}

const char *words_verdict(const char *verdict)
{
    static const struct word words[] = {
        {"pass", N_("PASS")},
        {"fail", N_("FAIL")},
        {"error", N_("ERROR")},
        {"timeout", N_("TIMEOUT")},
        {"aborted", N_("ABORTED")},
        {"skipped", N_("SKIPPED")},
        {NULL, NULL},
    };
    return look_up(words, verdict);
}

const char *words_state(const char *state)
{
    static const struct word words[] = {
        {"idle", N_("ready")},
        {"running", N_("running")},
        {"waiting", N_("waiting for its turn")},
        {"recording", N_("recording")},
        {"safing", N_("switching off")},
        /* of campaigns and their units */
        {"joining", N_("coming up")},
        {"watched", N_("watched")},
        {"failed", N_("failed")},
        {"left", N_("taken out")},
        {"ended", N_("good to the end")},
        {"paused", N_("paused")},
        {"held", N_("held")},
        {"finished", N_("finished")},
        {"stopped", N_("stopped")},
        {NULL, NULL},
    };
    return look_up(words, state);
}

const char *words_next(const char *verdict)
{
    static const struct word words[] = {
        {"pass", N_("take it out, insert the next")},
        {"fail", N_("to the rejects, insert the next")},
        {"error", N_("call the technician")},
        {"timeout", N_("call the technician")},
        {"aborted", N_("press s to test it again")},
        {NULL, NULL},
    };
    const char *next = look_up(words, verdict);
    return next == verdict ? "" : next;
}

const char *words_name(const char *name)
{
    return *name ? _(name) : ""; /* gettext answers "" with the catalogue's header */
}

void words_figure(const char *name, char *out, size_t size)
{
    char step[64];
    const char *dot = strchr(name, '.');
    if (!dot || (size_t)(dot - name) >= sizeof step) {
        snprintf(out, size, "%s", words_name(name));
        return;
    }
    snprintf(step, sizeof step, "%.*s", (int)(dot - name), name);
    snprintf(out, size, "%s: %s", words_name(step), words_name(dot + 1));
}

void words_quantity(double value, const char *unit, char *out, size_t size)
{
    if (strcmp(unit, "B") == 0 && (value >= 1e6 || value <= -1e6))
        snprintf(out, size, "%.5g MB", value / 1e6);
    else
        snprintf(out, size, "%.5g %s", value, unit);
}

void words_activity(const char *text, char *out, size_t size)
{
    static const char left[] = " left";
    const size_t n = strlen(text), tail = sizeof left - 1;
    if (n > tail && strcmp(text + n - tail, left) == 0)
        snprintf(out, size, _("%.*s left"), (int)(n - tail), text);
    else
        snprintf(out, size, "%s", words_name(text));
}

int words_fit(const char *text, int columns)
{
    mbstate_t state = {0};
    int used = 0, bytes = 0;
    while (text[bytes]) {
        wchar_t c;
        size_t n = mbrtowc(&c, text + bytes, MB_CUR_MAX, &state);
        if (n == 0 || n == (size_t)-1 || n == (size_t)-2)
            break;
        int width = wcwidth(c);
        if (width < 0 || used + width > columns)
            break;
        used += width;
        bytes += (int)n;
    }
    return bytes;
}

int words_columns(const char *text)
{
    mbstate_t state = {0};
    int used = 0;
    for (int bytes = 0; text[bytes];) {
        wchar_t c;
        size_t n = mbrtowc(&c, text + bytes, MB_CUR_MAX, &state);
        if (n == 0 || n == (size_t)-1 || n == (size_t)-2)
            break;
        int width = wcwidth(c);
        used += width > 0 ? width : 0;
        bytes += (int)n;
    }
    return used;
}
