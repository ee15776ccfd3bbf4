/* The time mark in the streams of an emulated camera: what moves is told from what stands still,
 * whoever lets it stand, and FFmpeg's freezedetect says the same of the part of the picture where
 * the mark is. */
#include "station/measure/coded.h"
#include "tests/unit/firmware/hal/emulator/rig.h"

enum { STEP_MS = 20, FRAMES_MAX = 400 };

struct watched {
    struct rig rig;
    struct chart chart; /* in a raw frame */
    int width_px;
    struct mark_seen raw;
    struct camera_recording recording;
    struct mark_seen frames[FRAMES_MAX];
    struct mark_watch by_mark;
};

static void look(void *context, size_t number, const struct luma *luma)
{
    struct watched *w = context;
    assert_true(number < FRAMES_MAX);
    w->frames[number].count = mark_read(luma, &w->chart, w->width_px);
}

static void begin(struct watched *w, const char *unit)
{
    struct error err = {0};
    memset(w, 0, sizeof *w);
    rig_start(&w->rig, unit);
    /* A ninth of the pixels behind the same lens: encoding is what takes its time here. */
    w->rig.board.sensor_width_px = 768;
    w->rig.board.sensor_height_px = 432;
    w->rig.board.pixel_um = 7.5;
    rig_open(&w->rig);
    atomic_store(&w->rig.world->scene, WORLD_SCENE_CHART);
    atomic_store(&w->rig.world->illuminance_lux, 500);
    atomic_store(&w->rig.world->mark_lux, 250);
    atomic_store(&w->rig.world->mark_step_s, STEP_MS / 1000.0);
    assert_int_equal(w->rig.hal.camera->stream(w->rig.hal.camera_state, true, &err), 0);
}

static void look_at_raw(struct watched *w)
{
    struct error err = {0};
    struct camera_frame f;
    struct plane plane;
    float *luma;
    assert_int_equal(w->rig.hal.camera->capture(w->rig.hal.camera_state, &f, &err), 0);
    const struct nv12 frame = {f.data, f.bytes, (int)f.width_px, (int)f.height_px};
    const struct luma coded = {f.data, f.width_px, (int)f.width_px, (int)f.height_px};
    assert_int_equal(nv12_plane(&frame, &luma, &plane, &err), 0);
    if (chart_find(plane, &w->chart, &err))
        fail_msg("%s", err.text);
    w->width_px = frame.width_px;
    w->raw.time_ms = (double)f.timestamp_us / 1000;
    w->raw.count = mark_read(&coded, &w->chart, w->width_px);
    assert_int_not_equal(w->raw.count, MARK_UNREAD);
    w->rig.hal.camera->release(w->rig.hal.camera_state, &f);
    free(luma);
}

static void record(struct watched *w, enum camera_stream which, int duration_ms)
{
    struct error err = {0};
    struct coded coded;
    free(w->recording.frames);
    free(w->recording.data);
    if (w->rig.hal.camera->record(w->rig.hal.camera_state, which, duration_ms, &w->recording, &err))
        fail_msg("%s", err.text);
    for (size_t i = 0; i < w->recording.count; i++)
        w->frames[i] =
            (struct mark_seen){(double)w->recording.frames[i].timestamp_us / 1000, MARK_UNREAD};
    if (coded_watch(w->recording.type, w->recording.data, w->recording.bytes, look, w, &coded,
                    &err))
        fail_msg("%s", err.text);
    assert_int_equal(coded.frames, w->recording.count);
    coded_free(&coded);
    if (w->recording.count > 1 &&
        mark_watch(w->raw, w->frames, w->recording.count, STEP_MS, &w->by_mark, &err))
        fail_msg("%s", err.text);
    print_message("%s, %zu bytes: %zu read, %zu not, %zu frozen, %.1f %%, longest %.0f ms\n",
                  w->recording.type, w->recording.bytes, w->by_mark.read, w->by_mark.unread,
                  w->by_mark.frozen, w->by_mark.frozen_percent, w->by_mark.frozen_longest_ms);
}

static double late_ms(const struct watched *w)
{
    assert_int_not_equal(w->frames[0].count, MARK_UNREAD);
    return mark_late_ms(w->raw, w->frames[0], STEP_MS);
}

static void end(struct watched *w)
{
    free(w->recording.frames);
    free(w->recording.data);
    rig_end(&w->rig);
}

static void moves(struct watched *w)
{
    assert_int_equal(w->by_mark.unread, 0);
    assert_int_equal(w->by_mark.frozen, 0);
    assert_true(w->by_mark.frozen_percent == 0 && w->by_mark.frozen_longest_ms == 0);
}

/* The longest time that FFmpeg says the rows with the mark stood still, from the frame that stayed
 * to the last one like it. Two frames or more: one alone lasts as long as any frame. */
static double freezedetect_ms(const struct watched *w, double rate_hz)
{
    char path[128], command[512], line[512];
    double longest_ms = 0, s;
    snprintf(path, sizeof path, "%s/seen.h265", w->rig.folder);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(w->recording.data, 1, w->recording.bytes, f), w->recording.bytes);
    fclose(f);
    snprintf(command, sizeof command,
             "ffmpeg -nostdin -hide_banner -framerate %g -i %s -vf "
             "'crop=in_w*0.45:in_h*0.1:in_w*0.275:in_h*0.04,freezedetect=n=0.004:d=%g,"
             "metadata=print:file=-' -f null - 2>/dev/null",
             rate_hz, path, 1.5 / rate_hz);
    assert_non_null(f = popen(command, "r"));
    while (fgets(line, sizeof line, f)) {
        const char *at = strstr(line, "freeze_duration=");
        if (at && sscanf(at, "freeze_duration=%lf", &s) == 1)
            longest_ms = fmax(longest_ms, (s - 1 / rate_hz) * 1000);
    }
    assert_int_equal(pclose(f), 0);
    unlink(path);
    print_message("FFmpeg: %.0f ms\n", longest_ms);
    return longest_ms;
}

static void test_streams_of_a_good_unit_move(void **state)
{
    struct watched w;
    begin(&w, "{\"boot_ms\":0}");
    look_at_raw(&w);
    record(&w, CAMERA_MAIN, 1000);
    moves(&w);
    assert_true(freezedetect_ms(&w, 20) == 0);
    record(&w, CAMERA_SUB, 1000);
    moves(&w);
    record(&w, CAMERA_JPEG, 0);
    print_message("JPEG: %.0f ms late\n", late_ms(&w));
    assert_true(fabs(late_ms(&w)) <= STEP_MS);
    end(&w);
}

static void test_few_bits_are_not_taken_for_a_standstill(void **state)
{
    struct watched w;
    begin(&w, "{\"boot_ms\":0,\"encoder_rate\":0.05}");
    look_at_raw(&w);
    record(&w, CAMERA_MAIN, 1000);
    moves(&w);
    record(&w, CAMERA_SUB, 1000);
    moves(&w);
    end(&w);
}

static void test_lost_frames_are_not_frozen(void **state)
{
    struct watched w;
    begin(&w, "{\"boot_ms\":0,\"dropped_per_1000\":500,\"seed\":5}");
    look_at_raw(&w);
    record(&w, CAMERA_MAIN, 1000);
    assert_true(w.recording.count < 20);
    moves(&w);
    end(&w);
}

static void test_a_sensor_and_an_encoder_that_stand_for_400_ms_do(void **state)
{
    static const char *const units[] = {
        "{\"boot_ms\":0,\"sensor_freeze_ms\":400,\"freeze_every_ms\":1000}",
        "{\"boot_ms\":0,\"encoder_freeze_ms\":400,\"freeze_every_ms\":1000,\"encoder_rate\":0.05}"};
    for (size_t i = 0; i < 2; i++) {
        struct watched w;
        begin(&w, units[i]);
        look_at_raw(&w);
        /* Two of its times: one standstill is there as a whole wherever the watch begins. Exposure
         * control moves the middle of an exposure a little. */
        record(&w, CAMERA_MAIN, 2000);
        assert_int_equal(w.by_mark.frozen, 16);
        assert_true(w.by_mark.frozen_percent == 40);
        assert_true(fabs(w.by_mark.frozen_longest_ms - 400) < 0.5);
        assert_true(fabs(freezedetect_ms(&w, 20) - 400) < 0.01);
        record(&w, CAMERA_SUB, 1000);
        assert_int_equal(w.by_mark.frozen, 6);
        end(&w);
    }
}

static void test_an_encoder_that_stands_still_all_the_time(void **state)
{
    struct watched w;
    begin(&w, "{\"boot_ms\":0,\"encoder_freeze_ms\":5000}");
    look_at_raw(&w);
    record(&w, CAMERA_MAIN, 1000);
    assert_int_equal(w.by_mark.frozen, 19);
    record(&w, CAMERA_JPEG, 0);
    print_message("JPEG: %.0f ms late\n", late_ms(&w));
    assert_true(late_ms(&w) > 900);
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_streams_of_a_good_unit_move),
        cmocka_unit_test(test_few_bits_are_not_taken_for_a_standstill),
        cmocka_unit_test(test_lost_frames_are_not_frozen),
        cmocka_unit_test(test_a_sensor_and_an_encoder_that_stand_for_400_ms_do),
        cmocka_unit_test(test_an_encoder_that_stands_still_all_the_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
