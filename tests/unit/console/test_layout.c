/* Tiles on terminals of every size: none outside, all seen where that can be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "station/console/layout.h"

static void test_tiles_stay_on_every_terminal(void **state)
{
    for (int count = 0; count <= 64; count++)
        for (int columns = 1; columns <= 240; columns++)
            for (int lines = -3; lines <= 90; lines++) {
                const struct layout l = layout_of((size_t)count, columns, lines);
                const int area = lines > 1 ? lines : 1;
                assert_in_range(l.across * l.tile_columns, 1, columns);
                assert_in_range(l.rows * l.tile_lines, 1, area);
            }
}

static void test_what_stations_have_is_seen_at_once(void **state)
{
    /* slots, terminal less head and foot, least height of a tile */
    static const int seen[][4] = {
        {1, 80, 20, 20}, {2, 80, 20, 20},  {4, 80, 20, 10},  {8, 80, 20, 6},
        {12, 80, 20, 5}, {4, 160, 41, 20}, {32, 160, 41, 5}, {48, 160, 41, 5},
    };
    for (size_t i = 0; i < sizeof seen / sizeof seen[0]; i++) {
        const struct layout l = layout_of((size_t)seen[i][0], seen[i][1], seen[i][2]);
        assert_true(l.across * l.rows >= seen[i][0]);
        assert_true(l.tile_lines >= seen[i][3]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tiles_stay_on_every_terminal),
        cmocka_unit_test(test_what_stations_have_is_seen_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
