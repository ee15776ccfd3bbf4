#include "firmware/hal/linux/nl80211.h"

#include <errno.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <linux/nl80211.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "firmware/hal/linux/nl80211_answer.h"

enum { ANSWER_MAX = 16384, ANSWER_S = 2 };

struct request {
    struct nlmsghdr head;
    struct genlmsghdr command;
    uint8_t attributes[32];
};

static void request_make(struct request *r, uint16_t family, uint8_t command, bool dump)
{
    memset(r, 0, sizeof *r);
    r->head.nlmsg_len = NLMSG_LENGTH(sizeof r->command);
    r->head.nlmsg_type = family;
    r->head.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | (dump ? NLM_F_DUMP : 0));
    r->command.cmd = command;
    r->command.version = 1;
}

/* At most 28 bytes in all. */
static void request_add(struct request *r, uint16_t type, const void *data, size_t size)
{
    struct nlattr a = {.nla_len = (uint16_t)(sizeof a + size), .nla_type = type};
    uint8_t *at = (uint8_t *)r + NLMSG_ALIGN(r->head.nlmsg_len);
    memcpy(at, &a, sizeof a);
    memcpy(at + sizeof a, data, size);
    r->head.nlmsg_len = NLMSG_ALIGN(r->head.nlmsg_len) + (uint32_t)NLA_ALIGN(a.nla_len);
}

struct answer {
    void (*take)(const uint8_t *attributes, size_t size, void *context);
    void *context;
};

/* One datagram's messages. Returns 1 at the exchange's end, 0 to go on, or an error. */
static int take_messages(const uint8_t *data, size_t size, const struct answer *answer,
                         const char *what, struct error *err)
{
    while (size >= sizeof(struct nlmsghdr)) {
        struct nlmsghdr head;
        int code = 0;
        memcpy(&head, data, sizeof head);
        if (head.nlmsg_len < sizeof head || head.nlmsg_len > size)
            return error_set(err, ERROR_PROTOCOL, "%s: a netlink message is cut off", what);
        const size_t body = NLMSG_HDRLEN, attributes = body + GENL_HDRLEN;
        if (head.nlmsg_type == NLMSG_ERROR && head.nlmsg_len >= body + sizeof code) {
            memcpy(&code, data + body, sizeof code);
            errno = -code;
            return !code
                       ? 1
                       : error_errno(err,
                                     code == -ENODEV || code == -ENOENT ? ERROR_MISSING : ERROR_IO,
                                     "%s", what);
        }
        if (head.nlmsg_type == NLMSG_DONE)
            return 1;
        if (head.nlmsg_type >= NLMSG_MIN_TYPE && head.nlmsg_len >= attributes)
            answer->take(data + attributes, head.nlmsg_len - attributes, answer->context);
        size_t whole = NLMSG_ALIGN(head.nlmsg_len);
        data += whole < size ? whole : size;
        size -= whole < size ? whole : size;
    }
    return 0;
}

static int ask(int fd, const struct request *r, const char *what, const struct answer *answer,
               struct error *err)
{
    const struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    uint8_t buffer[ANSWER_MAX];
    if (sendto(fd, r, r->head.nlmsg_len, 0, (const struct sockaddr *)&kernel, sizeof kernel) < 0)
        return error_errno(err, ERROR_IO, "%s", what);
    int rc = 0;
    while (!rc) {
        struct sockaddr_nl from;
        socklen_t from_size = sizeof from;
        ssize_t n = recvfrom(fd, buffer, sizeof buffer, 0, (struct sockaddr *)&from, &from_size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_errno(err, ERROR_IO, "%s", what);
        if (from.nl_pid == 0) /* the kernel; others may send to us, too */
            rc = take_messages(buffer, (size_t)n, answer, what, err);
    }
    return rc < 0 ? rc : 0;
}

static void take_family(const uint8_t *attributes, size_t size, void *context)
{
    *(uint16_t *)context = nl80211_family(attributes, size);
}

static void take_interface(const uint8_t *attributes, size_t size, void *context)
{
    nl80211_interface(attributes, size, context);
}

static void take_bss(const uint8_t *attributes, size_t size, void *context)
{
    nl80211_bss(attributes, size, context);
}

static void take_station(const uint8_t *attributes, size_t size, void *context)
{
    nl80211_station(attributes, size, context);
}

static void take_country(const uint8_t *attributes, size_t size, void *context)
{
    nl80211_country(attributes, size, context);
}

int nl80211_link(const char *interface, struct radio_link *out, struct error *err)
{
    struct request r;
    uint16_t family = 0;
    const struct timeval patience = {.tv_sec = ANSWER_S};
    const struct answer families = {take_family, &family}, interfaces = {take_interface, out},
                        stations = {take_station, out}, networks = {take_bss, out},
                        rules = {take_country, out};
    struct radio_link none = {0};
    memset(out, 0, sizeof *out);
    const uint32_t index = if_nametoindex(interface);
    if (!index)
        return error_set(err, ERROR_MISSING, "there is no interface %s", interface);
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
    if (fd < 0)
        return error_errno(err, ERROR_IO, "cannot make a netlink socket");
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    request_make(&r, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, false);
    request_add(&r, CTRL_ATTR_FAMILY_NAME, NL80211_GENL_NAME, sizeof NL80211_GENL_NAME);
    int rc = ask(fd, &r, "the kernel has no nl80211", &families, err);
    if (!rc) {
        request_make(&r, family, NL80211_CMD_GET_INTERFACE, false);
        request_add(&r, NL80211_ATTR_IFINDEX, &index, sizeof index);
        rc = ask(fd, &r, "the interface does not tell its network", &interfaces, err);
    }
    if (!rc) {
        request_make(&r, family, NL80211_CMD_GET_STATION, true);
        request_add(&r, NL80211_ATTR_IFINDEX, &index, sizeof index);
        rc = ask(fd, &r, "the interface does not tell its link", &stations, err);
    }
    /* Linux 6.1 does not tell the name with the interface when wpa_supplicant does the joining. */
    if (!rc && out->associated && !out->ssid[0]) {
        request_make(&r, family, NL80211_CMD_GET_SCAN, true);
        request_add(&r, NL80211_ATTR_IFINDEX, &index, sizeof index);
        rc = ask(fd, &r, "the interface does not tell what it heard", &networks, err);
    }
    if (!rc && !out->associated)
        *out = none;
    if (!rc) {
        request_make(&r, family, NL80211_CMD_GET_REG, false);
        rc = ask(fd, &r, "the kernel does not tell whose rules of the air hold", &rules, err);
    }
    close(fd);
    return rc;
}
