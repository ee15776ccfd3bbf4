#include "firmware/hal/linux/video_device.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "protocol/base/clock.h"

/* One being filled, one to fill next, one looked at. */
enum { BUFFERS = 3, SIZE_MAX_PX = 16384 };

struct video_device {
    char path[BOARD_PATH_MAX];
    int fd;
    enum v4l2_buf_type type; /* one plane, or the same behind the multi-planar calls */
    struct frame_format format;
    int64_t frame_us;
    uint8_t *mapped[BUFFERS];
    size_t mapped_bytes[BUFFERS];
    unsigned buffer_count;
    bool streaming;
};

static int xioctl(int fd, unsigned long request, void *argument)
{
    int rc;
    do
        rc = ioctl(fd, request, argument);
    while (rc < 0 && errno == EINTR);
    return rc;
}

static bool planar(const struct video_device *v)
{
    return v->type == V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE;
}

/* ---- format -------------------------------------------------------------------------------- */

/* The two forms of a format, as one. */
struct picture_format {
    uint32_t width, height, fourcc, stride, field, colorspace, encoding, quantization;
};

static void to_kernel(const struct video_device *v, const struct picture_format *p,
                      struct v4l2_format *f)
{
    memset(f, 0, sizeof *f);
    f->type = v->type;
    if (planar(v)) {
        f->fmt.pix_mp.width = p->width;
        f->fmt.pix_mp.height = p->height;
        f->fmt.pix_mp.pixelformat = p->fourcc;
        f->fmt.pix_mp.field = V4L2_FIELD_NONE;
        f->fmt.pix_mp.num_planes = 1;
        /* A driver that can is asked for the HAL's colours at once. */
        f->fmt.pix_mp.flags = V4L2_PIX_FMT_FLAG_SET_CSC;
        f->fmt.pix_mp.colorspace = V4L2_COLORSPACE_SRGB;
        f->fmt.pix_mp.ycbcr_enc = V4L2_YCBCR_ENC_709;
        f->fmt.pix_mp.quantization = V4L2_QUANTIZATION_FULL_RANGE;
        return;
    }
    f->fmt.pix.width = p->width;
    f->fmt.pix.height = p->height;
    f->fmt.pix.pixelformat = p->fourcc;
    f->fmt.pix.field = V4L2_FIELD_NONE;
    f->fmt.pix.priv = V4L2_PIX_FMT_PRIV_MAGIC;
    f->fmt.pix.flags = V4L2_PIX_FMT_FLAG_SET_CSC;
    f->fmt.pix.colorspace = V4L2_COLORSPACE_SRGB;
    f->fmt.pix.ycbcr_enc = V4L2_YCBCR_ENC_709;
    f->fmt.pix.quantization = V4L2_QUANTIZATION_FULL_RANGE;
}

static struct picture_format from_kernel(const struct video_device *v, const struct v4l2_format *f)
{
    if (planar(v)) {
        const struct v4l2_pix_format_mplane *p = &f->fmt.pix_mp;
        return (struct picture_format){p->width,
                                       p->height,
                                       p->num_planes == 1 ? p->pixelformat : 0,
                                       p->plane_fmt[0].bytesperline,
                                       p->field,
                                       p->colorspace,
                                       p->ycbcr_enc,
                                       p->quantization};
    }
    const struct v4l2_pix_format *p = &f->fmt.pix;
    return (struct picture_format){p->width, p->height,     p->pixelformat, p->bytesperline,
                                   p->field, p->colorspace, p->ycbcr_enc,   p->quantization};
}

static void set_colours(struct frame_format *out, const struct picture_format *p)
{
    uint32_t encoding = p->encoding ? p->encoding : V4L2_MAP_YCBCR_ENC_DEFAULT(p->colorspace);
    uint32_t range = p->quantization
                         ? p->quantization
                         : (uint32_t)V4L2_MAP_QUANTIZATION_DEFAULT(0, p->colorspace, encoding);
    out->matrix = encoding == V4L2_YCBCR_ENC_709 || encoding == V4L2_YCBCR_ENC_XV709 ? FRAME_BT709
                  : encoding == V4L2_YCBCR_ENC_BT2020                                ? FRAME_BT2020
                                                                                     : FRAME_BT601;
    out->full_range = range == V4L2_QUANTIZATION_FULL_RANGE;
}

/* True when the driver took it; errno says EBUSY when another program streams. */
static bool try_format(struct video_device *v, const struct board *b, uint32_t fourcc,
                       enum frame_layout layout)
{
    const struct picture_format wanted = {
        .width = b->sensor_width_px, .height = b->sensor_height_px, .fourcc = fourcc};
    struct v4l2_format f;
    to_kernel(v, &wanted, &f);
    errno = 0;
    if (xioctl(v->fd, VIDIOC_S_FMT, &f))
        return false;
    struct picture_format got = from_kernel(v, &f);
    uint32_t least = layout == FRAME_NV12 ? got.width : 2 * got.width;
    if (got.fourcc != fourcc || got.width < 2 || got.height < 2 || got.width > SIZE_MAX_PX ||
        got.height > SIZE_MAX_PX || got.stride < least || got.stride > 8 * SIZE_MAX_PX)
        return false;
    v->format = (struct frame_format){.layout = layout,
                                      .width_px = got.width & ~1u,
                                      .height_px = got.height & ~1u,
                                      .stride_bytes = got.stride};
    set_colours(&v->format, &got);
    return true;
}

static int settle_format(struct video_device *v, const struct linux_unit *u, struct error *err)
{
    const struct board *b = u->board;
    struct v4l2_streamparm parm = {.type = v->type};
    if (!try_format(v, b, V4L2_PIX_FMT_NV12, FRAME_NV12) &&
        !try_format(v, b, V4L2_PIX_FMT_YUYV, FRAME_YUYV))
        return errno == EBUSY
                   ? error_set(err, ERROR_BUSY, "another program has %s", v->path)
                   : error_set(err, ERROR_INPUT, "%s has neither NV12 nor YUYV", v->path);
    if (v->format.width_px != b->sensor_width_px || v->format.height_px != b->sensor_height_px)
        linux_log(u, "camera: %s delivers %ux%u, the board's sensor has %ux%u", v->path,
                  v->format.width_px, v->format.height_px, b->sensor_width_px, b->sensor_height_px);
    v->frame_us = 33333;
    if (!xioctl(v->fd, VIDIOC_G_PARM, &parm)) {
        struct v4l2_fract t = parm.parm.capture.timeperframe;
        if (t.numerator && t.denominator && t.numerator / t.denominator < 10)
            v->frame_us = (int64_t)t.numerator * 1000000 / t.denominator;
    }
    return 0;
}

int video_open(const struct linux_unit *u, const char *path, struct video_device **out,
               struct error *err)
{
    struct v4l2_capability c;
    *out = NULL;
    struct video_device *v = calloc(1, sizeof *v);
    if (!v)
        return error_set(err, ERROR_MEMORY, "no memory for the camera");
    strncpy(v->path, path, sizeof v->path - 1);
    int rc = linux_open_device(u, path, O_RDWR | O_NONBLOCK, &v->fd, err);
    if (!rc && xioctl(v->fd, VIDIOC_QUERYCAP, &c))
        rc = error_errno(err, ERROR_INPUT, "%s is no V4L2 device", path);
    uint32_t can = rc ? 0 : c.capabilities & V4L2_CAP_DEVICE_CAPS ? c.device_caps : c.capabilities;
    v->type = can & V4L2_CAP_VIDEO_CAPTURE ? V4L2_BUF_TYPE_VIDEO_CAPTURE
                                           : V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE;
    if (!rc && (!(can & (V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_VIDEO_CAPTURE_MPLANE)) ||
                !(can & V4L2_CAP_STREAMING)))
        rc = error_set(err, ERROR_INPUT, "%s (%.31s) does not stream what it captures", path,
                       (const char *)c.card);
    if (!rc)
        rc = settle_format(v, u, err);
    if (rc)
        video_close(v);
    else
        *out = v;
    return rc;
}

static void unmap(struct video_device *v)
{
    for (unsigned i = 0; i < v->buffer_count; i++)
        munmap(v->mapped[i], v->mapped_bytes[i]);
    v->buffer_count = 0;
}

void video_close(struct video_device *v)
{
    if (!v)
        return;
    if (v->streaming)
        xioctl(v->fd, VIDIOC_STREAMOFF, &v->type);
    unmap(v);
    if (v->fd >= 0)
        close(v->fd);
    free(v);
}

const struct frame_format *video_format(const struct video_device *v)
{
    return &v->format;
}

int64_t video_frame_us(const struct video_device *v)
{
    return v->frame_us;
}

int video_fd(const struct video_device *v)
{
    return v->fd;
}

/* ---- buffers ------------------------------------------------------------------------------- */

/* The plane must be there beside a multi-planar buffer. */
static struct v4l2_buffer buffer_of(const struct video_device *v, unsigned index,
                                    struct v4l2_plane *plane)
{
    struct v4l2_buffer b = {.index = index, .type = v->type, .memory = V4L2_MEMORY_MMAP};
    memset(plane, 0, sizeof *plane);
    if (planar(v)) {
        b.m.planes = plane;
        b.length = 1;
    }
    return b;
}

static int map(struct video_device *v, unsigned index, struct error *err)
{
    struct v4l2_plane plane;
    struct v4l2_buffer b = buffer_of(v, index, &plane);
    if (xioctl(v->fd, VIDIOC_QUERYBUF, &b))
        return error_errno(err, ERROR_IO, "%s: no buffer %u", v->path, index);
    size_t bytes = planar(v) ? plane.length : b.length;
    uint32_t offset = planar(v) ? plane.m.mem_offset : b.m.offset;
    if (bytes < frame_format_bytes(&v->format))
        return error_set(err, ERROR_IO, "%s: buffers of %zu bytes, a frame has %zu", v->path, bytes,
                         frame_format_bytes(&v->format));
    void *at = mmap(NULL, bytes, PROT_READ, MAP_SHARED, v->fd, (off_t)offset);
    if (at == MAP_FAILED)
        return error_errno(err, ERROR_MEMORY, "%s: cannot map buffer %u", v->path, index);
    v->mapped[index] = at;
    v->mapped_bytes[index] = bytes;
    v->buffer_count = index + 1;
    if (xioctl(v->fd, VIDIOC_QBUF, &b))
        return error_errno(err, ERROR_IO, "%s does not take buffer %u", v->path, index);
    return 0;
}

int video_start(struct video_device *v, struct error *err)
{
    struct v4l2_requestbuffers r = {.count = BUFFERS, .type = v->type, .memory = V4L2_MEMORY_MMAP};
    if (xioctl(v->fd, VIDIOC_REQBUFS, &r))
        return error_errno(err, errno == EBUSY ? ERROR_BUSY : ERROR_IO, "%s gives no buffers",
                           v->path);
    int rc =
        r.count < 2 ? error_set(err, ERROR_MEMORY, "%s gives %u buffers", v->path, r.count) : 0;
    for (unsigned i = 0; i < r.count && i < BUFFERS && !rc; i++)
        rc = map(v, i, err);
    if (!rc && xioctl(v->fd, VIDIOC_STREAMON, &v->type))
        rc = error_errno(err, ERROR_IO, "%s does not start", v->path);
    v->streaming = !rc;
    return rc;
}

static int failed(const struct video_device *v, const char *what, struct error *err)
{
    return error_errno(err, errno == ENODEV ? ERROR_MISSING : ERROR_IO, "%s %s", v->path, what);
}

int video_give_back(struct video_device *v, const struct video_frame *frame, struct error *err)
{
    struct v4l2_plane plane;
    struct v4l2_buffer b = buffer_of(v, frame->index, &plane);
    return xioctl(v->fd, VIDIOC_QBUF, &b) ? failed(v, "takes no buffer back", err) : 0;
}

/* A buffer if there is one: 1, 0 or an error. */
static int dequeue(struct video_device *v, struct video_frame *out, struct error *err)
{
    struct v4l2_plane plane;
    struct v4l2_buffer b = buffer_of(v, 0, &plane);
    if (xioctl(v->fd, VIDIOC_DQBUF, &b))
        return errno == EAGAIN ? 0 : failed(v, "gives no frame", err);
    if (b.index >= v->buffer_count)
        return error_set(err, ERROR_IO, "%s gives a buffer %u, there are %u", v->path, b.index,
                         v->buffer_count);
    bool monotonic = (b.flags & V4L2_BUF_FLAG_TIMESTAMP_MASK) == V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC;
    *out = (struct video_frame){
        .data = v->mapped[b.index],
        .timestamp_us = monotonic ? (int64_t)b.timestamp.tv_sec * 1000000 + b.timestamp.tv_usec
                                  : clock_mono_ns() / 1000,
        .start_of_frame = (b.flags & V4L2_BUF_FLAG_TSTAMP_SRC_MASK) == V4L2_BUF_FLAG_TSTAMP_SRC_SOE,
        .sequence = b.sequence,
        .index = b.index,
    };
    size_t used = planar(v) ? plane.bytesused : b.bytesused;
    if (!(b.flags & V4L2_BUF_FLAG_ERROR) && used >= frame_format_bytes(&v->format))
        return 1;
    return video_give_back(v, out, err);
}

int video_take(struct video_device *v, int timeout_ms, struct video_frame *out, struct error *err)
{
    int64_t until = clock_mono_ms() + timeout_ms;
    for (;;) {
        struct pollfd p = {.fd = v->fd, .events = POLLIN};
        int rc = dequeue(v, out, err);
        if (rc)
            return rc;
        int64_t left = until - clock_mono_ms();
        if (left <= 0)
            return 0;
        if (poll(&p, 1, (int)left) < 0 && errno != EINTR)
            return failed(v, "cannot be waited for", err);
        if (p.revents & POLLERR) { /* told at once, and again and again: not a reason to spin */
            rc = dequeue(v, out, err);
            return rc ? rc : error_set(err, ERROR_IO, "%s: the stream broke off", v->path);
        }
    }
}
