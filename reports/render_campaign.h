/* What every page of a campaign draws, out of its document (campaign_summary.h): the data of its
 * charts. Only renderers include this. */
#ifndef TAKT_REPORTS_RENDER_CAMPAIGN_H
#define TAKT_REPORTS_RENDER_CAMPAIGN_H

#include "reports/render_kinds.h"

/* Takes a chart_course(): "chamber_c"; "%, change against the unit's own start". */
typedef void campaign_course_draw(void *context, const char *title, const char *beside,
                                  const cJSON *course);
/* Each condition, as commanded and as measured; returns how many there are. `draw` NULL counts. */
int campaign_conditions(const cJSON *campaign, campaign_course_draw *draw, void *context);
/* What a row of the document is of: a figure's name, or a condition's and whether it is "as
 * commanded" or "as measured". `conditions`: of campaign_condition_names(), the caller's. */
cJSON *campaign_condition_names(const cJSON *campaign);
void campaign_row_name(const cJSON *campaign, const cJSON *conditions, const cJSON *row,
                       int language, char *out, size_t size);
/* Each figure over time with its limits, a line a unit: against the unit's own start where it may
 * drift from that. Those of which there is nothing are left out. */
void campaign_courses(const cJSON *campaign, int language, campaign_course_draw *draw,
                      void *context);
/* How many units have a line: at most 40, the failed ones first. */
int campaign_units_drawn(const cJSON *campaign);
/* The data of chart_survival(), with the other campaign where it is compared. The caller's. */
cJSON *campaign_survival_chart(const cJSON *campaign);

/* Its tables, the same on every page. */
enum { CAMPAIGN_COLUMNS_MAX = 8, CAMPAIGN_CELL = 512 };
struct campaign_column {
    enum word head;
    double width; /* on paper, of 682 */
    bool number;  /* set to the right */
};
struct campaign_table {
    enum word heading; /* WORDS: none of its own */
    struct campaign_column columns[CAMPAIGN_COLUMNS_MAX];
    int count;
    /* A cJSON array or list; NULL or empty: no table, and no heading. */
    const cJSON *(*rows)(const cJSON *campaign);
    void (*row)(const cJSON *row, char cells[][CAMPAIGN_CELL]);
    /* What stands above it, after its heading; NULL: nothing. */
    void (*note)(const cJSON *campaign, int language, char *out, size_t size);
};
extern const struct campaign_table campaign_survival_table, campaign_comparison_table,
    campaign_causes_table, campaign_samples_table, campaign_figures_table, campaign_units_table,
    campaign_instruments_table, campaign_events_table;

/* Its tiles: how many, and each one's number and what stands beside its word. */
enum { CAMPAIGN_TILES_MAX = 5 };
struct campaign_tile {
    enum word label;
    double value;
    char beside[96];
};
int campaign_tiles(const cJSON *campaign, struct campaign_tile tiles[CAMPAIGN_TILES_MAX]);
/* What it was: facts with a word, hashes among them. */
struct campaign_fact {
    enum word name;
    const char *member;
    bool code;
};
extern const struct campaign_fact campaign_facts[]; /* ends with a NULL member */

#endif
