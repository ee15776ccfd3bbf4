/* The first process of the machine board, from the initramfs: what the kernel lacks to see its
 * flash is loaded, the slot's root file system mounted, and its init takes over. On silicon a
 * kernel with its drivers built in does without.
 *
 *   /modules          one a line, in order: FILE [options]
 *   takt.slot=a|b     on the kernel's command line: which rootfs_X partition
 *
 * It never gives anybody a prompt: whatever fails is said on the console and the machine restarts,
 * which the boot loader counts while an update is on trial. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { TEXT_MAX = 4096, ROOT_WAIT_MS = 5000 };

static __attribute__((noreturn, format(printf, 1, 2))) void give_up(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("takt: first: ", stderr);
    vfprintf(stderr, format, args);
    fputs("; restarting\n", stderr);
    va_end(args);
    sync();
    reboot(RB_AUTOBOOT);
    _exit(1); /* the kernel panics and restarts by its own panic= */
}

static void mount_or_give_up(const char *what, const char *where, const char *type,
                             unsigned long flags, const char *options)
{
    if (mount(what, where, type, flags, options))
        give_up("cannot mount %s on %s: %s", what, where, strerror(errno));
}

/* A whole small file as text; "" when it is not there. */
static void read_text(const char *path, char text[TEXT_MAX])
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t used = 0;
    ssize_t n;
    while (fd >= 0 && used < TEXT_MAX - 1 && (n = read(fd, text + used, TEXT_MAX - 1 - used)) > 0)
        used += (size_t)n;
    text[used] = '\0';
    if (fd >= 0)
        close(fd);
}

static void load_module(const char *name, const char *options)
{
    char path[128];
    snprintf(path, sizeof path, "/lib/%s", name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || (syscall(SYS_finit_module, fd, options, 0) && errno != EEXIST))
        give_up("cannot load %s: %s", path, strerror(errno));
    close(fd);
}

static void load_modules(void)
{
    static char text[TEXT_MAX];
    char *rest = text, *line;
    read_text("/modules", text);
    while ((line = strsep(&rest, "\n"))) {
        char *name = strsep(&line, " ");
        if (*name)
            load_module(name, line ? line : "");
    }
}

static char running_slot(void)
{
    static char text[TEXT_MAX];
    read_text("/proc/cmdline", text);
    const char *found = strstr(text, "takt.slot=");
    char slot = found ? found[strlen("takt.slot=")] : '\0';
    if (slot != 'a' && slot != 'b')
        give_up("the boot loader did not say which slot");
    return slot;
}

/* /dev/mtdblockN of the named partition; the device node may come a moment after its driver. */
static void find_partition(const char *name, char device[32])
{
    static char text[TEXT_MAX];
    char wanted[32];
    int number;
    read_text("/proc/mtd", text);
    snprintf(wanted, sizeof wanted, "\"%s\"\n", name);
    const char *at = strstr(text, wanted);
    while (at && at > text && at[-1] != '\n')
        at--;
    if (!at || sscanf(at, "mtd%d:", &number) != 1)
        give_up("the flash has no partition %s", name);
    snprintf(device, 32, "/dev/mtdblock%d", number);
    for (int waited_ms = 0; access(device, F_OK); waited_ms++) {
        if (waited_ms == ROOT_WAIT_MS)
            give_up("%s did not appear", device);
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
}

/* What the initramfs holds is freed; mounts made here go on in the new root. */
static void take_over(void)
{
    static const char *const moved[] = {"/proc", "/sys", "/dev", "/run"};
    for (size_t i = 0; i < sizeof moved / sizeof moved[0]; i++) {
        char to[32];
        snprintf(to, sizeof to, "/root%s", moved[i]);
        mount_or_give_up(moved[i], to, NULL, MS_MOVE, NULL);
    }
    unlink("/init"); /* the largest file here that is still needed by nobody but this process */
    if (chdir("/root") || mount(".", "/", NULL, MS_MOVE, NULL) || chroot(".") || chdir("/"))
        give_up("cannot move to the root file system: %s", strerror(errno));
    execl("/sbin/init", "init", (char *)NULL);
    give_up("cannot start /sbin/init: %s", strerror(errno));
}

int main(void)
{
    char partition[] = "rootfs_?", device[32];
    mount_or_give_up("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
    mount_or_give_up("sysfs", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
    mount_or_give_up("devtmpfs", "/dev", "devtmpfs", MS_NOSUID, NULL);
    mount_or_give_up("tmpfs", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755");
    load_modules();
    partition[strlen("rootfs_")] = running_slot();
    find_partition(partition, device);
    mount_or_give_up(device, "/root", "squashfs", MS_RDONLY, NULL);
    take_over();
}
