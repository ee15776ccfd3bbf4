/* Streams an emulated camera's encoder made, whole and spoilt, as the station decodes them. */
#include "station/measure/chart.h"
#include "station/measure/coded.h"
#include "tests/unit/firmware/hal/emulator/rig.h"

static void record(const char *unit, enum camera_stream which, int duration_ms,
                   struct camera_recording *out)
{
    struct rig r;
    struct error err = {0};
    rig_start(&r, unit);
    /* A quarter of the pixels behind the same lens: encoding is what takes its time here. */
    r.board.sensor_width_px = 1152;
    r.board.sensor_height_px = 648;
    r.board.pixel_um = 5;
    rig_open(&r);
    atomic_store(&r.world->scene, WORLD_SCENE_CHART);
    atomic_store(&r.world->illuminance_lux, 500);
    assert_int_equal(r.hal.camera->stream(r.hal.camera_state, true, &err), 0);
    if (r.hal.camera->record(r.hal.camera_state, which, duration_ms, out, &err))
        fail_msg("%s", err.text);
    rig_end(&r);
}

static void recording_free(struct camera_recording *r)
{
    free(r->frames);
    free(r->data);
}

static void test_every_stream_is_decoded_and_shows_the_chart(void **state)
{
    static const struct {
        enum camera_stream which;
        int width_px;
        double unit_px;
    } streams[] = {{CAMERA_MAIN, 1152, 72}, {CAMERA_SUB, 640, 40}, {CAMERA_JPEG, 1152, 72}};
    for (size_t i = 0; i < 3; i++) {
        struct camera_recording r;
        struct coded c;
        struct error err = {0};
        float *luma = NULL;
        struct plane plane;
        struct chart chart;
        record("{\"boot_ms\":0}", streams[i].which, 400, &r);
        assert_int_equal(r.count, i == 0 ? 8 : i == 1 ? 6 : 1);
        if (coded_decode(r.type, r.data, r.bytes, &c, &err))
            fail_msg("%s", err.text);
        assert_int_equal(c.frames, r.count);
        assert_int_equal(c.broken, 0);
        assert_int_equal(c.width_px, streams[i].width_px);
        const struct nv12 f = coded_nv12(&c);
        assert_int_equal(nv12_plane(&f, &luma, &plane, &err), 0);
        if (chart_find(plane, &chart, &err))
            fail_msg("%s", err.text);
        print_message("%s: %zu frames, %.0f bits each, unit %.2f px\n", r.type, c.frames,
                      c.bits_a_frame, chart.unit_px);
        assert_true(fabs(chart.unit_px / streams[i].unit_px - 1) < 0.01);
        free(luma);
        coded_free(&c);
        recording_free(&r);
    }
}

static void test_a_bus_that_spoils_bytes_makes_broken_frames(void **state)
{
    struct camera_recording r;
    struct coded c;
    struct error err = {0};
    record("{\"boot_ms\":0,\"stream_errors_per_mb\":50}", CAMERA_MAIN, 500, &r);
    int rc = coded_decode(r.type, r.data, r.bytes, &c, &err);
    print_message("%zu bytes: %d, %zu whole, %zu broken\n", r.bytes, rc, c.frames, c.broken);
    assert_true(rc == ERROR_INPUT || c.broken > 0);
    coded_free(&c);
    recording_free(&r);
}

static void test_lost_frames_are_gaps_of_the_sequence(void **state)
{
    struct camera_recording r;
    record("{\"boot_ms\":0,\"dropped_per_1000\":300,\"seed\":5}", CAMERA_MAIN, 600, &r);
    uint32_t span = r.frames[r.count - 1].sequence - r.frames[0].sequence + 1;
    print_message("%zu frames of %u\n", r.count, span);
    assert_true(r.count < span);
    double period_us =
        (double)(r.frames[r.count - 1].timestamp_us - r.frames[0].timestamp_us) / (span - 1);
    assert_true(fabs(period_us / 50000 - 1) < 0.01); /* whatever this machine is doing beside */
    recording_free(&r);
}

static void test_what_is_no_stream_is_refused(void **state)
{
    static const uint8_t junk[100] = {1, 2, 3};
    struct coded c;
    struct error err = {0};
    assert_int_equal(coded_decode("video/h265", junk, sizeof junk, &c, &err), ERROR_INPUT);
    assert_int_equal(coded_decode("image/jpeg", junk, sizeof junk, &c, &err), ERROR_INPUT);
    assert_int_equal(coded_decode("video/x", junk, sizeof junk, &c, &err), ERROR_INPUT);
    assert_int_equal(coded_decode("video/h265", junk, 0, &c, &err), ERROR_INPUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_stream_is_decoded_and_shows_the_chart),
        cmocka_unit_test(test_a_bus_that_spoils_bytes_makes_broken_frames),
        cmocka_unit_test(test_lost_frames_are_gaps_of_the_sequence),
        cmocka_unit_test(test_what_is_no_stream_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
