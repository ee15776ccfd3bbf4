/* How a board starts: its boot loader, and the network a unit is met on. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/formats/board_parts.h"

static const uint64_t MIB = 1024 * 1024;

static const struct key {
    const char *name;
    char byte;
} keys[] = {{"enter", '\r'}, {"ctrl-c", 0x03}, {"escape", 0x1b}, {"space", ' '}};

const char *board_key_name(char key)
{
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        if (keys[i].byte == key)
            return keys[i].name;
    return "";
}

static int read_prompts(const struct json_document *doc, const cJSON *boot, struct board_boot *out,
                        struct error *err)
{
    const cJSON *list, *item;
    int rc = json_need_array(doc, boot, "prompts", &list, err);
    if (rc)
        return rc;
    if (!list->child)
        return json_complain(doc, list, err, "'prompts' is empty, expected what the loader prints");
    cJSON_ArrayForEach(item, list)
    {
        if (out->prompt_count == BOARD_PROMPTS_MAX)
            return json_complain(doc, item, err, "more than %d 'prompts'", BOARD_PROMPTS_MAX);
        if (!cJSON_IsString(item))
            return json_complain(doc, item, err, "'prompts' must hold texts");
        rc = board_text_of(doc, item, "a prompt", BOARD_PROSE, item->valuestring,
                           out->prompts[out->prompt_count], BOARD_NAME_MAX, err);
        if (rc)
            return rc;
        out->prompt_count++;
    }
    return 0;
}

static int read_stop_keys(const struct json_document *doc, const cJSON *boot,
                          struct board_boot *out, struct error *err)
{
    const char *names[sizeof keys / sizeof keys[0] + 1] = {NULL};
    const cJSON *list, *item;
    size_t count = 0;
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        names[i] = keys[i].name;
    int rc = json_need_array(doc, boot, "stop_keys", &list, err);
    if (rc)
        return rc;
    cJSON_ArrayForEach(item, list)
    {
        if (count == BOARD_KEYS_MAX)
            return json_complain(doc, item, err, "more than %d 'stop_keys'", BOARD_KEYS_MAX);
        if (!cJSON_IsString(item))
            return json_complain(doc, item, err, "'stop_keys' must hold names of keys");
        rc = board_one_of(doc, item, "a stop key", names, item->valuestring, err);
        if (rc)
            return rc;
        for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
            if (strcmp(keys[i].name, item->valuestring) == 0)
                out->stop_keys[count] = keys[i].byte;
        count++;
    }
    return 0;
}

static int read_bank(const struct json_document *doc, const cJSON *item, struct board_bank *out,
                     struct error *err)
{
    static const char *const members[] = {"address", "size_mib", "writable_mib", NULL};
    long long size_mib, writable_mib;
    if (!cJSON_IsObject(item))
        return json_complain(doc, item, err, "a bank must be an object");
    int rc = json_only(doc, item, members, err);
    if (!rc)
        rc = board_need_address(doc, item, "address", &out->address, err);
    if (!rc)
        rc = json_need_integer(doc, item, "size_mib", 1, 1 << 12, &size_mib, err);
    writable_mib = rc ? 0 : size_mib;
    if (!rc && board_member(item, "writable_mib"))
        rc = json_need_integer(doc, item, "writable_mib", 0, size_mib, &writable_mib, err);
    if (rc)
        return rc;
    out->size_bytes = (uint64_t)size_mib * MIB;
    out->writable_bytes = (uint64_t)writable_mib * MIB;
    return 0;
}

static bool loader_writes(const struct board *b, const struct board_partition *p)
{
    uint64_t at = 0;
    for (size_t i = 0; i < b->boot.bank_count; i++) {
        const struct board_bank *bank = &b->boot.banks[i];
        if (p->offset_bytes >= at && p->offset_bytes + p->size_bytes <= at + bank->writable_bytes)
            return true;
        at += bank->size_bytes;
    }
    return false;
}

/* What the loader's script writes (the boot counter's environment) and what is flashed through the
 * loader (slot a) must lie where it can write. */
static int check_writable(const struct json_document *doc, const struct board *b, struct error *err)
{
    static const char *const written[] = {"env", "kernel_a", "rootfs_a"};
    const cJSON *partitions = board_member(board_member(json_root(doc), "flash"), "partitions");
    for (size_t i = 0; i < sizeof written / sizeof written[0]; i++) {
        const struct board_partition *p = board_partition(b, written[i], 0);
        if (p && !loader_writes(b, p))
            return json_complain(
                doc, cJSON_GetArrayItem(partitions, (int)(p - b->partitions)), err,
                "partition '%s' does not lie in one bank of 'boot', where the loader can write",
                p->name);
    }
    return 0;
}

static int read_banks(const struct json_document *doc, const cJSON *boot, struct board *b,
                      struct error *err)
{
    const cJSON *list, *item;
    uint64_t total = 0;
    if (!board_member(boot, "banks"))
        return 0;
    int rc = json_need_array(doc, boot, "banks", &list, err);
    if (rc)
        return rc;
    if (strcmp(b->flash_kind, "nor") != 0)
        return json_complain(doc, list, err, "'banks' are of memory-mapped NOR, this flash is %s",
                             b->flash_kind);
    cJSON_ArrayForEach(item, list)
    {
        if (b->boot.bank_count == BOARD_BANKS_MAX)
            return json_complain(doc, item, err, "more than %d 'banks'", BOARD_BANKS_MAX);
        rc = read_bank(doc, item, &b->boot.banks[b->boot.bank_count], err);
        if (rc)
            return rc;
        total += b->boot.banks[b->boot.bank_count++].size_bytes;
    }
    if (total != b->flash_bytes)
        return json_complain(doc, list, err, "'banks' have %llu MiB, expected the flash's %llu MiB",
                             (unsigned long long)(total / MIB),
                             (unsigned long long)(b->flash_bytes / MIB));
    return check_writable(doc, b, err);
}

/* A command must say where and how much, and nothing that the flasher does not know. */
static int check_command(const struct json_document *doc, const cJSON *at, const char *what,
                         const char *command, bool takes_memory, struct error *err)
{
    static const char *const placeholders[] = {"{memory}", "{flash}", "{bytes}", "{block}",
                                               "{blocks}"};
    for (const char *p = strpbrk(command, "{}"); p; p = strpbrk(p, "{}")) {
        size_t length = 0;
        for (size_t i = 0; i < sizeof placeholders / sizeof placeholders[0]; i++)
            if (strncmp(p, placeholders[i], strlen(placeholders[i])) == 0)
                length = strlen(placeholders[i]);
        if (!length)
            return json_complain(
                doc, at, err,
                "'%s' has an unknown placeholder, expected {memory}, {flash}, {bytes}, "
                "{block} or {blocks}",
                what);
        p += length;
    }
    bool whole = (strstr(command, "{flash}") && strstr(command, "{bytes}")) ||
                 (strstr(command, "{block}") && strstr(command, "{blocks}"));
    if (!whole || (takes_memory && !strstr(command, "{memory}")))
        return json_complain(
            doc, at, err, "'%s' is '%s', expected it to name %s{flash} and {bytes}%s", what,
            command, takes_memory ? "{memory}, " : "", ", or {block} and {blocks}");
    return 0;
}

static int read_commands(const struct json_document *doc, const cJSON *boot, struct board *b,
                         struct error *err)
{
    static const char *const members[] = {"prepare", "erase", "write", "read", "start", NULL};
    struct board_boot *out = &b->boot;
    const struct {
        const char *name;
        char *to;
        bool takes_memory;
    } commands[] = {
        {"erase", out->erase, false}, {"write", out->write, true}, {"read", out->read, true}};
    const cJSON *object;
    if (!board_member(boot, "commands"))
        return 0;
    int rc = json_need_object(doc, boot, "commands", &object, err);
    if (!rc)
        rc = json_only(doc, object, members, err);
    if (!rc)
        rc = board_may_text(doc, object, "prepare", BOARD_WORDS, out->prepare, sizeof out->prepare,
                            err);
    if (!rc)
        rc = board_may_text(doc, object, "start", BOARD_WORDS, out->start, sizeof out->start, err);
    for (size_t i = 0; i < sizeof commands / sizeof commands[0] && !rc; i++) {
        const char *name = commands[i].name;
        if (!board_member(object, name))
            continue;
        rc = board_need_text(doc, object, name, BOARD_WORDS, commands[i].to, BOARD_PATH_MAX, err);
        if (!rc)
            rc = check_command(doc, board_member(object, name), name, commands[i].to,
                               commands[i].takes_memory, err);
    }
    return rc;
}

static int usb_id(const struct json_document *doc, const cJSON *usb, const char *member,
                  struct board_usb *out, struct error *err)
{
    const char *text;
    if (!board_member(usb, member))
        return 0;
    int rc = json_need_string(doc, usb, member, &text, err);
    if (rc)
        return rc;
    if (strlen(text) != 9 || strspn(text, "0123456789abcdef") != 4 || text[4] != ':' ||
        strspn(text + 5, "0123456789abcdef") != 4)
        return json_complain(doc, board_member(usb, member), err,
                             "'%s' is '%s', expected vendor and product like \"a108:c309\"", member,
                             text);
    out->vendor = (uint16_t)strtoul(text, NULL, 16);
    out->product = (uint16_t)strtoul(text + 5, NULL, 16);
    return 0;
}

static int read_loaders(const struct json_document *doc, const cJSON *usb, struct board_boot *out,
                        struct error *err)
{
    const cJSON *list, *item;
    if (!board_member(usb, "loaders"))
        return 0;
    int rc = json_need_array(doc, usb, "loaders", &list, err);
    if (rc)
        return rc;
    cJSON_ArrayForEach(item, list)
    {
        if (out->usb_loader_count == BOARD_LOADERS_MAX)
            return json_complain(doc, item, err, "more than %d 'loaders'", BOARD_LOADERS_MAX);
        if (!cJSON_IsString(item))
            return json_complain(doc, item, err, "'loaders' must hold names of images");
        rc = board_text_of(doc, item, "a loader", BOARD_WORD, item->valuestring,
                           out->usb_loaders[out->usb_loader_count], BOARD_NAME_MAX, err);
        if (rc)
            return rc;
        out->usb_loader_count++;
    }
    return 0;
}

static int read_usb(const struct json_document *doc, const cJSON *boot, struct board_boot *out,
                    struct error *err)
{
    static const char *const members[] = {"rom", "gadget", "product", "cpu", "loaders", NULL};
    const cJSON *usb;
    if (!board_member(boot, "usb"))
        return 0;
    int rc = json_need_object(doc, boot, "usb", &usb, err);
    if (!rc)
        rc = json_only(doc, usb, members, err);
    if (!rc)
        rc = usb_id(doc, usb, "rom", &out->usb_rom, err);
    if (!rc)
        rc = usb_id(doc, usb, "gadget", &out->usb_gadget, err);
    if (!rc)
        rc = board_may_text(doc, usb, "product", BOARD_PROSE, out->usb_product,
                            sizeof out->usb_product, err);
    if (!rc)
        rc = board_may_text(doc, usb, "cpu", BOARD_PROSE, out->usb_cpu, sizeof out->usb_cpu, err);
    if (!rc)
        rc = read_loaders(doc, usb, out, err);
    return rc;
}

static int read_load(const struct json_document *doc, const cJSON *boot, struct board_boot *out,
                     struct error *err)
{
    static const char *const ways[] = {"loady", "loadx", NULL};
    const cJSON *item = board_member(boot, "load");
    const char *name;
    if (!item)
        return 0;
    int rc = json_need_string(doc, boot, "load", &name, err);
    rc = rc ? rc : board_one_of(doc, item, "load", ways, name, err);
    out->loadx = !rc && strcmp(name, "loadx") == 0;
    return rc;
}

static int read_console(const struct json_document *doc, const cJSON *boot, struct board_boot *out,
                        struct error *err)
{
    long long baud = 0, rom_baud = 0, load_baud = 0;
    int rc = board_may_text(doc, boot, "loader", BOARD_PROSE, out->loader, sizeof out->loader, err);
    if (!rc)
        rc = board_need_name(doc, boot, "console", out->console, err);
    if (!rc)
        rc = json_need_integer(doc, boot, "baud", 1200, 4000000, &baud, err);
    if (!rc && board_member(boot, "rom_baud"))
        rc = json_need_integer(doc, boot, "rom_baud", 1200, 4000000, &rom_baud, err);
    if (!rc && board_member(boot, "load_baud"))
        rc = json_need_integer(doc, boot, "load_baud", 1200, 4000000, &load_baud, err);
    if (!rc)
        rc = read_prompts(doc, boot, out, err);
    if (!rc)
        rc = read_stop_keys(doc, boot, out, err);
    if (!rc)
        rc = board_may_text(doc, boot, "stop_prompt", BOARD_PROSE, out->stop_prompt,
                            sizeof out->stop_prompt, err);
    if (!rc)
        rc = board_may_text(doc, boot, "password", BOARD_PROSE, out->password, sizeof out->password,
                            err);
    out->baud = (uint32_t)baud;
    out->rom_baud = (uint32_t)rom_baud;
    out->load_baud = (uint32_t)load_baud;
    return rc;
}

int board_read_boot(const struct json_document *doc, const cJSON *boot, struct board *b,
                    struct error *err)
{
    static const char *const members[] = {
        "loader",    "console",     "baud",      "rom_baud",     "prompts",
        "stop_keys", "stop_prompt", "password",  "load_address", "script_address",
        "banks",     "commands",    "load_baud", "program",      "uart_address",
        "tftp",      "strap",       "usb",       "card",         "load",
        NULL};
    struct board_boot *out = &b->boot;
    int rc = json_only(doc, boot, members, err);
    if (!rc)
        rc = read_console(doc, boot, out, err);
    if (!rc)
        rc = board_need_address(doc, boot, "load_address", &out->load_address, err);
    if (!rc && board_member(boot, "script_address"))
        rc = board_need_address(doc, boot, "script_address", &out->script_address, err);
    if (!rc)
        rc = read_banks(doc, boot, b, err);
    if (!rc)
        rc = read_commands(doc, boot, b, err);
    if (!rc)
        rc = board_may_text(doc, boot, "program", BOARD_WORDS, out->program, sizeof out->program,
                            err);
    if (!rc && board_member(boot, "program"))
        rc = board_need_address(doc, boot, "uart_address", &out->uart_address, err);
    if (!rc && strchr(out->program, '/'))
        rc = json_complain(doc, board_member(boot, "program"), err,
                           "program is '%s', expected the name of a file without a folder",
                           out->program);
    if (!rc)
        rc = read_load(doc, boot, out, err);
    if (!rc)
        rc = board_may_bool(doc, boot, "tftp", &out->tftp, err);
    if (!rc)
        rc = board_may_text(doc, boot, "strap", BOARD_PROSE, out->strap, sizeof out->strap, err);
    if (!rc)
        rc = read_usb(doc, boot, out, err);
    if (!rc)
        rc = board_read_card(doc, boot, out, err);
    return rc;
}

bool board_is_loader(const struct board *b, const char *image)
{
    for (size_t i = 0; i < b->boot.usb_loader_count; i++)
        if (strcmp(b->boot.usb_loaders[i], image) == 0)
            return true;
    return false;
}

uint64_t board_flash_address(const struct board *b, uint64_t offset_bytes)
{
    uint64_t at = 0;
    for (size_t i = 0; i < b->boot.bank_count; i++) {
        const struct board_bank *bank = &b->boot.banks[i];
        if (offset_bytes - at < bank->size_bytes)
            return bank->address + (offset_bytes - at);
        at += bank->size_bytes;
    }
    return offset_bytes;
}

static int ipv4(const struct json_document *doc, const cJSON *at, const char *what,
                const char *text, char out[16], struct error *err)
{
    struct in_addr address;
    if (strlen(text) > 15 || inet_pton(AF_INET, text, &address) != 1)
        return json_complain(doc, at, err, "%s is '%s', expected an IPv4 address", what, text);
    memcpy(out, text, strlen(text) + 1);
    return 0;
}

int board_read_network(const struct json_document *doc, const cJSON *network, struct board *b,
                       struct error *err)
{
    static const char *const members[] = {"interface", "address", "gateway", NULL};
    struct board_network *out = &b->network;
    const cJSON *at;
    const char *text, *gateway;
    int rc = json_only(doc, network, members, err);
    if (!rc)
        rc = board_need_text(doc, network, "interface", BOARD_WORD, out->interface,
                             sizeof out->interface, err);
    if (!rc)
        rc = json_need_string(doc, network, "address", &text, err);
    if (rc)
        return rc;
    at = board_member(network, "address");
    out->dhcp = strcmp(text, "dhcp") == 0;
    if (!out->dhcp) {
        const char *slash = strchr(text, '/');
        char host[32], *end = NULL;
        long bits = slash && slash[1] >= '0' && slash[1] <= '9' ? strtol(slash + 1, &end, 10) : -1;
        if (bits < 1 || bits > 30 || *end)
            return json_complain(doc, at, err,
                                 "'address' is '%s', expected dhcp or an address like 10.0.2.15/24",
                                 text);
        snprintf(host, sizeof host, "%.*s", (int)(slash - text), text);
        out->prefix_bits = (int)bits;
        rc = ipv4(doc, at, "'address'", host, out->address, err);
    }
    if (rc || !board_member(network, "gateway"))
        return rc;
    rc = json_need_string(doc, network, "gateway", &gateway, err);
    if (!rc && out->dhcp)
        rc = json_complain(doc, board_member(network, "gateway"), err,
                           "a 'gateway' beside the address dhcp, which brings its own");
    return rc ? rc
              : ipv4(doc, board_member(network, "gateway"), "'gateway'", gateway, out->gateway,
                     err);
}
